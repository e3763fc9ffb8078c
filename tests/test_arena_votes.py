import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from arena_judges import DIGEST, gallery_of, lay_board
from PIL import Image

from facebench.arena.pictures import NOISE, REAL, as_png, cut, gallery
from facebench.arena.questions import PAIRS, SINGLES, next_question, round_of
from facebench.arena.votes import Question, Shown, VoteBook
from facebench.data.grid import grid
from facebench.errors import BadInput
from facebench.results.result import SANITY, Result, read_results, write_result

QUESTION = Question("t", "ada", "pair", Shown("a", "d", 1), Shown("b", "e", 2))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_board(tmp_path_factory.mktemp("arena") / "board", {"a": 0.0, "b": 1.0, "c": 2.0})


def test_a_vote_is_there_for_whoever_opens_the_file_next(tmp_path: Path) -> None:
    path = tmp_path / "arena" / "votes.sqlite"
    with VoteBook(path) as book:
        book.ask(QUESTION)
        assert book.open_question("ada") == QUESTION
        assert book.vote("t", "left", 1234)
        with VoteBook(path) as another:
            (vote,) = another.votes()
    assert (vote.question, vote.answer) == (QUESTION, "left")
    with VoteBook(path) as book:
        assert book.open_question("ada") is None
        assert not book.vote("t", "right", 1)  # sent again: the first one holds
        assert [each.answer for each in book.votes()] == ["left"]
        assert (book.count(), book.count("ada"), book.count("bob")) == (1, 1, 0)


def test_only_answers_that_there_are_can_be_kept(tmp_path: Path) -> None:
    with VoteBook(tmp_path / "votes.sqlite") as book:
        book.ask(QUESTION)
        with pytest.raises(sqlite3.IntegrityError):
            book.ask(QUESTION)
        assert not book.vote("t", "up", 1)
        assert book.count() == 0


def test_a_file_that_holds_no_votes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "votes.sqlite"
    path.write_bytes(b"votes, they say" * 100)
    with pytest.raises(BadInput, match="is no file of votes"):
        VoteBook(path)
    with pytest.raises(BadInput, match="cannot be opened"):
        VoteBook(tmp_path)
    other = tmp_path / "other.sqlite"
    base = sqlite3.connect(other)
    base.execute("PRAGMA user_version = 7")
    base.close()
    with pytest.raises(BadInput, match="another version"):
        VoteBook(other)


def test_a_grid_is_cut_into_the_images_it_was_made_of(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8), np.uint8)
    grid(images).save(tmp_path / "seven.png")
    found = cut(tmp_path / "seven.png", 7)
    assert len(found) == 7
    for picture, image in zip(found, images, strict=True):
        assert np.array_equal(np.asarray(picture).transpose(2, 0, 1), image)
    with pytest.raises(BadInput, match="is no grid of 5×4 squares"):
        cut(tmp_path / "seven.png", 20)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(BadInput, match="cannot be read"):
        cut(tmp_path / "text.png", 36)


def test_the_gallery_is_of_models_and_real_images_without_checks(
    board: Path, tmp_path: Path
) -> None:
    results = read_results(board)
    check = Result("blur", SANITY, "", "0", 0, results[0].protocol, {})
    shown = gallery(board, [*results, check, replace(results[0], model="unseen")])
    assert [each.name for each in shown.models] == ["a", "b", "c"]
    assert {len(each.pictures) for each in shown.models} == {36}
    assert shown.real and len(shown.real.pictures) == 36
    assert shown.missing == ("unseen",)
    noise = shown.picture(NOISE, 5)
    assert noise.size == (64, 64) and as_png(noise) == as_png(shown.picture(NOISE, 5))
    with pytest.raises(BadInput, match="holds no model's pictures: facebench eval --out"):
        gallery(tmp_path, results)


