import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.data.dataset import Dataset, open_dataset
from facebench.errors import BadInput
from facebench.files import file_digest, read_json, write_json
from facebench.training.data import require_power_of_two
from facebench_dcgan import DCGANSampler

BACKENDS = ["tensorflow", "torch"]
Process = Callable[..., list[str]]
OPTIONS = {"steps": 60, "batch_size": 4, "width": 4, "latent_dim": 8, "label_noise": 0.1, "seed": 5}
OTHERS = {
    "preset": "default",
    "lr": 2e-4,
    "loss": "nonsaturating",
    "smoothing": 0.0,
    "ema": 0.999,
    "spectral_norm": False,
    "diffaugment": False,
    "attention": False,
    "progressive": False,
    "mixed_precision": False,
    "jit_compile": False,
}

# Prints what three calls of the trainer say last.
TRAIN = """
import sys
from facebench.errors import BadInput
from facebench_dcgan.train import command

for width in ("4", "4", "5"):
    try:
        command([*sys.argv[2:], "--backend", sys.argv[1], "--width", width], standalone_mode=False)
    except BadInput as error:
        print(error)
"""

# Writes the images of each model, drawn in batches of 1, 7 and 64, then prints two refusals.
SAMPLE = """
import sys
from pathlib import Path
import numpy as np
from facebench.errors import BadInput
from facebench_dcgan import DCGANSampler

folder, *models = map(Path, sys.argv[1:])
images = {}
for number, model in enumerate(models):
    sampler = DCGANSampler(model)
    for size in (1, 7, 64):
        batches = [range(first, min(first + size, 64)) for first in range(0, 64, size)]
        images[f"{number}/{size}"] = np.concatenate([sampler.sample(batch) for batch in batches])
np.savez(folder / "images.npz", **images)

import keras

code = keras.layers.Lambda(lambda z: z)
keras.Sequential([keras.Input((8,)), code]).save(folder / "code.keras")
keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)]).save(folder / "flat.keras")
(folder / "noise.keras").write_bytes(b"noise")
for name in ("code", "flat", "noise"):
    try:
        DCGANSampler(folder / f"{name}.keras")
    except BadInput as error:
        print(str(error).replace("\\n", " "))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dcgan")


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    data = folder / "faces16"
    data.mkdir()
    np.save(
        data / "images.npy", np.random.default_rng(0).integers(0, 256, (12, 3, 16, 16), np.uint8)
    )
    digest = file_digest(data / "images.npy")
    about = {"format": "facebench-dataset/1", "count": 12, "size": 16, "digest": digest}
    made = {"crop": "none", "filter": "lanczos", "source": "noise"}
    write_json(
        data / "dataset.json", about | made | {"splits": {"train": [0, 8], "holdout": [8, 12]}}
    )
    return open_dataset(data)


@pytest.fixture(scope="module")
def trained(folder: Path, dataset: Dataset, keras_process: Process) -> dict[str, list[str]]:
    """What TRAIN prints on each backend; its runs are `folder`/BACKEND."""
    options = [f"--{key.replace('_', '-')}={value}" for key, value in OPTIONS.items()]
    return {
        backend: keras_process(
            TRAIN,
            backend,
            f"--data={folder / dataset.name}",
            f"--out={folder / backend}",
            *options,
            backend=backend,
        )
        for backend in BACKENDS
    }


@pytest.fixture(scope="module", params=BACKENDS)
def sampled(
    request: pytest.FixtureRequest, folder: Path, trained: Any, keras_process: Process
) -> tuple[list[str], dict[str, np.ndarray]]:
    """What SAMPLE prints on one backend, and its images of both backends' models."""
    models = [folder / backend / "generator.keras" for backend in BACKENDS]
    target = folder / f"on-{request.param}"
    target.mkdir()
    lines = keras_process(SAMPLE, target, *models, backend=request.param)
    with np.load(target / "images.npz", allow_pickle=False) as images:
        return lines, dict(images)


