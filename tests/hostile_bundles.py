"""Bundles that mean harm, or are merely broken, each with what its refusal must say.

`BUNDLES` maps a name to the bytes and the words; all are files of the corpus, too.
"""

import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from bundles import folder_files, row, setting, with_manifest, zipped
from PIL import Image

from facebench.bundles.strict_zip import pack

GOOD = folder_files(row("a", 10.0, 1), row("b", 20.0, 2))
"""The files of a bundle that is good."""
WHOLE = pack(GOOD)
BUNDLES: dict[str, tuple[bytes, str]] = {"of no bytes": (b"", "does not end as a zip")}


def _add(name: str, data: bytes, says: str) -> None:
    assert name not in BUNDLES, name
    BUNDLES[name] = data, says


def _with(files: Mapping[str, bytes | None]) -> bytes:
    """Return the bundle with some files changed, added or gone, and a manifest that knows it."""
    changed = {name: data for name, data in {**GOOD, **files}.items() if data is not None}
    return pack(with_manifest(changed))


def _record(name: str, edit: Callable[[Any], Any]) -> bytes:
    record = json.loads(GOOD[name])
    edit(record)
    return json.dumps(record).encode()


def _result(edit: Callable[[Any], Any]) -> bytes:
    return _with({"results/a.json": _record("results/a.json", edit)})


def _manifest(edit: Callable[[Any], Any]) -> bytes:
    return pack({**GOOD, "manifest.json": _record("manifest.json", edit)})


def _text(old: bytes, new: bytes) -> bytes:
    """Return the bundle with a piece of a row's JSON exchanged."""
    text = GOOD["results/a.json"]
    assert old in text, old
    return _with({"results/a.json": text.replace(old, new, 1)})


# --- the zip --------------------------------------------------------------------------------------

