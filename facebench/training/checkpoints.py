"""Checkpoints: all that the next step depends on, as safetensors; the newest and the best stay."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from facebench.errors import BadInput
from facebench.files import atomic_path
from facebench.training.learner import Diverged, State


@dataclass(frozen=True)
class Checkpoint:
    """One file ``step-NNNNNN.safetensors``, and what its header says of it."""

    path: Path
    step: int
    seconds: float
    """Time spent training until then."""
    score: float | None
    """The samples' sliced Wasserstein distance; None where the run was interrupted."""
    losses: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Those of its step, for a run that turns out to end there."""

    def read(self) -> State:
        """Return the arrays that `Checkpoints.save` was given."""
        with safe_open(self.path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}


class Checkpoints:
    """The folder of a run's checkpoints."""

    def __init__(self, folder: Path):
        self.folder = folder

    def save(
        self,
        state: State,
        step: int,
        seconds: float,
        score: float | None,
        losses: Mapping[str, float],
    ) -> Checkpoint:
        """Write a checkpoint, then remove all but the newest and the best; refuse NaN."""
        floats = {name: array for name, array in state.items() if array.dtype.kind == "f"}
        bad = [name for name, array in floats.items() if not np.isfinite(array).all()]
        if bad:
            raise Diverged(f"The weights are no longer finite at step {step} ({bad[0]}).")
        about = {"step": str(step), "seconds": repr(seconds), "score": repr(score)}
        about["losses"] = json.dumps(losses)
        target = self.folder / f"step-{step:06d}.safetensors"
        with atomic_path(target) as partial:
            arrays = {name: np.asarray(a, order="C") for name, a in state.items()}
            partial.write_bytes(save(arrays, about))  # save_file's errors are no OSError
        self._prune()
        return _open(target)

    def all(self) -> list[Checkpoint]:
        """Return every checkpoint, oldest first."""
        found = map(_open, self.folder.glob("step-*.safetensors"))
        return sorted(found, key=lambda each: each.step)

    def newest(self, until: int | None = None) -> Checkpoint | None:
        """Return the checkpoint of the last step, or of the last up to step `until`, if any."""
        found = [each for each in self.all() if until is None or each.step <= until]
        return found[-1] if found else None

    def forget_after(self, step: int) -> None:
        """Remove the checkpoints of later steps."""
        for each in self.all():
            if each.step > step:
                each.path.unlink()

    def best(self) -> Checkpoint | None:
        """Return the checkpoint with the least score, if any has one."""
        scored = [each for each in self.all() if each.score is not None]
        return min(scored, key=lambda each: each.score or 0.0, default=None)

    def _prune(self) -> None:
        kept = {self.newest(), self.best()}
        for each in self.all():
            if each not in kept:
                each.path.unlink()


def _open(path: Path) -> Checkpoint:
    try:
        with safe_open(path, "numpy") as file:
            about = file.metadata() or {}
        score = None if about["score"] == "None" else float(about["score"])
        losses = json.loads(about.get("losses", "{}"))
        return Checkpoint(path, int(about["step"]), float(about["seconds"]), score, losses)
    except (KeyError, ValueError, OSError, SafetensorError) as error:
        raise BadInput(f"{path} is not a checkpoint, or damaged: remove it.") from error
