import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from facebench.errors import BadInput
from facebench.files import (
    atomic_folder,
    atomic_path,
    file_digest,
    read_json,
    tree_digest,
    write_json,
    write_text,
)


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "notes.txt"
    with atomic_path(target) as partial:
        partial.write_text("half")
        assert not target.exists()
        assert partial.suffix == ".txt"
    assert target.read_text() == "half"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_write_keeps_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "notes.txt"
    target.write_text("before")

    def fail() -> None:
        with atomic_path(target) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_folder_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "set") as partial:
            (partial / "half").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_appears_whole_and_may_replace_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with atomic_folder(tmp_path / "set") as partial:
        (partial / "a").write_text("a")
        assert not list((tmp_path / "set").iterdir())
    assert (tmp_path / "set" / "a").read_text() == "a"
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_a_filled_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine").write_text("mine")
    with pytest.raises(OSError, match="set"), atomic_folder(tmp_path / "set"):
        pass
    assert [p.name for p in tmp_path.rglob("*")] == ["set", "mine"]


def test_modes_follow_the_umask(tmp_path: Path, umask: int) -> None:
    with atomic_path(tmp_path / "file") as partial:
        partial.write_text("")
    with atomic_folder(tmp_path / "folder"):
        pass
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask


def test_json_round_trip(tmp_path: Path) -> None:
    value = {"name": "Jürgen", "values": [1, 2.5, None, True]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"value": number})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe\x00", b'{"a": NaN}', b"[-Infinity]", b"[" * 200_000]
)
def test_what_is_not_json_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(BadInput, match=r"a\.json is not readable as JSON"):
        read_json(tmp_path / "a.json")


def test_missing_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_a_file_digest_is_the_sha256_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(data)
    assert file_digest(tmp_path / "a") == sha256(data).hexdigest()
    assert tree_digest(tmp_path / "a") == sha256(data).hexdigest()


def test_a_tree_digest_sees_names_and_contents_but_not_its_place(tmp_path: Path) -> None:
    def digest(place: str, files: dict[str, str]) -> str:
        for name, text in files.items():
            write_text(tmp_path / place / name, text)
        return tree_digest(tmp_path / place)

    files = {"a": "1", "b/c": "2"}
    first = digest("one", files)
    assert digest("two", dict(reversed(files.items()))) == first
    changes = ({"a": "1", "b/c": "3"}, {"a": "1", "b/d": "2"}, {"a": "1"}, {"a": "2", "b/c": "1"})
    others = {digest(f"other{i}", change) for i, change in enumerate(changes)}
    assert len(others | {first}) == 5


def test_names_that_are_no_utf8_go_through_json_and_back(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_json(tmp_path / "a.json", {"path": name})
    assert read_json(tmp_path / "a.json") == {"path": name}
    write_text(tmp_path / "a.md", name)
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "caf\\udce9"


def test_a_folder_that_must_stay_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "nowhere").symlink_to("made")
    for name in ("link", "nowhere"):
        with atomic_folder(tmp_path / name) as folder:
            (folder / "a").write_text(name)
        assert (tmp_path / name / "a").read_text() == name
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with atomic_folder(Path(".")) as folder:
        (folder / "a").write_text("here")
    assert [each.name for each in here.iterdir()] == ["a"]
