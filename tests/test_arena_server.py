import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from arena_judges import lay_board
from click.testing import CliRunner
from PIL import Image

from facebench.arena.pictures import as_png, gallery
from facebench.arena.server import EVERY, ArenaServer
from facebench.arena.summary import summarize
from facebench.arena.votes import FILE, VoteBook
from facebench.cli import cli
from facebench.results.judgement import arena_folder, read_judgement
from facebench.results.result import read_results

MODELS = {"velvet": 0.0, "granite": 1.5, "willow": 2.5}


@pytest.fixture
def board(tmp_path: Path) -> Path:
    return lay_board(tmp_path / "board", MODELS)


@pytest.fixture
def server(board: Path) -> Iterator[ArenaServer]:
    shown = gallery(board, read_results(board))
    with (
        VoteBook(arena_folder(board) / FILE) as book,
        ArenaServer(board, shown, book, "127.0.0.1", 0, "ada") as server,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Client:
    """A browser's requests, with its cookies."""

    def __init__(self, url: str):
        self.url = url
        self.headers: HTTPMessage = HTTPMessage()
        self.cookie = ""

    def get(self, path: str, **headers: str) -> bytes:
        return self._send(urllib.request.Request(self.url + path, headers=headers))

    def question(self) -> dict[str, Any]:
        return dict(json.loads(self.get("question")))

    def vote(self, **vote: Any) -> bytes:
        return self.post(json.dumps(vote).encode())

    def post(self, body: bytes, path: str = "vote", **headers: str) -> bytes:
        known = {"Content-Type": "application/json"} | headers
        return self._send(urllib.request.Request(self.url + path, body, known))

    def _send(self, request: urllib.request.Request) -> bytes:
        if self.cookie:
            request.add_header("Cookie", self.cookie)
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.headers = answer.headers
            if given := answer.headers["Set-Cookie"]:
                self.cookie = given.partition(";")[0]
            return bytes(answer.read())


@pytest.fixture
def client(server: ArenaServer) -> Client:
    return Client(server.url)


def answer_to(question: dict[str, Any]) -> str:
    return "left" if question["pictures"] == 2 else "real"


def test_a_vote_is_on_disk_when_it_is_acknowledged(client: Client, board: Path) -> None:
    question = client.question()
    assert question.keys() == {"token", "pictures", "answered"}
    client.vote(token=question["token"], answer="right", milliseconds=900)
    with VoteBook(arena_folder(board) / FILE) as book:
        (vote,) = book.votes()
    assert (vote.question.token, vote.answer, vote.question.judge) == (
        *(question["token"], "right"),
        "ada",
    )
    client.vote(token=question["token"], answer="left", milliseconds=900)  # sent again
    assert client.question()["answered"] == 1


def test_a_picture_is_the_models_pixels_and_nothing_else(
    client: Client, server: ArenaServer
) -> None:
    token = client.question()["token"]
    question = server.book.find(token)
    assert question and question.second
    for side, shown in (("left", question.first), ("right", question.second)):
        content = client.get(f"picture/{token}/{side}")
        assert content == as_png(server.shown.picture(shown.name, shown.number))
        with Image.open(BytesIO(content)) as picture:
            assert picture.info == {} and picture.size == (64, 64)


def test_nothing_tells_whose_the_pictures_are(client: Client) -> None:
    said = b""
    for _ in range(25):
        question = client.question()
        said += json.dumps(question).encode()
        for side in ("left", "right")[: question["pictures"]]:
            client.get(f"picture/{question['token']}/{side}")
            said += str(client.headers).encode()
        said += client.vote(token=question["token"], answer=answer_to(question), milliseconds=1)
        said += str(client.headers).encode()
    for path in ("", "arena.js", "arena.css"):
        said += client.get(path)
    assert len(said) > 5000
    for secret in (*MODELS, "reference", "noise", "check"):
        assert secret not in said.decode().lower(), secret


def refused(asked: Callable[[], object]) -> int:
    with pytest.raises(urllib.error.HTTPError) as error:
        asked()
    error.value.close()
    return error.value.code


def test_what_is_no_vote_is_refused_and_changes_nothing(
    client: Client, server: ArenaServer
) -> None:
    token = client.question()["token"]
    good = {"token": token, "answer": "left", "milliseconds": 1}
    for wrong in (
        {"answer": "real"}, {"answer": "up"}, {"answer": ["left"]}, {"token": "none"},
        {"token": 3}, {"token": None}, {"milliseconds": -1}, {"milliseconds": "1"},
        {"milliseconds": 1.5}, {"milliseconds": 2**60},
    ):  # fmt: skip
        assert refused(partial(client.vote, **good | wrong)) == 400, wrong
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 1000, b" " * 2000 + json.dumps(good).encode()):
        assert refused(partial(client.post, body)) == 400, body[:20]
    assert server.book.count() == 0


def test_other_sites_and_other_names_are_refused(client: Client, server: ArenaServer) -> None:
    good = {"token": client.question()["token"], "answer": "left", "milliseconds": 1}
    body = json.dumps(good).encode()
    assert refused(lambda: client.post(body, **{"Sec-Fetch-Site": "cross-site"})) == 403
    assert refused(lambda: client.post(body, **{"Content-Type": "text/plain"})) == 403
    assert refused(lambda: client.post(body, Host="evil.example")) == 403
    assert refused(lambda: client.get("question", Host="evil.example:80")) == 403
    assert client.get("question", Host="localhost:1")
    for path in ("../board", "picture/x/left", f"picture/{good['token']}/up", "votes.sqlite"):
        assert refused(partial(client.get, path)) == 404, path
    assert refused(lambda: client.post(body, path="question")) == 404
    assert server.book.count() == 0


