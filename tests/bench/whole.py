"""The job as a whole, from pictures on the disk to the numbers.

facebench has its reference as a prepared data set, as its users do; the peer reads pictures.
"""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from cases import lpips_of_pairs, peers_lpips, some_pairs
from data import DEVICE, NETWORKS, PEERS_BEST, PRECISIONS, faces, generated
from harness import Case
from PIL import Image

from facebench.data.prepare import prepare
from facebench.numerics.precision import Precision
from facebench.samplers.image_files import ImageFilesSampler


def whole(count: int, folder: Path) -> Case:
    """Compare whole processes: FID, IS, precision, recall and LPIPS diversity of pictures."""
    words = [sys.executable, "-m", "facebench", "eval", "--models"]
    words += [f"theirs=images:{folder / 'fake'}", "--num", str(count)]
    words += ["--reference", str(folder / "data"), "--split", "all"]
    words += ["--metrics", "fid,is,precision,recall,lpips_diversity"]
    for name, file in NETWORKS.items():
        words += ["--weights", f"{name}={file}"]

    def ours(precision: Precision) -> None:
        with tempfile.TemporaryDirectory() as fresh:
            subprocess.run(
                [*words, "--trust-weights", "--precision", precision, "--out", f"{fresh}/out"],
                check=True,
                capture_output=True,
                env=os.environ | {"FACEBENCH_CACHE": fresh},
            )

    theirs = partial(
        subprocess.run,
        [sys.executable, __file__, str(folder)],
        check=True,
        capture_output=True,
    )
    return Case(
        f"FID + IS + P/R + LPIPS, {count} against {count} pictures, whole process",
        {precision: partial(ours, precision) for precision in PRECISIONS},
        {"torch-fidelity + lpips": theirs},
        ["≥ 1.8×", "≥ 3×"],
        2 * count,
    )


def peer(folder: Path) -> None:
    """Do with others' programs what `whole` does with facebench."""
    from torch_fidelity import calculate_metrics

    calculate_metrics(
        input1=str(folder / "fake"),
        input2=str(folder / "real"),
        isc=True,
        fid=True,
        prc=True,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(NETWORKS["inception"]),
        batch_size=PEERS_BEST,
        cuda=DEVICE == "cuda",
        cache=False,
        verbose=False,
    )
    images = ImageFilesSampler(folder / "fake")
    count = len(images)
    lpips_of_pairs(peers_lpips(), images.sample(range(count)), some_pairs(count))


def write_pictures(count: int, folder: Path) -> None:
    """Write as many real pictures as generated ones, and prepare the real ones."""
    real = faces(folder / "all").images[:count]
    for name, images in (("real", real), ("fake", generated(count))):
        (folder / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image.transpose(1, 2, 0)).save(folder / name / f"{i:05}.png")
    prepare(folder / "real", folder / "data", size=64, holdout=0)


if __name__ == "__main__":
    peer(Path(sys.argv[1]))
