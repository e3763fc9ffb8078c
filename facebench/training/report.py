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
from facebench.training.charts import save_chart
from facebench.training.curves import Logged, curves_of
from facebench.training.learner import Learner, TranslatorLearner
from facebench.training.options import Plan
from facebench.training.run import Run

_TITLES = {
    "dcgan": "DCGAN",
    "vae": "VAE",
    "pca": "Eigenfaces",
    "flow": "Flow",
    "pix2pix": "pix2pix",
}
_HELD_BACK = "Scores are of {:,} more training images, which it did not learn."
_LEARNT = "Scores are of the images that it learnt: there were too few to hold any back."
_SCORE = "score"
_SCORED = (
    "Of every checkpoint. `score`, the {}, is what the best is chosen by. "
    "The others are distances of the package's own features, with 95 % intervals, of as many "
    "images a side as stands behind the @: no FID, and comparable within this run only."
)
_SCORES = {True: "mean absolute error in grey levels", False: "sliced Wasserstein distance"}
"""Of translators, and of samplers."""
_PICTURES = {".png", ".gif", ".svg"}


def command_line() -> str:
    """Return the command that this process is, as a user would type it."""
    return shlex.join(["facebench", *sys.argv[1:]])


def finish(run: Run, learner: Learner, chosen: str) -> None:
    """Write what a finished run has beside its checkpoints, the model last; say where it lies."""
    places = {"Samples": run.samples / "final.png"}
    for animation in save_animation(run.grids(), run.samples / "training"):
        places[animation.suffix[1:].upper()] = animation
    curves = curves_of(run.history())
    scores = {name: each for name, each in curves.items() if name == _SCORE or "@" in name}
    losses = {name: each for name, each in curves.items() if name not in scores}
    places["Losses"] = _save_curves(losses, run.folder / "losses.svg")
    places["Scores"] = _save_curves(scores, run.folder / "scores.svg")
    places |= {"Log": run.metrics_path, "Events": run.folder}
    places |= {"README": _write_readme(run, learner, chosen, curves), "Model": run.model_path}
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


def _save_curves(curves: Mapping[str, Logged], target: Path) -> Path:
    """Draw all that have more than one point, or those that there are."""
    drawn = {name: each for name, each in curves.items() if len(each.curve) > 1} or curves
    bands = {name: each.band for name, each in drawn.items()}
    return save_chart({name: each.curve for name, each in drawn.items()}, target, bands=bands)


def _write_readme(run: Run, learner: Learner, chosen: str, curves: Mapping[str, Logged]) -> Path:
    """Write what the run is: its command, time, options, pictures and last numbers."""
    seconds = max((line.get("seconds", 0.0) for line in run.history()), default=0.0)
    adapter, score = str(run.config["adapter"]), _SCORES[isinstance(learner, TranslatorLearner)]
    pictures = [path for path in sorted(run.samples.glob("*.*")) if path.suffix in _PICTURES]
    sections = [
        f"# {_TITLES.get(adapter, adapter)} on {run.dataset.name}",
        f"```\n{command_line()}\n```",
        f"{len(run.images):,} images of {run.dataset.size}×{run.dataset.size}, trained in "
        f"{_duration(seconds)} on {os.cpu_count()} cores ({platform.machine()}). {chosen} "
        + (_HELD_BACK.format(count) if (count := run.config["held_back"]) else _LEARNT),
        _table({name: _last(each) for name, each in curves.items()}, "last value"),
        *(
            f"## {path.stem.capitalize()}\n\n![{path.stem}](samples/{path.name})"
            for path in pictures
            if not path.stem.startswith("step-")
        ),
        "## Losses\n\n![losses](losses.svg)",
        f"## Scores\n\n{_SCORED.format(score)}\n\n![scores](scores.svg)",
        "## Options\n\n" + _table({name: str(value) for name, value in run.config.items()}, ""),
    ]
    target = run.folder / "README.md"
    write_text(target, "\n\n".join(sections) + "\n")
    return target


def _table(rows: Mapping[str, str], heading: str) -> str:
    lines = [f"| `{name}` | {value} |" for name, value in rows.items()]
    return "\n".join([f"| | {heading} |", "|---|---|", *lines])


def _last(logged: Logged) -> str:
    """Return the last value, and its interval where it has one."""
    ends = "".join(f" ({low:.4g} – {high:.4g})" for _, low, high in logged.band[-1:])
    return f"{logged.curve[-1][1]:.6g}{ends}"


def _duration(seconds: int | float) -> str:
    """Return a time as a person says it.

    >>> _duration(42.4), _duration(754)
    ('42 seconds', '12.6 minutes')
    """
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.1f} minutes"
