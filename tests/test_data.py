import csv
import io
import json
import pickle
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.data import archive as archives
from facebench.data.crop import PRESETS, crop_box
from facebench.data.dataset import Dataset, open_dataset
from facebench.data.decode import Unreadable, decode, to_array
from facebench.data.picture_files import open_images
from facebench.data.prepare import prepare, synthesize
from facebench.errors import BadInput
from facebench.synth import factors, render
from facebench.training.data import train_images

# --- Crops -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "size", "box"),
    [
        ("celeba", (178, 218), (0, 15, 178, 193)),
        ("celeba", (89, 109), (0, 7.5, 89, 96.5)),
        ("celeba-108", (178, 218), (35, 55, 143, 163)),
        ("celeba-128", (178, 218), (25, 45, 153, 173)),
        ("celeba-140", (178, 218), (19, 39, 159, 179)),
        ("celeba-148", (178, 218), (15, 35, 163, 183)),
        ("celeba-160", (178, 218), (9, 29, 169, 189)),
        ("celeba-160", (89, 109), (4.5, 14.5, 84.5, 94.5)),
        ("none", (178, 218), (0, 20, 178, 198)),
        ("none", (251, 200), (25.5, 0, 225.5, 200)),
    ],
)
def test_crop_boxes(preset: str, size: tuple[int, int], box: tuple[float, ...]) -> None:
    assert crop_box(preset, *size) == box


@pytest.mark.parametrize("preset", PRESETS)
def test_crops_are_squares_within_the_picture(preset: str) -> None:
    left, top, right, bottom = crop_box(preset, 178, 218)
    assert right - left == bottom - top
    assert 0 <= left < right <= 178 and 0 <= top < bottom <= 218


