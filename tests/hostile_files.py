"""Files that mean harm, or are merely broken: made by code, each with what must come of it.

`FILES` maps a name to a :class:`Case`; the tests open each by the reader that would meet it.
"""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hostile_bundles import BUNDLES
from PIL import Image, features

REFUSED, SKIPPABLE, ACCEPTED = "refused", "skippable", "accepted"


@dataclass(frozen=True)
class Case:
    """A file to be made at a path, the reader it is for, and its outcome."""

    reader: str
    make: Callable[[Path], None]
    name: str
    outcome: str = REFUSED


FILES: dict[str, Case] = {}


def add(
    name: str, reader: str, file: str, make: Callable[[Path], None] | bytes, outcome: str = REFUSED
) -> None:
    def write(path: Path) -> None:
        if isinstance(make, bytes):
            path.write_bytes(make)
        else:
            make(path)

    assert name not in FILES, name
    FILES[name] = Case(reader, write, file, outcome)


class Bomb:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("open('executed', 'w').close()",)


PICKLE = pickle.dumps({"weight": Bomb()})


def encoded(
    format: str, mode: str = "RGB", size: tuple[int, int] = (24, 20), **options: Any
) -> bytes:
    stream = io.BytesIO()
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))
    noise.convert(mode).save(stream, format, **options)
    return stream.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


# --- pictures -------------------------------------------------------------------------------------

