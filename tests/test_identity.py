"""What a model's images depend on changes, and so does its score: nothing kept is stale."""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from torch import nn

from facebench import cli
from facebench.engine import evaluate
from facebench.engine.environment import FEATURE_CODE, code_digest
from facebench.engine.identity import Identities, identify
from facebench.engine.model_source import ModelSource
from facebench.files import tree_digest
from facebench.plugins.model_spec import parse_model

SIZE, NUM = 32, 12
Make = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A model, and a change of something that its images depend on."""

    spec: str
    make: Make
    change: Make


PAINT = """
import numpy as np

def paint(seeds, brightness):
    draw = lambda seed: np.random.default_rng(seed).random((3, 32, 32)) * brightness
    return np.stack([np.rint(255 * draw(seed)) for seed in seeds]).astype(np.uint8)
"""
OWN_FILE = """
import json
from paint import paint

def draw(seeds):
    return paint(seeds, json.load(open("brightness.json")))
"""
UNSEEN_FILE = """
import numpy as np
from safetensors.numpy import load_file
from paint import paint

def draw(seeds):
    brightness = float(load_file("brightness.safetensors")["b"])
    return np.concatenate([paint([s], 1.0 if s < 6 else brightness) for s in seeds])
"""
LAZY = """
from paint import paint

def draw(seeds):
    from settings import BRIGHTNESS
    return paint(seeds, BRIGHTNESS)
"""
BUILDER = """
from torch import nn
from blocks import last

def build():
    layers = nn.Flatten(), nn.Linear(4, 3 * 32 * 32), last(), nn.Unflatten(1, (3, 32, 32))
    return nn.Sequential(*layers)
