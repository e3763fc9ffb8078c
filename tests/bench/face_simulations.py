"""How often planted shifts of pose and attributes are called, and how often what is not there.

    python tests/bench/face_simulations.py        # the tables of docs/uncertainty.md, in Markdown

Faces are painted once, so that pose and attributes of each are known, and every trial draws its
real and its generated ones anew from all of them, none twice. A planted shift moves the share of
faces of one pose, or with one attribute, by 5 points.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from facebench import features as extractors
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.pose import FACTORS, pose_distance
from facebench.metrics.faces.probes import learn_probes
from facebench.metrics.faces.shares import corrected_share
from facebench.synth import factors, render
from facebench.synth.canvas import DOME, FORWARD
from facebench.synth.eyes import EYE
from facebench.synth.hair import STYLES
from facebench.weights import WeightSource

SHIFT = 0.05
_NOISE = 0.004
"""Of a detector's points in 64 pixels: a quarter of a pixel."""
_TIP = (0.0, 0.20)
_BATCH = 250

Columns = Mapping[str, np.ndarray]


def columns(count: int, first: int = 0) -> Columns:
    """Return the factors of painted faces, by name."""
    rows = [vars(factors(seed)) for seed in range(first, first + count)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def points(faces: Columns, seed: int = 0) -> np.ndarray:
    """Return where eyes and nose are painted, as a detector gives them: nearly."""
    eyes = [_place(faces, side * EYE[0] * faces["eye_spacing"], EYE[1], 0.0) for side in (-1, 1)]
    found = np.stack([*eyes, _place(faces, *_TIP, FORWARD)], 1)
    return found + np.random.default_rng(seed).normal(0, _NOISE, found.shape)


def _place(faces: Columns, at: np.ndarray | float, below: float, forward: float) -> np.ndarray:
    """Return where a place on the face is in the picture: what the canvas does, backwards."""
    yaw, pitch, roll = (faces[name] for name in ("yaw", "pitch", "roll"))
    u, v = (at + forward * np.sin(yaw)) / DOME[0], (below + forward * np.sin(pitch)) / DOME[1]
    front = np.sqrt(1 - u**2 - v**2)
    down = np.cos(pitch) * v + np.sin(pitch) * front
    right = np.cos(yaw) * u + np.sin(yaw) * (np.cos(pitch) * front - np.sin(pitch) * v)
    x, y = DOME[0] * right, DOME[1] * down
    X = np.cos(roll) * x - np.sin(roll) * y - 0.5 * DOME[0] * np.sin(yaw)
    Y = np.sin(roll) * x + np.cos(roll) * y - 0.5 * DOME[1] * np.sin(pitch)
    places = [X * faces["zoom"] + faces["shift_x"], Y * faces["zoom"] + faces["shift_y"]]
    return (np.stack(places, 1) + 1) / 2


@dataclass(frozen=True)
class Pose:
    """A planted pose: what the factor of the picture is set to, and where it is to be called."""

    called: str
    factor: str
    value: float
    usual: float = 0.0
    """The share of usual faces that have it: within 3 degrees of straight ahead, that is."""

    @property
    def replaced(self) -> float:
        """Which share of faces is replaced, so that 5 points more have the pose."""
        return SHIFT / (1 - self.usual)


POSES = {
    "straight ahead": Pose("yaw", "yaw", 0.0, usual=0.17),
    "turned": Pose("yaw", "yaw", 0.4),
    "leaning": Pose("roll", "roll", 0.17),
    "near": Pose("eye_distance", "zoom", 1.265),
    "right": Pose("x", "shift_x", 0.1),
    "low": Pose("y", "shift_y", 0.1),
}
"""Straight ahead is the middle of the usual, the others are at the end of it, or beyond: turned by
23 degrees, leaning by 10, 15 % larger, and moved by 3 of 64 pixels."""
PLANTED = 400
"""Faces of each planted pose, of which trials draw."""


def planted_points(pose: Pose, first: int) -> np.ndarray:
    """Return where eyes and nose of faces of a planted pose are, as a detector gives them."""
    faces = columns(PLANTED, first)
    return points({**faces, pose.factor: np.full(PLANTED, pose.value)}, seed=first)


def face_set(places: np.ndarray) -> FaceSet:
    """Return faces of which only the points matter."""
    found = ~np.isnan(places).any((1, 2))
    none = np.full((len(places), 1), np.nan, np.float32)
    return FaceSet(found.astype(np.int32), none[:, 0], places.astype(np.float32), none)


def pose_calls(
    pool: np.ndarray,
    planted: np.ndarray,
    replaced: float,
    factors: Sequence[str],
    n: int,
    trials: int,
) -> dict[str, float]:
    """Return how often each of the factors is called where some faces are planted ones.

    Args:
        pool: points (pool, 3, 2) of usual faces.
        planted: points (k, 3, 2) of planted ones.
        replaced: the share of the generated faces that they stand in place of.
        factors: the factors to ask of.
        n: how many faces are real, and as many are generated.
        trials: how often they are drawn.
    """
    calls: dict[str, list[bool]] = {factor: [] for factor in factors}
    for rng in _generators(trials):
        drawn = pool[rng.permutation(len(pool))[: 2 * n]]
        real, fake = drawn[:n], drawn[n:]
        count = round(replaced * n)
        fake[rng.permutation(n)[:count]] = planted[rng.permutation(len(planted))[:count]]
        sets = face_set(real), face_set(fake)
        for factor in factors:
            calls[factor].append(bool(pose_distance(*sets, factor).differs))
    return {factor: float(np.mean(found)) for factor, found in calls.items()}


def attributes(faces: Columns) -> dict[str, np.ndarray]:
    """Return which faces have what, by name."""
    long = np.array([s in STYLES and STYLES[s].long for s in faces["hair_style"]])
    found = {
        "glasses": faces["glasses"] != "none",
        "beard": ~np.isin(faces["beard"], ("none", "stubble")),
        "bald": faces["hair_style"] == "bald",
        "long hair": long,
        "dark skin": faces["skin_tone"] > 0.5,
        "smiling": faces["smile"] > 0.5,
        "earrings": faces["earrings"] & ~long,
        "old": faces["age"] > 0.5,
    }
    return {name: has.astype(np.int8) for name, has in found.items()}


@dataclass
class Calls:
    """What became of the trials of one attribute."""

    planted: list[bool]
    untouched: list[bool]
    aucs: list[float]
    errors: list[tuple[float, float]]
    """Of the untouched: the share less the true one, and the stated standard error."""
    held: list[bool]
    """Whether the interval held the true share, planted or not."""


def share_calls(
    pool: np.ndarray, known: Mapping[str, np.ndarray], n: int, trials: int
) -> dict[str, Calls | str]:
    """Return by attribute what became of the trials, or why it was refused."""
    calls: dict[str, Calls | str] = {name: Calls([], [], [], [], []) for name in known}
    for rng in _generators(trials):
        order = rng.permutation(len(pool))
        real, others = order[:n], order[n:]
        probes = learn_probes(pool[real], {name: has[real] for name, has in known.items()})
        said = probes.scores(pool[others])
        for name, why in probes.refused.items():
            calls[name] = why
        for name, scores in said.items():
            found = calls[name]
            if isinstance(found, str):
                continue
            learnt, has, true = probes.learnt[name], known[name][others], known[name].mean()
            wanted = true - SHIFT if true > SHIFT else true + SHIFT
            moved, same = _with_share(has, wanted, n, rng), np.arange(n)
            planted = corrected_share(learnt, scores[moved])
            untouched = corrected_share(learnt, scores[same])
            found.planted.append(bool(planted.differs))
            found.untouched.append(bool(untouched.differs))
            found.aucs.append(learnt.auc)
            found.errors.append((untouched.value - true, untouched.error or np.nan))
            for each, truth in ((planted, wanted), (untouched, true)):
                low, high = each.interval((0, 1)) or (np.nan, np.nan)
                found.held.append(low <= truth <= high)
    return calls


def _with_share(has: np.ndarray, share: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n faces, each of which has it with the probability `share`."""
    count = rng.binomial(n, share)
    chosen = [np.flatnonzero(has == 1)[:count], np.flatnonzero(has == 0)[: n - count]]
    assert [len(each) for each in chosen] == [count, n - count]
    return rng.permutation(np.concatenate(chosen))


def _generators(count: int) -> Iterator[np.random.Generator]:
    return map(np.random.default_rng, np.random.SeedSequence(0).spawn(count))


def random_features(count: int) -> np.ndarray:
    """Paint the first faces and return what the untrained network makes of them: minutes."""
    network = extractors.create("random", WeightSource(), "cpu")
    parts = [range(first, min(first + _BATCH, count)) for first in range(0, count, _BATCH)]
    found = [network.extract(render(part, 64), 50)["features"] for part in parts]
    return np.concatenate(found)


@click.command()
@click.option("--pool", default=12_000, show_default=True, help="Faces to draw from.")
@click.option("--n", default=5000, show_default=True, help="Real ones, and as many generated.")
@click.option("--trials", default=200, show_default=True)
@click.option("--points", "points_file", type=Path, help="A detector's instead, in an .npz.")
@click.option("--features", "features_file", type=Path, help="Another network's, in an .npy.")
@click.option("--only", type=click.Choice(["pose", "shares"]))
def main(
    pool: int,
    n: int,
    trials: int,
    points_file: Path | None,
    features_file: Path | None,
    only: str | None,
) -> None:
    """Print how often what was planted is called, and what was not."""
    faces = columns(pool)
    if only != "shares":
        _print_poses(_all_points(faces, points_file), n, trials)
    if only != "pose":
        made = random_features(pool) if features_file is None else np.load(features_file)
        _print_shares(made, attributes(faces), n, trials)


def _all_points(faces: Columns, file: Path | None) -> Columns:
    if file is not None:
        return np.load(file)
    first = len(faces["yaw"])
    planted = {f"points {name}": planted_points(pose, first) for name, pose in POSES.items()}
    return {"points": points(faces), **planted}


def _print_poses(found: Columns, n: int, trials: int) -> None:
    click.echo("| planted, 5 points | called in | share of trials |\n|---|---|---|")
    pool = found["points"]
    for factor, share in pose_calls(pool, pool, 0.0, FACTORS, n, 2 * trials).items():
        click.echo(f"| nothing | {factor} | {share:.3f} |")
    for name, pose in POSES.items():
        planted = found[f"points {name}"]
        calls = pose_calls(pool, planted, pose.replaced, [pose.called], n, trials)
        click.echo(f"| {name} | {pose.called} | {calls[pose.called]:.3f} |")


def _print_shares(
    features: np.ndarray, known: Mapping[str, np.ndarray], n: int, trials: int
) -> None:
    click.echo("| attribute | share | AUC | called, 5 points off | untouched | interval holds |")
    click.echo("|---|---|---|---|---|---|")
    for name, found in share_calls(features, known, n, trials).items():
        if isinstance(found, str):
            click.echo(f"| {name} | {known[name].mean():.3f} | {found} |")
            continue
        shares = [np.mean(each) for each in (found.planted, found.untouched, found.held)]
        numbers = " | ".join(f"{each:.3f}" for each in (np.mean(found.aucs), *shares))
        click.echo(f"| {name} | {known[name].mean():.3f} | {numbers} |")


if __name__ == "__main__":
    main()
