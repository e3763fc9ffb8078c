import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.data.pictures import random_order
from facebench.data.prepare import prepare, synthesize
from facebench.engine import evaluate
from facebench.errors import BadInput
from facebench.samplers.image_files import ImageFilesSampler

ORDER = random_order(5)
BATCH = np.random.default_rng(1).integers(0, 256, (5, 3, 6, 7), dtype=np.uint8)


def as_folder(path: Path) -> Path:
    path.mkdir()
    for i, image in enumerate(BATCH):
        Image.fromarray(image.transpose(1, 2, 0)).save(path / f"{i}.png")
    return path


def as_zip(path: Path) -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        for file in reversed(sorted(as_folder(path).iterdir())):
            archive.write(file, file.name)
    return path.with_suffix(".zip")


def as_npz(path: Path) -> Path:
    np.savez_compressed(path.with_suffix(".npz"), BATCH.transpose(0, 2, 3, 1))
    return path.with_suffix(".npz")


def as_npy(path: Path) -> Path:
    np.save(path.with_suffix(".npy"), BATCH)
    return path.with_suffix(".npy")


@pytest.mark.parametrize("make", [as_folder, as_zip, as_npz, as_npy])
def test_every_kind_gives_the_same_pictures(make: Callable[[Path], Path], tmp_path: Path) -> None:
    sampler = ImageFilesSampler(make(tmp_path / "fakes"))
    assert len(sampler) == 5
    np.testing.assert_array_equal(sampler.sample(range(5)), BATCH[ORDER])
    np.testing.assert_array_equal(sampler.sample([4, 1, 4]), BATCH[ORDER[[4, 1, 4]]])


def test_an_npy_of_rows_of_pixels_is_turned(tmp_path: Path) -> None:
    np.save(tmp_path / "nhwc.npy", BATCH.transpose(0, 2, 3, 1))
    drawn = ImageFilesSampler(tmp_path / "nhwc.npy").sample([2])
    np.testing.assert_array_equal(drawn, BATCH[ORDER[[2]]])


def test_an_npz_of_channels_first_is_kept(tmp_path: Path) -> None:
    np.savez(tmp_path / "nchw.npz", images=BATCH)
    drawn = ImageFilesSampler(tmp_path / "nchw.npz").sample([2])
    np.testing.assert_array_equal(drawn, BATCH[ORDER[[2]]])


def test_mixed_sizes_are_refused(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "fakes")
    Image.new("RGB", (9, 8)).save(folder / "9.png")
    with pytest.raises(BadInput, match=r"different sizes \(7×6, 9×8\).*facebench data prepare"):
        ImageFilesSampler(folder).sample(range(6))


@pytest.mark.parametrize("make", [as_folder, as_npz])
def test_too_few_pictures_say_their_number(make: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds 5 pictures, and seed 7 .*, 4: ask for fewer"):
        ImageFilesSampler(make(tmp_path / "fakes")).sample([3, 7])


def test_a_negative_seed_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds 5 pictures"):
        ImageFilesSampler(as_npy(tmp_path / "fakes")).sample([-1])


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "fakes")
    (folder / "3.png").write_bytes(b"")
    with pytest.raises(BadInput, match=r"fakes: 3\.png is not a picture.*take it out"):
        ImageFilesSampler(folder).sample(range(5))


@pytest.mark.parametrize(
    ("array", "shown"),
    [
        (BATCH / 255, "float64"),
        (BATCH[0], r"\(3, 6, 7\)"),
        (BATCH[:, :1], r"\(5, 1, 6, 7\)"),
        (BATCH.astype(np.int64), "int64"),
    ],
)
def test_another_range_or_shape_is_refused(array: np.ndarray, shown: str, tmp_path: Path) -> None:
    np.save(tmp_path / "fakes.npy", array)
    with pytest.raises(BadInput, match=rf"fakes\.npy holds .*{shown}.*uint8"):
        ImageFilesSampler(tmp_path / "fakes.npy")


