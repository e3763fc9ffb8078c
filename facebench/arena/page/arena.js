// One question after the other. What a picture is of, this page never learns.
"use strict";

const PAIR = {
  title: "Which looks more like a photograph?",
  pictures: [["left", "Left picture"], ["right", "Right picture"]],
  answers: [
    ["left", "Left", "ArrowLeft", "←"],
    ["right", "Right", "ArrowRight", "→"],
    ["tie", "Cannot tell", "ArrowUp", "↑"],
    ["skip", "Skip", "ArrowDown", "↓"],
  ],
};
const SINGLE = {
  title: "Is this a photograph?",
  pictures: [["left", "The picture"]],
  answers: [
    ["real", "A photograph", "ArrowLeft", "←"],
    ["generated", "Generated", "ArrowRight", "→"],
    ["skip", "Skip", "ArrowDown", "↓"],
  ],
};
const PAUSE = 1500; // ms before what failed is tried again

const place = (id) => document.getElementById(id);
let question = null; // what is asked, and since when all of it is seen; null while nothing is

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function say(text, isTrouble = false) {
  place("said").textContent = text;
  place("said").classList.toggle("trouble", isTrouble);
}

const later = () => new Promise((resolve) => setTimeout(resolve, PAUSE));

/** Ask until there is an answer: a server that was stopped may come back. */
async function insist(address, options) {
  for (;;) {
    try {
      const answer = await fetch(address, options);
      if (answer.ok) return await answer.json();
      if (answer.status < 500) return null; // it will not have it: what is asked has changed
    } catch { /* nobody listens there now */ }
    say("The server does not answer. Your vote is kept here, and sent as soon as it does.", true);
    await later();
  }
}

async function ask() {
  const next = await insist("question");
  if (!next) return say("The server refuses this page: open the address that it printed.", true);
  const kind = next.pictures === 2 ? PAIR : SINGLE;
  const images = kind.pictures.map(([side, alt]) => {
    const image = element("img", { alt, draggable: false });
    image.src = `picture/${next.token}/${side}`;
    return image;
  });
  draw(kind, images);
  try {
    await Promise.all(images.map((image) => image.decode()));
  } catch {
    say("The pictures cannot be loaded: another try in a moment.", true);
    await later();
    return ask();
  }
  place("pictures").classList.remove("waiting");
  ready(true);
  say(next.answered ? `Answered so far: ${next.answered}` : "Answer by a button, by touching a picture, or by the arrow keys.");
  question = { token: next.token, answers: kind.answers, since: performance.now() };
}

function draw(kind, images) {
  place("pictures").classList.add("waiting");
  place("pictures").replaceChildren(...images.map((image, i) => frame(kind, image, kind.pictures[i][0])));
  if (place("question").textContent === kind.title) return; // the buttons are the same: the focus stays
  place("question").textContent = kind.title;
  place("answers").replaceChildren(...kind.answers.map(([answer, text, , sign]) =>
    element("button", { type: "button", onclick: () => vote(answer) }, text, element("kbd", { ariaHidden: "true" }, sign))));
}

/** A picture of a pair is pressed to prefer it; by keyboard there are the buttons below. */
function frame(kind, image, side) {
  if (kind === SINGLE) return element("div", { className: "picture" }, image);
  return element("button", { type: "button", className: "picture", tabIndex: -1, onclick: () => vote(side) }, image);
}

function ready(is) {
  for (const button of place("answers").children) button.setAttribute("aria-disabled", String(!is));
}

async function vote(answer) {
  if (!question) return; // none is seen yet, or its answer is on its way
  const { token, since } = question;
  question = null;
  ready(false);
  const milliseconds = Math.round(performance.now() - since);
  const headers = { "Content-Type": "application/json" };
  await insist("vote", { method: "POST", headers, body: JSON.stringify({ token, answer, milliseconds }) });
  await ask();
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const chosen = question?.answers.find(([, , key]) => key === event.key);
  if (!chosen) return;
  event.preventDefault(); // nothing scrolls by it meanwhile
  vote(chosen[0]);
});

ask();
