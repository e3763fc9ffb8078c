"""``facebench sample | interpolate | traverse``: pictures from one model."""

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import numpy as np
from PIL import Image

from facebench.data.grid import grid
from facebench.errors import BadInput, as_failure
from facebench.files import atomic_folder, atomic_path
from facebench.options import seed_option

if TYPE_CHECKING:
    from facebench.sampler import Images, LatentSampler

Command = TypeVar("Command", bound=Callable[..., Any])
_LARGEST, _LONGEST_RANGE = 2**63, 100_000


def _numbers(context: click.Context, param: click.Parameter, value: str) -> list[int]:
    """Return the whole numbers that a list such as ``0,7,20-35`` names."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", value):
        raise click.BadParameter(f"{value!r} is no list of numbers such as 0,7,20-35")
    found: list[int] = []
    for part in value.split(","):
        first, _, last = part.partition("-")
        if int(last or first) - int(first) > _LONGEST_RANGE or int(last or first) >= _LARGEST:
            raise click.BadParameter(f"{part} is too much")
        found += range(int(first), int(last or first) + 1)
    if not found:
        raise click.BadParameter(f"{value!r} names no number")
    return found


def _of_one_model(command: Command) -> Command:
    """Turn whatever a model raises into one sentence."""

    @wraps(command)
    def guarded(**options: Any) -> None:
        try:
            command(**options)
        except (OSError, click.exceptions.Exit, click.ClickException):
            raise
        except Exception as error:
            raise as_failure(error) from error

    decorated: Any = guarded
    return decorated


def _picture_options(command: Command) -> Command:
    for option in (
        click.option(
            "--gap",
            default=2,
            show_default=True,
            type=click.IntRange(0, 100),
            metavar="PIXELS",
            help="Width of the white lines between pictures of a grid.",
        ),
        click.option(
            "--truncation",
            default=1.0,
            show_default=True,
            type=click.FloatRange(min=0),
            metavar="FLOAT",
            help="Scale latents by FLOAT: less than 1 gives more typical and less varied faces.",
        ),
        click.option(
            "--out",
            required=True,
            type=click.Path(path_type=Path),
            metavar="PATH",
            help="What to write.",
        ),
    ):
        command = option(command)
    return click.argument("model", metavar="MODEL")(command)


@click.command()
@_picture_options
@click.option(
    "--seeds",
    callback=_numbers,
    default="0-35",
    show_default=True,
    metavar="LIST",
    help="Seeds to draw, one picture each, as in 0,7,20-35.",
)
@click.option("--columns", type=click.IntRange(1), metavar="INT", help="Pictures a row of a grid.")
@_of_one_model
def sample(
    model: str, out: Path, truncation: float, gap: int, seeds: list[int], columns: int | None
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
    from facebench.samplers.latent_walks import draw, latent_sampler, truncated

    sampler = _load(model)
    if truncation == 1:
        parts = [sampler.sample(seeds[i : i + 64]) for i in range(0, len(seeds), 64)]
        images = np.concatenate(parts)
    else:
        walker = latent_sampler(sampler, model)
        images = draw(walker, truncated(walker, seeds, truncation))
    if out.suffix.lower() == ".png":
        _save(grid(images, columns, gap), out)
    else:
        _save_folder(images, seeds, out)


@click.command()
@_picture_options
@click.option(
    "--seeds",
    callback=_numbers,
    default="0-4",
    show_default=True,
    metavar="LIST",
    help="Seeds to pass through, as in 3,14,15.",
)
@click.option(
    "--steps",
    default=8,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="INT",
    help="Pictures from one seed to the next.",
)
@_of_one_model
def interpolate(
    model: str, out: Path, truncation: float, gap: int, seeds: list[int], steps: int
) -> None:
    """Go from seed to seed through MODEL's latent space: a strip, or a film.

    --out PATH.png makes a grid with one row per pair of seeds, PATH.gif a film that returns to its
    first seed. The way is an arc, on which every point is as likely as the seeds.

    \b
    Examples:
      facebench interpolate dcgan --seeds 3,14,15 --out strip.png
      facebench interpolate dcgan --seeds 0-7 --steps 12 --out faces.gif
    """
    from facebench.samplers.latent_walks import between, draw, truncated

    sampler = _load_latent(model)
    if len(seeds) < 2:
        raise BadInput("--seeds names one seed only: two are needed to go between.")
    points = truncated(sampler, seeds, truncation)
    if _is_film(out):
        circle = np.concatenate([points, points[:1]])
        _save_film(draw(sampler, between(circle, steps))[:-1], out)
        return
    rows = [between(points[i : i + 2], steps) for i in range(len(points) - 1)]
    _save(grid(draw(sampler, np.concatenate(rows)), steps + 1, gap), out)


@click.command()
@_picture_options
@click.option(
    "--directions",
    callback=_numbers,
    default="0-7",
    show_default=True,
    metavar="LIST",
    help="Latents to change, one at a time, counted from 0; of a PCA, they are its eigenfaces.",
)
@click.option(
    "--principal",
    is_flag=True,
    help="Change along principal components of the model's images instead.",
)
@click.option(
    "--steps",
    default=7,
    show_default=True,
    type=click.IntRange(2, 1000),
    metavar="INT",
    help="Pictures per direction.",
)
@click.option(
    "--reach",
    default=3.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="SIGMAS",
    help="How far to go to either side, in standard deviations.",
)
@seed_option("Seed of the face to change; --truncation 0 takes the mean face.")
@_of_one_model
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
) -> None:
    """Change a face along directions of MODEL's latent space, from -3 to +3 sigma.

    --out PATH.png makes a grid with one row per direction, PATH.gif a film of all of them.

    \b
    Examples:
      facebench traverse pca --truncation 0 --out eigenfaces.png
      facebench traverse dcgan --principal --directions 0-4 --seed 7 --out components.png
    """
    from facebench.samplers import latent_walks as play

    sampler = _load_latent(model)
    (z,) = play.truncated(sampler, [seed], truncation)
    if principal:
        found = play.principal(sampler, max(directions) + 1)
        axes = [found[index] for index in directions]
    else:
        axes = [play.coordinate(index, sampler.latent_dim) for index in directions]
    rows = [play.along(z, axis, reach, steps) for axis in axes]
    if _is_film(out):
        rows = [np.concatenate([row, row[-2:0:-1]]) for row in rows]  # there and back
        _save_film(play.draw(sampler, np.concatenate(rows)), out)
        return
    _save(grid(play.draw(sampler, np.concatenate(rows)), steps, gap), out)


def _load(text: str) -> Any:
    from facebench.plugins.spec import parse_model

    return parse_model(text).open()


def _load_latent(text: str) -> "LatentSampler":
    from facebench.samplers.latent_walks import latent_sampler

    return latent_sampler(_load(text), text)


def _is_film(out: Path) -> bool:
    if out.suffix.lower() not in {".png", ".gif"}:
        raise BadInput(f"--out {out} is neither a .png nor a .gif.")
    return out.suffix.lower() == ".gif"


def _save(picture: Image.Image, out: Path) -> None:
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