"""


def _write(**files: str) -> Make:
    def write(folder: Path) -> None:
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)

    return write


def _both(first: Make, second: Make) -> Make:
    def make(folder: Path) -> None:
        first(folder)
        second(folder)

    return make


def _brightness(value: float) -> Make:
    return lambda folder: save_file({"b": np.array(value)}, folder / "brightness.safetensors")


def _network(scale: float) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3 * SIZE * SIZE), nn.Tanh())
    nn.init.constant_(network[1].bias, scale)  # type: ignore[arg-type]
    return nn.Sequential(*network, nn.Unflatten(1, (3, SIZE, SIZE))).eval()


def _state(folder: Path) -> None:
    torch.save(_network(0).state_dict(), folder / "w.pt")


def _script(scale: float) -> Make:
    def save(folder: Path) -> None:
        traced = torch.jit.trace(_network(scale), torch.zeros(2, 4))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, folder / "m.pt")

    return save


def _program(scale: float) -> Make:
    def save(folder: Path) -> None:
        shapes = ({0: torch.export.Dim("n")},)
        program = torch.export.export(_network(scale), (torch.zeros(2, 4),), dynamic_shapes=shapes)
        torch.export.save(program, folder / "m.pt2")

    return save


def _onnx(scale: float) -> Make:
    def save(folder: Path) -> None:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        weight = np.random.default_rng(0).normal(size=(4, 3 * SIZE * SIZE)).astype(np.float32)
        shapes = np.array([-1, 3, SIZE, SIZE])
        tensors = {"w": weight * scale, "s": shapes}
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", ["z", "w"], ["x"]),
                helper.make_node("Tanh", ["x"], ["y"]),
                helper.make_node("Reshape", ["y", "s"], ["images"]),
            ],
            "g",
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4])],
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
            [numpy_helper.from_array(array, name) for name, array in tensors.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        (folder / "weights.bin").unlink(missing_ok=True)  # onnx would append
        onnx.save(
            model, folder / "m.onnx", save_as_external_data=True, location="weights.bin",
            size_threshold=100,
        )  # fmt: skip

    return save


def _pca(folder: Path) -> None:
    rng = np.random.default_rng(0)
    components = np.linalg.qr(rng.normal(size=(3 * SIZE**2, 4)))[0].T
    np.savez(
        folder / "m.npz",
        mean=np.full(3 * SIZE**2, 0.5),
        components=components,
        variances=np.ones(4),
    )


def _darker_pca(folder: Path) -> None:
    arrays = dict(np.load(folder / "m.npz"))
    np.savez(folder / "m.npz", **arrays | {"mean": arrays["mean"] / 2})


def _diffusion(folder: Path) -> None:
    import diffusers as library

    diffusers: Any = library
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=SIZE, block_out_channels=(8,), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D",), up_block_types=("UpBlock2D",),
    )  # fmt: skip
    unet.save_pretrained(folder / "ddpm" / "unet")
    diffusers.DDPMScheduler(20).save_pretrained(folder / "ddpm" / "scheduler")
    (folder / "ddpm" / "model_index.json").write_text('{"_class_name": "DDPMPipeline"}')


def _other_schedule(folder: Path) -> None:
    path = folder / "ddpm" / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"beta_end": 0.5}))


def _train(*arguments: str) -> Make:
    def train(folder: Path) -> None:
        words = ["train", *arguments, "--data", "faces", "--out", "run"]
        answer = CliRunner().invoke(cli.cli, words)
        assert answer.exit_code == 0, answer.output

    return train


def _scaled_run(folder: Path) -> None:
    path = folder / "run" / "model.safetensors"
    arrays = load_file(path)
    last = sorted(name for name in arrays if "decoder" in name and name.endswith("bias"))[-1]
    with safe_open(path, "numpy") as file:
        about = file.metadata()
    save_file(arrays | {last: arrays[last] + 0.5}, path, about)


def _other_eigenfaces(folder: Path) -> None:
    arrays = dict(np.load(folder / "run" / "model.npz"))
    np.savez(folder / "run" / "model.npz", **arrays | {"mean": arrays["mean"] * 0.5})


def _pictures(value: int) -> Make:
    def write(folder: Path) -> None:
        rng = np.random.default_rng(value)
        np.save(folder / "fakes.npy", rng.integers(0, value, (NUM, 3, SIZE, SIZE), np.uint8))

    return write


CASES = {
    "images": Case("images:fakes.npy", _pictures(255), _pictures(128)),
    "python, a file of its own": Case(
        "python+takes=seeds:mine:draw",
        _write(mine__py=OWN_FILE, paint__py=PAINT, brightness__json="1.0"),
        _write(brightness__json="0.5"),
    ),
    "python, a module that it imports": Case(
        "python+takes=seeds:mine:draw",
        _write(mine__py=OWN_FILE, paint__py=PAINT, brightness__json="1.0"),
        _write(paint__py=PAINT.replace("* brightness", "* brightness / 2")),
    ),
    "python, a module that it imports late": Case(
        "python+takes=seeds:mine:draw",
        _write(mine__py=LAZY, paint__py=PAINT, settings__py="BRIGHTNESS = 1.0"),
        _write(settings__py="BRIGHTNESS = 0.5 # and more"),
    ),
    "python, what it reads unseen": Case(
        "python+takes=seeds:mine:draw",
        _both(_write(mine__py=UNSEEN_FILE, paint__py=PAINT), _brightness(1.0)),
        _brightness(0.5),
    ),
    "torch, a module that the builder's imports": Case(
        "torch+size=4:nets:build@w.pt",
        _both(_write(nets__py=BUILDER, blocks__py="from torch.nn import Tanh as last"), _state),
        _write(blocks__py="from torch.nn import Hardtanh as last"),
    ),
    "torchscript": Case("torchscript+size=4:m.pt", _script(0), _script(1)),
    "export": Case("export:m.pt2", _program(0), _program(1)),
    "onnx, weights in another file": Case("onnx:m.onnx", _onnx(1), _onnx(3)),
    "sklearn-pca": Case("sklearn-pca:m.npz", _pca, _darker_pca),
    "diffusers, its schedule": Case("diffusers:ddpm", _diffusion, _other_schedule),
    "vae": Case("vae:run", _train("vae", "--steps", "1", "--width", "4"), _scaled_run),
    "pca": Case("pca:run", _train("pca", "--components", "4"), _other_eigenfaces),
}


@pytest.fixture
def place(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own with a data set, and a cache that lasts."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_folder, tmp_path / "faces")
    return tmp_path


def score(spec: str) -> tuple[float, int]:
    """Return the row's distance, and how many images were drawn for it."""
    found = evaluate(f"row={spec}", "faces", num=NUM, extractor="random", metrics="fid")
    assert not found.failures, found.failures
    return found.results[0].metrics["fd_random"].value, found.results[0].images


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
@pytest.mark.parametrize("name", CASES)
def test_a_change_is_another_score_and_none_is_the_same_one(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    case.make(place)
    first, drawn = score(case.spec)
    assert drawn == NUM
    assert score(case.spec) == (first, 0)
    case.change(place)
    changed, drawn = score(case.spec)
    assert (changed != first, drawn) == (True, NUM)
    monkeypatch.setenv("FACEBENCH_CACHE", str(place / "fresh"))
    assert score(case.spec)[0] == changed


COMPLETE = {"images", "torchscript", "export", "onnx, weights in another file", "pca", "vae"}


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
@pytest.mark.parametrize("name", sorted(COMPLETE))
def test_an_adapter_that_names_its_files_is_not_asked_again(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    CASES[name].make(place)
    score(CASES[name].spec)

    def refuse(*_: object) -> None:
        raise AssertionError("a sampler was started")

    monkeypatch.setattr("facebench.engine.model_source.Sandbox", refuse)
    assert score(CASES[name].spec)[1] == 0


@pytest.mark.processes
def test_a_late_file_counts_though_it_was_unknown_when_features_were_kept(place: Path) -> None:
    late = "    if max(seeds) > 10: json.load(open('late.json'))\n"
    source = OWN_FILE.replace("    return", f"{late}    return")
    _write(mine__py=source, paint__py=PAINT, brightness__json="1.0", late__json="1")(place)
    spec = "python+takes=seeds:mine:draw"
    score(spec)
    (record,) = (place / "cache" / "features" / "models").glob("*.json")
    files = {Path(file).name for file in json.loads(record.read_text())["files"]}
    assert files == {"mine.py", "paint.py", "brightness.json", "late.json"}


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_more_images_of_the_same_model_draw_only_what_is_missing(place: Path) -> None:
    CASES["torchscript"].make(place)
    spec = CASES["torchscript"].spec
    keys = [ModelSource(parse_model(f"a={spec}")).keys([range(n)]) for n in (4, 8)]
    assert keys[0] == keys[1]


@pytest.mark.processes
def test_a_file_that_is_read_late_is_another_score_too(place: Path) -> None:
    source = OWN_FILE.replace(
        '    return paint(seeds, json.load(open("brightness.json")))',
        '    value = json.load(open("brightness.json"))\n'
        '    late = json.load(open("late.json")) if 3 in seeds else 1.0\n'
        "    images = paint(seeds, value)\n"
        "    factor = np.where(np.isin(seeds, (3,)), late, 1.0)[:, None, None, None]\n"
        "    return (images * factor).astype(np.uint8)",
    ).replace("import json", "import json\nimport numpy as np")
    _write(mine__py=source, paint__py=PAINT, brightness__json="1.0", late__json="1.0")(place)
    spec = "python+takes=seeds:mine:draw"
    first, _ = score(spec)
    (place / "late.json").write_text("0.1")
    changed, drawn = score(spec)
    assert (changed != first, drawn) == (True, NUM)


def test_a_file_that_changes_while_it_is_read_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    written = (tmp_path / "a").stat().st_mtime
    assert identify("model", [str(tmp_path / "a")], True, written).holds()
    assert not identify("model", [str(tmp_path / "a")], True, written - 1).holds()


def test_a_link_that_leads_elsewhere_is_another_model(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "m" / name).mkdir(parents=True)
        (tmp_path / "m" / name / "w").write_text(name)
    (tmp_path / "m" / "unet").symlink_to("one")
    before = tree_digest(tmp_path / "m")
    (tmp_path / "m" / "unet").unlink()
    (tmp_path / "m" / "unet").symlink_to("two")
    assert tree_digest(tmp_path / "m") != before


def test_an_identity_is_of_names_and_contents(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1"), b.write_text("1")
    now = time.time() + 1
    named = identify("model", [str(a)], True, now)
    assert named == identify("model", [str(a)], True, now)
    assert len({named.name, *(identify("model", [str(f)], True, now).name for f in (a, b))}) == 2
    kept = Identities(tmp_path / "models")
    kept.keep("model", named.grown([str(b)], now))
    found = kept.find("model")
    assert found and found.name == named.name and found.holds()
    b.write_text("2")
    assert not found.holds()
    b.unlink()
    assert not found.holds()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "facebench-model/1"}', "{"])
def test_a_damaged_record_of_a_model_is_none(text: str, tmp_path: Path) -> None:
    kept = Identities(tmp_path)
    kept.keep("model", identify("model", [], True, 0.0))
    next(tmp_path.glob("*.json")).write_text(text)
    assert kept.find("model") is None


def test_built_in_code_counts_by_its_content(tmp_path: Path) -> None:
    package = Path(cli.__file__).parents[1]
    copy = tmp_path / "facebench"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert code_digest(copy) == code_digest()
    digests = [code_digest(copy)]
    for file in ("features/random.py", "data/decode.py", "samplers/pixels.py"):
        (copy / file).write_text((copy / file).read_text() + "\n# edited\n")
        digests.append(code_digest(copy))
    assert len(set(digests)) == len(digests)


def test_all_that_makes_features_is_among_the_code_that_counts() -> None:
    package = Path(cli.__file__).parents[1]
    counted = {file for pattern in FEATURE_CODE for file in package.glob(pattern)}
    for file in counted & {*package.glob("features/*.py"), *package.glob("data/*.py")}:
        for line in file.read_text().splitlines():
            if line.startswith("from facebench.") and " import " in line:
                module = line.split()[1].replace(".", "/")
                named = package.parent / f"{module}.py"
                assert not named.exists() or named in counted, f"{file} imports {module}"


HEARD = {
    "opened to be changed": "np.memmap('late.bin', np.uint8, shape=1)[0]",
    "in shared memory": "open(SHM, 'rb').read(1)[0]",
    "in a forked process": "next(iter(DataLoader(Late(), num_workers=1)))[0].item()",
}
LATE = """
import numpy as np
from torch.utils.data import DataLoader, Dataset
from paint import paint
SHM = {shm!r}

class Late(Dataset):
    def __len__(self):
        return 1
    def __getitem__(self, i):
        return open("late.bin", "rb").read(1)[0]

def draw(seeds):
    late = {how} / 255 if 3 in seeds else 1.0
    factor = np.where(np.isin(seeds, (3,)), late, 1.0)[:, None, None, None]
    return (paint(seeds, 1.0) * factor).astype(np.uint8)
"""


@pytest.mark.processes
@pytest.mark.parametrize("how", HEARD)
def test_files_are_heard_of_wherever_they_lie_and_whoever_opens_them(
    how: str, place: Path, request: pytest.FixtureRequest
) -> None:
    shm = Path(f"/dev/shm/facebench-test-{os.getpid()}")
    request.addfinalizer(lambda: shm.unlink(missing_ok=True))
    source = LATE.format(how=HEARD[how], shm=str(shm))
    _write(mine__py=source, paint__py=PAINT)(place)
    spec, values = "python+takes=seeds:mine:draw", []
    for value in (b"\xff", b"\x10"):
        shm.write_bytes(value)
        (place / "late.bin").write_bytes(value)
        values.append(score(spec))
    assert values[0][0] != values[1][0] and values[1][1] == NUM


@pytest.mark.processes
@pytest.mark.parametrize("named", ["[HERE / 'more']", "str(HERE / 'more' / 'k')", "HERE / 'more'"])
def test_a_plug_in_names_files_or_folders_or_one(
    named: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = place / "site"
    (site / "theirs-1.dist-info").mkdir(parents=True)
    (site / "theirs-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: theirs\nVersion: 1\n"
    )
    (site / "theirs-1.dist-info" / "entry_points.txt").write_text(
        "[facebench.adapters]\ntheirs = theirs:Sampler\n"
    )
    (site / "theirs.py").write_text(
        "import subprocess\nimport numpy as np\nfrom pathlib import Path\n"
        "HERE = Path(__file__).parent\n"
        "class Sampler:\n"
        f"    def __init__(self, path):\n        self.files = {named}\n"
        "        self.k = int(subprocess.check_output(['cat', HERE / 'more' / 'k']))\n"
        "    def sample(self, seeds):\n"
        "        rngs = map(np.random.default_rng, seeds)\n"
        "        draw = lambda rng: rng.integers(0, self.k, (3, 32, 32), np.uint8)\n"
        "        return np.stack([draw(rng) for rng in rngs])\n"
    )
    monkeypatch.syspath_prepend(str(site))
    (site / "more").mkdir()
    (place / "model").touch()
    (site / "more" / "k").write_text("255")
    first, _ = score("theirs:model")
    assert score("theirs:model") == (first, 0)
    (site / "more" / "k").write_text("100")
    assert score("theirs:model")[0] != first


KERAS = """
import json, sys
import keras
seed, activation = int(sys.argv[1]), sys.argv[2]
keras.utils.set_random_seed(seed)
layers = [keras.layers.Dense(3 * 32 * 32, activation), keras.layers.Reshape((32, 32, 3))]
network = keras.Sequential([keras.Input((4,)), *layers])
network.save("g.keras")
network.save_weights("w.weights.h5")
open("architecture.json", "w").write(network.to_json())
"""


@pytest.mark.parametrize(
    ("spec", "change"),
    [
        ("keras+range=-1..1:w.weights.h5", ("0", "softsign")),  # the architecture beside it
        ("dcgan:g.keras", ("1", "tanh")),
    ],
)
def test_a_change_of_what_keras_saved_is_another_score(
    spec: str, change: tuple[str, str], place: Path, keras_process: Callable[..., list[str]]
) -> None:
    keras_process(KERAS, "0", "tanh", backend="tensorflow")
    first, _ = score(spec)
    assert score(spec) == (first, 0)
    weights = (place / "w.weights.h5").read_bytes()
    keras_process(KERAS, *change, backend="tensorflow")
    (place / "w.weights.h5").write_bytes(weights)
    changed, drawn = score(spec)
    assert (changed != first, drawn) == (True, NUM)
