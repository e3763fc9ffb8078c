"""Pairs on disk, and answers as pictures: what is paired by name, and what is refused."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebench.errors import BadInput
from facebench.pairs.answers import open_answers
from facebench.pairs.bicubic import Bicubic
from facebench.pairs.evaluate import UNSPLIT, reference
from facebench.pairs.nearest import NearestMean
from facebench.pairs.pair_set import PairSet, open_pairs

RNG = np.random.default_rng(0)


def draw(path: Path, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> np.ndarray:
    """Write a picture of noise, and return it as ``uint8`` (3, h, w)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {"RGB": (3,), "L": (), "RGBA": (4,)}[mode]
    picture = Image.fromarray(RNG.integers(0, 256, (*size[::-1], *channels), dtype=np.uint8))
    picture.save(path, lossless=True)
    return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Give a folder of three pairs, whose files were written in another order than their names."""
    folder = tmp_path / "pairs"
    for name in ("c.png", "a.png", "sub/b.webp"):
        draw(folder / "sources" / name)
        draw((folder / "targets" / name).with_suffix(".png"), (12, 8))
    return folder


def test_pairs_go_by_name_without_the_ending_and_in_its_order(pairs: Path) -> None:
    drawn = draw(pairs / "sources" / "a.png")
    found = open_pairs(pairs, "holdout")
    assert found.names == ("a", "c", "sub/b") and found.part == "all" and len(found) == 3
    assert found.sources.shape == (3, 3, 4, 6) and found.targets.shape == (3, 3, 8, 12)
    np.testing.assert_array_equal(found.sources[0], drawn)
    assert found.task == "image to image"


def test_of_a_set_that_is_split_the_split_is_taken(tmp_path: Path, pairs: Path) -> None:
    whole = tmp_path / "whole"
    for split in ("train", "holdout"):
        for side in ("sources", "targets"):
            draw(whole / split / side / f"{split}.png")
    (whole / "pairs.json").write_text('{"format": 1, "task": "denoising", "options": {}}')
    for split in ("train", "holdout"):
        found = open_pairs(whole, split)  # type: ignore[arg-type]
        assert (found.names, found.part, found.task) == ((split,), split, "denoising")


def test_the_digest_is_of_names_and_pixels(pairs: Path) -> None:
    def digest() -> str:
        return open_pairs(pairs, "holdout").digest

    before = digest()
    assert digest() == before
    Image.open(pairs / "sources" / "a.png").save(pairs / "sources" / "a.bmp")
    (pairs / "sources" / "a.png").unlink()
    assert digest() == before  # the same pixels in another file
    for side in ("sources", "targets"):
        (pairs / side / "c.png").rename(pairs / side / "d.png")
    renamed = digest()
    assert renamed != before
    draw(pairs / "targets" / "d.png", (12, 8))
    assert digest() not in (before, renamed)


def test_grey_and_transparent_pictures_are_converted_as_elsewhere(pairs: Path) -> None:
    drawn = draw(pairs / "sources" / "a.png", mode="L")
    draw(pairs / "sources" / "c.png", mode="RGBA")
    found = open_pairs(pairs, "holdout")
    np.testing.assert_array_equal(found.sources[0], drawn)
    over_white = Image.new("RGBA", (6, 4), "white")
    over_white.alpha_composite(Image.open(pairs / "sources" / "c.png"))
    wanted = np.asarray(over_white.convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(found.sources[1], wanted)


def test_what_is_done_to_pictures_is_said(pairs: Path) -> None:
    assert reference(open_pairs(pairs, "holdout")).note == UNSPLIT
    draw(pairs / "sources" / "c.png", mode="RGBA")
    (pairs / "targets" / "notes.txt").write_text("")
    found = open_pairs(pairs, "holdout")
    assert (found.converted, found.looks.formats) == (1, {"PNG": 3})
    assert reference(found).note == (
        "1 other files among the pairs are left out; 1 pictures among the pairs are turned by EXIF,"
        f" or laid over white where they are transparent; {UNSPLIT}"
    )


def test_names_are_one_whoever_spelt_their_accents(pairs: Path) -> None:
    draw(pairs / "sources" / (unicodedata.normalize("NFD", "é") + ".png"))
    draw(pairs / "targets" / (unicodedata.normalize("NFC", "é") + ".png"), (12, 8))
    assert open_pairs(pairs, "holdout").names == (
        "a",
        "c",
        "sub/b",
        "\N{LATIN SMALL LETTER E WITH ACUTE}",
    )


def _add(name: str, size: tuple[int, int] = (6, 4)) -> Callable[[Path], object]:
    return lambda pairs: draw(pairs / name, size)


def _unread(pairs: Path) -> None:
    (pairs / "targets" / "a.png").rename(pairs / "targets" / "a.heic")


def _empty(pairs: Path) -> None:
    for file in (pairs / "targets").rglob("*.png"):
        file.unlink()


def _no_sources(pairs: Path) -> None:
    (pairs / "sources").rename(pairs / "inputs")


def _broken(pairs: Path) -> None:
    (pairs / "sources" / "a.png").write_bytes(b"not a picture")


def _other_split(pairs: Path) -> None:
    for side in ("sources", "targets"):
        (pairs / "train").mkdir(exist_ok=True)
        (pairs / side).rename(pairs / "train" / side)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_add("sources/z.png"), "z is in sources and not in targets"),
        (_add("targets/z.png", (12, 8)), "z is in targets and not in sources"),
        (_add("sources/z.png", (7, 4)), "z is in sources and not in targets"),
        (_add("sources/c.png", (7, 4)), "sources: c.png is of 7×4 pixels, where 6×4 are needed"),
        (_add("targets/a.png", (6, 4)), "targets: a.png is of 6×4 pixels, where 12×8 are needed"),
        (
            _unread,
            r"a is in sources and not in targets \(a.heic \[.*PNG\] is left out",
        ),
        (_add("sources/a.bmp"), r"two pictures called a \(a.bmp and a.png\)"),
        (_broken, "sources: a.png is not a picture that Pillow can read"),
        (_no_sources, "There is no file or folder .*sources"),
        (_empty, r"targets holds no pictures .*: give files so named\.?$"),
        (_other_split, "has the split train and no holdout"),
    ],
)
def test_what_is_no_set_of_pairs_is_refused_in_one_sentence(
    spoil: Callable[[Path], object], says: str, pairs: Path
) -> None:
    spoil(pairs)
    with pytest.raises(BadInput, match=says) as refused:
        open_pairs(pairs, "holdout")
    assert str(refused.value).rstrip(".").count(". ") == 0


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no pairs: put pictures into"):
        open_pairs(tmp_path, "holdout")
    with pytest.raises(BadInput, match="There is no folder"):
        open_pairs(tmp_path / "absent", "holdout")
    for side in ("sources", "targets"):
        draw(tmp_path / side / "a.png")
    with pytest.raises(BadInput, match="holds one pair: give 2 or more"):
        reference(open_pairs(tmp_path, "holdout"))
    (tmp_path / "pairs.json").write_text('{"format": 2}')
    with pytest.raises(BadInput, match="does not say which task"):
        open_pairs(tmp_path, "holdout")


def test_answers_go_by_the_sources_names(tmp_path: Path, pairs: Path) -> None:
    real = reference(open_pairs(pairs, "holdout"))
    assert real.pairs is not None
    drawn = {name: draw(tmp_path / "w" / f"{name}.bmp", (12, 8)) for name in ("sub/b", "c", "a")}
    source = open_answers(tmp_path / "w", real.pairs)
    [answers] = source.batches([[0, 2, 1]])
    np.testing.assert_array_equal(answers, np.stack([drawn[n] for n in ("a", "sub/b", "c")]))


def test_several_answers_to_a_source_are_in_folders_by_number(tmp_path: Path, pairs: Path) -> None:
    names = [f"{number}/{name}" for number in range(3) for name in ("a", "c", "sub/b")]
    drawn = {name: draw(tmp_path / "w" / f"{name}.png", (12, 8)) for name in names}
    two = reference(open_pairs(pairs, "holdout"), answers=2, seed=5)
    assert two.pairs is not None
    [answers] = open_answers(tmp_path / "w", two.pairs).batches([range(5, 11)])
    order = ("0/a", "1/a", "0/c", "1/c", "0/sub/b", "1/sub/b")  # of a third nothing is asked
    np.testing.assert_array_equal(answers, np.stack([drawn[name] for name in order]))
    one = reference(open_pairs(pairs, "holdout"))
    assert one.pairs is not None
    [answers] = open_answers(tmp_path / "w", one.pairs).batches([range(3)])
    np.testing.assert_array_equal(answers, np.stack([drawn[n] for n in order[::2]]))


def _from_one(folder: Path) -> None:
    for name in ("a.png", "c.png", "sub/b.png"):
        (folder / "1" / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).rename(folder / "1" / name)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda w: (w / "a.png").unlink(), "a is missing, and answers go by the sources' names"),
        (_from_one, r"a, c, sub/b are missing, .* \(1/a, 1/c, 1/sub/b are there\): add them"),
        (lambda w: draw(w / "z.png", (12, 8)), "z is no answer to a source"),
        (lambda w: draw(w / "c.png", (6, 4)), "c.png is of 6×4 pixels, where 12×8 are needed"),
        (lambda w: draw(w / "a.bmp", (12, 8)), r"two pictures called a"),
        (lambda w: (w / "a.png").write_bytes(b"?"), "a.png is not a picture"),
    ],
)
def test_answers_that_are_not_one_for_each_source_are_refused(
    spoil: Callable[[Path], object], says: str, tmp_path: Path, pairs: Path
) -> None:
    for name in ("a", "c", "sub/b"):
        draw(tmp_path / "w" / f"{name}.png", (12, 8))
    spoil(tmp_path / "w")
    real = reference(open_pairs(pairs, "holdout"))
    assert real.pairs is not None
    with pytest.raises(BadInput, match=says):
        list(open_answers(tmp_path / "w", real.pairs).batches([range(3)]))


def test_too_few_answers_and_an_array_of_them_have_a_way_out(tmp_path: Path, pairs: Path) -> None:
    for name in ("a", "c", "sub/b"):
        draw(tmp_path / "w" / f"{name}.png", (12, 8))
    two = reference(open_pairs(pairs, "holdout"), answers=2)
    assert two.pairs is not None
    with pytest.raises(BadInput, match="add them, or ask for fewer by --seeds-per-source"):
        open_answers(tmp_path / "w", two.pairs)
    for name, save in (("w.npy", np.save), ("w.npz", np.savez)):
        save(tmp_path / name, np.zeros((3, 3, 8, 12), np.uint8))
        with pytest.raises(BadInput, match="is an array, whose images have no names to go by"):
            open_answers(tmp_path / name, two.pairs)


def test_bicubic_is_pillows_and_leaves_sources_of_the_targets_size() -> None:
    sources = RNG.integers(0, 256, (3, 3, 4, 6), dtype=np.uint8)
    answers = Bicubic((16, 24)).translate(sources, [0, 1, 2])
    picture = Image.fromarray(sources[1].transpose(1, 2, 0)).resize((24, 16), Image.BICUBIC)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(answers[1], np.asarray(picture).transpose(2, 0, 1))
    np.testing.assert_array_equal(Bicubic((4, 6)).translate(sources, [0, 1, 2]), sources)


def test_the_nearest_pairs_are_those_by_pixels() -> None:
    train = RNG.integers(0, 256, (40, 3, 4, 6), dtype=np.uint8)
    targets = RNG.integers(0, 256, (40, 3, 8, 12), dtype=np.uint8)
    sources = RNG.integers(0, 256, (9, 3, 4, 6), dtype=np.uint8)
    known = PairSet(train, targets, tuple(map(str, range(40))), Path("x"))
    answers = NearestMean(known, k=3).translate(sources, list(range(9)))
    for source, answer in zip(sources.astype(float), answers, strict=True):
        order = np.argsort(np.square(train - source).sum((1, 2, 3)))[:3]
        np.testing.assert_array_equal(answer, np.rint(targets[order].mean(0)).astype(np.uint8))
    alone = NearestMean(known, k=3).translate(sources[4:5], [4])
    np.testing.assert_array_equal(alone, answers[4:5])
    with pytest.raises(BadInput, match="sources are of 4×4 pixels, and the training ones of 6×4"):
        NearestMean(known).translate(sources[..., :4], list(range(9)))
