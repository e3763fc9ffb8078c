import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import pytest

from facebench import weights
from facebench.errors import BadInput
from facebench.paths import cache_folder
from facebench.weights import MANIFEST, WeightSource

BODY = bytes(range(256)) * 9000  # more than one block
DIGEST = sha256(BODY).hexdigest()


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
        else:
            body = BODY if kind == "good" else b"<html>Sign in</html>"
            self._answer("Content-Length", str(len(body)), body)

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
    assert {"inception", "alexnet", "vgg16"} <= set(MANIFEST)
    for name, row in MANIFEST.items():
        assert row.name == name and row.licence
        assert re.fullmatch("[0-9a-f]{64}", row.sha256)
        assert row.url.startswith("https://") and row.url.endswith(row.file_name)
        assert row.file_name.endswith(f"-{row.sha256[:8]}.pth")  # as their makers name them


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
    assert list(cache.iterdir()) == []


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
