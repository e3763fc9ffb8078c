"""The end of a run: its model, animation, chart and ``README.md``, and where each lies."""

import os
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from facebench.files import write_text
from facebench.training.animation import save_animation
from facebench.training.charts import Curve, Number, save_chart
from facebench.training.learner import Learner
from facebench.training.options import Plan
from facebench.training.run import Run

_TITLES = {"dcgan": "DCGAN", "vae": "VAE", "pca": "Eigenfaces"}
_UNCHARTED = {"step", "seconds"}
_HELD_BACK = "Scores are of {:,} more training images, which it did not learn."
_LEARNT = "Scores are of the images that it learnt: there were too few to hold any back."
_PICTURES = {".png", ".gif", ".svg"}


def command_line() -> str:
    """Return the command that this process is, as a user would type it."""
    return shlex.join(["facebench", *sys.argv[1:]])


def finish(run: Run, learner: Learner, chosen: str) -> None:
    """Write what a finished run has beside its checkpoints, the model last; say where it lies."""
    places = {"Samples": run.samples / "final.png"}
    for animation in save_animation(run.grids(), run.samples / "training"):
        places[animation.suffix[1:].upper()] = animation
    curves = _curves(run)
    charted = {name: curve for name, curve in curves.items() if len(curve) > 1} or curves
    places["Losses"] = save_chart(charted, run.folder / "losses.svg")
    places |= {"Log": run.metrics_path, "Events": run.folder}
    places |= {"README": _write_readme(run, chosen, curves), "Model": run.model_path}
    learner.save(run.model_path)  # last, for a run that has its model is finished
    width = max(map(len, places)) + 2
    for name, place in places.items():
        click.echo(f"{name + ':':<{width}}{place}")


def choose(run: Run, learner: Learner, plan: Plan) -> str:
    """Restore the weights to be exported; return a sentence that says which."""
    best = run.checkpoints.best()
    last = learner.steps
    if best is None or best.step == last:
        return f"The model is that of step {last}, the last one, which has the best score too."
    if plan.export == "best":
        learner.restore(best.read())
        return f"The model is that of step {best.step}, which has the best score."
    return f"The model is that of step {last}, the last one; step {best.step} has the best score."


def _curves(run: Run) -> dict[str, list[tuple[Number, Number]]]:
    """Return (step, value) pairs of everything that was logged, by name."""
    found: dict[str, list[tuple[Number, Number]]] = {}
    for line in run.history():
        for name, value in line.items():
            if name not in _UNCHARTED:
                found.setdefault(name, []).append((line["step"], value))
    return found


def _write_readme(run: Run, chosen: str, curves: Mapping[str, Curve]) -> Path:
    """Write what the run is: its command, time, options, pictures and last numbers."""
    seconds = max((line.get("seconds", 0.0) for line in run.history()), default=0.0)
    adapter = str(run.config["adapter"])
    pictures = [path for path in sorted(run.samples.glob("*.*")) if path.suffix in _PICTURES]
    sections = [
        f"# {_TITLES.get(adapter, adapter)} on {run.dataset.name}",
        f"```\n{command_line()}\n```",
        f"{len(run.images):,} images of {run.dataset.size}×{run.dataset.size}, trained in "
        f"{_duration(seconds)} on {os.cpu_count()} cores ({platform.machine()}). {chosen} "
        + (_HELD_BACK.format(count) if (count := run.config["held_back"]) else _LEARNT),
        _table({name: f"{curve[-1][1]:.6g}" for name, curve in curves.items()}, "last value"),
        *(
            f"## {path.stem.capitalize()}\n\n![{path.stem}](samples/{path.name})"
            for path in pictures
            if not path.stem.startswith("step-")
        ),
        "## Losses\n\n![losses](losses.svg)",
        "## Options\n\n" + _table({name: str(value) for name, value in run.config.items()}, ""),
    ]
    target = run.folder / "README.md"
    write_text(target, "\n\n".join(sections) + "\n")
    return target


def _table(rows: Mapping[str, str], heading: str) -> str:
    lines = [f"| `{name}` | {value} |" for name, value in rows.items()]
    return "\n".join([f"| | {heading} |", "|---|---|", *lines])


def _duration(seconds: int | float) -> str:
    """Return a time as a person says it.

    >>> _duration(42.4), _duration(754)
    ('42 seconds', '12.6 minutes')
    """
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.1f} minutes"
