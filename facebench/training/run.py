"""The folder of one training run."""

import json
import shutil
from pathlib import Path
from typing import Any

from facebench.data.dataset import Dataset
from facebench.errors import BadInput
from facebench.files import atomic_path, read_json, write_json, write_text
from facebench.grid import grid
from facebench.sampler import Images


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
        self.dataset = dataset
        self.model_path = folder / model_file
        self.metrics_path = folder / "metrics.jsonl"
        self.samples = folder / "samples"
        self.checkpoints = folder / "checkpoints"
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

    def log(self, step: int, **values: int | float) -> None:
        """Append one line to ``metrics.jsonl``."""
        with self.metrics_path.open("a") as stream:
            stream.write(json.dumps({"step": step} | values) + "\n")

    def history(self) -> list[dict[str, Any]]:
        """Return the lines of ``metrics.jsonl``; one cut off by a crash is left out."""
        if not self.metrics_path.exists():
            return []
        lines = self.metrics_path.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]

    def rewind(self, step: int) -> None:
        """Forget what was logged and drawn after `step`, for it will be again."""
        kept = [line for line in self.history() if line["step"] <= step]
        write_text(self.metrics_path, "".join(json.dumps(line) + "\n" for line in kept))
        for picture in self.samples.glob("step-*.png"):
            if int(picture.stem.removeprefix("step-")) > step:
                picture.unlink()

    def start_over(self) -> None:
        """Forget everything but the options."""
        self.model_path.unlink(missing_ok=True)
        for folder in (self.samples, self.checkpoints):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.metrics_path, *self.folder.glob("events.out.tfevents.*")):
            file.unlink(missing_ok=True)
        self.finished = False

    def save_grid(self, name: str, images: Images, columns: int | None = None) -> Path:
        """Save `images` as the PNG grid ``samples/NAME.png``."""
        target = self.samples / f"{name}.png"
        with atomic_path(target) as partial:
            grid(images, columns).save(partial)
        return target
