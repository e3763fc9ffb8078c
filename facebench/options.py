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
