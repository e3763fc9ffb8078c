"""Options that commands of the core and of plug-ins have in common."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def seed_option(help_text: str) -> Callable[[Command], Command]:
    """Return the ``--seed`` of every command; NumPy and Keras take 32 bits."""
    return click.option(
        "--seed",
        default=0,
        show_default=True,
        type=click.IntRange(0, 2**32 - 1),
        metavar="INT",
        help=help_text,
    )


def limit_options(command: Command) -> Command:
    """Add ``--time-limit`` and ``--memory-limit`` of a model's process."""
    positive = click.FloatRange(0, min_open=True)
    for option in (
        click.option(
            "--memory-limit",
            type=positive,
            metavar="GIB",
            help="A model whose processes hold more has failed.  "
            "[default: three quarters of what is here]",
        ),
        click.option(
            "--time-limit",
            default=1800,
            show_default=True,
            type=positive,
            metavar="SECONDS",
            help="A model that gives no batch for as long has failed.",
        ),
    ):
        command = option(command)
    return command