for length in (1, 30, 400, len(WHOLE) // 2, len(WHOLE) - 30, len(WHOLE) - 1):
    _add(f"cut after {length} bytes", WHOLE[:length], "does not end as a zip")
_add("of zeros", bytes(len(WHOLE)), "does not end as a zip")
_add("that is a page", b"<!DOCTYPE html><script>alert(1)</script>" * 9, "does not end as a zip")
_add("with bytes behind", WHOLE + b"\0", "does not end as a zip")
_add("behind a program", b"#!/bin/sh\ntouch executed\n" + WHOLE, "holds more than its files")
_add("with a comment", WHOLE[:-2] + b"\1\0x", "does not end as a zip")
_add("with its start gone", WHOLE[100:], "is damaged")
_add("with a byte changed", WHOLE[:99] + b"~" + WHOLE[100:], "is damaged")
END = struct.Struct("<4s4H2LH")
OF_END = list(END.unpack(WHOLE[-END.size :]))


def _ending(**changed: int) -> bytes:
    places = {"here": 3, "all": 4, "size": 5, "start": 6}
    fields = [*OF_END]
    for name, number in changed.items():
        fields[places[name]] = number
    return WHOLE[: -END.size] + END.pack(*fields)


_add("that lists 60,000 files", _ending(here=60_000, all=60_000), "it lists 60,000 files")
_add("with a list of a gigabyte", _ending(size=1 << 30), "files or more, where 1,001")
_add("whose list lies behind it", _ending(start=1 << 31), "is damaged")
_add("whose list is shorter", _ending(here=1, all=1), "holds more than its files")
LOCATOR = b"PK\6\7" + struct.pack("<LQL", 0, 0, 1)
_add("for more than 4 GiB", WHOLE[: -END.size] + LOCATOR + WHOLE[-END.size :], "more than 4 GiB")
MANY = {f"results/{number}.json": b"{}" for number in range(1100)}
_add("of 1,100 files", pack(MANY), "it lists 1,100 files or more, where 1,001 are the most")
_add("that Python's own writer made", zipped(GOOD), "holds more than its files")
_add("that is compressed", zipped(GOOD, compression=zipfile.ZIP_DEFLATED), "is compressed")
BOMB = {**GOOD, "results/a.json": bytes(300 << 20)}
_add("that is a bomb", zipped(BOMB, compression=zipfile.ZIP_DEFLATED), "'results/a.json' is com")
_add("of a bomb in a bomb", zipped({"a.zip": zipped(GOOD)}), "'a.zip' has no place in a bundle")
_add("within a bundle", _with({"samples/b.facebench.zip": WHOLE}), "has no place in a bundle")
FLAGS = b"\x14\0\0\x08"
_add("that is encrypted", WHOLE.replace(FLAGS, b"\x14\0\1\x08"), "is encrypted")
_add("that is encrypted strongly", WHOLE.replace(FLAGS, b"\x14\0\x41\x08"), "is encrypted")
_add("of another date", WHOLE.replace(b"\0\0\x21\0", b"\0\0\x22\0"), "holds more than its files")
_add("of unknown compression", WHOLE.replace(FLAGS + b"\0\0", FLAGS + b"\x63\0"), "is compressed")


def _overlapping() -> bytes:
    """Return a zip whose list names one piece of 5 KiB a hundred times."""
    data = pack({"results/00.json": bytes(5000)})
    start = END.unpack(data[-END.size :])[6]
    entry = data[start : -END.size]
    many = b"".join(entry.replace(b"/00", f"/{number:02}".encode()) for number in range(100))
    return data[:start] + many + END.pack(b"PK\5\6", 0, 0, 100, 100, len(many), start, 0)


_add("whose files overlap", _overlapping(), "it says that it unpacks to")


def _odd(name: str, mode: int = 0, data: bytes = b"/etc/passwd") -> bytes:
    stream = io.BytesIO()
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    with zipfile.ZipFile(stream, "w") as archive:
        for each, content in GOOD.items():
            archive.writestr(each, content)
        archive.writestr(member, data)
    return stream.getvalue()


_add("of a link", _odd("results/c.json", stat.S_IFLNK | 0o777), "'results/c.json' is a link")
_add("of a folder", _odd("results/", stat.S_IFDIR | 0o755, b""), "has no place in a bundle")
for name in (
    *("../a.json", "results/../../a.json", "/etc/cron.d/a", "results/..", "..", "C:\\a.json"),
    *("results\\..\\a.json", "c:/a.json", "//host/a.json"),
):
    _add(f"of a file called {name}", pack({**GOOD, name: b"x"}), "would lie outside of it")
for name in (
    *("a.py", "README.md", ".git/hooks/post-checkout", "results/a/b.json", "samples/a.svg"),
    *("leaderboard.html", "results/a.json/", "samples/", "", " ", "MANIFEST.json", "results/.json"),
    *("samples/reference-abababababab-holdout.jpg", "exhibits/a/exhibits.json", "results/a.json "),
):
    _add(f"with {name!r} besides", pack({**GOOD, name: b"x"}), "has no place in a bundle")
_add(
    "of a name with an end in it", WHOLE.replace(b"results/a.json", b"results/a.js\0n"), "no place"
)
_add(
    "of a name that is not UTF-8", WHOLE.replace(b"results/a.json", b"results/\xff.json"), "damaged"
)
OLD_NAME = zipped({"results/xyz.json": b"{}"}).replace(b"xyz", b"\xc1\xb3\xff")
_add("of a name of another time", OLD_NAME, "has a name that is not UTF-8")
_add("of a file twice", WHOLE.replace(b"results/b.json", b"results/a.json"), "is there twice")
_add("of two names that differ in case", pack({**GOOD, "results/A.json": b"{}"}), "is there twice")

# --- the manifest ---------------------------------------------------------------------------------

_add("without a manifest", pack({k: v for k, v in GOOD.items() if k != "manifest.json"}),
     "it has no manifest.json")  # fmt: skip
for name, data in {
    "of no JSON": b"{",
    "of no UTF-8": b"\xff\xfe{}",
    "of nested lists": b"[" * 100_000,
    "of NaN": GOOD["manifest.json"].replace(b'"facebench-bundle/1"', b"NaN"),
}.items():
    _add(f"with a manifest {name}", pack({**GOOD, "manifest.json": data}), "not readable as JSON")
for name, edit in {
    "of another format": lambda record: record.update(format="facebench-bundle/2"),
    "without a format": lambda record: record.pop("format"),
    "with a command": lambda record: record.update(run="touch executed"),
    "of text for a size": lambda record: record["files"]["results/a.json"].update(size="9"),
    "of a digest that is none": lambda r: r["files"]["results/a.json"].update(sha256="../x"),
    "of a negative size": lambda record: record["files"]["results/a.json"].update(size=-1),
}.items():
    _add(f"with a manifest {name}", _manifest(edit), "is not that of a bundle")
_add("with a list for a manifest", pack({**GOOD, "manifest.json": b"[]"}), "not that of a bundle")
_add("with a manifest of fewer", _manifest(lambda r: r["files"].pop("samples/a.png")),
     "samples/a.png is in it, and not in manifest.json")  # fmt: skip
_add("with a manifest of more",
     _manifest(lambda r: r["files"].update({"../x": r["files"]["results/a.json"]})),
     "../x is in manifest.json, and not in it")  # fmt: skip
_add("of a wrong digest", _manifest(lambda r: r["files"]["results/a.json"].update(sha256="0" * 64)),
     "results/a.json was changed")  # fmt: skip
_add("of a wrong size", _manifest(lambda r: r["files"]["samples/a.png"].update(size=9)),
     "samples/a.png was changed")  # fmt: skip
_add("of no rows", pack(with_manifest({})), "it holds no results")

# --- rows -----------------------------------------------------------------------------------------

for name, data in {
    "of no bytes": b"",
    "of a pickle": b"\x80\x04\x95\x10\0\0\0",
    "of UTF-16": "{}".encode("utf-16"),
    "of nested objects": b'{"a":' * 100_000,
}.items():
    _add(f"of a row {name}", _with({"results/a.json": data}), "is not readable as JSON")
_add("of NaN", _text(b'"value": 10.0', b'"value": NaN'), "NaN is not JSON")
_add("of infinity", _text(b'"value": 10.0', b'"value": -Infinity'), "-Infinity is not JSON")
_add("of too large a number", _text(b'"value": 10.0', b'"value": 1e999'), "too large a number")
_add("of an endless integer", _text(b'"value": 10.0', b'"value": ' + b"9" * 10_000), "not readable")
for name, edit in {
    "of text for a number": lambda record: record["metrics"]["fid"].update(value="10"),
    "of a field that nobody knows": lambda record: record.update(surprise=1),
    "of another kind": lambda record: record.update(format="facebench-leaderboard/1"),
    "of a negative seed": lambda record: record.update(first_seed=-1),
    "without a protocol": lambda record: record.pop("protocol"),
    "of a list of metrics": lambda record: record.update(metrics=[]),
    "of pseudo-values that are text": lambda r: r["metrics"]["fid"].update(groups=["1"]),
    "of a name that points outside": lambda record: record.update(model="../a"),
}.items():
    _add(f"of a row {name}", _result(edit), "is not a facebench Result")
_add("of a row that is a list", _with({"results/a.json": b"[]"}), "is not a facebench Result")
_add("of a row of another name", _result(lambda record: record.update(model="b")), "another's name")
for name in ("leaderboard", "reference-abababababab-holdout", ".a", "x" * 200, "a\u202egnp"):
    told = {f"results/{name}.json": _record("results/a.json", setting(model=name))}
    says = "is not a facebench Result" if name == ".a" else "cannot name a row of a bundle"
    _add(
        f"of a row called {name[:20]!a}",
        _with({**told, "results/a.json": None, "samples/a.png": None}),
        says,
    )
EDITED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("value", {"value": 9.0}, "fid is 9, and the mean of its pseudo-values 10"),
    ("error", {"error": 1e-9}, "has the standard error 1e-09"),
    ("interval", {"low": 9.99, "high": 10.01}, "has an interval, 9.99 to 10.01"),
    ("missing error", {"error": None}, "has pseudo-values, and no standard error"),
    ("lonely pseudo-value", {"groups": [10.0]}, "has pseudo-values, and no standard error"),
    ("missing pseudo-values", {"groups": []}, "and no pseudo-values it comes from"),
)
for name, changed, says in EDITED:
    _add(f"of an edited {name}", _result(setting("metrics", "fid", **changed)), says)