def test_crop_of_another_shape_names_the_picture(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^a\.png: crop celeba .* 20×20.*--crop none"):
        prepare(pictures, tmp_path / "out", crop="celeba")


def test_unknown_crop_lists_the_known_ones(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="celeba-148"):
        prepare(pictures, tmp_path / "out", crop="face")


# --- Sources -----------------------------------------------------------------------------------


def packed(folder: Path, kind: str, *, below: str = "") -> Path:
    """Pack `folder` (as the archive's folder `below`) and return the archive, or the folder."""
    if kind == "folder":
        return folder
    archive = folder.parent / f"packed.{kind}"
    files = [p for p in folder.rglob("*") if p.is_file()][::-1]
    members = [(p, below + p.relative_to(folder).as_posix()) for p in files]
    if kind == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packing:
            for path, name in members:
                packing.write(path, name)
    else:
        with tarfile.open(archive, "w:gz" if kind == "tgz" else "w") as packing_tar:
            for path, name in members:
                packing_tar.add(path, name)
    return archive


@pytest.mark.parametrize("below", ["", "./", "top/"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tgz"])
def test_an_archive_reads_as_its_folder_does(pictures: Path, kind: str, below: str) -> None:
    folder, archive = open_images(pictures), open_images(packed(pictures, kind, below=below))
    assert [data for _, data in archive] == [data for _, data in folder]
    assert archive.digest() == folder.digest()


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_names_are_sorted_and_hidden_or_foreign_files_ignored(pictures: Path, kind: str) -> None:
    for name in (".a.png", "__MACOSX/._a.png", ".git/a.png", "notes.txt", "png"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).write_bytes(b"not a picture")
    files = open_images(packed(pictures, kind))
    assert files.names == ("a.png", "b.PNG", "d.bmp", "e.tiff", "nested/c.webp")


@pytest.mark.parametrize("change", ["content", "name", "fewer"])
def test_the_source_digest_sees_every_change(pictures: Path, change: str) -> None:
    before = open_images(pictures).digest()
    if change == "content":
        (pictures / "d.bmp").write_bytes(b"another")
    elif change == "name":
        (pictures / "d.bmp").rename(pictures / "d2.bmp")
    else:
        (pictures / "d.bmp").unlink()
    assert open_images(pictures).digest() != before


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no file or folder .*nowhere"):
        open_images(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_source_without_pictures_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    with pytest.raises(BadInput, match=r"holds no pictures \(.*\.jpg"):
        open_images(packed(tmp_path / "empty", kind))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "faces.rar").write_bytes(b"Rar!" * 200)
    with pytest.raises(BadInput, match=r"faces\.rar is not a folder, a zip or a tar.*unpack"):
        open_images(tmp_path / "faces.rar")


def flip(path: Path, offset: int, *, bits: int = 0xFF) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= bits
    path.write_bytes(data)


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def read_all(path: Path) -> None:
    list(open_images(path))


@pytest.mark.parametrize("offset", [34, 40, 60, 100, 180, -73, -10])
def test_a_damaged_zip_is_refused(tmp_path: Path, offset: int) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.bmp").write_bytes(encoded(plain("L", 0).resize((400, 400)), "BMP"))
    archive = packed(tmp_path / "in", "zip")
    flip(archive, offset)
    with pytest.raises(BadInput, match=r"packed\.zip"):
        read_all(archive)


def test_an_encrypted_zip_is_refused(pictures: Path) -> None:
    archive = packed(pictures, "zip")
    data = archive.read_bytes()
    flip(archive, data.index(b"PK\x01\x02") + 8, bits=1)
    with pytest.raises(BadInput, match=r"packed\.zip: .* cannot be unpacked .*encrypted"):
        read_all(archive)


@pytest.mark.parametrize("share", [0.21, 0.43, 0.63])
@pytest.mark.parametrize("kind", ["tar", "tgz"])
def test_a_cut_off_tar_is_refused(pictures: Path, kind: str, share: float) -> None:
    archive = packed(pictures, kind)
    cut(archive, share)
    with pytest.raises(BadInput, match=rf"packed\.{kind}"):
        read_all(archive)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_damaged_tgz_is_refused(pictures: Path, share: float) -> None:
    archive = packed(pictures, "tgz")
    middle = int(archive.stat().st_size * share)
    for offset in range(middle, middle + 40):
        flip(archive, offset)
    with pytest.raises(BadInput, match=r"packed\.tgz"):
        read_all(archive)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_decompression_bomb_is_refused(
    pictures: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST_FILE", 100)
    with pytest.raises(BadInput, match="too large for a picture"):
        read_all(packed(pictures, kind))


# --- Decoding ----------------------------------------------------------------------------------


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(data: bytes) -> np.ndarray:
    image = decode("x", data)
    assert image.mode == "RGB"
    return np.asarray(image)


def first_pixel(data: bytes) -> tuple[int, ...]:
    return tuple(pixels(data)[0, 0].tolist())


def plain(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (3, 2), colour)


def palette(transparent: bool) -> bytes:
    image = plain("P", 1)
    image.putpalette([9, 8, 7, 200, 100, 50])
    return encoded(image, transparency=1) if transparent else encoded(image)


@pytest.mark.parametrize(
    ("data", "rgb"),
    [
        pytest.param(encoded(plain("L", 77)), (77, 77, 77), id="grey"),
        pytest.param(encoded(plain("1", 1)), (255, 255, 255), id="one bit"),
        pytest.param(palette(False), (200, 100, 50), id="palette"),
        pytest.param(palette(True), (255, 255, 255), id="palette, transparent"),
        pytest.param(encoded(plain("LA", (100, 128))), (177, 177, 177), id="grey, half over white"),
        pytest.param(encoded(plain("RGBA", (200, 0, 50, 51))), (244, 204, 214), id="a fifth"),
        pytest.param(encoded(plain("RGBA", (9, 8, 7, 255))), (9, 8, 7), id="opaque"),
        pytest.param(
            encoded(plain("RGB", (9, 8, 7)), transparency=(9, 8, 7)),
            (255, 255, 255),
            id="keyed out",
        ),
        pytest.param(encoded(plain("CMYK", (0, 255, 0, 0)), "TIFF"), (255, 0, 255), id="CMYK"),
        pytest.param(encoded(plain("CMYK", (0, 0, 0, 255)), "TIFF"), (0, 0, 0), id="CMYK, black"),
        *(
            pytest.param(encoded(plain("I;16", deep), kind), (grey,) * 3, id=f"{kind} {deep}")
            for deep, grey in ((0, 0), (25_700, 100), (25_828, 100), (25_829, 101), (65_535, 255))
            for kind in ("PNG", "TIFF")
        ),
    ],
)
def test_every_mode_becomes_rgb_as_stated(data: bytes, rgb: tuple[int, ...]) -> None:
    assert first_pixel(data) == rgb


def png(width: int, height: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """Write the kinds of PNG that Pillow only reads."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_deep_colour_is_its_high_byte() -> None:
    deep = b"\0" + struct.pack(">3H", 0x12FF, 0x8000, 0xFF00)
    assert first_pixel(png(1, 1, 16, 2, deep)) == (0x12, 0x80, 0xFF)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [(3, lambda a: np.rot90(a, 2)), (6, lambda a: np.rot90(a, -1)), (8, np.rot90)],
)
def test_the_exif_orientation_is_applied(
    orientation: int, upright: Callable[[np.ndarray], np.ndarray]
) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(stored), exif=exif)
    np.testing.assert_array_equal(pixels(data), upright(stored))


def test_an_animation_is_its_first_frame() -> None:
    first, second = plain("RGB", (255, 0, 0)), plain("RGB", (0, 255, 0))
    assert first_pixel(encoded(first, "GIF", save_all=True, append_images=[second])) == (255, 0, 0)


def test_a_mislabelled_picture_is_read_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "really_a_png.jpg").write_bytes(encoded(plain("RGB", (9, 8, 7))))
    dataset = prepare(tmp_path / "in", tmp_path / "out", size=8)
    assert dataset.images[0, :, 0, 0].tolist() == [9, 8, 7]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_range_that_is_nowhere_stated_is_refused(mode: str) -> None:
    with pytest.raises(Unreadable, match=r"x\.tiff .* range is not stated"):
        decode("x.tiff", encoded(plain(mode, 1), "TIFF"))


NOISE = encoded(Image.effect_noise((99, 99), 50))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "not a picture", id="zero bytes"),
        pytest.param(b"<html>Not found</html>", "not a picture", id="a web page"),
        pytest.param(NOISE[:5000], "cannot be decoded", id="cut PNG"),
        pytest.param(png(10_000, 9_000, 1, 0), "decompression bomb", id="bomb, small"),
        pytest.param(png(90_000, 90_000, 8, 2), "decompression bomb", id="bomb, large"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=rf"^x\.png .*{why}"):
        decode("x.png", data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "PPM"])
def test_damage_is_never_a_traceback(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(plain("RGB", (9, 8, 7)), kind, **({"exif": exif} if kind != "GIF" else {}))
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        try:
            decode("x", damaged.tobytes())
        except Unreadable:
            refused += 1
    assert refused > 0


# --- Preparing ---------------------------------------------------------------------------------


def test_an_archive_prepares_as_its_folder_does(pictures: Path, tmp_path: Path) -> None:
    sets = [prepare(packed(pictures, k), tmp_path / k, size=8) for k in ("folder", "zip", "tgz")]
    for other in sets[1:]:
        np.testing.assert_array_equal(sets[0].images, other.images)
        assert other.digest == sets[0].digest
        assert other.info["source"]["digest"] == sets[0].info["source"]["digest"]


def test_without_scaling_the_pixels_are_kept(pictures: Path, tmp_path: Path) -> None:
    images = prepare(pictures, tmp_path / "out", size=20, in_order=True).images
    for image, name in zip(images, open_images(pictures).names, strict=True):
        expected = np.asarray(Image.open(pictures / name).convert("RGB")).transpose(2, 0, 1)
        np.testing.assert_array_equal(image, expected)


def test_the_last_images_are_held_out(pictures: Path, tmp_path: Path) -> None:
    whole = prepare(pictures, tmp_path / "out", size=8, holdout=2)
    assert (len(whole), len(whole.split("train")), len(whole.split("holdout"))) == (5, 3, 2)
    np.testing.assert_array_equal(whole.split("holdout").images, whole.images[3:])
    np.testing.assert_array_equal(whole.split("train").images, whole.images[:3])


def test_a_tenth_is_held_out_by_default(tmp_path: Path) -> None:
    assert synthesize(tmp_path / "out", num=25, size=8).info["splits"]["holdout"] == [23, 25]


def test_all_may_be_held_out_of_what_is_for_comparing_only(pictures: Path, tmp_path: Path) -> None:
    whole = prepare(pictures, tmp_path / "out", size=8, holdout=5)
    assert (len(whole.split("train")), len(whole.split("holdout"))) == (0, 5)
    with pytest.raises(BadInput, match="has 0 training images"):
        train_images(tmp_path / "out")


@pytest.mark.parametrize("holdout", [-1, 6])
def test_an_impossible_holdout_is_refused(pictures: Path, tmp_path: Path, holdout: int) -> None:
    with pytest.raises(BadInput, match=rf"--holdout {holdout} .* 5 images.* from 0 to 5\."):
        prepare(pictures, tmp_path / "out", holdout=holdout)


NAMES = ["a.png", "b.PNG", "d.bmp", "e.tiff", "nested/c.webp"]


def names_of(folder: Path) -> list[str]:
    return (folder / "files.txt").read_text(encoding="utf-8").splitlines()


def test_unreadable_pictures_are_skipped_and_counted(pictures: Path, tmp_path: Path) -> None:
    clean = prepare(pictures, tmp_path / "clean", size=8, in_order=True)
    (pictures / "a2.png").write_bytes(b"")
    (pictures / "f.jpg").write_text("not a picture")
    dataset = prepare(
        pictures, tmp_path / "out", size=8, holdout=2, skip_unreadable=True, in_order=True
    )
    assert dataset.info["skipped"] == ["a2.png", "f.jpg"]
    assert dataset.info["count"] == len(dataset) == 5
    assert dataset.info["splits"] == {"train": [0, 3], "holdout": [3, 5]}
    np.testing.assert_array_equal(dataset.images, clean.images)
    assert names_of(tmp_path / "out") == NAMES
    there = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert there == ["dataset.json", "files.txt", "images.npy"]
    assert np.load(tmp_path / "out" / "images.npy").shape == (5, 3, 8, 8)


def test_a_truncated_photograph_is_refused_or_skipped(
    shared: Path, pictures: Path, tmp_path: Path
) -> None:
    shutil.copy(shared / "faces" / "truncated.jpg", pictures)
    with pytest.raises(BadInput, match=r"truncated\.jpg .*--skip-unreadable"):
        prepare(pictures, tmp_path / "out", size=8)
    dataset = prepare(pictures, tmp_path / "out", size=8, skip_unreadable=True)
    assert dataset.info["skipped"] == ["truncated.jpg"]
    assert len(dataset) == 5


def interrupted(items: Iterable[Any], *_: object) -> Iterator[Any]:
    yield next(iter(items))
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param({}, BadInput, id="unreadable"),
        pytest.param({"crop": "celeba"}, BadInput, id="crop"),
        pytest.param({"skip_unreadable": True, "holdout": 6}, BadInput, id="too few left"),
        pytest.param({"track": interrupted}, KeyboardInterrupt, id="interrupted"),
    ],
)
def test_a_failure_leaves_nothing_behind(
    pictures: Path, tmp_path: Path, options: dict[str, Any], error: type[BaseException]
) -> None:
    (pictures / "z.png").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error):
        prepare(pictures, tmp_path / "out", size=8, **options)
    assert sorted(tmp_path.rglob("*")) == before


def test_too_few_readable_pictures_say_their_number(pictures: Path, tmp_path: Path) -> None:
    (pictures / "z.png").write_bytes(b"")
    with pytest.raises(BadInput, match="5"):
        prepare(pictures, tmp_path / "out", size=8, skip_unreadable=True, holdout=6)


def test_preparing_again_keeps_what_is_there(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = prepare(pictures, out, size=8)
    stat = (out / "images.npy").stat()
    again = prepare(pictures, out, size=8)
    assert again.info == first.info
    assert (out / "images.npy").stat() == stat


@pytest.mark.parametrize(
    "change",
    [{"size": 16}, {"holdout": 1}, {"crop": "celeba"}, {"seed": 1}, {"in_order": True}, "source"],
)
def test_preparing_otherwise_is_refused(pictures: Path, tmp_path: Path, change: Any) -> None:
    out = tmp_path / "out"
    before = prepare(pictures, out, size=8, holdout=0).info
    if change == "source":
        (pictures / "a.png").unlink()
    options: dict[str, Any] = {"size": 8, "holdout": 0} | (
        change if isinstance(change, dict) else {}
    )
    with pytest.raises(BadInput, match="out exists and was made otherwise"):
        prepare(pictures, out, **options)
    assert open_dataset(out).info == before


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_somebody_else_wrote_is_not_touched(pictures: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    mine = out if kind == "file" else out / "mine.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(BadInput, match="out exists"):
        prepare(pictures, out, size=8)
    assert mine.read_text() == "mine"


def test_an_empty_folder_may_become_the_data_set(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert len(prepare(pictures, tmp_path / "out", size=8)) == 5


# --- Resizing ----------------------------------------------------------------------------------


def lanczos_matrix(start: float, length: float, size: int, limit: int) -> np.ndarray:
    """Rows of weights of an antialiased Lanczos-3 from ``[start, start + length)`` to `size`."""
    scale = length / size
    centres = start + (np.arange(size) + 0.5) * scale
    x = (np.arange(limit) + 0.5 - centres[:, None]) / max(scale, 1)
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    return weights / weights.sum(axis=1, keepdims=True)


def test_celeba_is_cropped_and_resized_as_stated(shared: Path, tmp_path: Path) -> None:
    excerpt = tmp_path / "excerpt"
    with zipfile.ZipFile(shared / "faces" / "celeba_9000_89x109.zip") as archive:
        archive.extractall(excerpt, [f"{i:06}.jpg" for i in range(1, 9)])
    images = prepare(excerpt, tmp_path / "out", crop="celeba", size=64, in_order=True).images
    columns, rows = lanczos_matrix(0, 89, 64, 89), lanczos_matrix(7.5, 89, 64, 109)
    for image, path in zip(images, sorted(excerpt.iterdir()), strict=True):
        with Image.open(path) as photograph:
            exact = photograph.resize((64, 64), Image.Resampling.LANCZOS, box=(0, 7.5, 89, 96.5))
            values = np.asarray(photograph, np.float64)
        np.testing.assert_array_equal(image, to_array(exact))
        wide = np.rint(np.einsum("xw,hwc->hxc", columns, values)).clip(0, 255)
        slow = np.rint(np.einsum("yh,hxc->cyx", rows, wide)).clip(0, 255)
        assert np.abs(image - slow).max() <= 1


# --- Rendering ---------------------------------------------------------------------------------


def test_synth_records_what_each_face_was_drawn_from(tmp_path: Path) -> None:
    dataset = synthesize(tmp_path / "out", num=4, size=16, seed=5)
    np.testing.assert_array_equal(dataset.images, render(range(5, 9), 16))
    with (tmp_path / "out" / "factors.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    expected = [{"seed": seed} | asdict(factors(seed)) for seed in range(5, 9)]
    assert rows == [{key: str(value) for key, value in row.items()} for row in expected]


def test_synth_again_keeps_or_refuses(tmp_path: Path) -> None:
    first = synthesize(tmp_path / "out", num=4, size=8)
    assert synthesize(tmp_path / "out", num=4, size=8).info == first.info
    with pytest.raises(BadInput, match="made otherwise"):
        synthesize(tmp_path / "out", num=4, size=8, seed=1)


def test_synth_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="0 images"):
        synthesize(tmp_path / "out", num=0, size=8)


# --- Data sets ---------------------------------------------------------------------------------


def test_a_split_of_a_split_is_taken_from_the_whole(tiny_dataset: Dataset) -> None:
    holdout = tiny_dataset.split("holdout")
    assert (len(tiny_dataset), len(holdout), holdout.part) == (24, 8, "holdout")
    np.testing.assert_array_equal(holdout.split("train").images, tiny_dataset.images[:16])
    np.testing.assert_array_equal(holdout.split("all").images, tiny_dataset.images)
    assert len(holdout.split("holdout")) == 8


def test_a_missing_split_is_refused(tiny_dataset: Dataset) -> None:
    info = tiny_dataset.info | {"splits": {"train": [0, 24]}}
    with pytest.raises(BadInput, match=r"no split 'holdout'.* train"):
        replace(tiny_dataset, info=info).split("holdout")


def test_a_data_set_samples_its_own_images(tiny_dataset: Dataset) -> None:
    drawn = tiny_dataset.split("holdout").sample([3, 0])
    np.testing.assert_array_equal(drawn, render([19, 16], 32))
    assert tiny_dataset.size == 32


@pytest.mark.parametrize(("make", "why"), [(False, "no data set"), (True, "not a prepared")])
def test_what_is_no_data_set_tells_how_to_make_one(tmp_path: Path, make: bool, why: str) -> None:
    if make:
        (tmp_path / "set").mkdir()
    with pytest.raises(BadInput, match=rf"{why}.*facebench data prepare"):
        open_dataset(tmp_path / "set")


def edit(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "dataset.json"
        info = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({k: v for k, v in info.items() if v is not None}))

    return change


def save_images(array: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / "images.npy", array)


def write(name: str, data: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda d: (d / "images.npy").unlink(), id="no images"),
        pytest.param(lambda d: cut(d / "images.npy", 0.5), id="cut images"),
        pytest.param(write("images.npy", b""), id="empty images"),
        pytest.param(write("images.npy", b"PK\x03\x04 no zip"), id="zip-like images"),
        pytest.param(write("images.npy", pickle.dumps([1, 2])), id="pickle"),
        pytest.param(save_images(np.zeros((24, 3, 32, 16), np.uint8)), id="shape"),
        pytest.param(save_images(np.zeros((24, 3, 32, 32), np.float32)), id="dtype"),
        pytest.param(write("dataset.json", b'{"count": '), id="cut json"),
        pytest.param(write("dataset.json", b"\xff\xfe"), id="binary json"),
        pytest.param(write("dataset.json", b"[1, 2]"), id="list"),
        pytest.param(edit(format="other/9"), id="format"),
        pytest.param(edit(count=None), id="no count"),
        pytest.param(edit(size=None), id="no size"),
        pytest.param(edit(digest=None), id="no digest"),
        pytest.param(edit(splits=None), id="no splits"),
        pytest.param(edit(crop=None), id="no crop"),
        pytest.param(edit(filter=None), id="no filter"),
        pytest.param(edit(splits={"train": [0, 25]}), id="split too long"),
        pytest.param(edit(splits={"train": 3}), id="split no pair"),
        pytest.param(edit(splits={"train": ["a", "b"]}), id="split no numbers"),
    ],
)
def test_damage_is_told_in_one_sentence(
    tiny_folder: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_folder, folder)
    damage(folder)
    with pytest.raises(
        BadInput, match=rf"{folder}/(images\.npy|dataset\.json) .*: remove {folder} .*\.$"
    ):
        open_dataset(folder)


def test_pickled_images_are_never_loaded(tiny_folder: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    shutil.copytree(tiny_folder, tmp_path / "copy")
    np.save(tmp_path / "copy" / "images.npy", np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(BadInput, match=r"images\.npy is damaged"):
        open_dataset(tmp_path / "copy")
    assert not (tmp_path / "executed").exists()