PICTURES = {
    "png": encoded("PNG"),
    "jpg": encoded("JPEG"),
    "gif": encoded("GIF"),
    "bmp": encoded("BMP"),
    "tiff": encoded("TIFF"),
    "webp": encoded("WEBP"),
    "ppm": encoded("PPM"),
}
for suffix, whole in PICTURES.items():
    add(f"{suffix} of no bytes", "picture", f"a.{suffix}", b"", SKIPPABLE)
    add(f"{suffix} of one byte", "picture", f"a.{suffix}", whole[:1], SKIPPABLE)
    add(f"{suffix} of its first bytes", "picture", f"a.{suffix}", whole[:12], SKIPPABLE)
    add(
        f"{suffix} cut in the middle", "picture", f"a.{suffix}", whole[: len(whole) // 2], SKIPPABLE
    )
    add(f"{suffix} of zeros", "picture", f"a.{suffix}", bytes(len(whole)), SKIPPABLE)
    add(f"{suffix} that is a page", "picture", f"a.{suffix}", b"<!DOCTYPE html><script>", SKIPPABLE)
    add(f"{suffix} that is a pickle", "picture", f"a.{suffix}", PICKLE, SKIPPABLE)
    add(f"{suffix} that is a program", "picture", f"a.{suffix}", b"\x7fELF\x02\x01\x01", SKIPPABLE)
    if suffix != "png":
        add(f"{suffix} that is a png", "picture", f"a.{suffix}", PICTURES["png"], ACCEPTED)
for side in (20_000, 60_000, 2**31 - 1):
    add(
        f"png that claims {side} pixels a side", "picture", "a.png", png(side, side, b""), SKIPPABLE
    )
add("png bomb of zeros", "picture", "a.png", png(20_000, 20_000, bytes(1 << 24)), SKIPPABLE)
add("png of no pixels", "picture", "a.png", png(0, 0, b""), SKIPPABLE)
add("png whose data are too short", "picture", "a.png", png(64, 64, b"\0" * 50), SKIPPABLE)
add("png of a wrong checksum", "picture", "a.png", PICTURES["png"][:-20] + bytes(20), SKIPPABLE)
add("png of odd depth", "picture", "a.png", png(4, 4, bytes(99), depth=7), SKIPPABLE)
add("gif that claims 65535 pixels a side", "picture", "a.gif",
    b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\0;", SKIPPABLE)  # fmt: skip
add("bmp that claims much", "picture", "a.bmp",
    b"BM" + bytes(8) + struct.pack("<IIiiHHIIiiII", 54, 40, 99999, 99999, 1, 24, 0, 0, 0, 0, 0, 0),
    SKIPPABLE)  # fmt: skip
add("ppm that claims much", "picture", "a.ppm", b"P6 99999 99999 255\n" + bytes(99), SKIPPABLE)
add("ppm of text for numbers", "picture", "a.ppm", b"P6 a b c\n", SKIPPABLE)
add("svg called png", "picture", "a.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", SKIPPABLE)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
add("eps that runs a program", "picture", "a.png", EPS, SKIPPABLE)
add("floating-point tiff", "picture", "a.tiff",
    lambda path: Image.fromarray(np.ones((9, 9), np.float32)).save(path), SKIPPABLE)  # fmt: skip
add("one pixel", "picture", "a.png", encoded("PNG", size=(1, 1)), ACCEPTED)
add("one row", "picture", "a.png", encoded("PNG", size=(300, 1)), ACCEPTED)
for mode, format in (("CMYK", "JPEG"), ("L", "PNG"), ("1", "PNG"), ("P", "GIF"), ("RGBA", "PNG"),
                     ("LA", "PNG"), ("CMYK", "TIFF"), ("YCbCr", "JPEG")):  # fmt: skip
    add(f"{format} in {mode}", "picture", f"a.{format.lower()}", encoded(format, mode), ACCEPTED)


def _deep(path: Path) -> None:
    Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(path)


def _animated(path: Path) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("black", "red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


add("16-bit png", "picture", "a.png", _deep, ACCEPTED)
add("animated gif", "picture", "a.gif", _animated, ACCEPTED)
for orientation in (1, 3, 6, 8, 99):
    exif = Image.Exif()
    exif[0x112] = orientation
    add(f"orientation {orientation}", "picture", "a.jpg", encoded("JPEG", exif=exif), ACCEPTED)
add(
    "damaged exif",
    "picture",
    "a.jpg",
    encoded("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"),
    ACCEPTED,
)
add("unicode name", "picture", "Ωλ‮gnp.été 脸.png", PICTURES["png"], ACCEPTED)
add("very long name", "picture", "x" * 240 + ".png", PICTURES["png"], ACCEPTED)
add("name with a line break", "picture", "a\nb.png", PICTURES["png"], ACCEPTED)
add("name with markup", "picture", "<img src=x onerror=alert(1)>.png", PICTURES["png"], ACCEPTED)
add("broken name in unicode", "picture", "\n脸‮.png", b"no picture", SKIPPABLE)


def symlink(to: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


def fifo(path: Path) -> None:
    os.mkfifo(path)


for name, make in (
    ("symlink to itself", symlink("a.png")),
    ("symlink to nothing", symlink("nowhere.png")),
    ("symlink to an endless device", symlink("/dev/zero")),
    ("pipe that never ends", fifo),
    ("folder called as a picture", Path.mkdir),
    ("symlink to its own folder", symlink(".")),
):
    add(name, "folder", "a.png", make)


def beside(*made: tuple[str, bytes | Callable[[Path], None]]) -> Callable[[Path], None]:
    """Make a good picture, and other things beside it by their names, given as bytes or text."""

    def write(path: Path) -> None:
        path.write_bytes(PICTURES["png"])
        for name, content in made:
            other = path.parent / name
            other.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(other)
            else:
                other.write_bytes(content)

    return write


LATIN, GBK = os.fsdecode(b"caf\xe9.png"), os.fsdecode("脸.png".encode("gbk"))
add("name in latin-1", "folder", LATIN, PICTURES["png"], ACCEPTED)
add("name in gbk", "folder", GBK, PICTURES["png"], ACCEPTED)
add("name of no characters at all", "folder", os.fsdecode(b"\xff\xfe\x80.png"), PICTURES["png"],
    ACCEPTED)  # fmt: skip
add("broken name in latin-1", "picture", LATIN, b"no picture", SKIPPABLE)
add(
    "name of a terminal's commands", "picture", "\x1b[2J\x1b]0;x\x07.png", PICTURES["png"], ACCEPTED
)
add("name of 255 bytes", "picture", os.fsdecode(b"\xe9" * 251) + ".png", PICTURES["png"], ACCEPTED)
for suffix in ("jfif", "jpe", "JPEG", "apng", "dib", "pgm", "pnm", "tga", "jp2"):
    format = Image.registered_extensions()[f".{suffix.lower()}"]
    mode = "L" if suffix == "pgm" else "RGB"
    add(f"{suffix} as good as any", "picture", f"b.{suffix}", encoded(format, mode), ACCEPTED)
if features.check("avif"):
    add("avif as good as any", "picture", "b.avif", encoded("AVIF"), ACCEPTED)
add("avif that is none", "picture", "b.avif", b"\0\0\0 ftypavif" + bytes(99), SKIPPABLE)
add("pfm, whose range nobody states", "picture", "b.pfm", b"Pf\n2 2\n-1.0\n" + bytes(16), SKIPPABLE)
add("heic alone", "folder", "a.heic", b"\0\0\0 ftypheic" + bytes(99))
add("picture without a suffix alone", "folder", "00001", PICTURES["png"])
add("empty file without a suffix alone", "folder", "a", b"")
add("zip in a folder alone", "folder", "a.zip", b"PK\x05\x06" + bytes(18))
add("folder of itself", "folder", "a.png", beside(("again", symlink("."))), ACCEPTED)
add("folder of its parents", "folder", "a.png", beside(("up", symlink("../.."))), ACCEPTED)
add("folder of the whole disk", "folder", "a.png", beside(("disk", symlink("/"))), ACCEPTED)
add("folders of each other", "folder", "a.png", beside(
    ("one/two", symlink("../two")), ("two/one", symlink("../one"))), ACCEPTED)  # fmt: skip
add("folder of devices", "folder", "a.png", beside(("devices", symlink("/dev"))), ACCEPTED)
add("links to a link to itself", "folder", "a.png", beside(
    ("b.png", symlink("c.png")), ("c.png", symlink("b.png"))), ACCEPTED)  # fmt: skip
add("pipe beside a picture", "folder", "a.png", beside(("b.png", fifo)), ACCEPTED)
add("link to a file outside", "folder", "a.png", beside(("b.png", symlink("/etc/passwd"))))


# --- archives -------------------------------------------------------------------------------------


def zipped(members: dict[str, bytes], **options: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def tarred(members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for info, data in members:
            info.size = info.size or len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def member(name: str, **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


GOOD_ZIP = zipped({f"{i}.png": PICTURES["png"] for i in range(3)})
GOOD_TAR = tarred([(member(f"{i}.png"), PICTURES["png"]) for i in range(3)])
GOOD_TGZ = tarred([(member(f"{i}.png"), PICTURES["png"]) for i in range(3)], "w:gz")
for share in (0.01, 0.3, 0.6, 0.9, 0.99):
    add(f"zip cut at {share}", "archive", "a.zip", GOOD_ZIP[: int(share * len(GOOD_ZIP))])
    add(f"tar.gz cut at {share}", "archive", "a.tgz", GOOD_TGZ[: int(share * len(GOOD_TGZ))])
for share in (0.01, 0.1):
    add(f"tar cut at {share}", "archive", "a.tar", GOOD_TAR[: int(share * len(GOOD_TAR))])
add("zip of no bytes", "archive", "a.zip", b"")
add("zip of nothing", "archive", "a.zip", zipped({}))
add("zip of no pictures", "archive", "a.zip", zipped({"a.txt": b"x", "b.exe": b"y"}))
add("zip that is a picture", "archive", "a.zip", PICTURES["png"])
add("tar that is a pickle", "archive", "a.tar", PICKLE)
for flag in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
    claim = tarfile.TarInfo("a.png")
    claim.type, claim.size = flag, 1 << 42
    add(f"tar whose header {flag.decode()} claims 4 TiB", "archive", "a.tar",
        claim.tobuf(tarfile.GNU_FORMAT) + bytes(10240))  # fmt: skip
add("tar of no pictures", "archive", "a.tar", tarred([(member("a.txt"), b"x")]))
add("rar", "archive", "a.rar", b"Rar!\x1a\x07\x00" + bytes(99))
add("7z", "archive", "a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(99))
for path_ in ("../../executed.png", "/executed.png", "C:\\executed.png", "a/../../executed.png"):
    outcome = REFUSED if ".." in path_ else ACCEPTED  # such names are no pictures at all
    picture = PICTURES["png"]
    add(f"zip slip {path_}", "archive", "a.zip", zipped({path_: picture}), outcome)
    add(f"tar slip {path_}", "archive", "a.tar", tarred([(member(path_), picture)]), outcome)
for kind, number in (("symlink", tarfile.SYMTYPE), ("hard link", tarfile.LNKTYPE),
                     ("device", tarfile.CHRTYPE), ("pipe", tarfile.FIFOTYPE),
                     ("folder", tarfile.DIRTYPE)):  # fmt: skip
    add(f"tar of a {kind}", "archive", "a.tar",
        tarred([(member("a.png", type=number, linkname="/etc/passwd"), b"")]))  # fmt: skip
add(
    "zip of two files of one name",
    "archive",
    "a.zip",
    GOOD_ZIP.replace(b"1.png", b"0.png"),
    ACCEPTED,
)
add("zip with a wrong checksum", "archive", "a.zip", GOOD_ZIP.replace(
    PICTURES["png"][40:60], bytes(20), 1))  # fmt: skip
add("zip that claims encryption", "archive", "a.zip", GOOD_ZIP.replace(
    b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\1\0").replace(
    b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"))  # fmt: skip
add("zip of unknown compression", "archive", "a.zip", GOOD_ZIP.replace(
    b"PK\x01\x02\x14\x03\x14\0\0\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x63\0"))  # fmt: skip
add("zip within a zip", "archive", "a.zip", zipped({"a.zip": GOOD_ZIP}))


for name in (LATIN, GBK, "a\nb.png", "\x1b[2J.png", "x" * 5000 + ".png"):
    kind = "tar of a picture called"
    add(
        f"{kind} {name[:9]!a}",
        "archive",
        "a.tar",
        tarred([(member(name), PICTURES["png"])]),
        ACCEPTED,
    )
    add(f"{kind} {name[:9]!a}, broken", "archive", "a.tar", tarred([(member(name), b"x")]))
add("zip of names that claim utf-8 and are not", "archive", "a.zip",
    zipped({"éé.png": PICTURES["png"]}).replace("éé".encode(), b"\xe9" * 4))  # fmt: skip
add("zip of names of another time", "archive", "a.zip",
    zipped({"xyz.png": PICTURES["png"]}).replace(b"xyz", b"\xc1\xb3\xff"), ACCEPTED)  # fmt: skip
add("zip in a zip beside a picture", "archive", "a.zip",
    zipped({"a.zip": GOOD_ZIP, "a.png": PICTURES["png"]}), ACCEPTED)  # fmt: skip
add("tar of links and a picture", "archive", "a.tar", tarred([
    (member("b.png", type=tarfile.SYMTYPE, linkname="b.png"), b""),
    (member("c.png", type=tarfile.LNKTYPE, linkname="../../etc/passwd"), b""),
    (member("d.png", type=tarfile.CHRTYPE), b""), (member("a.png"), PICTURES["png"])]),
    ACCEPTED)  # fmt: skip


def _zip_of_a_link(path: Path) -> None:
    link = zipfile.ZipInfo("a.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")


def _zip_of_many_bombs(path: Path) -> None:
    """Hold pictures that are small enough each, and together are not."""
    zeros = {f"{number}.png": bytes(64 << 20) for number in range(12)}
    path.write_bytes(zipped(zeros, compression=zipfile.ZIP_DEFLATED, compresslevel=1))


def _tar_of_headers(path: Path) -> None:
    """Claim half a million files of no bytes, in a megabyte."""
    with gzip.open(path, "wb", compresslevel=9) as stream:
        block = b"".join(member(f"{number}.png").tobuf() for number in range(1000))
        for _ in range(500):
            stream.write(block)


add("zip of a link", "archive", "a.zip", _zip_of_a_link)
add("zip of many bombs", "archive", "a.zip", _zip_of_many_bombs)
add("tar of half a million headers", "archive", "a.tgz", _tar_of_headers)
add("zip of ten thousand empty files", "archive", "a.zip",
    zipped({f"{number}.txt": b"" for number in range(10_000)}))  # fmt: skip
add("archive that is a pipe", "archive", "a.zip", fifo)
add("archive that is an endless device", "archive", "a.tar", symlink("/dev/zero"))


def _zip_bomb(path: Path) -> None:
    zeros = {"a.png": bytes(300 << 20)}
    path.write_bytes(zipped(zeros, compression=zipfile.ZIP_DEFLATED, compresslevel=1))


def _lying_zip(path: Path) -> None:
    """Claim 100 bytes of what unpacks to 64 MiB."""
    data = zipped({"a.png": bytes(64 << 20)}, compression=zipfile.ZIP_DEFLATED)
    path.write_bytes(data.replace(struct.pack("<I", 64 << 20), struct.pack("<I", 100)))


def _tar_bomb(path: Path) -> None:
    block = bytes(1 << 20)
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(member("a.bin", size=400 << 20).tobuf())
        for _ in range(400):
            stream.write(block)


add("zip bomb", "archive", "a.zip", _zip_bomb)
add("zip bomb that lies about its size", "archive", "a.zip", _lying_zip)
add("tar bomb", "archive", "a.tgz", _tar_bomb)
add(
    "tar that claims an exabyte",
    "archive",
    "a.tar",
    member("a.png", size=1 << 60).tobuf() + bytes(1024),
)
add("gzip of no tar", "archive", "a.tgz", zlib.compress(b"x", wbits=31))


# --- arrays ---------------------------------------------------------------------------------------


def npy(shape: Any, descr: str = "|u1", data: bytes = b"", extra: str = "") -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, {extra}}}"
    header = text.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


GOOD_NPY = npy((2, 3, 8, 8), data=bytes(384))
ARRAYS = {
    "of no bytes": b"",
    "of its magic": GOOD_NPY[:6],
    "of half a header": GOOD_NPY[:40],
    "cut off": GOOD_NPY[:-10],
    "of a huge shape": npy((1 << 40, 3, 64, 64)),
    "of a shape beyond 64 bits": npy((1 << 62, 3, 1 << 30, 64)),
    "of a negative shape": npy((-2, 3, 8, 8)),
    "of a shape of text": npy("'abc'"),
    "of a shape of floats": npy((2.0, 3, 8, 8)),
    "of objects": npy((2, 3, 8, 8), "|O", PICKLE),
    "of floats": npy((2, 3, 8, 8), "<f4", bytes(4 * 384)),
    "of 16 bits": npy((2, 3, 8, 8), "<u2", bytes(2 * 384)),
    "of a record": npy((2, 3, 8, 8), "[('a', '|u1')]"),
    "of a header without end": npy("(2, 3, '"),
    "of a type that is no literal": npy((2, 3, 8, 8), "3)u1"),
    "of a call in its header": npy("__import__('os').system('touch executed')"),
    "of one more key": npy((2, 3, 8, 8), data=bytes(384), extra="'x': 1"),
    "of one image": npy((3, 8, 8), data=bytes(192)),
    "of four channels": npy((2, 4, 8, 8), data=bytes(512)),
    "of no axis": npy((), data=b"x"),
    "of version 9": b"\x93NUMPY\x09\x00" + GOOD_NPY[8:],
    "with a header of 4 GiB": b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFFF) + b"{",
    "that is a pickle": PICKLE,
    "that is text": b"0 1 2 3\n",
}
for name, data in ARRAYS.items():
    add(f"npy {name}", "array", "a.npy", data)
    add(f"npz {name}", "array", "a.npz", zipped({"a.npy": data}))
for suffix in ("npy", "npz"):
    add(f"{suffix} that is a pipe", "array", f"a.{suffix}", fifo)
    add(f"{suffix} that is an endless device", "array", f"a.{suffix}", symlink("/dev/zero"))
add("npy of no images", "array", "a.npy", npy((0, 3, 8, 8)))
add("npy of images of no pixels", "array", "a.npy", npy((2, 3, 0, 8)))
add("npy of rows of pixels", "array", "a.npy", npy((2, 8, 8, 3), data=bytes(384)), ACCEPTED)
add("npz in capitals", "array", "a.NPZ", zipped({"a.npy": GOOD_NPY}), ACCEPTED)
add("npz of two arrays", "array", "a.npz", zipped({"a.npy": GOOD_NPY, "b.npy": GOOD_NPY}))
add("npz of nothing", "array", "a.npz", zipped({}))
add("npz that is a npy", "array", "a.npz", GOOD_NPY, ACCEPTED)
add("npy that is a npz", "array", "a.npy", zipped({"a.npy": GOOD_NPY}), ACCEPTED)
add("npz without its end", "array", "a.npz", zipped({"a.npy": GOOD_NPY})[:200])


# --- statistics of features -----------------------------------------------------------------------


def floats(*shape: int, value: float = 0.0) -> bytes:
    """Return an array of float64, its diagonal more than the rest where it is a matrix."""
    array = np.full(shape, value) + (np.eye(*shape) if len(shape) == 2 else 0)
    return npy(shape, "<f8", array.tobytes())


MU, SIGMA = floats(64), floats(64, 64)
STATISTICS: dict[str, dict[str, bytes]] = {
    "without sigma": {"mu": MU},
    "without mu": {"sigma": SIGMA},
    "that are pictures": {"arr_0": GOOD_NPY},
    "of other widths": {"mu": floats(192), "sigma": SIGMA},
    "of a width of no network": {"mu": floats(65), "sigma": floats(65, 65)},
    "of no features": {"mu": floats(0), "sigma": floats(0, 0)},
    "of a matrix for mu": {"mu": SIGMA, "sigma": SIGMA},
    "of a sigma that is no square": {"mu": MU, "sigma": floats(64, 63)},
    "of a sigma of one axis": {"mu": MU, "sigma": floats(64)},
    "of NaN": {"mu": floats(64, value=np.nan), "sigma": SIGMA},
    "of infinity": {"mu": MU, "sigma": floats(64, 64, value=np.inf)},
    "of numbers beyond float32": {"mu": floats(64, value=1e200), "sigma": SIGMA},
    "of negative eigenvalues": {"mu": MU, "sigma": floats(64, 64, value=5.0).replace(
        struct.pack("<d", 6.0), struct.pack("<d", 1.0))},
    "of negative variances": {"mu": MU, "sigma": floats(64, 64, value=-3.0)},
    "without symmetry": {"mu": MU, "sigma": SIGMA[:-16] + struct.pack("<d", 0.5) + SIGMA[-8:]},
    "of objects": {"mu": npy((64,), "|O", PICKLE), "sigma": SIGMA},
    "of complex numbers": {"mu": npy((64,), "<c16", bytes(1024)), "sigma": SIGMA},
    "of texts": {"mu": npy((64,), "<U2", bytes(512)), "sigma": SIGMA},
    "of a huge mu": {"mu": npy((1 << 40,), "<f8"), "sigma": SIGMA},
    "of a huge sigma": {"mu": MU, "sigma": npy((1 << 20, 1 << 20), "<f8")},
    "of a sigma that claims more": {"mu": MU, "sigma": npy((64, 64), "<f8", bytes(99))},
    "of a sigma that claims 128 MiB": {"mu": floats(4096), "sigma": npy((4096, 4096), "<f8")},
    "with a header of 1 GiB": {
        "mu": b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 30) + b" " * (1 << 26), "sigma": SIGMA,
    },
    "of one image": {"mu": MU, "sigma": SIGMA, "count": npy((), "<i8", struct.pack("<q", 1))},
    "of another's extractor": {
        "mu": MU, "sigma": SIGMA, "extractor": npy((), "<U6", "dinov2".encode("utf-32-le")),
    },
}  # fmt: skip
for name, members in STATISTICS.items():
    add(f"npz of statistics {name}", "statistics", "a.npz",
        zipped({f"{each}.npy": data for each, data in members.items()}))  # fmt: skip
WHOLE = zipped({"mu.npy": MU, "sigma.npy": SIGMA})
add("npz of statistics cut off", "statistics", "a.npz", WHOLE[: len(WHOLE) // 2])
add("npz of statistics of no bytes", "statistics", "a.npz", b"")
add("npz of statistics that is a pipe", "statistics", "a.npz", fifo)
add("npz of statistics that is a device", "statistics", "a.npz", symlink("/dev/zero"))


class Called:
    """Is a call of whatever it is given, once it is unpickled."""

    def __init__(self, *call: Any):
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


def opcodes(*parts: bytes) -> bytes:
    """Return a pickle of protocol 4 that is made by hand."""
    return b"\x80\x04" + b"".join(parts) + b"."


def op_text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def named(module: str, name: str) -> bytes:
    return op_text(module) + op_text(name) + b"\x93"


SCALE = np.eye(64)
EDM2 = {"num_images": 9, "fid": {"mu": np.zeros(64), "sigma": SCALE}}
F8 = named("numpy", "dtype") + op_text("f8") + b"\x89\x88\x87R"
BUFFER = named("numpy._core.numeric", "_frombuffer")
PICKLES: dict[str, bytes] = {
    "that runs a program": PICKLE,
    "with a program beside": pickle.dumps(EDM2 | {"x": Bomb()}),
    "with a program for mu": pickle.dumps({"fid": {"mu": Bomb(), "sigma": SCALE}}),
    "with a program for a key": pickle.dumps({Called(str, "fid"): EDM2["fid"]}),
    "that builds a class": pickle.dumps(EDM2 | {"x": Path("a")}),
    "that looks an attribute up": pickle.dumps(EDM2 | {"x": Called(getattr, EDM2, "get")}),
    "of NumPy's own loader": pickle.dumps(EDM2 | {"x": Called(np.load, "a.npy")}),
    "of arrays of objects": pickle.dumps({"fid": {"mu": np.array([Bomb()]), "sigma": SCALE}}),
    "of arrays of records": pickle.dumps({"fid": {"mu": np.zeros(64, "f8,f8"), "sigma": SCALE}}),
    "of arrays of dates": pickle.dumps({"fid": {"mu": np.zeros(64, "M8[s]"), "sigma": SCALE}}),
    "of complex arrays": pickle.dumps({"fid": {"mu": np.zeros(64, "c16"), "sigma": SCALE}}),
    "of lists of numbers": pickle.dumps({"fid": {"mu": [0.0] * 64, "sigma": SCALE}}),
    "of texts": pickle.dumps({"fid": "mu"}),
    "that is a list": pickle.dumps([EDM2]),
    "of no known metric": pickle.dumps({"other": EDM2["fid"]}),
    "of dinov2 of another width": pickle.dumps({"fd_dinov2": EDM2["fid"]}),
    "of no images": pickle.dumps(EDM2 | {"num_images": 0}),
    "of numbers for keys": pickle.dumps(EDM2 | {1: 2}),
    "of protocol 0": pickle.dumps(EDM2, 0),
    "of protocol 1": pickle.dumps(EDM2, 1),
    "of protocol 9": b"\x80\x09" + pickle.dumps(EDM2)[2:],
    "cut off": pickle.dumps(EDM2)[:-400],
    "without its end": pickle.dumps(EDM2)[:-1],
    "of nothing but its head": b"\x80\x04",
    "of nothing": opcodes(),
    "of two things": opcodes(b"NN"),
    "that pops from nothing": opcodes(b"\x86"),
    "with no mark": opcodes(b"t"),
    "that recalls what is not there": opcodes(b"h\x07"),
    "that memoizes nothing": opcodes(b"\x94"),
    "that memoizes at 4 GiB": opcodes(b"Nr\xff\xff\xff\xff", b"h\x00"),
    "that calls a text": opcodes(op_text("a"), b")R"),
    "that calls by a number": opcodes(b"K\x01K\x02\x93"),
    "that calls nothing": opcodes(named("numpy", "ndarray"), b")R"),
    "that builds a text": opcodes(op_text("a"), b"}b"),
    "that makes an object": opcodes(named("numpy", "ndarray"), b")\x81"),
    "of an extension": opcodes(b"\x82\x01"),
    "of a persistent name": opcodes(b"NQ"),
    "of a buffer elsewhere": b"\x80\x05\x97.",
    "of bytes that claim much": opcodes(b"\x8e", struct.pack("<Q", 1 << 62)),
    "of text that claims much": opcodes(b"\x8d", struct.pack("<Q", 1 << 62)),
    "of a frame that claims much": opcodes(b"\x95", struct.pack("<Q", 1 << 62), b"N"),
    "of a long number that claims much": opcodes(b"\x8b", struct.pack("<i", 2**31 - 1)),
    "of a set": pickle.dumps({1, 2}),
    "of deep lists": opcodes(b"]" * 20_000, b"a" * 19_999),
    "of a list in itself": opcodes(b"]\x94h\x00a"),
    "of doubled tuples": opcodes(b")", *[b"\x94h" + bytes([i]) + b"\x86" for i in range(60)]),
    "of endless steps": opcodes(b"N0" * 100_000),
    "of many steps": opcodes(b"(" + b"N" * 100_000, b"t"),
    "of the same text over and over": opcodes(
        b"X", struct.pack("<I", 1 << 20), b"a" * (1 << 20), b"\x94", op_text("latin1"), b"\x94",
        (named("_codecs", "encode") + b"h\x00h\x01\x86R") * 4000),
    "of text in another code": opcodes(
        named("_codecs", "encode"), op_text("a"), op_text("zip"), b"\x86R"),
    "that calls a name of no letters": opcodes(b"\x8c\x03\xed\xa0\x80" * 2, b"\x93)R"),
    "of an array of a huge shape": opcodes(
        BUFFER, b"(C\x08" + bytes(8), F8, b"\x8a\x06" + bytes(5) + b"\x01\x85", op_text("C"),
        b"tR"),
    "of an array of a negative shape": opcodes(
        BUFFER, b"(C\x08" + bytes(8), F8, b"\x8a\x01\xff\x85", op_text("C"), b"tR"),
    "of an array of a shape of texts": opcodes(
        BUFFER, b"(C\x08" + bytes(8), F8, op_text("a") + b"\x85", op_text("C"), b"tR"),
    "of an array that was never filled": opcodes(
        b"}", op_text("fid"), b"}(", op_text("mu"), named("numpy._core.multiarray", "_reconstruct"),
        named("numpy", "ndarray"), b"K\x00\x85C\x01b\x87R", op_text("sigma"), b"Nus"),
    "of tensors": opcodes(named("torch._utils", "_rebuild_tensor_v2"), b")R"),
    "of CuPy's arrays": opcodes(named("cupy", "array"), b")R"),
}  # fmt: skip
for name, data in PICKLES.items():
    add(f"pkl of statistics {name}", "statistics", "a.pkl", data)


def large_pickle(path: Path) -> None:
    """Write a file that is larger than any of statistics; the disk has no more than its ends."""
    with path.open("wb") as stream:
        stream.write(b"\x80\x04")
        stream.truncate(1 << 40)


add("pkl of statistics of a terabyte", "statistics", "a.pkl", large_pickle)
# --- files of the field: what is named as labels, Parquet, WebDataset, HDF5 -----------------------

LABELS = npy((2,), "<i8", bytes(16))
for name, members in {
    "of statistics alone": {"mu": npy((2,), "<f8", bytes(16)), "sigma": LABELS},
    "of pictures and a pickle for labels": {"arr_0": npy((2, 3, 8, 8), "|O", PICKLE), "y": LABELS},
    "of pictures cut off beside labels": {"arr_0": GOOD_NPY[:-10], "arr_1": LABELS},
    "of two batches": {"real": GOOD_NPY, "fake": GOOD_NPY, "arr_1": LABELS},
    "of two arrays of labels": {"x": GOOD_NPY, "y": LABELS, "labels": LABELS},
    "of labels that claim more": {"x": GOOD_NPY, "y": npy((1 << 40,), "<i8")},
    "of latents": {"z": npy((2, 4, 8, 8), "<f4", bytes(2048)), "y": LABELS},
}.items():
    add(f"npz {name}", "archive", "a.npz", zipped({f"{k}.npy": v for k, v in members.items()}))
add("npz of a pickle beside pictures", "archive", "a.npz", zipped(
    {"x.npy": GOOD_NPY, "y.npy": npy((2,), "|O", PICKLE)}), ACCEPTED)  # fmt: skip
add("npz called zip", "archive", "a.zip", zipped({"x.npy": GOOD_NPY}), ACCEPTED)

TWO = {"0.png": PICTURES["png"], "1.png": PICTURES["png"]}
BESIDE: dict[str, bytes] = {
    "dataset.json of one picture": b'{"labels": [["0.png", 1]]}',
    "dataset.json of a file elsewhere": b'{"labels": [["../../etc/passwd", 1]]}',
    "dataset.json cut off": b'{"labels": [["0.png", 1',
    "dataset.json as deep as a well": b"[" * 100_000,
    "dataset.json of a number without end": b'{"labels": [["0.png", ' + b"9" * 99_999 + b"]]}",
    "dataset.json of no pairs": b'{"labels": {"0.png": 1}}',
    "dataset.json of two labels": b'{"labels": [["0.png", 1], ["1.png", 1], ["./0.png", 2]]}',
    "dataset.json that is a pickle": PICKLE,
    "metadata.csv of one picture": b"file_name,label\n0.png,1\n",
    "metadata.csv of a vast field": b'file_name,label\n0.png,"' + b"x" * 200_000,
    "metadata.csv in another encoding": "file_name,label\n0.png,é\n".encode("utf-16"),
    "metadata.csv of files at the root": b"file_name,label\n/etc/passwd,1\n",
    "metadata.jsonl of one picture": b'{"file_name": "0.png", "label": 1}',
    "metadata.jsonl cut off": b'{"file_name": "0.png", "lab',
    "metadata.jsonl of numbers": b"1\n2\n",
}
for name, data in BESIDE.items():
    file = name.split()[0]
    add(f"zip with a {name}", "archive", "a.zip", zipped(TWO | {file: data}))
    add(f"folder with a {name}", "folder", "0.png",
        beside(("1.png", PICTURES["png"]), (file, data)))  # fmt: skip
for name, data in {
    "dataset.json of cameras": b'{"labels": [["0.png", [0.1, 0.2]], ["1.png", [1, 2]]]}',
    "dataset.json of nothing": b"{}",
    "metadata.csv of other things": b"name;size\n0.png;3\n",
}.items():
    add(f"zip with a {name}", "archive", "a.zip", zipped(TWO | {name.split()[0]: data}), ACCEPTED)
for name, data in {
    "latents": npy((4, 8, 8), "<f4", bytes(1024)), "objects": npy((3, 8, 8), "|O", PICKLE),
    "a claim": npy((3, 1 << 20, 1 << 20)), "no header": b"\x93NUMPY\x01\x00",
}.items():  # fmt: skip
    add(f"zip of {name} in npy", "archive", "a.zip", zipped({"0/a.npy": data}))
for name, data in {
    "no text": b"\xff\xfe", "nothing": b"", "another label": b"2", "a long text": b"x" * 99_999,
}.items():  # fmt: skip
    sample = [
        ("0.png", PICTURES["png"]),
        ("0.cls", data),
        ("1.png", PICTURES["png"]),
        ("1.cls", b"1"),
        ("0.json", b'{"label": 1}' if name == "another label" else b"{}"),
    ]
    packed = tarred([(member(each), content) for each, content in sample])  # fmt: skip
    add(f"WebDataset with {name} for a class", "archive", "a.tar", packed)
    add(f"shard with {name} for a class", "folder", "a.tar", packed)
add("shard that is no tar", "folder", "a.tar", b"Rar!" * 200)
add("shard that is cut off", "folder", "a.tar", GOOD_TAR[: len(GOOD_TAR) // 10])
add("shard that is a pipe", "folder", "a.tar", fifo)


def parquet(table: Callable[[Any], Any], damage: Callable[[bytes], bytes] = bytes, **options: Any
            ) -> Callable[[Path], None]:  # fmt: skip
    """Write the table that is made with pyarrow, and damage its bytes."""

    def make(path: Path) -> None:
        import pyarrow
        from pyarrow.parquet import write_table

        write_table(pyarrow.table(table(pyarrow)), path, **options)
        path.write_bytes(damage(path.read_bytes()))

    return make


def _columns(*pictures: bytes | None, **more: Any) -> Callable[[Any], Any]:
    return lambda pyarrow: {"image": pyarrow.array(pictures, pyarrow.binary())} | more


ROWS = _columns(PICTURES["png"], PICTURES["png"])
PARQUET: dict[str, Callable[[Path], None] | bytes] = {
    "of its magic alone": b"PAR1",
    "of a footer without end": b"PAR1" + bytes(99) + b"\xff\xff\xff\xffPAR1",
    "of a footer of zeros": b"PAR1" + bytes(99) + struct.pack("<I", 64) + b"PAR1",
    "that is a pickle": b"PAR1" + PICKLE,
    "cut off": parquet(ROWS, lambda data: data[:-9]),
    "without its pages": parquet(ROWS, lambda data: data[:4] + bytes(300) + data[304:]),
    "of no rows": parquet(_columns()),
    "of no pictures": parquet(_columns(b"x", PICKLE)),
    "of a picture elsewhere": parquet(_columns(None, PICTURES["png"])),
    "of no column of bytes": parquet(lambda pyarrow: {"image": [1, 2]}),
    "of a list of pictures": parquet(lambda pyarrow: {"image": [[PICTURES["png"]]]}),
    "of two columns of pictures": parquet(lambda p: {"a": [b"x"], "b": [b"x"]}),
    "of one label": parquet(_columns(PICTURES["png"], PICTURES["png"], label=[1, None])),
    "of a hundred thousand of nothing": parquet(_columns(*[b""] * 100_000)),
    "of a bomb": parquet(_columns(*[bytes(64 << 20)] * 5), compression="zstd",
                         use_dictionary=False),
    "of one picture many times": parquet(_columns(*[bytes(4 << 20)] * 99), compression="zstd"),
}  # fmt: skip
for name, content in PARQUET.items():
    add(f"Parquet {name}", "archive", "a.parquet", content)
add("Parquet called zip", "archive", "a.zip", parquet(ROWS), ACCEPTED)
add("Parquet of labels that are captions", "archive", "a.parquet",
    parquet(_columns(PICTURES["png"], label=["x" * 9999])), ACCEPTED)  # fmt: skip


def images_in_hdf5(make: Callable[[Any, Any], None]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            make(h5py, file)

    return write


def _virtual_hdf5(h5py: Any, file: Any) -> None:
    layout = h5py.VirtualLayout((2, 3, 8, 8), np.uint8)
    layout[:] = h5py.VirtualSource("/dev/zero", "imgs", (2, 3, 8, 8))
    file.create_virtual_dataset("imgs", layout)


def _plugged_hdf5(h5py: Any, file: Any) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1, 3, 8, 8))
    plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((2, 3, 8, 8))
    made = h5py.h5d.create(file.id, b"imgs", h5py.h5t.NATIVE_UINT8, space, plist)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.zeros((2, 3, 8, 8), np.uint8))


def _hdf5_of_labels(labels: Any) -> Callable[[Any, Any], None]:
    def make(h5py: Any, file: Any) -> None:
        file["imgs"] = np.zeros((2, 3, 8, 8), np.uint8)
        for name, values in labels.items():
            file[name] = values

    return make


HDF5: dict[str, Callable[[Path], None] | bytes] = {
    "of its signature alone": b"\x89HDF\r\n\x1a\n",
    "of a header without end": b"\x89HDF\r\n\x1a\n" + b"\xff" * 200,
    "of nothing": images_in_hdf5(lambda h5py, file: None),
    "of an external link": images_in_hdf5(
        lambda h5py, file: file.__setitem__("imgs", h5py.ExternalLink("/dev/zero", "x"))
    ),
    "of storage elsewhere": images_in_hdf5(lambda h5py, file: file.create_dataset(
        "imgs", (2, 3, 8, 8), "u1", external=[("/dev/zero", 0, 384)])),
    "of a virtual dataset": images_in_hdf5(_virtual_hdf5),
    "of a filter that is a plug-in": images_in_hdf5(_plugged_hdf5),
    "of a loop alone": images_in_hdf5(lambda h5py, file: file.__setitem__("a", file["/"])),
    "of floats": images_in_hdf5(lambda h5py, file: file.create_dataset("imgs", (2, 3, 8, 8), "f4")),
    "of a vast claim": images_in_hdf5(lambda h5py, file: file.create_dataset(
        "imgs", (1 << 40, 3, 64, 64), "u1", chunks=(1, 3, 64, 64))),
    "of vast chunks": images_in_hdf5(lambda h5py, file: file.create_dataset(
        "imgs", (2, 3, 8, 8), "u1", chunks=(1 << 15, 3, 64, 64), maxshape=(None,) * 4)),
    "of a bomb": images_in_hdf5(lambda h5py, file: file.create_dataset(
        "imgs", data=np.zeros((999, 3, 64, 64), "u1"), chunks=(999, 3, 64, 64),
        compression="gzip")),
    "of two batches": images_in_hdf5(_hdf5_of_labels({"x": np.zeros((2, 3, 8, 8), "u1")})),
    "of two arrays of labels": images_in_hdf5(_hdf5_of_labels({"y": [1, 2], "labels": [1, 2]})),
}  # fmt: skip
for name, content in HDF5.items():
    add(f"HDF5 {name}", "archive", "a.h5", content)
add("HDF5 called zip", "archive", "a.zip", images_in_hdf5(_hdf5_of_labels({})), ACCEPTED)
add("HDF5 of labels that are vectors", "archive", "a.h5",
    images_in_hdf5(_hdf5_of_labels({"labels": np.full((2, 3), 0.3)})), ACCEPTED)  # fmt: skip


# --- dataset.json and Results ---------------------------------------------------------------------

INFO = {
    "format": "facebench-dataset/1", "count": 4, "size": 8, "digest": "0", "crop": "none",
    "filter": "none", "splits": {"train": [0, 2], "holdout": [2, 4]}, "skipped": [],
}  # fmt: skip


def info(**changes: Any) -> bytes:
    return json.dumps(INFO | changes).encode()


JSONS = {
    "of no bytes": b"",
    "of a list": b"[]",
    "of a number": b"3",
    "of null": b"null",
    "of NaN": b'{"format": NaN}',
    "of an infinity": b'{"format": -Infinity}',
    "cut off": info()[:40],
    "in another encoding": info().decode().encode("utf-16"),
    "of bytes that are no text": b'{"\xff\xfe": 1}',
    "as deep as a well": b"[" * 100_000,
    "of a number without end": b'{"format": ' + b"9" * 100_000 + b"}",
    "that is a pickle": PICKLE,
    "with something after it": info() + b"{}",
}
for name, data in JSONS.items():
    add(f"dataset {name}", "dataset", "dataset.json", data)
    add(f"result {name}", "result", "a.json", data)
CHANGES: dict[str, dict[str, Any]] = {
    "of another format": {"format": "facebench-dataset/9"},
    "of a count as text": {"count": "4"},
    "of a negative count": {"count": -4},
    "of another count": {"count": 5},
    "of a count without end": {"count": 1e400},
    "of another size": {"size": 16},
    "of a size of null": {"size": None},
    "without a digest": {"digest": None},
    "of a crop as a list": {"crop": []},
    "of splits as a list": {"splits": [[0, 4]]},
    "of a split beyond its end": {"splits": {"train": [0, 9]}},
    "of a split backwards": {"splits": {"train": [3, 1]}},
    "of a split of text": {"splits": {"train": "all"}},
    "of a split of three": {"splits": {"train": [0, 1, 2]}},
    "of a split of floats": {"splits": {"train": [0.5, 2]}},
    "of a negative split": {"splits": {"train": [-2, 2]}},
    "of people who are not there": {"people": 3},
    "of people as text": {"people": "3"},
    "of attributes that are not there": {"attributes": ["Male"]},
    "of attributes as numbers": {"attributes": [1, 2]},
    "of attributes that steer a terminal": {"attributes": ["\x1b[2J"]},
    "of a million attributes": {"attributes": [str(i) for i in range(1 << 20)]},
}
for name, changes in CHANGES.items():
    text = info(**changes).replace(b"Infinity", b"1e400")
    add(f"dataset {name}", "dataset", "dataset.json", text)

add("dataset that is a pipe", "dataset", "dataset.json", fifo)

# --- lists of people and of attributes: beside one picture, 0.png ---------------------------------


def _large(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


for option in ("identities", "attributes"):
    add(f"{option} of a terabyte", option, "list.txt", _large)
    add(f"{option} that are a pipe", option, "list.txt", fifo)
LISTS: dict[str, bytes] = {
    "of nothing": b"",
    "of a pickle": PICKLE,
    "of a zip": zipped({"0.png": b""}),
    "of a picture": PICTURES["png"],
    "of one vast line": b"0.png" + b" 1" * (1 << 20),
    "of NULs": b"0.png,1\n" + bytes(100),
    "in another encoding": "0.png,é\n".encode("utf-16"),
    "of a quote without end": b'file,identity\n0.png,"1\n' + b"1.png,1\n" * 99_999,
    "of files elsewhere": b"file,identity\n../../etc/passwd,1\n/etc/1,1\n",
    "of a vast name": b"file,identity\n0.png," + b"1" * 99_999,
    "of rows of any length": b"file,identity\n0.png\n0.png,1,2\n",
    "that contradicts itself": b"file,identity\n0.png,1\n./0.png,0\n",
}
for name, data in LISTS.items():
    add(f"identities {name}", "identities", "list.csv", data)
    add(f"attributes {name}", "attributes", "list.csv", data)
for name, table in {
    "of 2,000": f"file,{','.join(map(str, range(2, 2002)))}\n0.png{',1' * 2000}",
    "of the same twice": "file,Male,Male\n0.png,1,0",
    "of no name": "file,,Male\n0.png,1,0",
    "of ages": "file,age\n0.png,34",
    "of three values": "file,a,b,c\n0.png,0,1,-1",
    "of a count alone": "202599\n",
    "of names alone": "202599\nMale Young\n",
    "of infinities": "file,a\n0.png,inf",
    "of a number without end": "file,a\n0.png," + "1" * 99_999,
}.items():
    add(f"attributes {name}", "attributes", "list.csv", table.encode())

RESULT: dict[str, Any] = {
    "format": "facebench-result/1", "model": "a", "adapter": "vae", "path": "runs/a",
    "model_digest": "0", "first_seed": 0, "metrics": {"fid": {"value": 1.0}}, "notes": [],
    "seconds": {}, "environment": {}, "command": "", "created": "",
    "protocol": {
        "dataset": "d", "dataset_digest": "0", "split": "holdout", "crop": "none", "size": 8,
        "filter": "none", "extractor": "random", "weights": {}, "precision": "float32", "num": 8,
        "num_reference": 8, "layer": "", "mode": "facebench",
    },
}  # fmt: skip
ODD: dict[str, Any] = {
    "format": 3, "model": 5, "adapter": None, "path": ["x"], "model_digest": {}, "first_seed": "0",
    "metrics": [], "notes": 7, "seconds": [], "environment": 3, "command": 1, "created": {},
    "protocol": "x", "surprise": 1,
}  # fmt: skip
for key, value in ODD.items():
    add(f"result of an odd {key}", "result", "a.json", json.dumps(RESULT | {key: value}).encode())
for key in ("model", "adapter", "path", "protocol", "metrics", "notes"):
    short = {k: v for k, v in RESULT.items() if k != key}
    add(f"result without {key}", "result", "a.json", json.dumps(short).encode())
for name, metrics in {
    "a value of text": {"fid": {"value": "low"}},
    "a value of null": {"fid": {"value": None}},
    "no value": {"fid": {}},
    "a value without end": {"fid": {"value": 1e400}},
    "a list of values": {"fid": [1]},
    "a value with a surprise": {"fid": {"value": 1, "x": 2}},
    "groups of text": {"fid": {"value": 1, "groups": "abc"}},
    "groups without end": {"fid": {"value": 1, "groups": [1e400]}},
}.items():
    text = json.dumps(RESULT | {"metrics": metrics}).encode().replace(b"Infinity", b"1e400")
    add(f"result of {name}", "result", "a.json", text)
for name, model in {"a path": "../../executed", "a hidden file": ".a", "nothing": ""}.items():
    add(f"result called {name}", "result", "a.json", json.dumps(RESULT | {"model": model}).encode())
for key in ("size", "num", "weights", "dataset"):
    odd = RESULT["protocol"] | {key: [1]}
    add(f"result of an odd protocol {key}", "result", "a.json",
        json.dumps(RESULT | {"protocol": odd}).encode())  # fmt: skip


# --- models ---------------------------------------------------------------------------------------


def safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(**changes: Any) -> dict[str, Any]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


for name, data in {
    "of no bytes": b"",
    "of a header without end": struct.pack("<Q", 1 << 62),
    "whose header is a list": safetensors([1]),
    "whose header is no JSON": safetensors(b"{x}"),
    "of offsets beyond its end": safetensors(tensor(data_offsets=[0, 1 << 40]), bytes(8)),
    "of offsets backwards": safetensors(tensor(data_offsets=[8, 0]), bytes(8)),
    "of negative offsets": safetensors(tensor(data_offsets=[-8, 0]), bytes(8)),
    "of another shape": safetensors(tensor(shape=[1 << 40]), bytes(8)),
    "of an unknown type": safetensors(tensor(dtype="P8"), bytes(8)),
    "with a hole": safetensors(tensor(data_offsets=[8, 16]), bytes(16)),
    "with more after it": safetensors(tensor(), bytes(64)),
    "that is a pickle": PICKLE,
}.items():
    add(f"safetensors {name}", "torch", "w.safetensors", data)


def torch_zip(path: Path) -> None:
    import torch

    torch.save({"weight": Bomb()}, path)


def torch_legacy(path: Path) -> None:
    import torch

    torch.save({"weight": Bomb()}, path, _use_new_zipfile_serialization=False)


GARBAGE: dict[str, Callable[[Path], None] | bytes] = {
    "of no bytes": b"",
    "of noise": np.random.default_rng(0).bytes(500),
    "of zeros": bytes(500),
    "that is a page": b"<!DOCTYPE html><html>Sign in</html>",
    "that is a zip of nothing": zipped({}),
    "that is a zip of pictures": GOOD_ZIP,
    "that is a pickle": PICKLE,
    "that is a checkpoint with code": torch_zip,
    "that is an old checkpoint with code": torch_legacy,
}
for reader, file in {
    "torch": "w.pt", "torchscript": "m.pt", "export": "m.pt2", "onnx": "m.onnx",
    "keras": "m.keras", "keras-h5": "m.h5", "pca-npz": "m.npz", "pca-skops": "m.skops",
    "run": "model.npz",
}.items():  # fmt: skip
    for name, content in GARBAGE.items():
        add(f"{file} of {reader} {name}", reader, file, content)


# --- odd checkpoints: readable, but not weights of the tests' nn.Linear(2, 1) -------------------


def checkpoint(content: Callable[[], Any]) -> Callable[[Path], None]:
    """Save what `content` makes as PyTorch does."""

    def make(path: Path) -> None:
        import torch

        torch.save(content(), path)

    return make


def weights(value: float = 0.0) -> dict[str, Any]:
    import torch

    return {"weight": torch.full((1, 2), value), "bias": torch.zeros(1)}


def in_itself() -> dict[str, Any]:
    content: dict[str, Any] = {"epoch": 1}
    content["again"] = content
    return content


def doubled() -> Any:
    """Make lists of the same list twice, 2⁶⁰ tensors when they are counted one by one."""
    import torch

    content: Any = torch.zeros(1)
    for _ in range(60):
        content = [content, content]
    return content


def deep() -> Any:
    content: Any = {}
    for _ in range(300):
        content = {"a": content}
    return content


def module() -> Any:
    from torch import nn

    return nn.Linear(2, 1)


def shadows() -> dict[str, Any]:
    return {"decay": 0.999, "num_updates": 5, "shadow_params": list(weights().values())}


def prefixed(*prefixes: str) -> dict[str, Any]:
    return {f"{p}.{name}": tensor for p in prefixes for name, tensor in weights().items()}


def meta() -> dict[str, Any]:
    import torch

    return {"weight": torch.zeros(1, 2, device="meta"), "bias": torch.zeros(1, device="meta")}


CHECKPOINTS: dict[str, Callable[[], Any]] = {
    "of nothing": dict,
    "of a number": lambda: 3,
    "of text": lambda: "weights",
    "of one tensor": lambda: weights()["weight"],
    "of a list of tensors": lambda: list(weights().values()),
    "of numbers alone": lambda: {"loss": 0.5, "epoch": 3},
    "of weights and averages": lambda: {"model": weights(), "ema": weights(1), "opt": {}},
    "of weights and averages without names": lambda: {"model": weights(), "ema": shadows()},
    "of averages without names": shadows,
    "of two generators": lambda: {"state_dict": prefixed("generator", "generator_ema")},
    "of a discriminator": lambda: {"netD": {"conv": weights()["weight"]}},
    "of weights without a bias": lambda: {"weight": weights()["weight"]},
    "of another shape": lambda: {"weight": weights()["bias"], "bias": weights()["bias"]},
    "of layers with weights like it": lambda: prefixed("a", "b", "c"),
    "of weights and others": lambda: weights() | {"encoder": weights()["bias"]},
    "of weights without numbers": meta,
    "of NaN": lambda: weights(float("nan")),
    "in itself": in_itself,
    "of lists twice in lists": doubled,
    "as deep as a well": deep,
    "that is a whole module": module,
}
for name, made in CHECKPOINTS.items():
    add(f"checkpoint {name}", "torch", "w.pt", checkpoint(made))


def script(path: Path) -> None:
    import torch

    torch.jit.save(torch.jit.script(module()), path)


def program(path: Path) -> None:
    import torch

    exported = torch.export.export(module(), (torch.zeros(3, 2),))
    torch.export.save(exported, path)


ODD_FILES: dict[str, Callable[[Path], None] | bytes] = {
    "that is a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\nsize 9\n",
    "that is text": b"404: Not Found",
    "that is packed": b"\x1f\x8b\x08" + bytes(99),
    "that is a program of another kind": program,
    "that is a state dictionary": checkpoint(weights),
}
for name, content in ODD_FILES.items():
    for reader, file in {
        "torch": "w.pt", "torchscript": "m.pt", "export": "m.pt2", "onnx": "m.onnx",
        "pca-npz": "m.npz", "pca-skops": "m.skops",
    }.items():  # fmt: skip
        if (reader, name) != ("torch", "that is a state dictionary"):
            add(f"{file} of {reader} {name}", reader, file, content)
add("w.pt of torch that is a script", "torch", "w.pt", script)
add("m.pt2 of export that is a script", "export", "m.pt2", script)


def onnx_file(kind: str, outside: str = "") -> Callable[[Path], None]:
    """Save z → tanh(z) as an image of one pixel, with an oddity."""

    def make(path: Path) -> None:
        from onnx import TensorProto, helper

        inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 3, 1, 1])]
        if kind == "labels":
            inputs.append(helper.make_tensor_value_info("y", TensorProto.INT64, ["n"]))
        if kind == "whole numbers":
            inputs = [helper.make_tensor_value_info("z", TensorProto.INT64, ["n", 3, 1, 1])]
        steps = [("Tanh", "c", "x"), ("Neg", "x", "y2")]
        nodes = [helper.make_node(op, [a], [b]) for op, a, b in steps]
        nodes.insert(0, helper.make_node("Cast", ["z"], ["c"], to=1))
        outputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 1, 1])]
        if kind == "two outputs":
            outputs.append(helper.make_tensor_value_info("y2", TensorProto.FLOAT, ["n", 3, 1, 1]))
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 1, 1])
        if outside:
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.add(key="location", value=outside)
            nodes[1] = helper.make_node("Add", ["c", "w"], ["x"])
        graph = helper.make_graph(nodes, "g", inputs, outputs, [weight] if outside else [])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        path.write_bytes(model.SerializeToString())

    return make


for name, content in {
    "of labels beside latents": onnx_file("labels"),
    "of whole numbers": onnx_file("whole numbers"),
    "of two images": onnx_file("two outputs"),
    "of weights in a file that is not there": onnx_file("", "w.bin"),
    "of weights above its folder": onnx_file("", "../../w.bin"),
    "of weights at the root": onnx_file("", "/etc/hostname"),
}.items():
    add(f"onnx {name}", "onnx", "m.onnx", content)


def skops_file(make_model: Callable[[], Any]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        import skops.io

        skops.io.dump(make_model(), path)

    return make


def fitted(name: str) -> Any:
    from sklearn import decomposition

    rows = np.random.default_rng(0).random((20, 12))
    return getattr(decomposition, name)(n_components=3).fit(rows)


def scaled() -> Any:
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    return make_pipeline(MinMaxScaler(), PCA(3)).fit(np.random.default_rng(0).random((20, 12)))


def unfitted() -> Any:
    from sklearn.decomposition import PCA

    return PCA(3)


def bent() -> Any:
    pca = fitted("PCA")
    pca.explained_variance_ = -pca.explained_variance_
    return pca


for name, make_model in {
    "of TruncatedSVD": lambda: fitted("TruncatedSVD"),
    "of FastICA": lambda: fitted("FastICA"),
    "of a Pipeline": scaled,
    "that was not fitted": unfitted,
    "of negative variances": bent,
    "of a list": lambda: [1, 2],
}.items():
    add(f"skops {name}", "pca-skops", "m.skops", skops_file(make_model))


# --- Keras ----------------------------------------------------------------------------------------


def layer(kind: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": kind.lower()} | config}


def stack(*layers: dict[str, Any]) -> dict[str, Any]:
    first = layer("InputLayer", batch_input_shape=[None, 2], dtype="float32")
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [first, *layers]}}


def graph(*layers: dict[str, Any]) -> dict[str, Any]:
    first = layer("InputLayer", batch_input_shape=[None, 2]) | {"name": "z", "inbound_nodes": []}
    ends = {"input_layers": [["z", 0, 0]], "output_layers": [["a", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "g", "layers": [first, *layers]} | ends}


def called(kind: str, node: Any, name: str = "a", **config: Any) -> dict[str, Any]:
    return layer(kind, **config) | {"name": name, "inbound_nodes": [node]}


CODE = {"class_name": "__lambda__", "config": {"value": "4wEAAAAAAAAA"}}
OLD_ARCHITECTURES: dict[str, Any] = {
    "with a Lambda": stack(layer("Lambda", function=["4wEAAAAAAAAA", None, None])),
    "with an operation of TensorFlow": graph(
        called("TFOpLambda", [["z", 0, 0, {"name": None}]], function="io.write_file")
    ),
    "with an activation in bytecode": stack(
        layer("Dense", units=2, activation={"value": ["4wEAAAAAAAAA", None, None]})
    ),
    "with an activation that fetches files": stack(
        layer("Dense", units=2, activation={"class_name": "function", "config": "get_file"})
    ),
    "with code in a call's arguments": graph(called("Dropout", [["z", 0, 0, {"mask": CODE}]],
                                                    rate=0.1)),
    "with a vocabulary": stack(layer("TextVectorization", vocabulary="/etc/passwd")),
    "with a class of os": stack({"module": "os", **layer("system")}),
    "with an argument of nobody's": stack(layer("Dense", units=2, command="touch executed")),
    "with a wrapped Lambda": stack(
        layer("TimeDistributed", layer=layer("Lambda", function=["4wEAAAAAAAAA", None, None]))
    ),
    "in a circle": graph(called("ReLU", [["b", 0, 0, {}]]), called("ReLU", [["a", 0, 0, {}]], "b")),
    "of a layer that is not there": graph(called("ReLU", [["nobody", 0, 0, {}]])),
    "without layers": {"class_name": "Sequential", "config": []},
    "that is a list": [1, 2],
    "that nests too deep": None,
}  # fmt: skip


def old_text(config: Any) -> str:
    return json.dumps(config) if config else "[" * 100_000 + "]" * 100_000


def old_archive(config: str, version: Any = "2.15.0") -> bytes:
    metadata = json.dumps({"keras_version": version} if version else ["x"])
    return zipped({"metadata.json": metadata.encode(), "config.json": config.encode()})


def vast_archive(path: Path) -> None:
    path.write_bytes(old_archive(" " * ((64 << 20) + 1)))


def hdf5(**attributes: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        import h5py

        with h5py.File(path, "w") as file:
            file.attrs.update(attributes)
            file["images"] = np.zeros(3)

    return make


def cut_hdf5(path: Path) -> None:
    hdf5()(path)
    path.write_bytes(path.read_bytes()[:-200])


def elsewhere(path: Path) -> None:
    import h5py

    hdf5(model_config=json.dumps(stack(layer("Dense", units=2))), keras_version="2.4.0")(path)
    with h5py.File(path, "a") as file:
        file["model_weights"] = h5py.ExternalLink("other.h5", "model_weights")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 132735\n"
KERAS_HDF5: dict[str, Callable[[Path], None] | bytes] = {
    "cut short": cut_hdf5,
    "of no Keras": hdf5(),
    "of no JSON": hdf5(model_config="{x", keras_version="2.4.0"),
    "of a number for a model": hdf5(model_config=3),
    "of Keras 1": hdf5(model_config=json.dumps(stack()), keras_version="1.2.2"),
    "of weights alone": hdf5(layer_names=["a"]),
    "whose weights are elsewhere": elsewhere,
    "that is a Git LFS pointer": LFS,
}
KERAS_ARCHIVES: dict[str, Callable[[Path], None] | bytes] = {
    "cut short": old_archive(json.dumps(stack()))[:-30],
    "whose metadata is a list": old_archive(json.dumps(stack()), None),
    "without weights": old_archive(json.dumps(stack(layer("Dense", units=2)))),
    "of absurd size": vast_archive,
    "that is a Git LFS pointer": LFS,
}
for name, config in OLD_ARCHITECTURES.items():
    add(f"Keras 2 archive {name}", "keras", "m.keras", old_archive(old_text(config)))
    if config:  # an attribute holds 64 kB
        add(f"Keras 2 HDF5 {name}", "keras-h5", "m.h5", hdf5(model_config=old_text(config)))
for name, keras_file in KERAS_HDF5.items():
    add(f"Keras HDF5 {name}", "keras-h5", "m.h5", keras_file)
for name, keras_file in KERAS_ARCHIVES.items():
    add(f"Keras archive {name}", "keras", "m.keras", keras_file)


# --- bundles --------------------------------------------------------------------------------------

for name, (data, _) in BUNDLES.items():
    add(f"bundle {name}", "bundle", "a.facebench.zip", data)
add("bundle that is a pipe", "bundle", "a.facebench.zip", fifo)
add("bundle that is an endless device", "bundle", "a.facebench.zip", symlink("/dev/zero"))
