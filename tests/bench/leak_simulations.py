"""Planted leaks of real people's faces: how often the interval of the leakage holds the truth.

    python tests/bench/leak_simulations.py ../shared        # the tables of docs/uncertainty.md

CelebA's people are divided at random, again and again: some are trained on, and faces of the others
stand for innocent generated ones, among which training faces are planted, untouched or altered.
The truth is then p + (1 - p) 1 % of the faces found. Every face is looked at once.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageFilter

from facebench import faces
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.impostors import impostors
from facebench.metrics.faces.leakage import leaked_share, matches
from facebench.weights import WeightSource

SHARES = (0.0, 0.01, 0.05, 0.2)
FLOOR = 0.01


def _jpeg(picture: Image.Image) -> Image.Image:
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=75)
    return Image.open(held)


def _shifted(picture: Image.Image) -> Image.Image:
    """Return what is seen 4 pixels to the right and 3 down, the edge repeated."""
    pixels = np.pad(np.asarray(picture), ((0, 3), (0, 4), (0, 0)), mode="edge")
    return Image.fromarray(pixels[3:, 4:])


ALTERED: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG": _jpeg,
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "shifted": _shifted,
}


@dataclass(frozen=True)
class Looked:
    """What the face model says of all pictures, and of the first ones, altered."""

    faces: FaceSet
    altered: Mapping[str, FaceSet]


def look(shared: Path, model: str, count: int, planted: int) -> Looked:
    """Look at `count` of CelebA's pictures, 64 pixels wide, and at `planted` ones altered."""
    extractor = faces.create(model, WeightSource(), "cpu")

    def seen(pictures: list[Image.Image], people: np.ndarray) -> FaceSet:
        rows = [np.asarray(each.convert("RGB")).transpose(2, 0, 1) for each in pictures]
        record = extractor.extract(np.stack(rows), 64)
        found = record["counts"], record["confidence"], record["points"]
        return FaceSet(*found, record["embedding"], people)

    pictures, people = _celeba(shared, count)
    altered = {
        name: seen([alter(each) for each in pictures[:planted]], people[:planted])
        for name, alter in ALTERED.items()
    }
    return Looked(seen(pictures, people), altered)


def _celeba(shared: Path, count: int) -> tuple[list[Image.Image], np.ndarray]:
    with (shared / "faces" / "celeba_9000_identities.csv").open() as lines:
        who = {row["file"]: int(row["identity"]) for row in csv.DictReader(lines)}
    with zipfile.ZipFile(shared / "faces" / "celeba_9000_89x109.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:count]
        pictures = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]
    size = (64, 64), Image.Resampling.BICUBIC, (0, 10, 89, 99)
    people = np.array([who[name.rpartition("/")[2]] for name in names])
    return [each.resize(*size) for each in pictures], people


@dataclass(frozen=True)
class Case:
    """How often the interval held the truth, and which share of what was planted was found."""

    held: float
    recovered: float
    leakage: float
    truth: float


def simulate(
    looked: Looked, trained: float, n: int, repetitions: int, known: bool = True
) -> dict[str, Case]:
    """Return, by what was planted, what became of it.

    Args:
        looked: all faces.
        trained: the share of people who are trained on.
        n: generated faces, drawn anew each time.
        repetitions: how often the people are divided anew.
        known: whether it is known who the training images show.
    """
    found: dict[str, list[tuple[float, ...]]] = {}
    every = looked.faces.take(looked.faces.found)
    for rng in map(np.random.default_rng, range(repetitions)):
        chosen = _some_people(every, trained, rng)
        is_training = np.isin(_people(every), chosen)
        training = every.take(is_training)
        others = impostors(training if known else _unknown(training))
        fresh = matches(training, every.take(~is_training)).similarities
        for name, of_copies in _planted(looked, training, chosen).items():
            for share in SHARES if name == "untouched" else SHARES[1:]:
                count = round(share * n)
                copies = rng.choice(of_copies, count)
                mixed = np.append(rng.choice(fresh, n - count), copies)
                estimate = leaked_share(rng.permutation(mixed), others)
                low, high = estimate.bounds or (np.nan, np.nan)
                truth = count / n + (1 - count / n) * FLOOR
                caught = float(np.mean(copies >= others.threshold)) if count else np.nan
                row = float(low <= truth <= high), caught, estimate.value, truth
                found.setdefault(f"{name} {share:.0%}", []).append(row)
    return {name: Case(*np.mean(rows, 0).tolist()) for name, rows in found.items()}


def _unknown(training: FaceSet) -> FaceSet:
    return FaceSet(training.counts, training.confidence, training.points, training.embeddings)


def _people(every: FaceSet) -> np.ndarray:
    assert every.people is not None
    return every.people


def _some_people(every: FaceSet, share: float, rng: np.random.Generator) -> np.ndarray:
    people = np.unique(_people(every))
    return rng.permutation(people)[: round(share * len(people))]


def _planted(looked: Looked, training: FaceSet, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Return m of training faces as they are, and of those that were altered."""
    found = {"untouched": matches(training, training).similarities}
    for name, altered in looked.altered.items():
        copies = altered.take(altered.found & np.isin(_people(altered), chosen))
        found[name] = matches(training, copies).similarities
    return found


@click.command()
@click.argument("shared", type=click.Path(exists=True, path_type=Path))
@click.option("--model", default="dlib", show_default=True)
@click.option("--pictures", default=9000, show_default=True)
@click.option("--planted", default=500, show_default=True, help="Pictures that are altered.")
@click.option("--trained", default=0.5, show_default=True, help="Share of the people.")
@click.option("-n", default=1000, show_default=True, help="Generated faces.")
@click.option("--repetitions", default=200, show_default=True)
@click.option("--unknown", is_flag=True, help="As if nobody knew who is shown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of Markdown.")
def main(
    shared: Path,
    model: str,
    pictures: int,
    planted: int,
    trained: float,
    n: int,
    repetitions: int,
    unknown: bool,
    as_json: bool,
) -> None:
    """Print how often the interval of identity leakage holds what was planted."""
    looked = look(shared, model, pictures, planted)
    found = simulate(looked, trained, n, repetitions, not unknown)
    if as_json:
        click.echo(json.dumps({name: vars(case) for name, case in found.items()}))
        return
    click.echo("| planted | interval holds the truth | found of it | leakage | truth |")
    click.echo("|---|---|---|---|---|")
    for name, case in found.items():
        numbers = case.held, case.recovered, case.leakage, case.truth
        click.echo(f"| {name} | {' | '.join(f'{each:.3f}' for each in numbers)} |")


if __name__ == "__main__":
    main()
