"""How fast facebench is beside others: the same files, weights and machine, in one run, in turns.

    make bench        # writes reports/leaderboard/SPEED.md; half an hour on two CPU cores

Real faces, other people's samples and the parity weights come from $FACEBENCH_SHARED, else from
../shared. Every case first makes sure that both sides compute the same.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from harness import Case, Row, machine, matrix_rate, measure, table
from jaxtyping import UInt8
from PIL import Image

from facebench.data.prepare import prepare
from facebench.features import create
from facebench.features.arithmetic import Precision
from facebench.images import ImageFilesSampler
from facebench.metrics import frechet_distance, lpips_diversity
from facebench.metrics.frechet import Moments, frechet_from_moments
from facebench.metrics.manifold import manifold_scores
from facebench.metrics.memorization import memorization
from facebench.weights import WeightSource

SHARED = Path(os.environ.get("FACEBENCH_SHARED") or Path(__file__).resolve().parents[3] / "shared")
WEIGHTS = SHARED / "weights"
GFLOP = 11.4  # of Inception, an image
BATCH = 50  # torch-fidelity's own choice is 64; at 50 both are as fast


def source() -> WeightSource:
    """Return the parity networks."""
    files = {
        "inception": WEIGHTS / "inception_parity.pth",
        "alexnet": WEIGHTS / "alexnet_features.pth",
    }
    return WeightSource(files, trust=True)


def generated(count: int) -> UInt8[np.ndarray, "n 3 64 64"]:
    """Return other people's samples, 64×64."""
    return ImageFilesSampler(SHARED / "generated" / "celeba_gan_2000_64x64.zip").sample(
        range(count)
    )


def inception(precision: Precision, count: int) -> Case:
    """Compare Inception's features."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    images = generated(count)
    ours = create("inception", source(), "cpu", precision=precision, compiled=True)
    theirs = FeatureExtractorInceptionV3(
        "theirs", ["2048"], feature_extractor_weights_path=str(WEIGHTS / "inception_parity.pth")
    )

    def their_features() -> np.ndarray:
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(images), BATCH)
            return torch.cat([theirs(part)[0] for part in parts]).numpy()

    some = images[:BATCH]
    with torch.inference_mode():
        (expected,) = theirs(torch.from_numpy(some))
    error = np.linalg.norm(
        create("inception", source(), "cpu").extract(some, BATCH)["features"] - expected.numpy()
    )
    assert error < 1e-5 * np.linalg.norm(expected.numpy())
    return Case(
        f"Inception features of {count} images, {precision}",
        lambda: ours.extract(images, BATCH),
        {"torch-fidelity": their_features},
        "≥ 1.9×" if precision == "fp32" else "≥ 3.4×",
        count,
        lambda: ours.extract(some, BATCH),
    )


def features(count: int, seed: int, width: int = 2048) -> np.ndarray:
    """Draw features whose variance falls as a network's does."""
    rng = np.random.default_rng(seed)
    spread = np.arange(1, width + 1) ** -0.5
    return (rng.standard_normal((count, width)) * spread + 0.01 * seed).astype(np.float32)


def frechet(count: int, with_root: bool) -> Case:
    """Compare the Fréchet distance of given features, or of given moments at full rank."""
    import scipy.linalg
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    x, y = features(count, 0).astype(np.float64), features(count, 1).astype(np.float64)
    statistics = [{"mu": z.mean(0), "sigma": np.cov(z, rowvar=False)} for z in (x, y)]
    eigvals = partial(fid_statistics_to_metric, *statistics, False)
    peers: dict[str, Any] = {"torch-fidelity (eigvals)": eigvals}
    if with_root:
        product = statistics[0]["sigma"] @ statistics[1]["sigma"]
        peers["SciPy's sqrtm"] = lambda: scipy.linalg.sqrtm(product)
    a, b = Moments.of(x), Moments.of(y)
    full = count > x.shape[1]
    ours: Callable[[], float] = (
        partial(frechet_from_moments, a, b) if full else partial(frechet_distance, x, y)
    )
    expected = next(iter(eigvals().values()))
    assert abs(ours() / expected - 1) < 1e-6
    target = "≥ 8×; ≥ 10×" if with_root else "≥ 50×"
    return Case(f"Fréchet term, d = 2048, N = {count:,}", ours, peers, target)


