"""``facebench sample | interpolate | traverse``: pictures from one model."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np

from facebench.data.grid import grid
from facebench.errors import BadInput, as_failure
from facebench.files import atomic_folder, atomic_path
from facebench.options import FiniteRange, device_option, seed_option

if TYPE_CHECKING:
    from facebench.sampler import Images, LatentSampler

Command = TypeVar("Command", bound=Callable[..., Any])
_LARGEST, _LONGEST_RANGE = 2**63, 100_000


class _CommandOfOneModel(click.Command):
    """A command that turns whatever a model raises into one sentence."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (OSError, click.exceptions.Exit, click.ClickException):
            raise
        except Exception as error:
            raise as_failure(error) from error


def _picture_options(command: Command) -> Command:
    for option in (
        device_option,
        click.option(
            "--gap", default=2, show_default=True, type=click.IntRange(0, 100), metavar="PIXELS",
            help="Width of the white lines between pictures of a grid.",
        ),
        click.option(
            "--truncation", default=1.0, show_default=True, type=FiniteRange(min=0),
            metavar="FLOAT",
            help="Scale latents by FLOAT: less than 1 gives more typical and less varied faces.",
        ),
        click.option(
            "--out", required=True, type=click.Path(path_type=Path), metavar="PATH",
            help="What to write.",
        ),
    ):  # fmt: skip
        command = option(command)
    return click.argument("model", metavar="MODEL")(command)


def _list_option(name: str, default: str, help_text: str) -> Callable[[Command], Command]:
    return click.option(
        name, callback=_numbers, default=default, show_default=True, metavar="LIST", help=help_text
    )


