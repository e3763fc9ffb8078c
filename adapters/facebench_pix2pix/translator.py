"""The translator of a trained pix2pix. torch is imported when one is made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facebench.errors import BadInput
from facebench.plugins.run_checkpoints import is_checkpoint
from facebench.sampler import Images
from facebench.training.sampler import trained_model
from facebench.translator import Answers

MODEL_FILE = "model.safetensors"
NOISE = ("off", "on")


class Pix2PixTranslator:
    """Answers with the U-Net of a run folder, or of a checkpoint.

    As in the paper, its only noise is dropout: without it there is one answer to a source.
    """

    files: tuple[Path, ...] = ()  # but the one that it is opened with

    def __init__(self, path: Path, *, noise: str = "off", device: str = "cpu"):
        """Open the model; with the `noise` "on" the seeds draw what is dropped."""
        if noise not in NOISE:
            raise BadInput(f"noise={noise} is not possible: give one of {', '.join(NOISE)}.")
        if is_checkpoint(path):
            from facebench_pix2pix.checkpoint import load_checkpoint

            self.model, self.files = load_checkpoint(path)
        else:
            file = trained_model(path, MODEL_FILE, "pix2pix")
            from facebench_pix2pix.model import load

            self.model = load(file)
        self._is_noisy = noise == "on"
        if self._is_noisy and not self.model.dropout:
            raise BadInput(f"{path} was trained without --dropout: leave noise=on out.")
        self.model.to(device)

    def translate(self, sources: Images, seeds: Sequence[int]) -> Answers:
        """Return one answer for each source, in the size of the targets that were learnt.

        Raises:
            BadInput: the sources are not of the size that was learnt.
        """
        size = self.model.source_size
        if sources.shape[2:] != (size, size):
            height, width = sources.shape[2:]
            raise BadInput(
                f"The sources are of {width}×{height} pixels, and those that this pix2pix learnt "
                f"of {size}×{size}: give it such."
            )
        noise = self._noise(seeds) if self._is_noisy else None
        return self.model.translate(sources, noise)

    def _noise(self, seeds: Sequence[int]) -> np.ndarray:
        """Return what `facebench.sampler.latents` draws, uniform."""
        generators = (np.random.Generator(np.random.Philox(key=int(seed))) for seed in seeds)
        count = self.model.noise_dim
        return np.stack([each.random(count, dtype=np.float32) for each in generators])