def distance(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second).max())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_records_its_options_its_log_and_its_samples(
    folder: Path, trained: dict[str, list[str]], backend: str
) -> None:
    run = folder / backend
    data = f"{file_digest(folder / 'faces16' / 'images.npy')}[0:8]"
    expected = {"adapter": "dcgan", "data": data, "size": 16, "held_back": 0}
    expected |= {"backend": backend}
    assert read_json(run / "config.json") == expected | OPTIONS | OTHERS
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [50, 60, 60]
    assert lines[0].keys() == {"step", "d_loss", "g_loss", "seconds"}
    assert lines[-1].keys() == {"step", "score", "fd_portrait@8", "kd_portrait@8"} | {
        f"{name}_portrait@8_{end}" for name in ("fd", "kd") for end in ("low", "high")
    }
    with Image.open(run / "samples" / "final.png") as sheet:
        assert sheet.size == (6 * 16, 6 * 16)
    (events,) = run.glob("events.out.tfevents.*")
    left = {"config.json", "generator.keras", "metrics.jsonl", "losses.svg", "scores.svg"}
    folders = {"samples", "checkpoints", "README.md"}
    assert {path.name for path in run.iterdir()} == left | folders | {events.name}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_finished_run_is_kept_and_other_options_are_refused(
    trained: dict[str, list[str]], backend: str
) -> None:
    *_, again, other = trained[backend]
    assert "is already trained with these options" in again
    assert "holds a run with other options or data" in other


@pytest.mark.parametrize("model", [0, 1], ids=BACKENDS)
def test_images_do_not_depend_on_the_batch(
    sampled: tuple[list[str], dict[str, np.ndarray]], model: int
) -> None:
    single, seven, whole = (sampled[1][f"{model}/{size}"] for size in (1, 7, 64))
    assert whole.shape == (64, 3, 16, 16)
    assert whole.dtype == np.uint8
    assert np.ptp(whole, axis=0).max() > 10  # else equality would say nothing
    assert max(distance(single, whole), distance(seven, whole)) <= 1


def test_both_backends_draw_the_same_images_from_one_file(
    folder: Path, sampled: tuple[list[str], dict[str, np.ndarray]]
) -> None:
    first = folder / "on-tensorflow" / "images.npz"  # `sampled` runs TensorFlow first
    with np.load(first, allow_pickle=False) as on_tensorflow:
        assert all(distance(on_tensorflow[key], sampled[1][key]) <= 1 for key in on_tensorflow)


def test_files_that_are_no_safe_generator_are_refused(
    sampled: tuple[list[str], dict[str, np.ndarray]],
) -> None:
    code, flat, noise = sampled[0]
    assert "code.keras has a layer 'Lambda', which may carry code" in code
    assert "flat.keras maps (None, 8) to (None, 3)" in flat
    assert "noise.keras is not a DCGAN's generator: it is text" in noise


def test_a_run_without_a_model_says_that_it_has_not_finished(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no generator\.keras: its training has not finished"):
        DCGANSampler(tmp_path)
    with pytest.raises(BadInput, match=r"There is no run folder .*nowhere"):
        DCGANSampler(tmp_path / "nowhere")


def test_a_missing_keras_is_answered_with_the_pip_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "generator.keras").touch()
    monkeypatch.setitem(sys.modules, "keras", None)  # how Python marks what cannot be imported
    with pytest.raises(BadInput, match=r"'keras'.*pip install 'facebench\[keras\]'"):
        DCGANSampler(tmp_path)


def test_importing_the_adapter_imports_no_framework(keras_process: Process) -> None:
    code = "import sys, facebench_dcgan.train; print(*sys.modules)"
    (modules,) = keras_process(code, backend="torch")
    assert not {"keras", "tensorflow", "torch"} & set(modules.split())


@pytest.mark.parametrize("size", [8, 48])
def test_sizes_that_do_not_halve_down_to_four_are_refused(size: int) -> None:
    faces = Dataset(Path("faces"), np.zeros((1, 3, size, size), np.uint8), {})
    with pytest.raises(BadInput, match=f"{size}×{size} pixels.*power of two from 16"):
        require_power_of_two(faces, "DCGAN")