def _numbers(context: click.Context, param: click.Parameter, value: str) -> list[int]:
    """Return the whole numbers that a list such as ``0,7,20-35`` names."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", value):
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 0,7,20-35")
    found: list[int] = []
    for part in value.split(","):
        first, _, last = part.partition("-")
        start, stop = int(first), int(last or first) + 1
        if stop > _LARGEST or stop - start > _LONGEST_RANGE:
            raise click.BadParameter(f"{part} is too much")
        found += range(start, stop)
    if not found:
        raise click.BadParameter(f"{value!r} names no number")
    return found


def _steps_option(default: int, least: int, help_text: str) -> Callable[[Command], Command]:
    return click.option(
        "--steps", default=default, show_default=True, type=click.IntRange(least, 1000),
        metavar="INT", help=help_text,
    )  # fmt: skip


@click.command(cls=_CommandOfOneModel)
@_picture_options
@_list_option("--seeds", "0-35", "Seeds to draw, one picture each, as in 0,7,20-35.")
@click.option("--columns", type=click.IntRange(1), metavar="INT", help="Pictures a row of a grid.")
@click.option("--label", metavar="CLASS", help="Ask for this class, of a model that knows classes.")
def sample(
    model: str,
    out: Path,
    truncation: float,
    gap: int,
    seeds: list[int],
    columns: int | None,
    label: str | None,
    device: str | None,
) -> None:
    """Draw pictures from MODEL: a grid, or a folder of them.

    MODEL is written as for facebench eval --models. --out PATH.png makes one grid, any other PATH
    a folder with a PNG per seed. The same seed is the same face as in every evaluation.

    \b
    Examples:
      facebench sample dcgan --out faces.png
      facebench sample vae=runs/wide --seeds 0-999 --out faces
      facebench sample dcgan --truncation 0.7 --out typical.png
    """
    from facebench.samplers.latent_walks import decode, in_batches, latent_sampler, truncated

    sampler = _open(model, device)
    if label is not None:
        images = in_batches(_of_class(sampler, label, truncation), seeds)
    elif truncation == 1:
        images = in_batches(sampler.sample, seeds)
    else:
        walker = latent_sampler(sampler, model)
        images = decode(walker, truncated(walker, seeds, truncation))
    if out.suffix.lower() == ".png":
        _save_grid(images, out, columns, gap)
    else:
        _save_folder(images, seeds, out)


@click.command(cls=_CommandOfOneModel)
@_picture_options
@_list_option("--seeds", "0-4", "Seeds to pass through, as in 3,14,15.")
@_steps_option(8, least=1, help_text="Pictures from one seed to the next.")
def interpolate(
    model: str,
    out: Path,
    truncation: float,
    gap: int,
    seeds: list[int],
    steps: int,
    device: str | None,
) -> None:
    """Go from seed to seed through MODEL's latent space: a strip, or a film.

    --out PATH.png makes a grid with one row per pair of seeds, PATH.gif a film that returns to its
    first seed. The way is an arc, on which every point is as likely as the seeds.

    \b
    Examples:
      facebench interpolate dcgan --seeds 3,14,15 --out strip.png
      facebench interpolate dcgan --seeds 0-7 --steps 12 --out faces.gif
    """
    from facebench.samplers.latent_walks import between, latent_sampler, truncated

    sampler = latent_sampler(_open(model, device), model)
    if len(seeds) < 2:
        raise BadInput("--seeds names one seed only: two are needed to go between.")
    if _is_film(out):
        seeds = [*seeds, seeds[0]]
    points = truncated(sampler, seeds, truncation)
    rows = [between(np.stack(pair), steps) for pair in pairwise(points)]
    _save_rows(sampler, rows, [row[:-1] for row in rows], out, gap)


@click.command(cls=_CommandOfOneModel)
@_picture_options
@_list_option(
    "--directions", "0-7",
    "Latents to change, one at a time, counted from 0; of a PCA, they are its eigenfaces.",
)  # fmt: skip
@click.option(
    "--principal", is_flag=True,
    help="Change along principal components of the model's images instead.",
)  # fmt: skip
@_steps_option(7, least=2, help_text="Pictures per direction.")
@click.option(
    "--reach", default=3.0, show_default=True, type=FiniteRange(min=0, min_open=True),
    metavar="SIGMAS", help="How far to go to either side, in standard deviations.",
)  # fmt: skip
@seed_option("Seed of the face to change; --truncation 0 takes the mean face.")
def traverse(
    model: str,
    out: Path,
    truncation: float,
    gap: int,
    directions: list[int],
    principal: bool,
    steps: int,
    reach: float,
    seed: int,
    device: str | None,
) -> None:
    """Change a face along directions of MODEL's latent space, from -3 to +3 sigma.

    --out PATH.png makes a grid with one row per direction, PATH.gif a film of all of them.

    \b
    Examples:
      facebench traverse pca --truncation 0 --out eigenfaces.png
      facebench traverse dcgan --principal --directions 0-4 --seed 7 --out components.png
    """
    from facebench.samplers import latent_walks as walks

    sampler = walks.latent_sampler(_open(model, device), model)
    (z,) = walks.truncated(sampler, [seed], truncation)
    if principal:
        components = walks.principal(sampler, max(directions) + 1)
        axes = [components[index] for index in directions]
    else:
        axes = [walks.coordinate(index, sampler.latent_dim) for index in directions]
    rows = [walks.along(z, axis, reach, steps) for axis in axes]
    there_and_back = [np.concatenate([row, row[-2:0:-1]]) for row in rows]
    _save_rows(sampler, rows, there_and_back, out, gap)


def _open(text: str, device: str | None) -> Any:
    from facebench.distributed.device import find_device
    from facebench.plugins.model_spec import parse_model

    return parse_model(text).open(find_device(device))


def _of_class(sampler: Any, label: str, truncation: float) -> Callable[[Any], "Images"]:
    """Return what draws images of one class."""
    from facebench.sampler import check_labels, known_classes

    check_labels([label], known_classes(sampler))
    if truncation != 1:
        raise BadInput("--truncation is of latents, which are not asked for by --label: leave one.")
    return lambda seeds: sampler.sample(seeds, [label] * len(seeds))


def _is_film(out: Path) -> bool:
    if out.suffix.lower() not in {".png", ".gif"}:
        raise BadInput(f"--out {out} is neither a .png nor a .gif.")
    return out.suffix.lower() == ".gif"


def _save_rows(
    sampler: "LatentSampler",
    rows: Sequence[np.ndarray],
    film: Sequence[np.ndarray],
    out: Path,
    gap: int,
) -> None:
    """Save the images of latents: a grid of `rows`, or a film of the walks `film`."""
    from facebench.samplers.latent_walks import decode

    if _is_film(out):
        _save_film(decode(sampler, np.concatenate(film)), out)
    else:
        _save_grid(decode(sampler, np.concatenate(rows)), out, len(rows[0]), gap)


def _save_grid(images: "Images", out: Path, columns: int | None, gap: int) -> None:
    picture = grid(images, columns, gap)
    with atomic_path(out) as partial:
        picture.save(partial)
    click.echo(f"{out}: {picture.width}×{picture.height} pixels")


def _save_film(images: "Images", out: Path) -> None:
    from facebench.training.animation import save_gif

    save_gif([grid(image[None]) for image in images], out, last_ms=100)
    click.echo(f"{out}: {len(images)} pictures")


def _save_folder(images: "Images", seeds: list[int], out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} exists: name another folder, or remove it.")
    with atomic_folder(out) as folder:
        for seed, image in zip(seeds, images, strict=True):
            grid(image[None]).save(folder / f"seed-{seed:06d}.png")
    click.echo(f"{out}: {len(images)} pictures")
