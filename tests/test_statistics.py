"""Statistics of others are read, ours are read by others, and the distances are the same."""

import os
import pickle
import pickletools
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.data.plain_pickle import NotPlain, PickledArray, read_plain
from facebench.data.statistics import (
    DINOV2,
    INCEPTION,
    is_statistics,
    open_statistics,
    write_statistics,
)
from facebench.errors import BadInput
from facebench.metrics.frechet import frechet_from_moments, frechet_to_moments
from facebench.metrics.moments import Moments

PROTOCOLS = [2, 3, 4, 5]


def moments(d: int, seed: int = 0) -> dict[str, Any]:
    """Return the statistics of some features, of low rank where d is large."""
    x = np.random.default_rng(seed).standard_normal((100, d))
    return {"mu": x.mean(0), "sigma": np.cov(x, rowvar=False)}


def equal(found: Any, expected: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(found.mu, expected["mu"])
    np.testing.assert_allclose(found.sigma, expected["sigma"], rtol=1e-12, atol=1e-15)
    assert found.mu.dtype == found.sigma.dtype == np.float64


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("width", INCEPTION)
def test_the_width_tells_the_layer(save: Callable[..., None], width: int, tmp_path: Path) -> None:
    path = tmp_path / "celeba.npz"
    save(path, **moments(width))
    assert is_statistics(path)
    found = open_statistics(path)
    assert [*found.moments] == [INCEPTION[width]]
    equal(found.moments[INCEPTION[width]], moments(width))
    assert (found.path, found.count) == (path, None)
    assert found.digest == sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f8"])
def test_any_type_and_order_of_numbers_is_read(dtype: str, order: Any, tmp_path: Path) -> None:
    given: dict[str, Any] = {
        name: np.asarray(a, dtype, order=order) for name, a in moments(64).items()
    }
    np.savez(tmp_path / "a.npz", **given)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"fid": given}))
    for name in ("a.npz", "a.pkl"):
        equal(open_statistics(tmp_path / name).moments["inception@64"], given)


