"""A zoo of generators, and how networks rank them: does a small one say what Inception says?

    python tests/bench/zoo.py --extractor inception@768,random     # hours; ended, it goes on

Each step is a command that a user could type. Models learn 8,000 CelebA pictures of ../shared and
are compared with the 1,000 others, and with LFW; strangers' models and pictures join them.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from shared_files import INCEPTION, ROOT, SHARED

WEIGHTS = f"inception={INCEPTION}"
COMPONENTS = (4, 8, 16, 32, 64, 128, 256, 512)
SEEDS = (0, 1, 2)
TRAINERS = {
    "vae": "--steps 2000 --width 16 --checkpoint-every 400",
    "dcgan": "--steps 3000 --width 16 --checkpoint-every 500",
}
PICTURES = ("celeba_gan_2000_64x64", "celeba_vae_2000_64x64")
CODE = ROOT / "docs" / "strangers.py"
STRANGERS = {
    "dcgan32": f"torch+latent=uniform+size=100x1x1:{CODE}:dcgan@{{}}/dcgan32_uniform100.pt",
    "vae32": f"torch+size=32+range=sigmoid+unused=allow:{CODE}:vae@{{}}/vae64_normal32.pth",
    "decoder27": "keras+latent=pca+range=sigmoid:{}/keras_decoder64_normal27",
}


def prepare(work: Path) -> None:
    """Prepare both sets of real faces."""
    faces = SHARED / "faces"
    _say("data", "prepare", faces / "celeba_9000_89x109.zip", work / "celeba64", *(
        "--crop", "celeba", "--size", 64, "--in-order", "--holdout", 1000))  # fmt: skip
    _say("data", "prepare", faces / "lfw_3000_250x250.zip", work / "lfw64", "--crop", "none",
         "--size", 64, "--holdout", 1000)  # fmt: skip


def train(work: Path) -> None:
    """Train whatever is not trained yet, keeping every checkpoint."""
    for count in COMPONENTS:
        _say("train", "pca", "--data", work / "celeba64", "--out", work / "runs" / f"pca{count}",
             "--components", count)  # fmt: skip
    for seed in SEEDS:
        for name, options in TRAINERS.items():
            run = work / "runs" / f"{name}-{seed}"
            _say("train", name, "--data", work / "celeba64", "--out", run, "--seed", seed,
                 "--keep-checkpoints", "all", *options.split())  # fmt: skip


def models(work: Path) -> Iterator[str]:
    """Yield every generator, as ``--models`` takes it."""
    yield from (f"pca{count}={work / 'runs' / f'pca{count}'}" for count in COMPONENTS)
    yield from (f"{work / 'runs' / f'{name}-{seed}'}@*" for name in TRAINERS for seed in SEEDS)
    yield from (f"{name}=images:{SHARED / 'generated' / name}.zip" for name in PICTURES)
    yield from (f"{name}={spec.format(SHARED / 'generators')}" for name, spec in STRANGERS.items())


def score(work: Path, extractor: str, reference: str, num: int) -> None:
    """Score all of them against one set of real faces."""
    _say("eval", "--models", ",".join(models(work)), "--reference", work / f"{reference}64",
         "--num", num, "--extractor", extractor, "--metrics", "fid,kid,mind", "--weights", WEIGHTS,
         "--trust-weights", "--out", work / "boards" / reference)  # fmt: skip


def _say(*arguments: object) -> None:
    words = [str(argument) for argument in arguments]
    click.secho(f"\n$ facebench {shlex.join(words)}", bold=True)
    subprocess.run([sys.executable, "-m", "facebench", *words], check=True)


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("zoo"), show_default=True)
@click.option("--extractor", default="inception@768,random,portrait", show_default=True)
@click.option("--num", default=1000, show_default=True)
def main(work: Path, extractor: str, num: int) -> None:
    """Make the zoo, or go on with it, and score it."""
    prepare(work)
    train(work)
    for reference in ("celeba", "lfw"):
        score(work, extractor, reference, num)


if __name__ == "__main__":
    main()
