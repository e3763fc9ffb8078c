"""What extractors see on real faces: damage at five strengths, of which the first is just visible.

    python tests/bench/damage_seen.py zoo/celeba64 zoo/lfw64

Of each prepared data set the hold-out, 1,000 faces, is compared with 1,000 others, damaged: the
Fréchet distance, over the mean of that of three undamaged thousands.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click
import numpy as np
from PIL import Image
from PIL.Image import Resampling
from validity_changes import STRENGTHS, Pictures, changed

from facebench import features as extractors
from facebench.data.dataset import open_dataset
from facebench.metrics import frechet_distance
from facebench.weights import WeightSource

COUNT = 1000
BLOCKS = (1.25, 1.5, 2, 3, 4)
KEPT = (500, 250, 100, 50, 10)


def damages() -> Iterator[tuple[str, list[Callable[[Pictures], Pictures]]]]:
    """Yield each kind by name, and what it does at five strengths."""
    for kind in STRENGTHS:
        yield kind, [partial(changed, kind, strength, seed=1) for strength in range(1, 6)]
    yield "mosaic of 1.25 to 4 pixels", [partial(mosaic, block) for block in BLOCKS]
    yield "collapse to 500 to 10 images", [partial(collapsed, count) for count in KEPT]


def collapsed(count: int, images: Pictures) -> Pictures:
    """Return as many pictures, of the first ones alone."""
    return np.resize(images[:count], images.shape)


def mosaic(block: float, images: Pictures) -> Pictures:
    """Return pictures of square blocks of so many pixels a side."""
    size = images.shape[-1]
    fewer = round(size / block)
    coarse = (
        Image.fromarray(image.transpose(1, 2, 0)).resize((fewer, fewer), Resampling.BOX)
        for image in images
    )
    back = [np.asarray(image.resize((size, size), Resampling.NEAREST)) for image in coarse]
    return np.stack(back).transpose(0, 3, 1, 2)


def rows(folder: Path, name: str) -> Iterator[tuple[str, list[float]]]:
    """Yield each kind of damage, and how large distances are in units of undamaged ones."""
    network = extractors.create(name, WeightSource(offline=True), "cpu")

    def features(images: Pictures) -> np.ndarray:
        found: np.ndarray = network.extract(images, 50)["features"]
        return found

    dataset = open_dataset(folder)
    training = dataset.split("train").images
    real, images = features(dataset.split("holdout").images[:COUNT]), training[:COUNT]
    others = [training[start : start + COUNT] for start in (0, COUNT, len(training) - COUNT)]
    unit = [frechet_distance(real, features(each)) for each in others]
    yield "undamaged", [each / np.mean(unit) for each in unit]
    for kind, doings in damages():
        distances = [frechet_distance(real, features(damage(images))) for damage in doings]
        yield kind, [each / np.mean(unit) for each in distances]


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--extractor", default="portrait,random", show_default=True)
def main(folders: tuple[Path, ...], extractor: str) -> None:
    """Print a line for each data set, network and kind of damage."""
    for folder in folders:
        for name in extractor.split(","):
            for kind, found in rows(folder, name):
                rises = "" if kind == "undamaged" or np.all(np.diff(found) > 0) else ", not rising"
                told = ", ".join(f"{each:.3g}" for each in found)
                click.echo(f"{folder.name}, {name}, {kind}: {told}{rises}")


if __name__ == "__main__":
    main()
