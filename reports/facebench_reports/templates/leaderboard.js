/* What the board does beyond being read: sort, filter, compare, enlarge, plot. It computes nothing:
   every number and every text was put into the page when it was written. */
"use strict";

const parse = (id) => JSON.parse(document.getElementById(id).textContent);

/* Sorting: by the numbers in full, never by their texts; what is missing comes last either way. */

function sortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, index) => {
    heading.querySelector(".sort").addEventListener("click", () => {
      const best = heading.dataset.better === "higher" ? "descending" : "ascending";
      const worst = best === "ascending" ? "descending" : "ascending";
      const order = heading.getAttribute("aria-sort") === best ? worst : best;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      table.querySelectorAll("tbody.rows").forEach((body) => sort(body, index, order));
    });
  });
}

function sort(body, index, order) {
  const sign = order === "ascending" ? 1 : -1;
  const value = (row) => row.cells[index].dataset.value;
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const difference = a - b;
    return sign * (Number.isNaN(difference) ? a.localeCompare(b) : difference);
  };
  const rows = [...body.querySelectorAll("tr[data-model]")];
  body.append(...rows.sort((a, b) => compare(value(a), value(b))));
}

/* Filtering */

function filterable(board) {
  const controls = board.querySelector(".filters");
  if (!controls) return;
  const [find, adapter, checks] = ["find", "adapter", "checks"].map((name) =>
    controls.querySelector(`.${name}`));
  const rows = [...board.querySelectorAll("table.scores tr[data-model]")];
  const ranked = rows.filter((row) => row.closest("table.ranked"));
  const update = () => {
    const wanted = find.value.trim().toLowerCase();
    const isShown = (row) => row.dataset.model.toLowerCase().includes(wanted)
      && (row.classList.contains("sanity")
        ? !checks || checks.checked
        : !adapter || !adapter.value || adapter.value === row.dataset.adapter);
    rows.forEach((row) => { row.hidden = !isShown(row); });
    board.querySelectorAll("tr.heading").forEach((heading) => {
      heading.hidden = ![...heading.parentElement.rows].some((row) => row !== heading && !row.hidden);
    });
    const left = ranked.filter((row) => !row.hidden).length;
    controls.querySelector(".count").textContent =
      left === ranked.length ? "" : `${left} of ${ranked.length} rows`;
  };
  controls.addEventListener("input", update);
  update();
}

/* Comparing two models: the first against the second was written down, the reverse is its mirror. */

const mirrored = (text) => {
  if (text.startsWith("−")) return text.slice(1);
  return /[1-9]/.test(text) ? `−${text}` : text;
};

function reversed([metric, first, second, difference, interval, p, verdict, decided]) {
  const ends = interval.split(" to ").map(mirrored).reverse();
  return [metric, second, first, mirrored(difference), interval && ends.join(" to "), p, verdict,
    decided];
}

function comparable(board, data) {
  const place = board.querySelector(".compare");
  if (!place) return;
  const [first, second] = ["first", "second"].map((name) => place.querySelector(`select.${name}`));
  const body = place.querySelector("tbody");
  const update = () => {
    const [a, b] = [Number(first.value), Number(second.value)];
    const lines = a < b ? data.pairs[`${a},${b}`] : (data.pairs[`${b},${a}`] ?? []).map(reversed);
    const text = a === b ? "Choose two different models." : "They have no metric in common.";
    body.replaceChildren(...(lines?.length ? lines.map(difference) : [sentence(text)]));
  };
  place.addEventListener("input", update);
  update();
}

function difference([metric, ...texts]) {
  const decided = texts.pop();
  const row = document.createElement("tr");
  row.append(cell("th", metric, "name"));
  row.append(...texts.map((text, i) => cell("td", text, i === texts.length - 1 ? "verdict" : "")));
  row.firstChild.scope = "row";
  row.classList.toggle("decided", decided);
  return row;
}

function sentence(text) {
  const row = document.createElement("tr");
  row.append(cell("td", text, "name"));
  row.firstChild.colSpan = 7;
  return row;
}

function cell(tag, text, name) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = name;
  return made;
}

/* Cards: below the button that opens them, within the window */

function placed(card) {
  card.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    const button = document.querySelector(`[popovertarget="${card.id}"]`).getBoundingClientRect();
    const left = Math.min(button.left, document.documentElement.clientWidth - card.offsetWidth - 12);
    const below = button.bottom + 8;
    const fits = below + card.offsetHeight < innerHeight;
    card.style.left = `${Math.max(12, left)}px`;
    card.style.top = `${Math.max(12, fits ? below : button.top - card.offsetHeight - 8)}px`;
  });
}

/* Enlarging */

function enlargeable() {
  const dialog = document.querySelector("dialog.lightbox");
  const [image, text] = [dialog.querySelector("img"), dialog.querySelector("p")];
  document.querySelectorAll("button.enlarge").forEach((button) => {
    button.addEventListener("click", () => {
      const small = button.querySelector("img");
      const across = (innerWidth - 48) / small.naturalWidth;
      const factor = Math.min(across, Math.max(1, (innerHeight - 128) / small.naturalHeight));
      image.src = small.src;
      image.alt = small.alt;
      image.width = small.naturalWidth * (factor > 1 ? Math.floor(factor) : factor);
      text.textContent = button.closest("figure").querySelector("figcaption").textContent;
      dialog.showModal();
    });
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.className === "close") dialog.close();
  });
}

/* Plots: drawn when they come near, and all of them before the page is printed */

const config = parse("theme");
const drawn = new WeakSet();

function draw(canvas) {
  if (drawn.has(canvas) || canvas.clientWidth === 0) return;
  drawn.add(canvas);
  const { spec, height } = canvas.panel;
  const whole = {
    ...spec, config, width: "container", height,
    autosize: { type: "fit", contains: "padding", resize: false },
  };
  const options = {
    actions: false, ast: true, defaultStyle: false, renderer: "svg", mode: "vega-lite",
    tooltip: { theme: "board", disableDefaultStyle: true },
  };
  vegaEmbed(canvas, whole, options).then(() => {
    canvas.querySelector("svg").setAttribute("aria-hidden", "true"); // the canvas has its name
  });
}

const nearby = new IntersectionObserver((entries) => {
  entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target));
}, { rootMargin: "600px" });

function plotted(board, data) {
  board.querySelectorAll("figure.plot").forEach((figure) => {
    const panels = data.figures[figure.dataset.figure];
    figure.querySelectorAll(".canvas").forEach((canvas, index) => {
      canvas.panel = panels[index];
      nearby.observe(canvas);
    });
    figure.querySelector(".order")?.addEventListener("input", (event) => {
      reorder(figure, data.orders[event.target.value]);
    });
  });
}

function reorder(figure, names) {
  figure.querySelectorAll(".canvas").forEach((canvas) => {
    canvas.panel.spec.layer.forEach(({ encoding }) => { if (encoding.y) encoding.y.sort = names; });
    drawn.delete(canvas);
    draw(canvas);
  });
}

addEventListener("beforeprint", () => document.querySelectorAll(".canvas").forEach(draw));

/* All of it, board by board */

document.querySelectorAll("section.board").forEach((board) => {
  const data = parse(`data-${board.dataset.board}`);
  board.querySelectorAll("table.scores").forEach(sortable);
  filterable(board);
  comparable(board, data);
  plotted(board, data);
});
document.querySelectorAll("[popover].card").forEach(placed);
enlargeable();
