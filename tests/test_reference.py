"""The table of the reference models: which trainings it wants, and what it says of them."""

from pathlib import Path

import pytest
import reference
import reference_page
from reference import Job, Line


def line(seed: int, fid: float, minutes: int = 10, model: str = "flow", faces: int = 8000) -> Line:
    return Line(model, faces, minutes, seed, 900, 600.0, 100.0, fid, fid - 0.02, fid + 0.02, 0.2)


def test_each_training_is_asked_for_once_and_the_first_seeds_first() -> None:
    found = [*reference.jobs()]
    assert len({*found}) == len(found) == 2 * (5 * 4 + 1)
    for model in reference.MODELS:
        for faces in (1000, 8000):
            own = {(j.minutes, j.seed) for j in found if (j.model, j.faces) == (model, faces)}
            all_of_them = {(10, 0), (10, 1), (10, 2), (40, 0)}
            assert own == ({(10, 0)} if model == "pca" else all_of_them)
    assert {job.seed for job in found[:22]} == {0}
    assert found.index(Job("vae", 1000, 40, 0)) < found.index(Job("vae-fitted", 1000, 40, 0))


def test_a_cell_says_of_how_many_seeds_it_is() -> None:
    lines = [line(0, 0.6), line(1, 0.5), line(2, 0.7), line(0, 0.4, minutes=40)]
    lines += [line(0, 0.9, model="pca")]
    assert reference_page.table(lines).splitlines() == [
        "| model | 8,000 faces, 10 min | 8,000 faces, 40 min |",
        "|---|---|---|",
        "| PCA | 0.900 (0.880 – 0.920) |  |",
        "| flow | 0.600 [0.500, 0.700] of 3 seeds | 0.400 (0.380 – 0.420) |",
    ]


def test_lines_are_added_and_read_and_the_page_keeps_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "reference.md"
    page.write_text(f"before\n\n{reference_page.BEGIN}\nold\n{reference_page.END}\nafter\n")
    monkeypatch.setattr(reference, "TABLE", tmp_path / "reference.csv")
    monkeypatch.setattr(reference_page, "PAGE", page)
    monkeypatch.setattr(reference_page, "PLOT", tmp_path / "reference.webp")
    added = [line(0, 0.6), line(0, 0.5, minutes=40, faces=1000)]
    for each in added:
        reference.add(each)
    assert reference.read_lines() == added
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| flow | 0.500 (0.480 – 0.520) | 0.600 (0.580 – 0.620) |" in text
    assert (tmp_path / "reference.webp").stat().st_size > 1000