def test_each_browser_is_a_judge_and_goes_on_where_it_was(server: ArenaServer) -> None:
    server.judge = None
    one, other = Client(server.url), Client(server.url)
    question = one.question()
    assert re.fullmatch("judge=[0-9a-f]{32}", one.cookie)
    assert "HttpOnly" in one.headers["Set-Cookie"] and "SameSite=Strict" in str(one.headers)
    assert one.question()["token"] == question["token"] != other.question()["token"]
    assert one.cookie != other.cookie
    one.vote(token=question["token"], answer="left", milliseconds=1)
    assert (one.question()["answered"], other.question()["answered"]) == (1, 0)
    one.cookie = 'judge="; DROP TABLE votes'
    assert one.question()["answered"] == 0


def test_the_summary_is_written_as_votes_come(client: Client, board: Path) -> None:
    for number in range(EVERY):
        assert read_judgement(board) is None, number
        question = client.question()
        client.vote(token=question["token"], answer=answer_to(question), milliseconds=1)
    client.question()  # the summary is made after the answer; a moment may pass
    for _ in range(100):
        if found := read_judgement(board):
            break
        threading.Event().wait(0.1)
    assert found and found.pairs == 10 and found.singles == EVERY - 11 and found.judges == 1


def start(board: Path) -> "tuple[subprocess.Popen[str], str]":
    """Start the real command and return it with the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "facebench", "arena", str(board), "--port", "0", "--judge", "ada"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/", line)
    assert found, line
    return process, found[0]


@pytest.mark.processes
@pytest.mark.long
def test_a_server_that_is_killed_loses_no_vote_and_its_open_question_goes_on(board: Path) -> None:
    acknowledged: list[tuple[str, str]] = []
    for _ in range(3):
        process, url = start(board)
        client = Client(url)
        for _ in range(9):
            question = client.question()
            client.vote(token=question["token"], answer=answer_to(question), milliseconds=1)
            acknowledged.append((question["token"], answer_to(question)))
        left_open = client.question()["token"]
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
        assert process.stdout and process.stderr
        process.stdout.close()
        process.stderr.close()
        with VoteBook(arena_folder(board) / FILE) as book:
            kept = {vote.question.token: vote.answer for vote in book.votes()}
            open_one = book.open_question("ada")
        assert kept == dict(acknowledged)
        assert open_one and open_one.token == left_open
    assert summarize(board).judges == 1 and len(acknowledged) == 27


@pytest.mark.processes
@pytest.mark.long
def test_ctrl_c_ends_the_server_with_a_summary(board: Path) -> None:
    process, url = start(board)
    client = Client(url)
    for _ in range(3):
        question = client.question()
        client.vote(token=question["token"], answer="left", milliseconds=1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "3 votes." in out and "--summary" in out
    found = read_judgement(board)
    assert found and found.pairs + found.checks == 3


def invoke(*words: object) -> Any:
    return CliRunner().invoke(cli, ["arena", *map(str, words)])


def test_what_cannot_be_judged_is_said(board: Path, tmp_path: Path) -> None:
    answer = invoke(board, "--summary")
    assert "Nobody has judged" in str(answer.exception)
    assert not arena_folder(board).exists()
    answer = invoke(tmp_path / "none")
    assert "There is no results folder" in str(answer.exception)
    answer = invoke(board, "--judge", " ")
    assert "--judge takes a name" in str(answer.exception)
    alone = lay_board(tmp_path / "alone", {"a": 0.0}, real=False)
    assert "nothing to judge" in str(invoke(alone).exception)


def test_a_port_that_is_taken_is_said(board: Path, server: ArenaServer) -> None:
    answer = invoke(board, "--port", server.server_address[1])
    assert "--port 0 any port that is free" in str(answer.exception)
    answer = invoke(board, "--host", "192.0.2.1", "--port", 0)  # nobody's
    assert "--host takes an address of this machine" in str(answer.exception)


def test_the_summary_is_printed_and_written(board: Path, client: Client) -> None:
    for number in range(60):
        question = client.question()
        is_right = number % 2 and question["pictures"] == 2
        given = "right" if is_right else answer_to(question)
        client.vote(token=question["token"], answer=given, milliseconds=1)
    answer = invoke(board, "--summary")
    assert answer.exit_code == 0, answer.output
    for said in ("velvet", "strength", "HYPE∞", "30 pairs", "27 single", "Attention checks"):
        assert said in answer.output.replace("\n", " "), said
    assert "Of one judge:" in answer.output
    assert read_judgement(board)


def test_who_answers_nothing_but_left_is_left_out_of_the_summary(
    board: Path, client: Client
) -> None:
    for _ in range(50):
        question = client.question()
        client.vote(token=question["token"], answer=answer_to(question), milliseconds=1)
    answer = invoke(board, "--summary")
    assert "Left out: 1 judge" in answer.output and "0 pairs" in answer.output
