"""The folder of one training run."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import click

from facebench.data.dataset import Dataset
from facebench.data.grid import grid
from facebench.errors import BadInput
from facebench.files import atomic_path, read_json, write_json, write_text
from facebench.sampler import Images
from facebench.text import shown
from facebench.training.checkpoints import Checkpoints
from facebench.training.data import held_back, hold_back
from facebench.training.options import Plan

_ABSENT = object()
_LENGTHS = ("minutes", "at_most")
"""What is recorded of a run of some minutes, beside the steps that fit in."""


class Run:
    """The folder of one training run.

    A finished run with the same configuration is not trained again (`finished` is true). One whose
    length alone is another goes on (`resized` is true); one with another configuration is never
    overwritten. Of how many steps a run of some `minutes` is, is settled once.
    """

    def __init__(
        self,
        folder: Path,
        adapter: str,
        model_file: str,
        dataset: Dataset,
        length: str = "steps",
        minutes: int | float | None = None,
        **options: Any,
    ):
        """Open `folder` for a run that will end by writing `model_file`, which `adapter` opens.

        `dataset` is the training split, of which a part is held back for the score; `length` is the
        option that says how many steps are taken, at most where `minutes` are given; `options` are
        all that the run depends on.
        """
        self.folder = folder
        self.dataset = dataset
        self.images, self.scored = hold_back(dataset.images, options.get("seed", 0))
        self.model_path = folder / model_file
        self.metrics_path = folder / "metrics.jsonl"
        self.samples = folder / "samples"
        self.checkpoints = Checkpoints(folder / "checkpoints")
        self.config: dict[str, Any] = {
            "adapter": adapter,
            "data": dataset.key,
            "size": dataset.size,
            "held_back": held_back(len(dataset)),
        } | options
        self.length, self.at_most = length, options.get(length)
        self.minutes, self.is_settled = minutes, minutes is None
        self.config_path = folder / "config.json"
        recorded = self._recorded()
        if minutes is not None:
            self.config |= {"minutes": minutes, "at_most": self.at_most}
            self._take_over(recorded or {})
        self.resized = self._differs_in_length(recorded)
        self.finished = recorded is not None and self.model_path.exists() and not self.resized
        if recorded is None:
            self.write_options()

    def _recorded(self) -> dict[str, Any] | None:
        """Return the options of the run that is there, or refuse a folder of something else."""
        if self.config_path.exists():
            recorded = read_json(self.config_path)
            if isinstance(recorded, dict) and "adapter" in recorded:
                return recorded
            raise BadInput(f"{self.config_path} does not describe a run: give another --out.")
        if self.folder.exists() and not self.folder.is_dir():
            raise BadInput(f"{self.folder} is a file: give another --out.")
        names = sorted(each.name for each in self.folder.glob("*"))
        # Hidden files, and what another process of the same run has just begun, are no reason.
        if others := [name for name in names if name[0] != "." and name != self.config_path.name]:
            raise BadInput(
                f"{self.folder} holds other things than a run ({shown(others[0])}), which training "
                "would overwrite: give --out a new or an empty folder."
            )
        return None

    def _take_over(self, recorded: dict[str, Any]) -> None:
        """Take the number of steps that was settled when the same was asked for."""
        steps = recorded.get(self.length)
        is_same = all(recorded.get(name) == self.config[name] for name in _LENGTHS)
        if is_same and isinstance(steps, int) and steps > 0:
            self.settle(steps)

    @property
    def most_seconds(self) -> int | float:
        """How long a checkpoint may have been trained to go on from it."""
        is_cut = self.minutes is not None and not self.is_settled
        return 60 * self.minutes if is_cut and self.minutes else math.inf

    def _differs_in_length(self, recorded: dict[str, Any] | None) -> bool:
        """Return whether the run that is there is longer or shorter; refuse other differences."""
        if recorded is None:
            return False
        changed = {
            name
            for name in recorded | self.config
            if recorded.get(name, _ABSENT) != self.config.get(name, _ABSENT)
        }
        if others := changed - {self.length, *_LENGTHS}:
            raise BadInput(
                f"{self.folder} holds a run with other options or data "
                f"({', '.join(sorted(others))}): give another --out, or remove it."
            )
        return bool(changed)

    def is_already_trained(self, plan: Plan) -> bool:
        """Return whether there is nothing to do, and say so."""
        if not (self.finished and plan.resume):
            return False
        as_it_is = " It stays as it was exported." if plan.export == "best" else ""
        click.echo(f"{self.model_path} is already trained with these options.{as_it_is}")
        return True

    def begin(self) -> None:
        """Record the options; the model, which others may have made, goes first."""
        self.model_path.unlink(missing_ok=True)
        self.write_options()

    def write_options(self) -> None:
        """Record the options: of a run whose steps are not settled yet all but these."""
        unsettled = set() if self.is_settled else {self.length}
        kept = {name: value for name, value in self.config.items() if name not in unsettled}
        write_json(self.config_path, kept)

    def settle(self, steps: int) -> None:
        """Take it that a run of some minutes has so many steps."""
        if self.minutes is not None:
            self.is_settled, self.config[self.length] = True, steps

    def log(self, step: int, **values: int | float) -> None:
        """Append one line to ``metrics.jsonl``."""
        with self.metrics_path.open("a") as stream:
            stream.write(json.dumps({"step": step} | values) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """Return the lines of ``metrics.jsonl``; what a crash left of others is left out."""
        if not self.metrics_path.exists():
            return []
        lines = self.metrics_path.read_text(encoding="utf-8", errors="replace").split("\n")
        return [line for line in map(_record, lines[:-1]) if "step" in line]

    def rewind(self, step: int) -> None:
        """Forget what was logged and sampled after `step`, for it will be again."""
        kept = [line for line in self.history() if line["step"] <= step]
        write_text(self.metrics_path, "".join(json.dumps(line) + "\n" for line in kept))
        for picture in self.grids():
            if _step(picture) > step:
                picture.unlink()

    def start_over(self) -> None:
        """Forget everything but the options."""
        for folder in (self.samples, self.checkpoints.folder):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.metrics_path, *self.folder.glob("events.out.tfevents.*")):
            file.unlink(missing_ok=True)

    def grids(self) -> list[Path]:
        """Return the control grids, in the order of their steps."""
        return sorted(filter(_is_grid, self.samples.glob("step-*.png")), key=_step)

    def save_grid(self, name: str, images: Images, columns: int | None = None) -> Path:
        """Save `images` as the PNG grid ``samples/NAME.png``."""
        target = self.samples / f"{name}.png"
        with atomic_path(target) as partial:
            grid(images, columns).save(partial)
        return target


def _step(grid: Path) -> int:
    return int(grid.stem.removeprefix("step-"))


def _is_grid(path: Path) -> bool:
    return path.stem.removeprefix("step-").isdecimal()


def _record(line: str) -> dict[str, Any]:
    """Return the numbers of one line of the log; none where it is damaged."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    found = record.items() if isinstance(record, dict) else ()
    return {name: value for name, value in found if isinstance(value, int | float)}
