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
from facebench_models.kinds import ARRAYS, PICKLE, SKOPS, kind_of
from facebench_models.network import NetworkSampler, reading

_NAMES = {
    "mean": ("mean", "mean_"),
    "components": ("components", "components_"),
    "variances": ("variances", "explained_variance", "explained_variance_"),
}
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
        """Read the PCA at `path`.

        Args:
            path: ``.skops`` or ``.npz``.
            range: of the pixels that it was fitted to.
            layout: of their rows.
            image: height and width, as in 80x64, where they are not equal.
        """
        kind = kind_of(path)
        if kind is PICKLE:
            raise BadInput(
                f"{path} is a pickle, which would run code: where you trust it, open it, and save "
                "the PCA x in it by skops.io.dump(x, FILE)."
            )
        with reading(path, _WHAT, (SKOPS, ARRAYS)):
            model = _from_npz(path) if kind is ARRAYS else _from_skops(path)
        shape = _image_shape(len(model.mean), image, layout, path)
        Pixels(range, layout).check(model.mean.reshape(shape))  # the mean does have bounds
        low, high = RANGES.get(range, (None, None))
        scaled = model.components * np.sqrt(model.variances)[:, None]

        def run(z: np.ndarray) -> np.ndarray:
            # row by row: a product of matrices rounds otherwise at another batch size
            return np.stack([model.mean + row @ scaled for row in z]).reshape(shape)

        clipping = Pixels(range if low is None else f"{low}..{high}", layout)
        super().__init__(run, (len(model.variances),), clipping, files=())


def _image_shape(pixels: int, image: str, layout: str, path: Path) -> tuple[int, ...]:
    """Return the shape of a batch of images of so many numbers each."""
    if image and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", image, re.ASCII):
        raise BadInput(f"image={image!r} is no height and width: give image=80x64.")
    for channels in (3, 1):
        side = round((pixels / channels) ** 0.5)
        height, width = map(int, image.split("x")) if image else (side, side)
        if channels * height * width == pixels:
            last = (height, width, channels)
            return (-1, *last) if layout == "NHWC" else (-1, channels, height, width)
    size = f"of {image}" if image else "that is square: add +image=HEIGHTxWIDTH"
    raise BadInput(f"{path} has rows of {pixels} numbers, which are no RGB or grey image {size}.")


def _from_npz(path: Path) -> Gaussian:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return _checked({name: _first(file, names) for name, names in _NAMES.items()})


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
            f"{path} holds TruncatedSVD, which keeps no mean to draw around: fit PCA instead."
        )
    if not isinstance(last, PCA | IncrementalPCA):
        raise BadInput(f"{path} holds {type(last).__name__}, not PCA or IncrementalPCA.")
    if not hasattr(last, "components_"):
        raise BadInput(f"{path} holds a PCA that was not fitted: save it after fit.")
    arrays = (last.mean_, last.components_, last.explained_variance_)
    gaussian = _checked(dict(zip(_NAMES, arrays, strict=True)))
    for scaler in reversed(before):
        gaussian = _unscaled(gaussian, scaler)
    return gaussian


def _unscaled(of: Gaussian, scaler: Any) -> Gaussian:
    """Return what a Gaussian of standardized pixels is in the pixels themselves."""
    scale = 1.0 if scaler.scale_ is None else np.asarray(scaler.scale_)
    shift = 0.0 if scaler.mean_ is None or not scaler.with_mean else np.asarray(scaler.mean_)
    mean, components = of.mean * scale + shift, of.components * scale
    return _checked({"mean": mean, "components": components, "variances": of.variances})


def _checked(arrays: dict[str, np.ndarray]) -> Gaussian:
    k, p = arrays["components"].shape
    shapes = {"mean": (p,), "components": (k, p), "variances": (k,)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ValueError(f"its {name} are not finite numbers of shape {shape}")
    if (arrays["variances"] < 0).any():
        raise ValueError("it has negative variances")
    return Gaussian(**{name: np.asarray(a, np.float32) for name, a in arrays.items()})