def test_several_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "fakes.npz", BATCH, BATCH)
    with pytest.raises(BadInput, match="holds 2 arrays"):
        ImageFilesSampler(tmp_path / "fakes.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickled_objects_are_refused_without_executing_them(suffix: str, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    path = tmp_path / f"fakes{suffix}"
    trap = np.array([Trap()], object)
    if suffix == ".npy":
        np.save(path, trap, allow_pickle=True)
    else:
        np.savez(path, trap)
    with pytest.raises(BadInput, match="not a readable array of pictures"):
        ImageFilesSampler(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY\x01\x00", b"pictures"])
def test_damaged_arrays_are_refused(suffix: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"fakes{suffix}"
    path.write_bytes(data)
    with pytest.raises(BadInput, match="not a readable array of pictures"):
        ImageFilesSampler(path)


def test_a_damaged_compressed_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fakes.npz"
    np.savez_compressed(path, np.zeros((99, 3, 20, 20), np.uint8))
    data = bytearray(path.read_bytes())
    data[80:90] = b"\xff" * 10
    path.write_bytes(data)
    with pytest.raises(BadInput, match="not a readable array of pictures"):
        ImageFilesSampler(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no file or folder .*nowhere\.zip"):
        ImageFilesSampler(tmp_path / "nowhere.zip")


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(("name", "low", "high"), [("tanh", -1, 1), ("sigmoid", 0, 1)])
def test_numbers_of_a_stated_range_are_pictures(
    name: str, low: int, high: int, layout: str, tmp_path: Path
) -> None:
    values = (BATCH / 255 * (high - low) + low).astype(np.float32)
    np.save(tmp_path / "a.npy", values if layout == "NCHW" else values.transpose(0, 2, 3, 1))
    for given in ("", layout):
        sampler = ImageFilesSampler(tmp_path / "a.npy", range=name, layout=given)
        np.testing.assert_array_equal(sampler.sample([4, 0]), BATCH[ORDER[[4, 0]]])
    wrong = "sigmoid" if name == "tanh" else "tanh"
    with pytest.raises(BadInput, match=f"range={name} does"):
        ImageFilesSampler(tmp_path / "a.npy", range=wrong)


def test_ranges_are_for_arrays(pictures: Path) -> None:
    with pytest.raises(BadInput, match="are for arrays"):
        ImageFilesSampler(pictures, range="tanh")


def test_folders_may_be_nested(pictures: Path) -> None:
    assert len(ImageFilesSampler(pictures)) == 5


def test_the_first_seeds_are_a_random_sample_of_sorted_pictures(tmp_path: Path) -> None:
    grey = np.arange(250, dtype=np.uint8)
    np.save(tmp_path / "sorted.npy", np.broadcast_to(grey[:, None, None, None], (250, 3, 4, 4)))
    first = ImageFilesSampler(tmp_path / "sorted.npy").sample(range(50))[:, 0, 0, 0]
    assert abs(first.mean() - grey.mean()) < 30  # 24.5 by name; the standard error is 9
    assert len(set(first.tolist())) == 50


def test_a_range_is_judged_by_pictures_from_all_over(tmp_path: Path) -> None:
    dark_first = np.repeat([-1.0, 0.5], [20, 200]).astype(np.float32)
    np.save(tmp_path / "a.npy", -np.broadcast_to(dark_first[:, None, None, None], (220, 3, 4, 4)))
    assert len(ImageFilesSampler(tmp_path / "a.npy", range="tanh")) == 220


def test_what_is_left_out_is_told_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = as_folder(tmp_path / "fakes")
    ImageFilesSampler(folder)
    assert capsys.readouterr().err == ""
    (folder / ".hidden").touch()
    (folder / "Thumbs.db").touch()
    (folder / "notes.txt").touch()
    (folder / "a.heic").touch()
    ImageFilesSampler(folder)
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        "2 other files (a.heic [not a format that is read: convert it to PNG], notes.txt)" in line
    )


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_pictures_never_ask_for_a_num_that_is_refused(count: int, tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", BATCH[:count])
    with pytest.raises(BadInput, match="or give more pictures") as refused:
        ImageFilesSampler(tmp_path / "few.npy").sample(range(9))
    assert f"--num {count}" not in str(refused.value)


def test_an_array_of_no_pictures_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", BATCH[:0])
    with pytest.raises(BadInput, match="holds no pictures"):
        ImageFilesSampler(tmp_path / "none.npy")


def test_a_compressed_tar_is_read_in_any_order_without_unpacking_it_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = as_folder(tmp_path / "fakes")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        archive.add(folder, "fakes")
    sampler = ImageFilesSampler(tmp_path / "a.tgz")
    monkeypatch.setattr("gzip.GzipFile.read", None)
    np.testing.assert_array_equal(sampler.sample(range(5)), BATCH[ORDER])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces") / "faces64"
    synthesize(folder, num=10, size=64, holdout=5)
    return folder


@pytest.mark.parametrize("shape", [(32, 32), (218, 178), (600, 600)])
def test_another_size_is_scored_and_it_is_said(shape: tuple[int, int], reference: Path) -> None:
    def theirs(seeds: Sequence[int]) -> np.ndarray:
        return np.zeros((len(seeds), 3, *shape), np.uint8)

    [result] = evaluate(
        {"theirs": theirs}, reference, num=5, extractor="random", metrics="fid"
    ).results
    height, width = shape
    assert f"its images are {width}×{height} pixels and the real ones 64×64" in result.notes[0]


def test_pictures_that_are_no_squares_can_be_prepared_and_named(
    tmp_path: Path, reference: Path
) -> None:
    prepare(as_folder(tmp_path / "theirs"), tmp_path / "out", size=64)
    theirs = ImageFilesSampler(tmp_path / "out" / "images.npy")
    assert theirs.sample(range(5)).shape == (5, 3, 64, 64)
    found = evaluate({"theirs": theirs}, reference, num=5, extractor="random", metrics="fid")
    assert [result.model for result in found.results] == ["theirs"], found.failures
