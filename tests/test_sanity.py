"""Each disguise must move the metric it is there for, in the right direction."""

from pathlib import Path

import numpy as np
import pytest

from facebench.data.dataset import Dataset, open_dataset
from facebench.data.picture_files import open_images
from facebench.data.prepare import prepare, synthesize
from facebench.engine import Evaluation, evaluate
from facebench.engine.sanity import SanityRow
from facebench.metrics.paired import difference
from facebench.results.result import Value
from facebench.weights import WeightSource

pytestmark = pytest.mark.long

COUNT = 100
KINDS = ("copycat", "blur", "noise", "jpeg", "mean", "collapsed")


@pytest.fixture(scope="module")
def faces(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare real faces: 100 held out, and as many to train on and half as many more."""
    folder = tmp_path_factory.mktemp("sanity")
    files = open_images(shared / "faces" / "celeba_9000_89x109.zip")
    originals = folder / "originals"
    originals.mkdir()
    for name in files.names[: COUNT * 5 // 2]:
        (originals / name).write_bytes(files.read(name))
    prepare(originals, folder / "faces", crop="celeba", size=64, holdout=COUNT, in_order=True)
    return folder / "faces"


@pytest.fixture(scope="module")
def evaluation(faces: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    weights = {
        "alexnet": shared / "weights" / "alexnet_features.pth",
        "inception": shared / "weights" / "inception_parity.pth",
    }
    keys = ["fid", "precision", "recall", "coverage", "authenticity", "lpips_diversity", "vendi"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return evaluate(
            [],
            faces,
            metrics=keys,
            sanity=True,
            weights=WeightSource(weights, trust=True),
            out=tmp_path_factory.mktemp("results"),
        )


@pytest.fixture(scope="module")
def rows(evaluation: Evaluation) -> dict[str, dict[str, Value]]:
    assert not evaluation.failures
    return {result.model.removeprefix("sanity-"): result.metrics for result in evaluation.results}


def test_there_is_a_row_of_each_kind_out_of_the_contest(evaluation: Evaluation) -> None:
    assert [result.model for result in evaluation.results] == [f"sanity-{kind}" for kind in KINDS]
    assert all(result.is_sanity for result in evaluation.results)
    assert len({result.model_digest for result in evaluation.results}) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_every_disguise_is_farther_from_the_reference_than_the_copycat(
    kind: str, rows: dict[str, dict[str, Value]]
) -> None:
    copycat, disguised = rows["copycat"]["fid"], rows[kind]["fid"]
    assert difference(copycat, disguised).verdict == "first"
    assert disguised.low is not None
    assert disguised.floor is not None
    assert disguised.low > disguised.floor


def test_the_copycat_loses_authenticity(rows: dict[str, dict[str, Value]]) -> None:
    copied = rows["copycat"]["authenticity"]
    assert copied.value == 0
    assert copied.floor is not None
    assert copied.floor > 0.5  # what unseen real images score
    for kind in ("blur", "noise", "jpeg", "mean"):
        assert difference(copied, rows[kind]["authenticity"], "higher").value < 0


def test_other_real_images_are_the_noise_floor(rows: dict[str, dict[str, Value]]) -> None:
    """The copycat is made of the very images that the floor is."""
    for key, value in rows["copycat"].items():
        if key != "authenticity":
            assert value.floor == pytest.approx(value.value), key


def test_the_collapsed_generator_keeps_precision_and_loses_variety(
    rows: dict[str, dict[str, Value]],
) -> None:
    collapsed, copycat = rows["collapsed"], rows["copycat"]
    assert collapsed["precision"].value > copycat["precision"].value - 0.2
    for key in ("recall", "coverage"):
        assert difference(copycat[key], collapsed[key], "higher").verdict == "first", key
        assert collapsed[key].value < 0.5 * copycat[key].value, key
    assert difference(copycat["vendi"], collapsed["vendi"], "reference").verdict == "first"
    for key in ("lpips_diversity", "vendi"):
        assert collapsed[key].value < 0.95 * (collapsed[key].reference or 0), key


def test_the_mean_face_is_one_image(rows: dict[str, dict[str, Value]]) -> None:
    mean = rows["mean"]
    assert mean["vendi"].value == pytest.approx(1)
    assert mean["lpips_diversity"].value == pytest.approx(0, abs=1e-6)
    assert mean["recall"].value == mean["precision"].value == 0
    assert mean["fid"].value == max(row["fid"].value for row in rows.values())


def test_blur_noise_and_jpeg_leave_the_real_neighbourhoods(
    rows: dict[str, dict[str, Value]],
) -> None:
    copycat = rows["copycat"]
    for kind in ("blur", "noise", "jpeg"):
        for key in ("precision", "recall", "coverage"):
            assert difference(copycat[key], rows[kind][key], "higher").verdict == "first", kind
    noisy, blurred = (rows[kind]["lpips_diversity"].value for kind in ("noise", "blur"))
    assert blurred < copycat["lpips_diversity"].value < noisy


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("data") / "tiny"
    synthesize(folder, num=20, size=32, holdout=8)
    return open_dataset(folder).split("train")


@pytest.mark.parametrize("kind", KINDS)
def test_each_image_depends_on_its_own_seed_alone(kind: str, training: Dataset) -> None:
    def images(*batches: list[int]) -> np.ndarray:
        return np.concatenate(list(SanityRow(kind, training).source().batches(batches)))

    together = images([3, 0, 11])
    assert together.dtype == np.uint8
    assert together.shape == (3, 3, 32, 32)
    assert (together == images([3], [0], [11])).all()
    if kind == "copycat":
        assert (together == training.images[[3, 0, 11]]).all()
    if kind == "collapsed":
        assert (together[2] == training.images[1]).all()