TWICE = GOOD["results/a.json"].replace(b'"first_seed"', b'"first_seed": 5,\n  "first_seed"')
_add("of a key twice", _with({"results/a.json": TWICE}), "'first_seed' is there twice")

# --- pictures -------------------------------------------------------------------------------------

PNG = GOOD["samples/a.png"]
JPEG = io.BytesIO()
Image.new("RGB", (8, 8)).save(JPEG, "JPEG")


def _chunk(kind: bytes, data: bytes) -> bytes:
    import zlib

    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def _sized(side: int) -> bytes:
    header = struct.pack(">LLBBBBB", side, side, 8, 2, 0, 0, 0)
    return PNG[:8] + _chunk(b"IHDR", header) + PNG[33:]


for name, data, says in (
    ("cut", PNG[:-20], "is not a whole PNG"),
    ("of no bytes", b"", "is not a whole PNG: it does not begin as one"),
    ("that is a JPEG", JPEG.getvalue(), "is not a whole PNG: it does not begin as one"),
    ("that is an SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a whole PNG"),
    ("with a page behind", PNG + b"<script>alert(1)</script>", "holds more than pixels"),
    ("with a text", PNG[:33] + _chunk(b"tEXt", b"path\0/home/me") + PNG[33:], "more than pixels"),
    ("with a profile", PNG[:33] + _chunk(b"iCCP", b"x\0\0x") + PNG[33:], "more than pixels"),
    ("of a wrong checksum", PNG[:40] + b"\0\0" + PNG[42:], "is cut short or damaged"),
    ("without a header", PNG[:8] + PNG[33:], "its header is not where it should be"),
    ("of an endless chunk", PNG[:33] + b"\x7f\xff\xff\xffIDATx", "is cut short or damaged"),
    ("of 60,000 pixels a side", _sized(60_000), "is of 60000×60000 pixels"),
    ("of no pixels", _sized(0), "is not a picture"),
    ("of too few data", _sized(2000), "cannot be decoded"),
):
    _add(f"of a picture {name}", _with({"samples/a.png": data}), says)
_add("of a picture and no row", _with({"results/a.json": None}), "it has pictures of a, and no")
REAL = "samples/reference-abababababab-holdout.png"
_add("of a picture of real people", _with({REAL: PNG}), "it has pictures of reference-abab")
