import contextlib
import http.server
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import pytest
from click.testing import CliRunner

from facebench import weights
from facebench.cache.download import download
from facebench.cache.paths import cache_folder
from facebench.cli import cli
from facebench.errors import BadInput
from facebench.weights import MANIFEST, WeightSource

BODY = bytes(range(256)) * 9000  # more than one block
DIGEST = sha256(BODY).hexdigest()
RANGES = {  # bytes a connection, by how much Content-Range is wrong, whether Range is heeded
    "cut": (len(BODY) // 3, 0, True),
    "cut-often": (len(BODY) // 9, 0, True),
    "deaf": (len(BODY), 0, False),
    "shifted": (len(BODY), 7, True),
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the first folder of the path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.close_connection = True
        kind = self.path.split("/")[1]
        if kind == "missing":
            self.send_error(404)
        elif kind == "nonsense":
            self.wfile.write(b"SSH-2.0 nonsense\r\n\r\n")
        elif kind == "chunked":
            self._answer("Transfer-Encoding", "chunked", b"10\r\nabc")
        elif kind == "short":
            self._answer("Content-Length", str(len(BODY)), BODY[:5000])
        elif kind in RANGES:
            self._part(*RANGES[kind])
        elif kind == "endless":
            self._answer("X", "y", BODY * 3)
        elif kind == "stalls":
            self._answer("Content-Length", str(len(BODY)), BODY[:5000])
            time.sleep(1)
        elif kind == "slow":
            self._answer("Content-Length", str(len(BODY)), b"")
            for start in range(0, len(BODY), len(BODY) // 5):
                self.wfile.write(BODY[start : start + len(BODY) // 5])
                time.sleep(0.1)
        else:
            body = BODY if kind == "good" else b"<html>Sign in</html>"
            self._answer("Content-Length", str(len(body)), body)

    def _part(self, sent: int, shift: int, honours: bool) -> None:
        """Send at most `sent` bytes from the asked place on, and close."""
        asked = self.headers.get("Range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if honours else 0
        if start >= len(BODY):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(BODY) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start + shift}-{len(BODY) - 1}/{len(BODY)}")
        self.end_headers()
        self.wfile.write(BODY[start : start + sent])

    def _answer(self, header: str, value: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the server on this machine itself, not somebody's proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def serve_inception(monkeypatch: pytest.MonkeyPatch, kind: str, port: int) -> None:
    """Make ``http://127.0.0.1/KIND/net.pth`` the address of the weights "inception"."""
    row = replace(
        MANIFEST["inception"], url=f"http://127.0.0.1:{port}/{kind}/net.pth", sha256=DIGEST
    )
    rows = MappingProxyType(dict(MANIFEST) | {"inception": row})
    monkeypatch.setattr(weights, "MANIFEST", rows)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where downloads go, by conftest's ``FACEBENCH_CACHE``."""
    return tmp_path / "cache" / "weights"


def test_the_manifest_is_complete() -> None:
    assert {"inception", "alexnet", "vgg16", "dinov2", "clip", "yunet", "sface"} <= set(MANIFEST)
    assert len({row.file_name for row in MANIFEST.values()}) == len(MANIFEST)
    for name, row in MANIFEST.items():
        assert row.name == name and row.licence
        assert re.fullmatch("[0-9a-f]{64}", row.sha256)
        assert row.url.startswith("https://")
        assert row.kept_as or row.url.endswith(f"/{row.file_name}")
        if name not in ("dinov2", "yunet", "sface"):  # the others' makers name them so
            assert row.file_name.rpartition(".")[0].endswith(f"-{row.sha256[:8]}")


def test_a_file_that_is_kept_under_another_name_is_asked_for_under_it(cache: Path) -> None:
    name = "clip-vit-large-patch14-336-c6032c2e.bin"
    assert WeightSource().place("clip") == cache / name
    with pytest.raises(BadInput, match=rf"/pytorch_model\.bin into {cache} as {name}, or give"):
        WeightSource(offline=True).find("clip")


def test_a_download_is_kept_and_not_repeated(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_inception(monkeypatch, "good", server.server_port)
    found = [WeightSource().find("inception") for _ in range(2)]
    assert found[0] == found[1]
    assert (found[0].path, found[0].sha256) == (cache / "net.pth", DIGEST)
    assert not found[0].on_trust
    assert found[0].path.read_bytes() == BODY
    assert list(cache.iterdir()) == [found[0].path]
    assert server.asked == ["/good/net.pth"]


@pytest.mark.parametrize("kind", ["missing", "wrong", "short", "chunked", "nonsense"])
def test_a_failed_download_names_file_and_folder_and_leaves_nothing(
    kind: str, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_inception(monkeypatch, kind, server.server_port)
    refusal = rf"'inception' .*/{kind}/net\.pth into {cache}, or give --weights inception=FILE"
    with pytest.raises(BadInput, match=refusal):
        WeightSource().find("inception")
    assert server.asked
    kept = [".net.pth.partial"] if kind == "short" else []  # to go on from
    assert [path.name for path in cache.iterdir()] == kept


def test_a_refused_connection_is_told(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_port
    serve_inception(monkeypatch, "good", port)
    with pytest.raises(BadInput, match=rf"refused.*net\.pth into {cache}"):
        WeightSource().find("inception")
    assert list(cache.iterdir()) == []


def test_trust_does_not_reach_a_download(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_inception(monkeypatch, "wrong", server.server_port)
    with pytest.raises(BadInput, match="sha256"):
        WeightSource(trust=True).find("inception")


def test_the_users_own_file_comes_first(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_inception(monkeypatch, "good", server.server_port)
    monkeypatch.setenv("FACEBENCH_WEIGHTS", str(tmp_path))
    given, named = tmp_path / "own.pth", tmp_path / "net.pth"
    for path in (given, named):
        path.write_bytes(BODY)
    assert WeightSource({"inception": given}).find("inception").path == given
    assert WeightSource().find("inception").path == named
    named.unlink()
    assert WeightSource().find("inception").path == cache / "net.pth"


@pytest.mark.parametrize("by", ["file", "folder"])
def test_an_unknown_file_is_used_on_trust_only(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / MANIFEST["inception"].file_name
    path.write_bytes(b"another network")
    files = {"inception": path} if by == "file" else {}
    if by == "folder":
        monkeypatch.setenv("FACEBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(BadInput, match=rf"{path.name} is not the known .*--trust-weights"):
        WeightSource(files).find("inception")
    found = WeightSource(files, trust=True).find("inception")
    assert found.on_trust
    assert found.sha256 == sha256(b"another network").hexdigest()


def test_a_damaged_file_in_the_cache_is_refused(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / MANIFEST["alexnet"].file_name).write_bytes(b"damaged")
    with pytest.raises(BadInput, match="alexnet"):
        WeightSource().find("alexnet")


def test_unknown_names_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no weights 'resnet'; there are: inception, .*vgg16"):
        WeightSource({"resnet": tmp_path})
    with pytest.raises(BadInput, match=r"no weight file .*nowhere\.pth"):
        WeightSource({"inception": tmp_path / "nowhere.pth"})


def test_trust_is_for_files_that_were_named_not_for_a_damaged_cache() -> None:
    cached = cache_folder() / "weights" / MANIFEST["alexnet"].file_name
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"damaged")
    with pytest.raises(BadInput, match="remove it, and it is downloaded again"):
        WeightSource(trust=True).find("alexnet")


@pytest.mark.parametrize(
    ("kind", "requests"), [("cut", 3), ("cut-often", 9), ("slow", 1), ("deaf", 1)]
)
def test_a_download_goes_on_where_it_broke_off(
    kind: str, requests: int, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_inception(monkeypatch, kind, server.server_port)
    for _ in range(3):
        with contextlib.suppress(BadInput):
            assert WeightSource().find("inception").path.read_bytes() == BODY
            break
    assert (cache / "net.pth").read_bytes() == BODY
    assert len(server.asked) == requests
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("kind", ["deaf", "shifted", "cut"])
@pytest.mark.parametrize("begun", [BODY[:1000], b"x" * 1000, BODY, BODY + b"more"])
def test_what_was_begun_is_completed_or_thrown_away_but_never_used(
    begun: bytes, kind: str, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_inception(monkeypatch, kind, server.server_port)
    cache.mkdir(parents=True)
    (cache / ".net.pth.partial").write_bytes(begun)
    for _ in range(2):
        with contextlib.suppress(BadInput):
            WeightSource().find("inception")
            break
    assert (cache / "net.pth").read_bytes() == BODY
    assert len(list(cache.iterdir())) == 1


def test_a_server_that_stalls_or_never_ends_is_left(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(OSError, match="timed out"):
        download([f"{url}/stalls/net.pth"], tmp_path / "a", DIGEST, timeout=0.2)
    monkeypatch.setattr("facebench.cache.download.LARGEST", len(BODY))
    with pytest.raises(OSError, match="sends more than"):
        download([f"{url}/endless/net.pth"], tmp_path / "a", DIGEST)
    assert not (tmp_path / "a").exists()


def test_mirrors_are_asked_first_and_trusted_with_nothing(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_inception(monkeypatch, "good", server.server_port)
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("FACEBENCH_MIRRORS", f"{url}/missing {url}/wrong/ {url}/short file:///etc")
    assert WeightSource().find("inception").path.read_bytes() == BODY
    assert list(dict.fromkeys(server.asked)) == [
        "/missing/net.pth", "/wrong/net.pth", "/short/net.pth", "/good/net.pth"
    ]  # fmt: skip
    (cache / "net.pth").unlink()
    server.asked.clear()
    monkeypatch.setenv("FACEBENCH_MIRRORS", f"{url}/mirror-good")
    monkeypatch.setenv("FACEBENCH_MIRRORS", f"{url}/good")
    serve_inception(monkeypatch, "missing", server.server_port)
    assert WeightSource().find("inception").path.read_bytes() == BODY


@pytest.mark.parametrize("by", ["option", "environment"])
def test_offline_asks_nobody(
    by: str, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_inception(monkeypatch, "good", server.server_port)
    if by == "environment":
        monkeypatch.setenv("FACEBENCH_OFFLINE", "1")
    with pytest.raises(BadInput, match=rf"not here, and this is offline: put the file .* {cache}"):
        WeightSource(offline=by == "option").find("inception")
    assert not server.asked
    cache.mkdir(parents=True)
    (cache / "net.pth").write_bytes(BODY)
    assert WeightSource(offline=True).find("inception").path == cache / "net.pth"


def test_two_processes_that_download_at_once_both_get_the_file(
    server: Server, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{server.server_port}/slow/net.pth"
    work = [
        threading.Thread(target=download, args=([url], tmp_path / "net.pth", DIGEST))
        for _ in range(2)
    ]
    for each in work:
        each.start()
    for each in work:
        each.join()
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".pth"] == ["net.pth"]
    assert (tmp_path / "net.pth").read_bytes() == BODY
    assert len(server.asked) == 1


def run(*words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(cli, ["weights", *words])
    if isinstance(answer.exception, BadInput):
        return 2, str(answer.exception)
    return answer.exit_code, answer.output


def test_the_commands_list_fetch_verify_and_find(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_inception(monkeypatch, "good", server.server_port)
    path = cache / "net.pth"
    for words in ([], ["list"]):
        code, output = run(*words)
        assert code == 0 and "not here" in output and "alexnet" in output
    assert run("where", "inception") == (0, f"{path}\n")
    code, output = run("fetch", "--offline", "inception")
    assert code == 2 and "offline" in output
    assert run("verify", "inception") == (0, "inception: not here\n")
    assert run("fetch", "inception") == (0, f"{path}\n")
    assert run("verify", "inception") == (0, f"inception: {path} is whole\n")
    path.write_bytes(BODY[:-1])
    code, output = run("verify")
    assert code == 2 and "is not the known file" in output and "alexnet: not here" in output
    for verb in ("fetch", "verify", "where"):
        code, output = run(verb, "resnet")
        assert code == 2 and "no weights 'resnet'" in output
