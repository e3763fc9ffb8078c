"""One target for each reader of untrusted bytes: anything but its result or BadInput is a bug.

Run one with atheris, ``pip install atheris``::

    python fuzz/targets.py picture -max_total_time=60

The test suite calls each with a few inputs, so that they do not rot.
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

if __name__ == "__main__":
    import atheris

    _watched = atheris.instrument_imports(
        include=["facebench", "facebench_keras", "facebench_models"]
    )
else:  # the suite, where nothing is fuzzed
    _watched = nullcontext()

with _watched:  # so that atheris sees which branches an input takes
    from facebench.bundles.bundle import read_bundle
    from facebench.data.attributes import attributes_in_list
    from facebench.data.dataset import open_dataset
    from facebench.data.decode import decode
    from facebench.data.people import people_in_list
    from facebench.data.picture_files import open_images
    from facebench.data.pictures import open_pictures
    from facebench.data.statistics import open_statistics
    from facebench.errors import BadInput
    from facebench.plugins.model_spec import parse_models
    from facebench.plugins.registry import load
    from facebench.results.result import read_result
    from facebench.samplers.image_files import ImageFilesSampler
    from facebench.sandbox.protocol import ProtocolError, read_header, read_images

_FOLDER = Path(tempfile.mkdtemp(prefix="facebench-fuzz-"))


def _file(name: str, data: bytes) -> Path:
    path = _FOLDER / name
    path.write_bytes(data)
    return path


def _message(data: bytes) -> None:
    pipe = BytesIO(data)
    try:
        while header := read_header(pipe):
            read_images(pipe, header.get("shape"), 2)
    except ProtocolError:
        return


def _archive(name: str) -> Callable[[bytes], object]:
    return lambda data: list(open_images(_file(name, data)))


def _array(name: str) -> Callable[[bytes], object]:
    return lambda data: ImageFilesSampler(_file(name, data)).sample([0])


def _pictures(name: str) -> Callable[[bytes], object]:
    def read(data: bytes) -> None:
        pictures = open_pictures(_file(name, data))
        for index in range(len(pictures.names)):
            pictures.load(index)

    return read


def _labels(name: str) -> Callable[[bytes], object]:
    def read(data: bytes) -> None:
        folder = _FOLDER / f"labels-{name}"
        folder.mkdir(exist_ok=True)
        (folder / "a.png").touch()
        (folder / name).write_bytes(data)
        open_pictures(folder)

    return read


def _listed(read: Callable[[Path, list[str]], object]) -> Callable[[bytes], object]:
    return lambda data: read(_file("list.csv", data), ["0.png", "a/b.png"])


def _model(adapter: str, name: str) -> Callable[[bytes], object]:
    return lambda data: load(adapter, _file(name, data))


def _dataset(data: bytes) -> None:
    open_dataset(_file("dataset.json", data).parent)


TARGETS: dict[str, Callable[[bytes], object]] = {
    "picture": lambda data: decode("a", data),
    "zip": _archive("a.zip"),
    "tar": _archive("a.tar"),
    "npy": _array("a.npy"),
    "npz": _array("a.npz"),
    "npz-labelled": _pictures("b.npz"),
    "parquet": _pictures("a.parquet"),
    "hdf5": _pictures("a.h5"),
    "stylegan": _labels("dataset.json"),
    "csv": _labels("metadata.csv"),
    "jsonl": _labels("metadata.jsonl"),
    "identities": _listed(people_in_list),
    "attributes": _listed(attributes_in_list),
    "dataset": _dataset,
    "statistics": lambda data: open_statistics(_file("s.npz", data)),
    "result": lambda data: read_result(_file("r.json", data)),
    "bundle": lambda data: read_bundle(_file("a.facebench.zip", data)),
    "models": lambda data: parse_models(data.decode(errors="replace")),
    "message": _message,
    "export": _model("export", "m.pt2"),
    "keras": _model("keras", "m.keras"),
    "keras-h5": _model("keras", "m.h5"),
    "onnx": _model("onnx", "m.onnx"),
    "pca": _model("sklearn-pca", "m.npz"),
    "skops": _model("sklearn-pca", "m.skops"),
}


def run(name: str, data: bytes) -> None:
    """Give `data` to one reader; BadInput is the answer that is wanted."""
    try:
        TARGETS[name](data)
    except BadInput:
        return


def main() -> None:
    """Fuzz the target that is named first; the rest are libFuzzer's own options."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, lambda data: run(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
