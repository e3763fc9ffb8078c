"""``sklearn-pca:``: scikit-learn's PCA as a generator, from skops or from plain arrays.

x = mean + Σ √varianceᵢ zᵢ componentᵢ with z ~ N(0, I), for pixels in rows of height×width×3
(``layout=NHWC``) or 3×height×width values.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from jaxtyping import Float32
from sklearn.decomposition import PCA

from facebench.errors import BadInput
from facebench.pixels import RANGES, Pixels
from facebench_models.network import NetworkSampler, reading

_NAMES = {
    "mean": ("mean", "mean_"),
    "components": ("components", "components_"),
    "variances": ("variances", "explained_variance", "explained_variance_"),
}


@dataclass(frozen=True)
class Gaussian:
    """Mean, principal directions and their variances, of images as rows of p pixels."""

    mean: Float32[np.ndarray, " p"]
    components: Float32[np.ndarray, "k p"]
    variances: Float32[np.ndarray, " k"]


class SklearnPCASampler(NetworkSampler):
    """A Gaussian in the principal subspace; it has no bounds, so what lies outside is clipped."""

    def __init__(self, path: Path, *, range: str = "sigmoid", layout: str = "NHWC"):
        with reading(path, "a PCA (.skops of scikit-learn's PCA, or .npz)"):
            model = _from_npz(path) if path.suffix == ".npz" else _from_skops(path)
        side = round((len(model.mean) / 3) ** 0.5)
        if 3 * side**2 != len(model.mean):
            raise BadInput(f"{path} has {len(model.mean)} pixels, which are no square RGB image.")
        shape = (-1, 3, side, side) if layout == "NCHW" else (-1, side, side, 3)
        Pixels(range, layout).check(model.mean.reshape(shape))  # the mean does have bounds
        low, high = RANGES.get(range, (None, None))
        scaled = model.components * np.sqrt(model.variances)[:, None]

        def run(z: np.ndarray) -> np.ndarray:
            # row by row: a product of matrices rounds otherwise at another batch size
            return np.stack([model.mean + row @ scaled for row in z]).reshape(shape)

        clipping = Pixels(range if low is None else f"{low}..{high}", layout)
        super().__init__(run, (len(model.variances),), clipping)


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
    if not isinstance(model, PCA):
        raise BadInput(f"{path} holds {type(model).__name__}, not PCA.")
    if model.whiten:
        raise BadInput(f"{path} is a whitened PCA, whose components are scaled: fit it without.")
    arrays = (model.mean_, model.components_, model.explained_variance_)
    return _checked(dict(zip(_NAMES, arrays, strict=True)))


def _checked(arrays: dict[str, np.ndarray]) -> Gaussian:
    k, p = arrays["components"].shape
    shapes = {"mean": (p,), "components": (k, p), "variances": (k,)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ValueError(f"its {name} are not finite numbers of shape {shape}")
    if (arrays["variances"] < 0).any():
        raise ValueError("it has negative variances")
    return Gaussian(**{name: np.asarray(a, np.float32) for name, a in arrays.items()})
