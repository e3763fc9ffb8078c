"""A file that is another than was asked for is named as what it is, with what opens it."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from facebench.errors import BadInput
from facebench.plugins.model_spec import parse_model

NETWORK = nn.Sequential(nn.Linear(6, 48), nn.Unflatten(1, (3, 4, 4)), nn.Tanh()).eval()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Linear(6, 48), "
        "nn.Unflatten(1, (3, 4, 4)), nn.Tanh())\n"
    )
    return tmp_path


def script(path: Path) -> None:
    torch.jit.save(torch.jit.trace(NETWORK, torch.zeros(1, 6)), path)  # type: ignore[no-untyped-call]


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(NETWORK, (torch.zeros(2, 6),)), path)


def state(path: Path) -> None:
    torch.save(NETWORK.state_dict(), path)


def cut(path: Path) -> None:
    state(path)
    path.write_bytes(path.read_bytes()[:-300])


def cut_safetensors(path: Path) -> None:
    save_file(NETWORK.state_dict(), path)
    path.write_bytes(path.read_bytes()[:-30])


def old_state(path: Path) -> None:
    torch.save(NETWORK.state_dict(), path, _use_new_zipfile_serialization=False)


def members(*names: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, b"x")

    return make


def arrays(path: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    path.write_bytes(stream.getvalue())


MAKE: dict[str, Callable[[Path], object]] = {
    "script": script,
    "exported": exported,
    "state": state,
    "old state": old_state,
    "safetensors": lambda path: save_file(NETWORK.state_dict(), path),
    "cut": cut,
    "cut safetensors": cut_safetensors,
    "page": lambda path: path.write_text("\n<!DOCTYPE html><html>Quota exceeded</html>"),
    "pointer": lambda path: path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n"
    ),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("404: Not Found"),
    "gzip": lambda path: path.write_bytes(b"\x1f\x8b\x08" + bytes(50)),
    "picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50)),
    "hdf5": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50)),
    "keras": members("metadata.json", "config.json", "model.weights.h5"),
    "pictures": members("a/1.png"),
    "other zip": members("readme.md"),
    "arrays": arrays,
    "folder": lambda path: path.mkdir(),
    "pickle": lambda path: path.write_bytes(b"\x80\x04K\x01."),
}
TORCH, SCRIPT, EXPORT, PCA = (
    "torch+size=6:nets.py:net@{}", "torchscript+size=6:{}", "export:{}", "sklearn-pca:{}",
)  # fmt: skip
ONNX = "onnx:{}"


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
@pytest.mark.parametrize(
    ("made", "form", "says"),
    [
        ("script", TORCH, "it is a TorchScript model; open it with torchscript:m"),
        ("exported", TORCH, "it is a torch.export program; open it with export:m"),
        ("state", SCRIPT, "a checkpoint of torch.save; open it with torch:FILE.py:FUNCTION@m"),
        ("old state", SCRIPT, "a checkpoint of torch.save; open it with torch:"),
        ("safetensors", SCRIPT, "a safetensors file; open it with torch:"),
        ("exported", SCRIPT, "a torch.export program; open it with export:m"),
        ("script", EXPORT, "a TorchScript model; open it with torchscript:m"),
        ("state", EXPORT, "a checkpoint of torch.save; open it with torch:"),
        ("state", ONNX, "a checkpoint of torch.save; open it with torch:"),
        ("state", PCA, "a checkpoint of torch.save"),
        ("pickle", PCA, r"would run code; .*skops\.io\.dump\(x, FILE\) of scikit-learn"),
        (
            "pickle",
            SCRIPT,
            "would run code; where you trust it, open it by pickle.load",
        ),
        ("arrays", TORCH, "an .npz of arrays"),
        *(
            (made, form, says)
            for form in (TORCH, SCRIPT, EXPORT, ONNX, PCA)
            for made, says in {
                "cut": "it is cut off; copy or download it again",
                "page": "a web page, as a failed download leaves one; download the file itself",
                "pointer": "a pointer of Git LFS, .* fetch it with git lfs pull",
                "empty": "it is empty; copy or download it again",
                "text": "it is text, not a model",
                "gzip": "it is packed; unpack it first",
                "picture": "it is a picture",
                "folder": "it is a folder; name the file in it",
                "hdf5": "it is a Keras model; open it with keras:m",
                "keras": "it is a Keras model; open it with keras:m",
                "pictures": "a zip of pictures; open it with images:m",
                "other zip": "a zip of other files",
            }.items()
        ),
        ("cut safetensors", TORCH, "it is cut off; copy or download it again"),
    ],
)
def test_it_is_named_as_what_it_is(made: str, form: str, says: str) -> None:
    MAKE[made](Path("m"))
    with pytest.raises(BadInput, match=f"^m is (not .*: it is )?.*{says}") as refused:
        parse_model(f"a={form.format('m')}").open()
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
@pytest.mark.parametrize(
    ("made", "form"),
    [("script", SCRIPT), ("exported", EXPORT), ("state", TORCH), ("old state", TORCH),
     ("safetensors", TORCH)],
)  # fmt: skip
def test_and_opened_by_what_the_sentence_says(made: str, form: str) -> None:
    MAKE[made](Path("m"))
    assert parse_model(f"a={form.format('m')}").open().sample([0]).shape == (1, 3, 4, 4)


def test_safetensors_are_none_of_pickle_whatever_the_length_of_their_header(place: Path) -> None:
    for begins in (b"\x80\x02", b"\x80\x04"):
        path, filler = place / "w.safetensors", 0
        while not path.is_file() or path.read_bytes()[:2] != begins:
            save_file(NETWORK.state_dict(), path, {"a": "x" * (filler := filler + 8)})
        assert parse_model("a=torch+size=6:nets:net@w.safetensors").open().sample([1]).any()
