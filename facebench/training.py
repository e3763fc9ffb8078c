"""What every trainer shares: the run's folder, its log, its progress bar and its options.

A run is a folder: ``config.json`` (which adapter, every option, the data's digest),
``metrics.jsonl`` (one line per logged step), ``samples/`` (grids) and the model file that the
adapter loads.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from facebench.data.dataset import Dataset, open_dataset
from facebench.errors import BadInput
from facebench.files import atomic_path, read_json, write_json
from facebench.grid import grid
from facebench.options import seed_option
from facebench.sampler import Images

Command = TypeVar("Command", bound=Callable[..., Any])


def trainer_options(command: Command) -> Command:
    """Add the options that every trainer has: ``--data``, ``--out`` and ``--seed``."""
    folder = click.Path(path_type=Path, file_okay=False)
    for option in (
        seed_option("Random seed."),
        click.option(
            "--out", type=folder, required=True, metavar="DIR", help="Folder of the run to write."
        ),
        click.option(
            "--data", type=folder, required=True, metavar="DIR", help="Prepared data set to learn."
        ),
    ):
        command = option(command)
    return command


class Run:
    """The folder of one training run.

    A finished run with the same configuration is not trained again (`finished` is true); one with
    another configuration is never overwritten.
    """

    def __init__(
        self, folder: Path, adapter: str, model_file: str, dataset: Dataset, **options: Any
    ):
        """Open `folder` for a run of `adapter` that will end by writing `model_file`."""
        self.folder = folder
        self.model_path = folder / model_file
        self.config: dict[str, Any] = {
            "adapter": adapter,
            "data": dataset.key,
            "size": dataset.size,
        } | options
        config_path = folder / "config.json"
        if config_path.exists() and read_json(config_path) != self.config:
            raise BadInput(
                f"{folder} holds a run with other options or data: "
                "give another --out, or remove it."
            )
        write_json(config_path, self.config)
        self.finished = self.model_path.exists()
        if not self.finished:
            (folder / "metrics.jsonl").write_text("")  # what an interrupted run left

    def log(self, step: int, **values: float) -> None:
        """Append one line to ``metrics.jsonl``."""
        with (self.folder / "metrics.jsonl").open("a") as stream:
            stream.write(json.dumps({"step": step} | values) + "\n")

    def save_grid(self, name: str, images: Images) -> Path:
        """Save `images` as the PNG grid ``samples/NAME.png``."""
        target = self.folder / "samples" / f"{name}.png"
        with atomic_path(target) as partial:
            grid(images).save(partial)
        return target


def train_images(data: Path) -> Dataset:
    """Return the training split of the prepared data set at `data`."""
    dataset = open_dataset(data).split("train")
    if len(dataset) < 2:
        raise BadInput(f"{data} has {len(dataset)} training images; at least 2 are needed.")
    return dataset


def require_power_of_two(dataset: Dataset, network: str) -> None:
    """Refuse images whose size is no power of two from 16, which strided networks need."""
    size = dataset.size
    if size < 16 or size & (size - 1):
        raise BadInput(
            f"{dataset.name} has images of {size}×{size} pixels, where the {network} needs a power "
            "of two from 16: prepare the data set at another --size."
        )


def trained_model(folder: Path, model_file: str, adapter: str) -> Path:
    """Return the model file of a finished run, or raise BadInput saying how to get one."""
    if not folder.is_dir():
        raise BadInput(f"There is no run folder {folder}: make one with facebench train {adapter}.")
    if not (folder / model_file).is_file():
        raise BadInput(
            f"{folder} holds no {model_file}: its training has not finished; "
            f"run facebench train {adapter} again."
        )
    return folder / model_file


def progress_bar() -> Progress:
    """Return the progress bar of a training run; fields `note` show the losses."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
