"""The options that trainers have in common."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import click

from facebench.options import (
    POSITIVE,
    Decorator,
    FiniteRange,
    choice,
    number,
    option_group,
    seed_option,
)

_FOLDER = click.Path(path_type=Path, file_okay=False)
_EXPORT = (
    "Which weights become the model: those of the last step, or of the checkpoint with the best "
    "score. Scores are of a tenth of the training images, 256 at most, which are held back from "
    "training; the hold-out is left to `facebench {evaluate}`. Of fewer than 20 images none are "
    "held back, and the score is of those that are learnt."
)
_KEEP = (
    "Which checkpoints stay beside the newest: the one with the best score, or all, each as large "
    "as whatever training needs to go on. facebench {evaluate} --models 'OUT@*' puts them on one "
    "board."
)


@dataclass(frozen=True)
class Plan:
    """How a run is watched and kept: nothing of it changes what is learnt."""

    log_every: int = 50
    grid_every: int = 500
    checkpoint_every: int = 500
    checkpoint_minutes: float = 10
    resume: bool = True
    export: Literal["last", "best"] = "last"
    keep_checkpoints: Literal["best", "all"] = "best"


def data_options(what: str) -> Decorator:
    """Return the options that say from where to where; `what` is learnt."""
    return option_group(
        click.option(
            "--data", type=_FOLDER, required=True, metavar="DIR", help=f"{what} to learn."
        ),
        click.option(
            "--out", type=_FOLDER, required=True, metavar="DIR", help="Folder of the run to write."
        ),
        seed_option("Random seed."),
    )


trainer_options = data_options("Prepared data set")
"""The options that every trainer has: ``--data``, ``--out`` and ``--seed``."""


_A_YEAR = 365 * 24 * 60
minutes_option = number(
    "--minutes",
    None,
    "Train for so long at most: how many steps fit in, up to --steps, is measured first. Slow "
    "machines train less, not longer. Loading before and the last pictures after come on top.",
    FiniteRange(0, _A_YEAR, min_open=True),
)
"""``--minutes`` of training, without what comes before and after."""


def steps_option(default: int) -> Decorator:
    """Return ``--steps`` of a trainer that takes `default` if none are given, and ``--minutes``."""
    steps = number(
        "--steps",
        default,
        "Training steps. With another number alone a run that is there ends earlier or later: it "
        "goes on from its newest checkpoint that is not after it.",
    )
    return option_group(steps, minutes_option)


def plan_options(
    unit: str = "steps", shown: str = "fixed latents", evaluate: str = "eval", **defaults: int
) -> Decorator:
    """Return a decorator that adds the options of :class:`Plan`, and hands over a ``plan``.

    Args:
        unit: what training is counted in.
        shown: what the control grid is of.
        evaluate: the command that scores such models.
        defaults: of the options.
    """

    def decorate(command: Callable[..., Any]) -> Any:
        @_options(Plan(**defaults), unit, shown, evaluate)  # type: ignore[arg-type]
        @wraps(command)
        def with_plan(**given: Any) -> Any:
            chosen = {field.name: given.pop(field.name) for field in fields(Plan)}
            return command(plan=Plan(**chosen), **given)

        return with_plan

    return decorate


def _options(plan: Plan, unit: str, shown: str, evaluate: str) -> Decorator:
    every = f"every so many {unit}."
    return option_group(
        number("--log-every", plan.log_every, f"Log the losses {every}"),
        number("--grid-every", plan.grid_every, f"Draw the control grid, 36 {shown}, {every}"),
        number(
            "--checkpoint-every",
            plan.checkpoint_every,
            f"Score the samples and keep a checkpoint {every}",
        ),
        number(
            "--checkpoint-minutes",
            plan.checkpoint_minutes,
            "Keep a checkpoint after so many minutes without one.",
            POSITIVE,
        ),
        click.option(
            "--resume/--restart",
            default=plan.resume,
            show_default=True,
            help="Go on from the newest checkpoint in --out, or begin anew.",
        ),
        choice("--export", ["last", "best"], _EXPORT.format(evaluate=evaluate)),
        choice("--keep-checkpoints", ["best", "all"], _KEEP.format(evaluate=evaluate)),
    )
