"""What lies in a folder: links followed once, nothing hangs, and every name can be told."""

import os
import subprocess
from pathlib import Path

import pytest

from facebench.errors import BadInput
from facebench.files import tree_digest
from facebench.folder_walk import tree
from facebench.text import printable, shown


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_files_are_sorted_part_by_part(tmp_path: Path) -> None:
    assert tree(write(tmp_path, "a/z", "a b", "c", "a/b/d")).files == ("a/b/d", "a/z", "a b", "c")


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "far/1", "far/deep/2", "here/3")
    (tmp_path / "here" / "woman").symlink_to(tmp_path / "far")
    (tmp_path / "here" / "4").symlink_to("3")
    found = tree(tmp_path / "here")
    assert found.files == ("3", "4", "woman/1", "woman/deep/2")
    assert found.odd == {}


@pytest.mark.parametrize("to", [".", "..", "/", "../here", "a", "a/b"])
def test_no_link_makes_a_loop_or_counts_a_folder_twice(tmp_path: Path, to: str) -> None:
    here = write(tmp_path / "here", "a/b/1")
    (here / "a" / "again").symlink_to(to if to[0] in "./" else here / to)
    (here / "0-first").symlink_to(here / "a")
    found = tree(here)
    assert found.files == ("a/b/1",)
    assert sorted(found.odd) == ["0-first", "a/again"]


def test_links_that_lead_into_each_other_end(tmp_path: Path) -> None:
    write(tmp_path, "one/1", "two/2")
    (tmp_path / "one" / "two").symlink_to(tmp_path / "two")
    (tmp_path / "two" / "one").symlink_to(tmp_path / "one")
    assert tree(tmp_path / "one").files == ("1", "two/2")


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "lost.png").symlink_to("nowhere")
    (tmp_path / "self.png").symlink_to("self.png")
    found = tree(tmp_path)
    assert found.files == ()
    assert found.odd["pipe.png"] == found.odd["zero.png"] == "a pipe, a socket or a device"
    assert found.odd["lost.png"] == found.odd["self.png"] == "a link that leads nowhere"


def test_a_folder_that_cannot_be_listed_is_refused_not_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "closed/1", "2")
    listed = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "closed":  # root may list all
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(BadInput, match=r"closed cannot be listed \(Permission denied\): make"):
        tree(tmp_path)


def test_a_tree_as_deep_as_a_path_may_be_is_no_traceback(tmp_path: Path) -> None:
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        Path("1").touch()
    finally:
        os.chdir(here)
    try:
        assert tree(tmp_path).files == ("d/" * 1500 + "1",)
    finally:  # Python's own ways to remove a tree recurse too deep
        subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)


def test_a_digest_sees_what_a_linked_folder_holds(tmp_path: Path) -> None:
    write(tmp_path, "far/1", "here/2")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "far")
    before = tree_digest(tmp_path / "here")
    (tmp_path / "far" / "1").write_text("other")
    assert tree_digest(tmp_path / "here") != before


def test_the_digest_of_a_plain_folder_is_what_it_was(tmp_path: Path) -> None:
    digest = tree_digest(write(tmp_path, "a/z", "a b", "c", "é"))
    assert digest == "3b69e8e14fbd702722fa0da6dccd68a89477080d3225835ee0a2ab81cfe031cd"


@pytest.mark.parametrize("raw", [b"caf\xe9.png", "脸.png".encode("gbk"), b"\xff\xfe", b"a\nb"])
def test_names_of_any_bytes_are_digested_and_told(tmp_path: Path, raw: bytes) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), raw))).touch()
    (name,) = tree(tmp_path).files
    assert os.fsencode(name) == raw
    assert len(tree_digest(tmp_path)) == 64
    assert printable(name).encode() and printable(name).isprintable()


def test_a_name_in_a_message_is_short_and_cannot_steer_a_terminal() -> None:
    assert shown("x" * 5000 + ".png").endswith("x.png") and len(shown("x" * 5000)) < 120
    assert shown("a\x1b[2J\u202e.png") == "a\\x1b[2J\\u202e.png"
    assert shown("脸 Ωé.png") == "脸 Ωé.png"