def test_a_reference_batch_of_adm_is_pictures_unless_statistics_are_asked_for(
    tmp_path: Path,
) -> None:
    path, spatial = tmp_path / "VIRTUAL_lsun.npz", moments(100)
    np.savez(
        path,
        arr_0=np.zeros((4, 8, 8, 3), np.uint8),
        **moments(2048),
        mu_s=spatial["mu"],
        sigma_s=spatial["sigma"],
    )
    assert not is_statistics(path)
    assert is_statistics(path, beside_pictures=True)
    equal(open_statistics(path).moments["inception"], moments(2048))
    np.savez(tmp_path / "bare.npz", **moments(64), mu_s=spatial["mu"], sigma_s=spatial["sigma"])
    assert is_statistics(tmp_path / "bare.npz")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_statistics_of_edm2_are_read(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "img512.pkl"
    whole = {"num_images": 50_000, "fid": moments(2048), "fd_dinov2": moments(1024)}
    path.write_bytes(pickle.dumps(whole, protocol))
    assert is_statistics(path)
    found = open_statistics(path)
    assert [*found.moments] == ["inception", DINOV2]
    equal(found.moments["inception"], moments(2048))
    equal(found.moments[DINOV2], moments(1024))
    assert found.count == 50_000


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_names_of_older_numpys_are_known(protocol: int, tmp_path: Path) -> None:
    content = pickle.dumps({"num_images": np.int64(9), "fid": moments(64)}, protocol)
    for module in ("multiarray", "numeric"):
        new, old = f"numpy._core.{module}".encode(), f"numpy.core.{module}".encode()
        content = content.replace(b"c" + new + b"\n", b"c" + old + b"\n")
        content = content.replace(b"\x8c" + bytes([len(new)]) + new, text(old))
    if protocol >= 4:
        content = pickletools.optimize(content)  # whose frames are of the right size again
    assert b"numpy.core." in content and b"_core" not in content
    (tmp_path / "old.pkl").write_bytes(content)
    found = open_statistics(tmp_path / "old.pkl")
    equal(found.moments["inception@64"], moments(64))
    assert found.count == 9


def text(value: bytes) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value


def test_statistics_that_are_named_by_nothing_are_inceptions(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(moments(192)))
    assert [*open_statistics(tmp_path / "a.pkl").moments] == ["inception@192"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_come_back_as_they_were(protocol: int) -> None:
    given = {
        "a": [1, -300, 70_000, 1 << 80, 2.5, None, True, False, "é", b"\x00\xff", ()],
        "b": ({}, [], [[1]], (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {"c": "a" * 300}),
    }
    assert read_plain(pickle.dumps(given, protocol)) == given
    values = np.arange(12, dtype=">i2").reshape(3, 4)
    for array in (values, values.T, values[:, ::2], np.ones((2, 1, 3), np.float32)):
        found = read_plain(pickle.dumps([array], protocol))[0]
        assert isinstance(found, PickledArray)
        np.testing.assert_array_equal(found.values, array)
        assert found.values is not None and found.values.dtype == array.dtype


def test_nothing_of_a_pickle_is_executed(trap: Any, tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(trap.pickle)
    with pytest.raises(BadInput, match="holds an object of"):
        open_statistics(tmp_path / "a.pkl")
    with pytest.raises(NotPlain):
        read_plain(trap.pickle)
    assert not trap.executed


def test_what_is_no_file_of_statistics_is_told_by_its_content(tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", np.zeros((2, 8, 8, 3), np.uint8))
    np.savez(tmp_path / "mu.npz", mu=np.zeros(64))
    (tmp_path / "weights.pkl").write_bytes(pickle.dumps({"weight": np.zeros(9)}))
    (tmp_path / "text.npz").write_text("mu sigma")
    (tmp_path / "none.npz").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.npz")
    for path in [*tmp_path.iterdir(), tmp_path, tmp_path / "absent.npz"]:
        assert not is_statistics(path), path


def test_a_covariance_of_float32_with_rounding_is_taken(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((50, 64)).astype(np.float32) * 7 + 3
    sigma = (x.T @ x / 49 - 50 / 49 * np.outer(x.mean(0), x.mean(0))).astype(np.float32)
    assert np.linalg.eigvalsh(sigma.astype(np.float64)).min() < 0
    sigma[0, 1] *= 1 + 1e-6
    np.savez(tmp_path / "a.npz", mu=x.mean(0), sigma=sigma)
    found = open_statistics(tmp_path / "a.npz").moments["inception@64"].sigma
    np.testing.assert_array_equal(found, found.T)


def test_ours_say_how_many_images_and_by_what(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ours.npz"
    write_statistics(path, **moments(1024), count=100, extractor="dinov2")
    first = path.read_bytes()
    found = open_statistics(path)
    assert ([*found.moments], found.count) == ([DINOV2], 100)
    write_statistics(path, **moments(1024), count=100, extractor="dinov2")
    assert path.read_bytes() == first and os.listdir(path.parent) == ["ours.npz"]
    write_statistics(path, **moments(50), count=7, extractor="my_module:make")
    assert [*open_statistics(path).moments] == ["my_module:make"]


def test_what_is_no_covariance_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"must end in \.npz"):
        write_statistics(tmp_path / "a.pkl", **moments(64), count=9)
    with pytest.raises(BadInput, match="negative eigenvalues"):
        write_statistics(tmp_path / "a.npz", np.zeros(64), -np.eye(64), 9)
    with pytest.raises(BadInput, match="64 features, which are not those of inception:"):
        write_statistics(tmp_path / "a.npz", **moments(64), count=9)
    assert not [*tmp_path.iterdir()]


# pytorch-fid


@pytest.fixture(scope="module")
def their_weights(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put the weights where pytorch-fid looks for its download."""
    checkpoints = tmp_path_factory.mktemp("torch") / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    file = shared / "weights" / "inception_parity.pth"
    (checkpoints / "pt_inception-2015-12-05-6726825d.pth").symlink_to(file.resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(checkpoints.parents[1]))
        yield


def folder_of(path: Path, count: int, seed: int) -> Path:
    path.mkdir()
    for i, pixels in enumerate(np.random.default_rng(seed).integers(0, 256, (count, 48, 48, 3))):
        Image.fromarray(pixels.astype(np.uint8) // (1 + seed)).save(path / f"{i:03}.png")
    return path


@pytest.mark.long
@pytest.mark.usefixtures("their_weights")
@pytest.mark.filterwarnings("ignore:The `disp` argument is deprecated:DeprecationWarning")
def test_pytorch_fid_reads_ours_and_we_read_its_own(tmp_path: Path) -> None:
    from pytorch_fid.fid_score import (
        calculate_frechet_distance,
        compute_statistics_of_path,
        get_activations,
        save_fid_stats,
    )
    from pytorch_fid.inception import InceptionV3

    real, fake = (folder_of(tmp_path / name, 75, seed) for seed, name in enumerate(("r", "f")))
    theirs, ours = tmp_path / "theirs.npz", tmp_path / "ours.npz"
    save_fid_stats([str(real), str(theirs)], 30, "cpu", 64, num_workers=0)
    network = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[64]])
    files = sorted(fake.iterdir())
    features = get_activations(files, network, 30, 64, "cpu", num_workers=0)
    of_fake = Moments.of(features)
    write_statistics(ours, of_fake.mean.numpy(), of_fake.covariance.numpy(), 75, "inception@64")

    read = [compute_statistics_of_path(str(p), network, 30, 64, "cpu", 0) for p in (theirs, ours)]
    published = calculate_frechet_distance(*read[0], features.mean(0), np.cov(features.T))
    read_by_them = calculate_frechet_distance(*read[0], *read[1])
    read_by_us = open_statistics(theirs).moments["inception@64"]
    fixed = Moments.of_covariance(read_by_us.mu, read_by_us.sigma)
    assert published > 1e-3
    assert read_by_them == pytest.approx(published, rel=1e-6)
    assert frechet_to_moments(features, fixed).value == pytest.approx(published, rel=1e-6)
    assert frechet_from_moments(of_fake, fixed) == pytest.approx(published, rel=1e-6)


def test_clean_fid_reads_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cleanfid
    import cleanfid.features

    folder = tmp_path / "stats"
    monkeypatch.setattr(cleanfid, "__file__", str(tmp_path / "__init__.py"))
    target = folder / "faces_clean_custom_na.npz"
    write_statistics(target, **moments(64), count=100, extractor="inception@64")
    mu, sigma = cleanfid.features.get_reference_statistics("faces", "na", split="custom")
    equal(type("Read", (), {"mu": mu, "sigma": sigma}), moments(64))
