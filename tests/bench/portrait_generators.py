"""Generators that learnt painted pictures: what models draw, no photograph behind it.

A network that has seen only paintings, clouds and damage takes what a young DCGAN draws for less
bad than Inception does. So the package's own trainers learn from paintings, here, and what they
draw at many steps is among the lessons.
"""

import shlex
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
from PIL import Image
from portrait_pictures import SIZE, picture

LEARNT = 6000
_FIRST_LEARNT = 10**7  # none of these is a lesson
_COLUMNS = 20
RUNS = {
    "dcgan": "dcgan --steps 2400 --checkpoint-every 300 --width 16",
    "dcgan-hinge": "dcgan --steps 1600 --checkpoint-every 400 --loss hinge --width 12",
    "vae": "vae --steps 1600 --checkpoint-every 400 --width 16",
    "vae-small": "vae --steps 900 --checkpoint-every 300 --width 12 --latent-dim 16",
    **{f"pca-{count}": f"pca --components {count}" for count in (6, 24, 96, 384)},
}
"""What is trained, as ``facebench train`` takes it."""
MODELS = (
    *(f"dcgan@{step}" for step in range(300, 2401, 300)),
    *(f"dcgan-hinge@{step}" for step in range(400, 1601, 400)),
    *(f"vae@{step}" for step in range(400, 1601, 400)),
    *(f"vae-small@{step}" for step in range(300, 901, 300)),
    *(name for name in RUNS if name.startswith("pca")),
)
"""What draws: the runs, at steps that were kept."""


def train(work: Path) -> None:
    """Train what is not trained yet."""
    data, painted = work / "painted", work / "painted.npy"
    if not painted.exists():
        numbers = range(_FIRST_LEARNT, _FIRST_LEARNT + LEARNT)
        images = [np.rint(picture(number)).clip(0, 255).astype(np.uint8) for number in numbers]
        np.save(painted, np.stack(images))
    facebench("data", "prepare", painted, data, "--size", SIZE, "--holdout", 0)
    for name, words in RUNS.items():
        trainer, *options = words.split()
        kept = [] if trainer == "pca" else ["--keep-checkpoints", "all"]
        facebench("train", trainer, "--data", data, "--out", work / "runs" / name, *options, *kept)


def drawn(work: Path, model: str, count: int) -> np.ndarray:
    """Return what a model draws for seeds from 0 on, (count, 3, 64, 64) uint8."""
    sheet = work / "drawn" / f"{model}.png"
    sheet.parent.mkdir(exist_ok=True)
    if not sheet.exists():
        facebench("sample", f"drawn={work / 'runs' / model}", "--seeds", f"0-{count - 1}",
                  "--columns", _COLUMNS, "--gap", 0, "--out", sheet)  # fmt: skip
    with Image.open(sheet) as picture:
        pixels = np.asarray(picture)
    tiles = pixels.reshape(-1, SIZE, _COLUMNS, SIZE, 3).transpose(0, 2, 4, 1, 3)
    return tiles.reshape(-1, 3, SIZE, SIZE)[:count]


def facebench(*arguments: object) -> None:
    """Run a command as a user would."""
    words = [str(argument) for argument in arguments]
    click.secho(f"\n$ facebench {shlex.join(words)}", bold=True)
    subprocess.run([sys.executable, "-m", "facebench", *words], check=True)
