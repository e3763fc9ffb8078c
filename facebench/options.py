"""Options that commands of the core and of plug-ins have in common, and short ways to make more."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import click

Decorator = Callable[[Any], Any]


class FiniteRange(click.FloatRange):
    """Click's FloatRange, which nan passes; here numbers are finite, and float32 can hold them."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the number, or refuse it."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        if number and not _TINY <= abs(number) <= _LARGEST:
            self.fail(f"{value} is beyond what is computed with.", param, ctx)
        return number


_TINY, _LARGEST = 1e-38, 3e38
COUNT = click.IntRange(1)
POSITIVE = FiniteRange(0, min_open=True)


def number(
    name: str,
    default: int | float | None,
    help_text: str,
    kind: Any = COUNT,
    metavar: str = "",
    show_default: bool | str = True,
) -> Decorator:
    """Return the option `name` that takes a number of `kind`: click's IntRange, or FiniteRange."""
    return click.option(
        name,
        default=default,
        show_default=show_default,
        type=kind,
        metavar=metavar or ("INT" if isinstance(kind, click.IntRange) else "FLOAT"),
        help=help_text,
    )


def choice(
    name: str, values: Sequence[str], help_text: str, show_default: str | bool = True
) -> Decorator:
    """Return the option `name` that takes one of `values`, by default the first."""
    kind = click.Choice(values)
    return click.option(
        name, default=values[0], show_default=show_default, type=kind, help=help_text
    )


def option_group(*decorators: Decorator) -> Decorator:
    """Return a decorator that adds them all, in the order in which help shall show them."""

    def decorate(command: Any) -> Any:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def seed_option(help_text: str) -> Decorator:
    """Return the ``--seed`` of every command; NumPy and Keras take 32 bits."""
    return number("--seed", 0, help_text, click.IntRange(0, 2**32 - 1))


device_option = click.option(
    "--device", metavar="DEVICE", help="Torch device.  [default: a GPU if there is one]"
)
"""Of every command that draws or scores, see :func:`facebench.distributed.device.find_device`."""

limit_options = option_group(
    number(
        "--time-limit",
        1800,
        "A model that gives no batch for as long has failed.",
        POSITIVE,
        metavar="SECONDS",
    ),
    number(
        "--memory-limit",
        None,
        "A model whose processes hold more has failed.  [default: three quarters of what is here]",
        POSITIVE,
        metavar="GIB",
    ),
    number(
        "--sampler-threads",
        None,
        "Threads that a model's process computes with.  [default: OMP_NUM_THREADS, or all cores "
        "that this process may use]",
    ),
)
"""``--time-limit``, ``--memory-limit`` and ``--sampler-threads`` of a model's process."""
