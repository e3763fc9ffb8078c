"""Modes: whose definitions the numbers follow, facebench's own or another tool's.

``facebench eval --mode NAME`` is for where another tool's number must be met. Every mode is tested
against its tool, run on the same files with the same weights (``tests/test_parity.py``); dgm-eval's
against torchvision and prdc, called as it calls them, and DINOv2 written anew, for its weights were
not at hand (``tests/test_vision_transformers.py``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from facebench.errors import BadInput
from facebench.features.resize import Resize


@dataclass(frozen=True)
class Mode:
    """What differs between tools; the defaults are facebench's."""

    name: str
    card: str
    """One sentence: what is matched, and where it cannot be."""
    metrics: tuple[str, ...] | None = None
    """Keys of the metrics that the tool defines; None for all."""
    extractors: tuple[str, ...] | None = None
    """Names of the extractors that the tool's numbers are of; None for any."""
    resize: Resize | None = None
    """How images are resized; None for the extractor's own way, which is TF1's for Inception."""
    k: int = 3
    """The neighbour to which precision's and recall's balls reach."""
    strict: bool = False
    """Whether a point on precision's and recall's spheres is outside."""
    k_density: int = 5
    """The neighbour to which density's and coverage's balls reach, which are strict everywhere."""
    kid_subsets: int = 100
    kid_subset_size: int = 1000
    """Or as many images as there are, if they are fewer."""
    splits: int = 10
    """Of the Inception Score."""
    seed: int = 2020
    """Of KID's subsets, and of the order in which the Inception Score splits."""

    def check(self, extractor: str, metrics: Sequence[str]) -> None:
        """Refuse an extractor or metrics that have no meaning in this mode."""
        if self.extractors is not None and extractor not in self.extractors:
            raise BadInput(
                f"The mode {self.name} has no extractor {extractor!r}; "
                f"it has: {', '.join(self.extractors)}."
            )
        unknown = [key for key in metrics if self.metrics is not None and key not in self.metrics]
        if unknown:
            raise BadInput(
                f"The mode {self.name} does not define {unknown[0]}; "
                f"it defines: {', '.join(self.metrics or ())}."
            )


_ROWS = (
    Mode("facebench", "facebench's own definitions, each named after its paper."),
    Mode(
        "torch-fidelity",
        "The definitions of torch-fidelity 0.4, which refuses KID of fewer than 1,000 images "
        "where this takes smaller subsets.",
        metrics=("fid", "kid", "is", "precision", "recall"),
    ),
    Mode(
        "pytorch-fid",
        "The FID of pytorch-fid 0.3: images resized by PyTorch, bilinear, without antialiasing.",
        metrics=("fid",),
        extractors=("inception@64", "inception@192", "inception@768", "inception"),
        resize="torch",
    ),
    Mode(
        "clean-fid",
        "FID and KID of clean-fid 0.1.35, mode clean: images resized by Pillow, bicubic, not "
        "rounded; of more than 1,000 images it draws KID's subsets unseeded, so no two runs agree.",
        metrics=("fid", "kid"),
        extractors=("inception",),
        resize="pil-bicubic",
    ),
    Mode(
        "prdc",
        "Precision, recall, density and coverage of prdc 0.2: k = 5, and a point on a sphere is "
        "outside.",
        metrics=("precision", "recall", "density", "coverage"),
        k=5,
        strict=True,
    ),
    Mode(
        "dgm-eval",
        "FD, KD, precision, recall, density and coverage of dgm-eval 0.1 with DINOv2: images "
        "resized by Pillow, bicubic, to bytes, k = 5, a point on a sphere outside; of more than "
        "10,000 images or of unequal numbers it draws subsets for the last four, and of more than "
        "1,000 for KD, unseeded.",
        metrics=("fid", "kid", "precision", "recall", "density", "coverage"),
        extractors=("dinov2",),
        resize="pil-bytes",
        k=5,
        strict=True,
    ),
)
MODES: Mapping[str, Mode] = MappingProxyType({row.name: row for row in _ROWS})
DEFAULT = "facebench"


def find_mode(name: str) -> Mode:
    """Return the mode called `name`.

    >>> find_mode("prdc").k
    5
    """
    if name not in MODES:
        raise BadInput(f"There is no mode {name!r}; there are: {', '.join(MODES)}.")
    return MODES[name]
