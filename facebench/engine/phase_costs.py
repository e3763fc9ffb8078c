"""What the phases of an evaluation cost: wall time, and the engine's peak memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"  # what Linux takes in clear_refs to forget the peak, see proc(5)


class Meter:
    """Seconds and MiB by phase, and how many images they were spent on."""

    def __init__(self, device: str = "cpu"):
        """Measure phases that compute on `device`."""
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, float] = {}
        self.images = 0
        """Those whose features were kept cost nothing, and are not counted."""
        self._device = device

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure what happens inside as the phase `name`, or as more of it."""
        self._forget_peaks()
        started = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started
        for where, peak in self._peaks().items():
            self.memory[name + where] = max(self.memory.get(name + where, 0.0), peak)

    def _forget_peaks(self) -> None:
        with suppress(OSError):  # not Linux, or not allowed: the peak is that of all phases so far
            (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
        if self._device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(self._device)

    def _peaks(self) -> dict[str, float]:
        peaks = {}
        with suppress(OSError, ValueError):
            lines = (_PROCESS / "status").read_text().splitlines()
            (kibibytes,) = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
            peaks[""] = kibibytes / 1024
        if self._device.startswith("cuda"):
            peaks[" (GPU)"] = torch.cuda.max_memory_allocated(self._device) / 2**20
        return peaks
