"""``sklearn-pca:``: scikit-learn's PCA as a generator, from skops or from plain arrays.

x = mean + Σ √varianceᵢ zᵢ componentᵢ with z ~ N(0, I), for pixels in rows of height×width×3
(``layout=NHWC``) or 3×height×width values, or of height×width grey ones. Whether the PCA whitens
makes no difference: its components are unit vectors either way.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from jaxtyping import Float32
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from facebench.errors import BadInput
from facebench.samplers.pixels import RANGES, Pixels
from facebench_models.kinds import ARRAYS, SKOPS, kind_of, reading
from facebench_models.network import Loaded, NetworkSampler

_NAMES = (
    ("mean", "mean_"),
    ("components", "components_"),
    ("variances", "explained_variance", "explained_variance_"),
)
"""Of arrays in an ``.npz``."""
_WHAT = "a PCA (.skops of scikit-learn's, or .npz)"


@dataclass(frozen=True)
class Gaussian:
    """Mean, principal directions and their variances, of images as rows of p pixels."""

    mean: Float32[np.ndarray, " p"]
    components: Float32[np.ndarray, "k p"]
    variances: Float32[np.ndarray, " k"]


class SklearnPCASampler(NetworkSampler):
    """A Gaussian in the principal subspace; it has no bounds, so what lies outside is clipped."""

    def __init__(
        self, path: Path, *, range: str = "sigmoid", layout: str = "NHWC", image: str = ""
    ):
        """Read the ``.skops`` or ``.npz`` at `path`.

        `range` is of the pixels that it was fitted to, `layout` of their rows, and `image` their
        height and width, as in 80x64, where they are not equal.
        """
        self._of_mean, self._image = Pixels(range, layout), image
        clipped = "{}..{}".format(*RANGES[range]) if range in RANGES else range
        super().__init__(path, range=clipped, layout=layout)

    def load(self, path: Path) -> Loaded:
        """Return the function from coordinates in the principal subspace to pixels."""
        with reading(path, SKOPS, ARRAYS, what=_WHAT):
            model = _from_npz(path) if kind_of(path) is ARRAYS else _from_skops(path)
        shape = _image_shape(len(model.mean), self._image, self._of_mean.layout, path)
        self._of_mean.check(model.mean.reshape(shape))  # the mean does have bounds
        scaled = model.components * np.sqrt(model.variances)[:, None]

        def run(z: np.ndarray) -> np.ndarray:
            # row by row: a product of matrices rounds otherwise at another batch size
            return np.stack([model.mean + row @ scaled for row in z]).reshape(shape)

        return Loaded(run, (None, len(model.variances)))


def _image_shape(pixels: int, image: str, layout: str, path: Path) -> tuple[int, ...]:
    """Return the shape of a batch of images of so many numbers each."""
    if image and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", image, re.ASCII):
        raise BadInput(f"image={image!r} is not a height and width: give image=80x64.")
    for channels in (3, 1):
        side = round((pixels / channels) ** 0.5)
        height, width = map(int, image.split("x")) if image else (side, side)
        if channels * height * width == pixels:
            is_last = layout == "NHWC"
            return (-1, height, width, channels) if is_last else (-1, channels, height, width)
    size = f"of {image}" if image else "that is square: add +image=HEIGHTxWIDTH"
    raise BadInput(
        f"{path} has rows of {pixels} numbers, which are not an RGB or grey image {size}."
    )


def _from_npz(path: Path) -> Gaussian:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return _checked(*(_first(file, names) for names in _NAMES))


def _first(file: Any, names: tuple[str, ...]) -> np.ndarray:
    for name in names:
        if name in file:
            return np.asarray(file[name])
    raise ValueError(f"it has no array {' or '.join(names)}")


def _from_skops(path: Path) -> Gaussian:
    model = skops.io.load(path, trusted=[])
    *before, last = [each for _, each in model.steps] if isinstance(model, Pipeline) else [model]
    for each in before:
        if not isinstance(each, StandardScaler):
            raise BadInput(
                f"{path} is a Pipeline with the step {type(each).__name__}, where only "
                "StandardScaler is known before PCA: fit PCA to the pixels themselves."
            )
    if isinstance(last, TruncatedSVD):
        raise BadInput(
            f"{path} holds TruncatedSVD, which keeps no mean to sample around: fit PCA instead."
        )
    if not isinstance(last, PCA | IncrementalPCA):
        raise BadInput(f"{path} holds {type(last).__name__}, not PCA or IncrementalPCA.")
    if not hasattr(last, "components_"):
        raise BadInput(f"{path} holds a PCA that was not fitted: save it after fit.")
    gaussian = _checked(last.mean_, last.components_, last.explained_variance_)
    for scaler in reversed(before):
        gaussian = _unscaled(gaussian, scaler)
    return gaussian


def _unscaled(of: Gaussian, scaler: Any) -> Gaussian:
    """Return what a Gaussian of standardized pixels is in the pixels themselves."""
    scale = 1.0 if scaler.scale_ is None else np.asarray(scaler.scale_)
    shift = 0.0 if scaler.mean_ is None or not scaler.with_mean else np.asarray(scaler.mean_)
    return _checked(of.mean * scale + shift, of.components * scale, of.variances)


def _checked(mean: np.ndarray, components: np.ndarray, variances: np.ndarray) -> Gaussian:
    k, p = components.shape
    shapes = (
        ("mean", mean, (p,)),
        ("components", components, (k, p)),
        ("variances", variances, (k,)),
    )
    for name, array, shape in shapes:
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"its {name} are not finite numbers of shape {shape}")
    if (variances < 0).any():
        raise ValueError("it has negative variances")
    return Gaussian(*(np.asarray(a, np.float32) for a in (mean, components, variances)))