def neighbours(count: int) -> Case:
    """Compare all metrics of neighbourhoods, and the search for copies."""
    from prdc import compute_prdc
    from torch_fidelity.metric_prc import prc_features_to_metric

    x, y = features(count, 0), features(count, 1)

    def ours() -> None:
        manifold_scores(x, y)
        memorization(x, y, 5)

    def theirs() -> None:
        prc_features_to_metric(
            torch.from_numpy(y),
            torch.from_numpy(x),
            prc_neighborhood=3,
            prc_batch_size=10000,
            verbose=False,
            save_cpu_ram=True,
        )
        compute_prdc(x, y, nearest_k=5)

    name = f"P + R + D + C + authenticity + 5 nearest, {count:,} × {count:,} × 2048"
    return Case(name, ours, {"torch-fidelity + prdc": theirs}, "≥ 3×")


def diversity(count: int) -> Case:
    """Compare LPIPS over all pairs with lpips on as many sampled ones as there are images."""
    from facebench.features.lpips import LPIPSFeatures

    images, network = generated(count), LPIPSFeatures(source(), "cpu")
    pairs = np.random.default_rng(0).integers(count, size=(count, 2))
    return Case(
        f"LPIPS diversity of {count} images",
        lambda: lpips_diversity(images, network),
        {f"lpips on {count} pairs": lambda: lpips_of_pairs(images, pairs)},
        "> 1×, and exact",
    )


