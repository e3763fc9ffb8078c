"""The page on which people judge, served by this machine: five addresses, and nothing else.

=========================  ==========================================================
``GET /``                  the page; ``/arena.css`` and ``/arena.js`` are its parts
``GET /question``          the judge's next question: a random token, and its kind
``GET /picture/T/left``    a picture of question ``T`` (``right``: the other one)
``POST /vote``             an answer, which is on disk before it is acknowledged
=========================  ==========================================================

A token means nothing: neither page nor address tells whose a picture is, before or after the vote.
"""

import json
import re
import secrets
import socket
import sys
from functools import cache
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from random import SystemRandom
from threading import Lock
from typing import Any

from facebench.arena.pictures import Gallery, as_png
from facebench.arena.questions import next_question
from facebench.arena.summary import summarize
from facebench.arena.votes import ANSWERS, VoteBook

EVERY = 20
"""Votes after which the summary is written."""
_PARTS = {
    "/": ("arena.html", "text/html; charset=utf-8"),
    "/arena.css": ("arena.css", "text/css; charset=utf-8"),
    "/arena.js": ("arena.js", "text/javascript; charset=utf-8"),
}
_PICTURE = re.compile(r"/picture/([\w-]{1,64})/(left|right)")
_JUDGE = re.compile(r"[0-9a-f]{32}")
_LONGEST = 1024  # bytes of a vote
_LONGEST_TIME = 2**53  # milliseconds
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class ArenaServer(ThreadingHTTPServer):
    """Serves the pictures of a board to judges, and keeps what they say."""

    daemon_threads = True

    def __init__(
        self, board: Path, shown: Gallery, book: VoteBook, host: str, port: int, judge: str | None
    ):
        self.board, self.shown, self.book, self.judge = board, shown, book, judge
        self.rng = SystemRandom()
        self.asking = Lock()
        self._summing = Lock()
        self._host = host
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """Where the page is."""
        name = socket.gethostname() if self._host == "0.0.0.0" else self._host
        return f"http://{name}:{self.server_address[1]}/"

    def is_addressed(self, host: str) -> bool:
        """Say whether a request that names this host may be meant for here.

        A page of the internet can have its own name lead to this machine, but not name it so.
        """
        name = re.sub(r":\d+$", "", host).strip("[]")
        return self._host not in LOOPBACK or name in LOOPBACK

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away before it had its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def sum_up(self, wait: bool = False) -> None:
        """Write the summary, unless that is being done, or then; what fails costs no vote."""
        if self._summing.acquire(blocking=wait):
            try:
                summarize(self.board)
            except Exception as error:
                sys.stderr.write(f"Warning: no summary was written: {error}\n")
            finally:
                self._summing.release()


class _Handler(BaseHTTPRequestHandler):
    """One request. HTTP/1.0: the connection ends with the answer, and then there is time."""

    server: ArenaServer
    server_version, sys_version = "facebench", ""

    def do_GET(self) -> None:
        if not self.server.is_addressed(self.headers.get("Host", "")):
            self._refuse(403)
        elif self.path in _PARTS:
            name, kind = _PARTS[self.path]
            self._answer(_part(name), kind)
        elif self.path == "/question":
            self._ask(self._judge())
        elif found := _PICTURE.fullmatch(self.path):
            self._show(*found.groups())
        else:
            self._refuse(404)

    def do_POST(self) -> None:
        is_own = self.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
        is_json = self.headers.get("Content-Type") == "application/json"
        if not (is_own and is_json and self.server.is_addressed(self.headers.get("Host", ""))):
            self._refuse(403)
        elif self.path != "/vote":
            self._refuse(404)
        else:
            self._take(self._body())

    def _ask(self, judge: str) -> None:
        """Answer with the judge's next question."""
        server = self.server
        with server.asking:
            question = next_question(server.book, server.shown, judge, server.rng)
        record = {
            "token": question.token,
            "pictures": 1 if question.second is None else 2,
            "answered": server.book.count(judge),
        }
        self._answer(json.dumps(record).encode(), "application/json")

    def _show(self, token: str, side: str) -> None:
        question = self.server.book.find(token)
        shown = question and (question.first if side == "left" else question.second)
        if not shown:
            return self._refuse(404)
        try:
            picture = self.server.shown.picture(shown.name, shown.number)
        except (StopIteration, IndexError):  # of a question that an earlier board's pictures made
            return self._refuse(404)
        return self._answer(as_png(picture), "image/png")

    def _take(self, vote: dict[str, Any]) -> None:
        """Keep a vote, then answer, then sum up where it is time to."""
        token, answer, time = (vote.get(name) for name in ("token", "answer", "milliseconds"))
        if not (isinstance(token, str) and isinstance(answer, str) and isinstance(time, int)):
            return self._refuse(400)
        question = self.server.book.find(token)
        if not (question and answer in ANSWERS[question.kind] and 0 <= time < _LONGEST_TIME):
            return self._refuse(400)
        is_new = self.server.book.vote(token, answer, time)
        self._answer(b"{}", "application/json")
        if is_new and self.server.book.count() % EVERY == 0:
            self.server.sum_up()
        return None

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LONGEST:
            return {}
        try:
            found = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _judge(self) -> str:
        """Return who asks: as the command line says, else by a random cookie of the browser."""
        if self.server.judge is not None:
            return self.server.judge
        try:
            given = SimpleCookie(self.headers.get("Cookie", "")).get("judge")
        except CookieError:
            given = None
        if given and _JUDGE.fullmatch(given.value):
            return given.value
        self._new_judge = secrets.token_hex(16)
        return self._new_judge

    def _answer(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        if new := getattr(self, "_new_judge", None):
            year = 365 * 24 * 3600
            cookie = f"judge={new}; Max-Age={year}; Path=/; HttpOnly; SameSite=Strict"
            self.send_header("Set-Cookie", cookie)
        self._send(content, kind)

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self._send(f"{status}\n".encode(), "text/plain; charset=utf-8")

    def _send(self, content: bytes, kind: str) -> None:
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), **_HEADERS}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing of requests: who judges what is nobody's business."""


@cache
def _part(name: str) -> bytes:
    return (files("facebench.arena") / "page" / name).read_bytes()