def test_a_round_is_pairs_with_a_check_and_singles_half_of_them_real() -> None:
    kinds = round_of(True, True, Random(0))
    assert Counter(kinds[: PAIRS + 1]) == {"pair": PAIRS, "check": 1}
    assert Counter(kinds[PAIRS + 1 :]) == {"real": SINGLES // 2, "generated": SINGLES // 2}
    assert round_of(True, False, Random(0)) == ["pair"] * PAIRS
    assert Counter(round_of(False, True, Random(0))) == {"real": 5, "generated": 5}
    places = {round_of(True, True, Random(i)).index("check") for i in range(200)}
    assert places == set(range(PAIRS + 1))


def test_questions_are_balanced_over_pairs_models_pictures_and_sides(tmp_path: Path) -> None:
    shown, rng = gallery_of(4), Random(1)
    questions = []
    with VoteBook(tmp_path / "votes.sqlite") as book:
        for _ in range(12):
            for judge in ("ada", "bob", "eve"):
                question = next_question(book, shown, judge, rng)
                assert next_question(book, shown, judge, rng) == question  # till it is answered
                questions.append(question)
                book.vote(question.token, "skip", 1)
            for _ in range(9):
                question = next_question(book, shown, "ada", rng)
                questions.append(question)
                book.vote(question.token, "skip", 1)
    pairs = [q for q in questions if q.kind == "pair"]
    of_pairs = Counter(frozenset({s.name for s in (q.first, q.second) if s}) for q in pairs)
    assert len(of_pairs) == 6 and max(of_pairs.values()) - min(of_pairs.values()) <= 1
    singles = [q.first for q in questions if q.kind == "single"]
    of_models = Counter(each.name for each in singles if each.name != REAL)
    assert len(of_models) == 4 and max(of_models.values()) - min(of_models.values()) <= 1
    ada = [q.first for q in questions if q.kind == "single" and q.judge == "ada"]
    assert max(Counter(ada).values()) == 1  # no judge sees one twice before all were seen
    lefts = sum(q.first.name < q.second.name for q in pairs if q.second)
    assert 0.25 < lefts / len(pairs) < 0.75
    checks = [q for q in questions if q.kind == "check"]
    assert all({REAL, NOISE} == {s.name for s in (q.first, q.second) if s} for q in checks)
    assert {q.first.name for q in checks} == {REAL, NOISE}


def test_a_question_about_pictures_that_are_gone_is_asked_no_more(tmp_path: Path) -> None:
    with VoteBook(tmp_path / "votes.sqlite") as book:
        book.ask(QUESTION)
        asked = next_question(book, gallery_of(3), "ada", Random(0))
        assert asked.token != "t" and book.open_question("ada")


def test_one_model_is_judged_by_single_pictures_only(tmp_path: Path) -> None:
    with VoteBook(tmp_path / "votes.sqlite") as book:
        kinds = set()
        for _ in range(20):
            question = next_question(book, gallery_of(1), "ada", Random(0))
            kinds.add(question.kind)
            book.vote(question.token, "real", 1)
    assert kinds == {"single"}


def test_a_board_without_photographs_has_pairs_only(tmp_path: Path) -> None:
    board = lay_board(tmp_path / "board", {"a": 0.0, "b": 1.0}, real=False)
    shown = gallery(board, read_results(board))
    assert shown.real is None
    with VoteBook(tmp_path / "votes.sqlite") as book:
        for _ in range(25):
            question = next_question(book, shown, "ada", Random(0))
            assert question.kind == "pair"
            book.vote(question.token, "tie", 1)


def test_photographs_of_two_references_are_put_together(tmp_path: Path) -> None:
    board = lay_board(tmp_path / "board", {"a": 0.0})
    (result,) = read_results(board)
    other = DIGEST[::-1]
    protocol = replace(result.protocol, dataset_digest=other)
    write_result(Result("b", "images", "", "0", 0, protocol, {}), board)
    for name in ("b", f"reference-{other[:12]}-holdout"):
        Image.new("RGB", (384, 384), "teal").save(board / "samples" / f"{name}.png")
    shown = gallery(board, read_results(board))
    assert shown.real and len(shown.real.pictures) == 72