def lpips_of_pairs(images: np.ndarray, pairs: np.ndarray) -> float:
    """Do what lpips does of many pairs."""
    from facebench.features.lpips import _lpips

    network: Any = _lpips(source().find("alexnet"))
    scaled = torch.from_numpy(images).float() / 127.5 - 1
    with torch.inference_mode():
        parts = [
            network(scaled[a], scaled[b]) for a, b in np.array_split(pairs, len(pairs) // BATCH)
        ]
    return float(torch.cat(parts).mean())


def whole(count: int, folder: Path, precision: Precision) -> Case:
    """Compare whole processes: FID, IS, precision, recall and LPIPS diversity of pictures."""
    real = ImageFilesSampler(folder / "real")
    files = [
        f"{name}={WEIGHTS / file}"
        for name, file in (
            ("inception", "inception_parity.pth"),
            ("alexnet", "alexnet_features.pth"),
        )
    ]
    words = [
        sys.executable,
        "-m",
        "facebench",
        "eval",
        "--models",
        f"theirs=images:{folder / 'fake'}",
    ]
    words += ["--reference", str(folder / "data"), "--split", "all", "--num", str(count)]
    words += ["--metrics", "fid,is,precision,recall,lpips_diversity", "--precision", precision]
    words += ["--weights", files[0], "--weights", files[1], "--trust-weights"]
    assert len(real) == count

    def ours() -> None:
        with tempfile.TemporaryDirectory() as fresh:
            environment = os.environ | {"FACEBENCH_CACHE": fresh}
            subprocess.run(
                [*words, "--out", f"{fresh}/results"],
                check=True,
                capture_output=True,
                env=environment,
            )

    theirs = partial(
        subprocess.run,
        [sys.executable, __file__, "--peer", str(folder)],
        check=True,
        capture_output=True,
    )
    target = "≥ 1.8×" if precision == "fp32" else "≥ 3×"
    name = f"FID + IS + P/R + LPIPS, {count} against {count} pictures, whole process, {precision}"
    return Case(name, ours, {"torch-fidelity + lpips": theirs}, target, 2 * count)


def peer(folder: Path) -> None:
    """Do with others' programs what `whole` does with facebench."""
    from torch_fidelity import calculate_metrics

    network = str(WEIGHTS / "inception_parity.pth")
    calculate_metrics(
        input1=str(folder / "fake"),
        input2=str(folder / "real"),
        isc=True,
        fid=True,
        prc=True,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=network,
        batch_size=BATCH,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    for name in ("fake", "real"):
        images = ImageFilesSampler(folder / name)
        count = len(images)
        pairs = np.random.default_rng(0).integers(count, size=(count, 2))
        lpips_of_pairs(images.sample(range(count)), pairs)


def write_pictures(count: int, folder: Path) -> None:
    """Write as many real pictures as generated ones, and prepare the real ones."""
    data = prepare(
        SHARED / "faces" / "celeba_9000_89x109.zip", folder / "all", crop="celeba", size=64
    )
    for name, images in (("real", data.images[:count]), ("fake", generated(count))):
        (folder / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / name / f"{i:05}.png")
    prepare(folder / "real", folder / "data", size=64, holdout=0)


def help_text() -> Case:
    """Time how long the help takes to appear."""
    words = [sys.executable, "-m", "facebench", "--help"]
    return Case(
        "facebench --help (≤ 0.3 s)",
        partial(subprocess.run, words, check=True, capture_output=True),
        {},
    )


def roofline(rows: list[Row]) -> str:
    """Say how near Inception comes to what the machine can do."""
    rates = {"fp32": matrix_rate(torch.float32), "bf16": matrix_rate(torch.bfloat16)}
    lines = []
    for row in rows:
        precision = row.case.name.rpartition(" ")[2]
        if row.who == "facebench" and row.case.name.startswith("Inception"):
            rate, peak = row.case.images / min(row.seconds) * GFLOP, rates[precision]
            lines.append(
                f"Inception, {precision}: {rate:.0f} GFLOP/s at {GFLOP} GFLOP an image, "
                f"{rate / peak:.0%} of a 4096³ matrix product's {peak:.0f}."
            )
    return "\n\n".join(lines)


def agreement(count: int) -> str:
    """Say how far bfloat16 moves FID."""
    real = prepare_real(count)
    values = []
    for precision in ("fp32", "bf16"):
        network = create("inception", source(), "cpu", precision=precision)
        x, y = (network.extract(images, BATCH)["features"] for images in (real, generated(count)))
        values.append(frechet_distance(x, y))
    change = values[1] / values[0] - 1
    return (
        f"FID of {count} against {count} images: {values[0]:.4f} in fp32, {values[1]:.4f} in bf16 "
        f"({change:+.2%})."
    )


def prepare_real(count: int) -> np.ndarray:
    """Return real faces, cropped as ever."""
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(
            SHARED / "faces" / "celeba_9000_89x109.zip",
            Path(folder) / "all",
            crop="celeba",
            size=64,
        )
        return np.array(data.images[:count])


@click.command()
@click.option("--images", default=1000, show_default=True, help="Images of the Inception cases.")
@click.option(
    "--pictures",
    default=2000,
    show_default=True,
    help="Images a side of whole processes; 0 for none.",
)
@click.option("--points", default=10_000, show_default=True, help="Images a side of the algebra.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the table.")
@click.option("--peer", "peers_folder", type=click.Path(path_type=Path), hidden=True)
def main(
    images: int,
    pictures: int,
    points: int,
    repeats: int,
    out: Path | None,
    peers_folder: Path | None,
) -> None:
    """Measure, and write the table."""
    if peers_folder:
        peer(peers_folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cases: list[Callable[[], Case]] = [
            help_text,
            partial(inception, "fp32", images),
            partial(inception, "bf16", images),
            partial(frechet, 500, False),
            partial(frechet, points, True),
            partial(neighbours, points),
            partial(diversity, 2000),
        ]
        if pictures:
            write_pictures(pictures, folder)
            cases += [
                partial(whole, pictures, folder, "fp32"),
                partial(whole, pictures, folder, "bf16"),
            ]
        rows = []
        for make in cases:
            rows += measure(make(), repeats)
            click.echo(table(rows[-2:]), err=True)
    how = (
        f"{machine()}. Medians, in brackets the range, of {repeats} repetitions in turns: "
        f"Inception of {images} images, algebra of {points:,} a side."
    )
    parts = ["# Speed", how, table(rows), roofline(rows), agreement(images)]
    text = "\n\n".join(parts) + "\n"
    click.echo(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
