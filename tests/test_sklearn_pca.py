"""scikit-learn's PCAs draw what their own inverse transformation makes of standard normals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.decomposition import NMF, PCA, IncrementalPCA, TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from facebench.errors import BadInput
from facebench.samplers.latents import draw
from facebench.samplers.pixels import Pixels
from facebench_models.pca import SklearnPCASampler

Z = draw(range(9), 5, "normal").astype(float)


def rows(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random((60, *shape)) * 0.6 + 0.2 * rng.random(shape)).reshape(60, -1)


def saved(model: Any, path: Path) -> Path:
    skops.io.dump(model, path / "m.skops")
    return path / "m.skops"


MODELS: dict[str, Callable[[], Any]] = {
    "plain": lambda: PCA(5),
    "whitened": lambda: PCA(5, whiten=True),
    "whitened, full": lambda: PCA(5, whiten=True, svd_solver="full"),
    "incremental": lambda: IncrementalPCA(5),
    "incremental, whitened": lambda: IncrementalPCA(5, whiten=True),
    "standardized": lambda: make_pipeline(StandardScaler(), PCA(5)),
    "centred twice, whitened": lambda: make_pipeline(
        StandardScaler(with_std=False), StandardScaler(with_mean=False), PCA(5, whiten=True)
    ),
    "alone in a pipeline": lambda: make_pipeline(PCA(5)),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("shape", "image"), [((6, 6, 3), ""), ((6, 6), ""), ((4, 9, 3), "4x9"), ((9, 4), "9x4")]
)
def test_it_draws_what_its_inverse_transformation_makes(
    name: str, shape: tuple[int, ...], image: str, tmp_path: Path
) -> None:
    model = MODELS[name]().fit(rows(*shape))
    last = model[-1] if hasattr(model, "steps") else model
    scores = Z if last.whiten else Z * np.sqrt(last.explained_variance_)
    values = model.inverse_transform(scores).reshape(9, *shape[:2], -1)
    sampler = SklearnPCASampler(saved(model, tmp_path), image=image)
    wanted = Pixels("0..1", "NHWC").images(values)
    np.testing.assert_allclose(sampler.sample(range(9)).astype(int), wanted, atol=1)
    assert sampler.files == ()


@pytest.mark.parametrize(
    ("model", "shape", "says"),
    [
        (TruncatedSVD(5), (6, 6, 3), "TruncatedSVD, which keeps no mean to sample around"),
        (
            NMF(5, max_iter=2000, tol=0.1, random_state=0),
            (6, 6, 3),
            "holds NMF, not PCA or IncrementalPCA",
        ),
        (make_pipeline(MinMaxScaler(), PCA(5)), (6, 6, 3), "Pipeline with the step MinMaxScaler"),
        (make_pipeline(StandardScaler(), TruncatedSVD(5)), (6, 6), "holds TruncatedSVD"),
        (PCA(5), (4, 8), r"rows of 32 numbers, .* that is square: add \+image=HEIGHTxWIDTH"),
        (PCA(5), (2, 11, 3), r"rows of 66 numbers"),
    ],
)
def test_what_is_no_gaussian_of_images_is_refused(
    model: Any, shape: tuple[int, ...], says: str, tmp_path: Path
) -> None:
    path = saved(model.fit(rows(*shape)), tmp_path)
    with pytest.raises(BadInput, match=says):
        SklearnPCASampler(path)


@pytest.mark.parametrize("image", ["4", "4x", "0x9", "4x9x3", "4x10", "x", "-4x9"])
def test_a_size_that_does_not_fit_is_refused(image: str, tmp_path: Path) -> None:
    path = saved(PCA(5).fit(rows(4, 9)), tmp_path)
    with pytest.raises(BadInput, match=r"not an RGB or grey image of 4x10|give image=80x64"):
        SklearnPCASampler(path, image=image)


def test_a_pca_that_was_not_fitted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="was not fitted: save it after fit"):
        SklearnPCASampler(saved(PCA(5), tmp_path))
