"""Checkpoints: all that the next step depends on, as safetensors; the newest and the best stay.

All others do too where that is asked for.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from facebench.errors import BadInput, cause
from facebench.files import atomic_path, read_json
from facebench.plugins.run_checkpoints import PATTERN
from facebench.training.learner import Diverged, State

MISFITS = ArithmeticError, LookupError, RuntimeError, TypeError, ValueError
"""What is raised where arrays, or a configuration, do not fit a network."""


@dataclass(frozen=True)
class Checkpoint:
    """One file ``step-NNNNNN.safetensors``, and what its header says of it."""

    path: Path
    step: int
    seconds: float
    """Time spent training until then."""
    score: float | None
    """What the best one has least of; None where the run was interrupted."""
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
        keep_others: bool = False,
    ) -> Checkpoint:
        """Write a checkpoint, then remove all but the newest and the best unless `keep_others`.

        Raises:
            Diverged: a weight is not finite.
        """
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
        if not keep_others:
            self._prune()
        return _open(target)

    def all(self) -> list[Checkpoint]:
        """Return every checkpoint, oldest first."""
        found = map(_open, self.folder.glob(PATTERN))
        return sorted(found, key=lambda each: each.step)

    def newest(
        self, until: int | float = math.inf, seconds: int | float = math.inf
    ) -> Checkpoint | None:
        """Return the last checkpoint up to step `until` and to so many seconds, if any."""
        found = [each for each in self.all() if each.step <= until and each.seconds <= seconds]
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


@dataclass(frozen=True)
class KeptModel:
    """What a checkpoint and its run's ``config.json`` say of a model."""

    path: Path
    config_path: Path
    config: Mapping[str, Any]
    step: int

    def arrays(self, prefix: str = "") -> State:
        """Return the arrays whose names begin with `prefix`, by what follows it."""
        try:
            with safe_open(self.path, "numpy") as file:
                names = [name for name in file.keys() if name.startswith(prefix)]
                return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
        except (OSError, SafetensorError) as error:
            raise _damaged(self.path) from error

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Turn what is raised where arrays do not fit the network into one sentence."""
        with fitting(self.path, self.config_path, "name another checkpoint"):
            yield


@contextmanager
def fitting(path: Path, config_path: Path, way_out: str) -> Iterator[None]:
    """Turn what is raised where the arrays of `path` do not fit the network into one sentence."""
    try:
        yield
    except MISFITS as error:
        raise BadInput(
            f"{path} and {config_path} are not of one run, or damaged ({cause(error)}): {way_out}."
        ) from error


def open_checkpoint(path: Path, adapter: str) -> KeptModel:
    """Open the checkpoint at `path` as a model of its run, which `adapter` opens, or refuse it."""
    kept, config_path = _open(path), path.parent.parent / "config.json"
    if not config_path.is_file():
        raise BadInput(
            f"{path} is not in a run's folder, whose config.json says which network it is of: "
            "leave checkpoints where they are."
        )
    config = read_json(config_path)
    made_by = config.get("adapter") if isinstance(config, dict) else None
    if made_by != adapter:
        raise BadInput(f"{config_path} is of a run of {made_by!r}, which {adapter!r} cannot open.")
    return KeptModel(path, config_path, config, kept.step)


def _damaged(path: Path) -> BadInput:
    return BadInput(f"{path} is not a checkpoint, or damaged: remove it.")


def _open(path: Path) -> Checkpoint:
    try:
        with safe_open(path, "numpy") as file:
            about = file.metadata() or {}
        score = None if about["score"] == "None" else float(about["score"])
        losses = json.loads(about.get("losses", "{}"))
        return Checkpoint(path, int(about["step"]), float(about["seconds"]), score, losses)
    except (KeyError, ValueError, OSError, SafetensorError) as error:
        raise _damaged(path) from error
