"""Questions and votes in SQLite: a vote that was acknowledged is on disk, whatever happens then."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple

from facebench.errors import BadInput

Kind = Literal["pair", "check", "single"]
FILE = "votes.sqlite"
ANSWERS: dict[Kind, frozenset[str]] = {
    "pair": frozenset({"left", "right", "tie", "skip"}),
    "check": frozenset({"left", "right", "tie", "skip"}),
    "single": frozenset({"real", "generated", "skip"}),
}
_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS questions (
    token TEXT PRIMARY KEY, judge TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pair', 'check', 'single')),
    first TEXT NOT NULL, first_pictures TEXT NOT NULL, first_picture INTEGER NOT NULL,
    second TEXT, second_pictures TEXT, second_picture INTEGER,
    asked TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS votes (
    token TEXT PRIMARY KEY REFERENCES questions (token),
    answer TEXT NOT NULL
        CHECK (answer IN ('left', 'right', 'tie', 'real', 'generated', 'skip')),
    milliseconds INTEGER NOT NULL,
    voted TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of_judge ON questions (judge);
"""
_QUESTION = (
    "q.token, q.judge, q.kind, q.first, q.first_pictures, q.first_picture,"
    " q.second, q.second_pictures, q.second_picture"
)


class Shown(NamedTuple):
    """One picture: of whom, the digest of the file it is from, and its number there."""

    name: str
    pictures: str
    number: int


@dataclass(frozen=True)
class Question:
    """What a judge is asked: of two pictures, `first` is on the left; of one there is no second."""

    token: str
    judge: str
    kind: Kind
    first: Shown
    second: Shown | None = None


@dataclass(frozen=True)
class Vote:
    """An answered question."""

    question: Question
    answer: str
    voted: str = ""
    """ISO 8601, UTC."""


class VoteBook:
    """The votes on one board. Several threads, and several servers, may use it at once."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        try:
            self._base = sqlite3.connect(path, timeout=30, check_same_thread=False)
            self._prepare(path)
        except sqlite3.OperationalError as error:
            raise BadInput(
                f"{path} cannot be opened ({error}): copy the board to where one may write."
            ) from error
        except sqlite3.DatabaseError as error:
            raise BadInput(f"{path} is no file of votes ({error}): move it away.") from error

    def _prepare(self, path: Path) -> None:
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            self._base.close()
            raise BadInput(f"{path} was written by another version of facebench: move it away.")
        self._base.execute("PRAGMA trusted_schema = OFF")
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")  # also where the machine loses power
        self._base.executescript(_TABLES)
        self._base.execute(f"PRAGMA user_version = {_VERSION}")

    def __enter__(self) -> "VoteBook":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; all votes are in it already."""
        with self._lock:
            self._base.close()

    def ask(self, question: Question) -> None:
        """Keep what is asked, so that an answer has a meaning after a restart as well."""
        row = (question.token, question.judge, question.kind, *question.first)
        with self._lock, self._base:
            self._base.execute(
                "INSERT INTO questions (token, judge, kind, first, first_pictures, first_picture,"
                " second, second_pictures, second_picture) VALUES (?,?,?,?,?,?,?,?,?)",
                (*row, *(question.second or (None,) * 3)),
            )

    def find(self, token: str) -> Question | None:
        """Return the question of a token, None if there is none."""
        rows = self._rows(f"SELECT {_QUESTION} FROM questions q WHERE token = ?", token)
        return _question(rows[0]) if rows else None

    def open_question(self, judge: str) -> Question | None:
        """Return what a judge was asked and has not answered yet."""
        rows = self._rows(
            f"SELECT {_QUESTION} FROM questions q LEFT JOIN votes v USING (token)"
            " WHERE q.judge = ? AND v.token IS NULL ORDER BY q.asked DESC LIMIT 1",
            judge,
        )
        return _question(rows[0]) if rows else None

    def vote(self, token: str, answer: str, milliseconds: int) -> bool:
        """Keep an answer, for good when this returns; the first one of a question holds.

        Returns whether it is new: an answer that is sent again changes nothing.
        """
        with self._lock, self._base:
            done = self._base.execute(
                "INSERT OR IGNORE INTO votes (token, answer, milliseconds) VALUES (?,?,?)",
                (token, answer, milliseconds),
            )
            return done.rowcount > 0

    def count(self, judge: str | None = None) -> int:
        """Return how many questions a judge, or all of them, answered or skipped."""
        which, given = (" WHERE q.judge = ?", (judge,)) if judge is not None else ("", ())
        sql = f"SELECT count(*) FROM votes v JOIN questions q USING (token){which}"
        return int(self._rows(sql, *given)[0][0])

    def times_paired(self) -> Counter[frozenset[str]]:
        """Return how often each pair of models was asked about, whatever the sides."""
        rows = self._rows(
            "SELECT first, second, count(*) FROM questions WHERE kind = 'pair' GROUP BY 1, 2"
        )
        found = Counter[frozenset[str]]()
        for first, second, times in rows:
            found[frozenset({first, second})] += times
        return found

    def times_shown(self, kind: Kind, judge: str | None = None) -> Counter[Shown]:
        """Return how often each picture was shown in such questions, to one judge or to all."""
        found = Counter[Shown]()
        which, given = (" AND judge = ?", (judge,)) if judge is not None else ("", ())
        for side in ("first", "second"):
            rows = self._rows(
                f"SELECT {side}, {side}_pictures, {side}_picture, count(*) FROM questions"
                f" WHERE kind = ? AND {side} IS NOT NULL{which} GROUP BY 1, 2, 3",
                *(kind, *given),
            )
            for name, pictures, number, times in rows:
                found[Shown(name, pictures, number)] += times
        return found

    def votes(self) -> Iterator[Vote]:
        """Yield every vote, in the order in which questions were asked."""
        rows = self._rows(
            f"SELECT {_QUESTION}, v.answer, v.voted FROM votes v JOIN questions q USING (token)"
            " ORDER BY q.asked, q.token"
        )
        return (Vote(_question(row), *row[9:]) for row in rows)

    def _rows(self, sql: str, *given: object) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock, closing(self._base.execute(sql, given)) as found:
            return found.fetchall()


def _question(row: tuple) -> Question:  # type: ignore[type-arg]
    token, judge, kind, *shown = row[:9]
    second = Shown(*shown[3:]) if shown[3] is not None else None
    return Question(token, judge, kind, Shown(*shown[:3]), second)
