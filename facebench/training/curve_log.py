"""The folder of a curve: its numbers, for TensorBoard too, and its picture; and W&B, if it runs."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from facebench.errors import BadInput
from facebench.files import read_json, write_json, write_text
from facebench.training.charts import save_chart
from facebench.training.curves import curves_of
from facebench.training.quick_scores import Numbers

LOG, PICTURE, ABOUT = "track.jsonl", "track.svg", "track.json"
_EVENTS = "events.out.tfevents.{}.track"
"""By its end no other program's: the user's own may lie beside it."""
_STEP = "facebench/step"


class CurveLog:
    """Where a curve is written, line by line; a loop that is resumed continues it."""

    def __init__(self, folder: Path, about: Mapping[str, Any]):
        """Open `folder`, and refuse it if another curve is there: `about` says what this one is."""
        self.folder = folder
        self.lines: list[dict[str, Any]] = []
        self._events = ""
        recorded = read_json(folder / ABOUT) if (folder / ABOUT).exists() else dict(about)
        if recorded != about:
            raise BadInput(
                f"{folder} holds the curve of another reference or of other settings: give "
                f"another out, or remove {folder}."
            )
        write_json(folder / ABOUT, about)

    def begin(self, step: int) -> None:
        """Forget what was written of `step` and of later ones: it comes again."""
        self.lines = [line for line in _read(self.folder / LOG) if line["step"] < step]
        kept = "".join(json.dumps(line) + "\n" for line in self.lines)
        write_text(self.folder / LOG, kept)
        for earlier in self.folder.glob(_EVENTS.format("*")):
            earlier.unlink()
        self._events = _EVENTS.format(f"{time.time():.6f}.{os.getpid()}")
        self._tell_tensorboard(*self.lines)

    def add(self, step: int, numbers: Numbers) -> None:
        """Write the values of one step."""
        line = {"step": step} | numbers
        self.lines.append(line)
        with (self.folder / LOG).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
        self._tell_tensorboard(line)

    def draw(self) -> Path:
        """Draw all curves, their intervals as bands."""
        found = curves_of(self.lines)
        curves = {name: logged.curve for name, logged in found.items()}
        bands = {name: logged.band for name, logged in found.items()}
        return save_chart(curves, self.folder / PICTURE, bands=bands)

    def _tell_tensorboard(self, *lines: Mapping[str, Any]) -> None:
        from facebench.training.tensorboard import Events  # here, for it takes a while

        with closing(Events(self.folder, name=self._events)) as events:
            for line in lines:
                numbers = {name: value for name, value in line.items() if name != "step"}
                events.scalars(line["step"], **numbers)


class WandbLog:
    """The run of Weights & Biases that the user's program has begun, if it has."""

    def __init__(self) -> None:
        self._run: Any = None

    def add(self, step: int, numbers: Numbers) -> None:
        """Log values beside the user's own, on an axis of their own: W&B's steps are the user's.

        They travel with what the user logs next; of their own they would begin another step.
        """
        run = getattr(sys.modules.get("wandb"), "run", None)
        if run is None:
            return
        if run is not self._run:
            self._run = run
            run.define_metric(_STEP)
            run.define_metric("facebench/*", step_metric=_STEP)
        named = {f"facebench/{name}": value for name, value in numbers.items()}
        run.log({_STEP: step} | named, commit=False)


def _read(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a curve; what a crash left of others is left out."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return [line for line in map(_line, text.split("\n")) if "step" in line]


def _line(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    found = line.items() if isinstance(line, dict) else ()
    return {name: value for name, value in found if isinstance(value, int | float)}
