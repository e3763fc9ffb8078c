"""The options that trainers have in common."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from facebench.options import seed_option

Command = TypeVar("Command", bound=Callable[..., Any])
POSITIVE = click.IntRange(min=1)
STEPS_HELP = (
    "Training steps. With another number alone a run that is there ends earlier or later: it goes "
    "on from its newest checkpoint that is not after it."
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


def trainer_options(command: Command) -> Command:
    """Add the options that every trainer has: ``--data``, ``--out`` and ``--seed``."""
    folder = click.Path(path_type=Path, file_okay=False)
    for option in (
        seed_option("Random seed."),
        click.option(
            "--out", type=folder, required=True, metavar="DIR", help="Folder of the run to write."
        ),
        click.option(
            "--data", type=folder, required=True, metavar="DIR", help="Prepared data set to learn."
        ),
    ):
        command = option(command)
    return command


def plan_options(unit: str = "steps", **defaults: int) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of :class:`Plan`, and hands over a ``plan``."""
    plan = Plan(**defaults)  # type: ignore[arg-type]

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_plan(**options: Any) -> Any:
            chosen = {field.name: options.pop(field.name) for field in fields(Plan)}
            return command(plan=Plan(**chosen), **options)

        decorated: Any = with_plan
        for option in reversed(_options(plan, unit)):
            decorated = option(decorated)
        return decorated

    return decorate


def _options(plan: Plan, unit: str) -> list[Callable[[Any], Any]]:
    def every(name: str, default: int, what: str) -> Callable[[Any], Any]:
        help_text = f"{what} every so many {unit}."
        return click.option(
            name, default=default, show_default=True, type=POSITIVE, metavar="INT", help=help_text
        )

    return [
        every("--log-every", plan.log_every, "Log the losses"),
        every("--grid-every", plan.grid_every, "Draw the control grid, 36 fixed latents,"),
        every(
            "--checkpoint-every", plan.checkpoint_every, "Score the samples and keep a checkpoint"
        ),
        click.option(
            "--checkpoint-minutes",
            default=plan.checkpoint_minutes,
            show_default=True,
            type=click.FloatRange(min=0, min_open=True),
            metavar="FLOAT",
            help="Keep a checkpoint after so many minutes without one.",
        ),
        click.option(
            "--resume/--restart",
            default=plan.resume,
            show_default=True,
            help="Go on from the newest checkpoint in --out, or begin anew.",
        ),
        click.option(
            "--export",
            default=plan.export,
            show_default=True,
            type=click.Choice(["last", "best"]),
            help="Which weights become the model: those of the last step, or of the checkpoint "
            "with the best score. Scores are of a tenth of the training images, 256 at most, which "
            "are held back from training; the hold-out is left to `facebench eval`. Of fewer than "
            "20 images none are held back, and the score is of those that are learnt.",
        ),
    ]
