"""Samplers on the engine's device: what they give there, what they see of it, what is kept apart.

There is no GPU: where images are compared, it is a pretended one (:mod:`pretended_gpu`). It cannot
load TorchScript, whose reader in C++ gives tensors their memory by itself.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pretended_gpu import pretended_gpu
from torch import nn

from facebench.cli import cli
from facebench.distributed.device import find_device
from facebench.engine.model_source import ModelSource
from facebench.errors import BadInput, RowFailed
from facebench.plugins import registry
from facebench.plugins.model_spec import Model, parse_model
from facebench.sandbox.control_groups import least_cores
from facebench.sandbox.environment import environment
from facebench.sandbox.limits import Limits, own_cores
from facebench.sandbox.parent import Sandbox, examine
from facebench.sandbox.worker import sample_within_memory
from facebench.testing import check_sampler
from facebench_models import onnx_model
from facebench_models.torch_model import set_device_of_constants
from facebench_vae.model import VAE, save

SEEDS = range(5)

NETS = """
import os
import numpy as np
import torch
from torch import nn

def generator():
    return nn.Sequential(
        nn.ConvTranspose2d(6, 8, 4), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh(),
    )

class WithOwnTensors(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 48), nn.Tanh()
        self.grid = torch.linspace(0, 1, 4)

    def forward(self, z):
        x = self.first(z).reshape(-1, 3, 4, 4) + self.grid
        return self.last(x + torch.zeros(4, device=z.device) + torch.arange(4).to(z.device))

def noise(seeds):
    return np.stack([np.random.default_rng(s).integers(0, 255, (3, 8, 8), np.uint8) for s in seeds])

def of_the_card(seeds):
    images = noise(seeds)
    images[:, 0, 0, 0] += os.environ["CUDA_VISIBLE_DEVICES"] != ""
    return images

def of_threads(seeds):
    number = int(os.environ["OMP_NUM_THREADS"])
    return np.full((len(seeds), 3, 8, 8), number, np.uint8)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a module of networks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def nets() -> Any:
    scope: dict[str, Any] = {"__name__": "nets"}
    exec(NETS, scope)
    torch.manual_seed(0)
    return SimpleNamespace(**scope)


def trained() -> nn.Module:
    """Give a generator whose BatchNorm has seen something."""
    network: nn.Module = nets().generator()
    network(torch.randn(32, 6, 1, 1) * 2)
    return network.eval()


def save_state(place: Path) -> str:
    torch.save(trained().state_dict(), place / "w.pt")
    return "torch+size=6x1x1:nets:generator@w.pt"


def save_program(place: Path) -> str:
    shapes = ({0: torch.export.Dim("n")},)
    network = nets().WithOwnTensors()
    program = torch.export.export(network, (torch.zeros(2, 6),), dynamic_shapes=shapes)
    torch.export.save(program, place / "m.pt2")
    return "export:m.pt2"


def save_vae(place: Path) -> str:
    torch.manual_seed(0)
    model = VAE(16, 6, 4)
    model.prior_mean.add_(0.1)
    (place / "run").mkdir()
    (place / "run" / "config.json").write_text(
        json.dumps({"adapter": "vae", "size": 16, "latent_dim": 6, "width": 4})
    )
    save(model, place / "run" / "model.safetensors")
    return "vae:run"


def save_diffusion(place: Path, kind: str = "DDPM") -> str:
    import diffusers

    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(  # type: ignore[no-untyped-call]
        sample_size=8,
        block_out_channels=(8, 8),
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
        norm_num_groups=4,
        layers_per_block=1,
    )
    scheduler = getattr(diffusers, f"{kind}Scheduler")(num_train_timesteps=20)
    getattr(diffusers, f"{kind}Pipeline")(unet, scheduler).save_pretrained(place / "m")
    return "diffusers+steps=3:m"


def save_ddim(place: Path) -> str:
    return save_diffusion(place, "DDIM")


def drawn(spec: str, device: str = "cpu") -> np.ndarray:
    return parse_model(f"a={spec}").open(device).sample(SEEDS)


@pytest.mark.filterwarnings("ignore")  # diffusers and its dependencies warn about each other
@pytest.mark.parametrize("make", [save_state, save_program, save_vae, save_diffusion, save_ddim])
def test_images_of_a_gpu_are_those_of_the_cpu(make: Callable[[Path], str], place: Path) -> None:
    spec = make(place)
    images = drawn(spec)
    with pretended_gpu() as gpu:
        np.testing.assert_array_equal(drawn(spec, "cuda"), images)
        assert gpu.operations > 5


@pytest.mark.parametrize("command", ["sample", "interpolate", "traverse --directions 0-2"])
def test_pictures_are_drawn_on_the_gpu_where_there_is_one(command: str, place: Path) -> None:
    words = [*command.split(), f"a={save_vae(place)}", "--out"]
    with pretended_gpu() as gpu:
        CliRunner().invoke(cli, [*words, "cpu.png", "--device", "cpu"], catch_exceptions=False)
        assert not gpu.operations
        CliRunner().invoke(cli, [*words, "gpu.png"], catch_exceptions=False)
        assert gpu.operations > 5
    assert Path("gpu.png").read_bytes() == Path("cpu.png").read_bytes()


def test_a_vae_finds_its_way_back_on_a_gpu(place: Path) -> None:
    model = parse_model(f"a={save_vae(place)}")
    images = drawn("vae:run")
    latents = model.open().encode(images)  # type: ignore[attr-defined]
    with pretended_gpu():
        there = model.open("cuda").encode(images)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(there, latents)


def test_a_tensor_that_stays_on_the_cpu_is_found(place: Path) -> None:
    torch.save(nets().WithOwnTensors().state_dict(), place / "w.pt")
    spec = "torch+size=6:nets:WithOwnTensors@w.pt"
    drawn(spec)
    with pretended_gpu(), pytest.raises(BadInput, match=r"on one device.*--device cpu"):
        drawn(spec, "cuda")


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_a_script_is_loaded_and_fed_where_it_shall_be(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = torch.jit.trace(trained(), torch.zeros(1, 6, 1, 1))  # type: ignore[no-untyped-call]
    torch.jit.save(script, place / "m.pt")
    spec = "torchscript+size=6x1x1:m.pt"
    images, asked = drawn(spec), []

    class Moved:
        """A script that computes on the CPU what it is given on the GPU."""

        def __call__(self, z: torch.Tensor) -> torch.Tensor:
            assert z.device.type == "cuda"
            return script(z.cpu()).to("cuda")

        def __getattr__(self, name: str) -> Any:
            return (lambda: self) if name == "eval" else getattr(script, name)

    def load(path: Path, map_location: str) -> Moved:
        asked.append(map_location)
        return Moved()

    with pretended_gpu():
        monkeypatch.setattr(torch.jit, "load", load)
        np.testing.assert_array_equal(drawn(spec, "cuda"), images)
    assert asked == ["cuda"]


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_what_a_script_makes_itself_is_made_on_its_device(place: Path) -> None:
    class Inner(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.zeros(3, device=z.device)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inner = torch.jit.trace(Inner(), torch.zeros(1))  # type: ignore[no-untyped-call]
            self.parts = nn.ModuleList([inner])

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            for part in self.parts:
                z = part(z) + torch.ones(3, device=torch.device("cpu"))
            return z

    torch.jit.save(torch.jit.script(Outer()), place / "m.pt")
    network = torch.jit.load(place / "m.pt")  # type: ignore[no-untyped-call]
    set_device_of_constants(network, "meta")
    assert network(torch.zeros(1)).device.type == "meta"


KERAS_ON_TORCH = """
import sys
import keras, numpy as np
from pretended_gpu import pretended_gpu
from facebench.plugins import registry

with pretended_gpu() as gpu:
    adapters = [registry.load(name, sys.argv[1], device="cuda") for name in ("keras", "dcgan")]
    before = gpu.operations
    images = [adapter.sample(range(5)) for adapter in adapters]
    print(gpu.operations - before)
np.save(sys.argv[2], np.stack(images))
"""

KERAS_GENERATOR = """
import sys
import keras, numpy as np
from keras import layers
from facebench.plugins import registry

keras.utils.set_random_seed(0)
keras.Sequential([
    layers.Input((6,)), layers.Dense(4 * 4 * 8), layers.Reshape((4, 4, 8)),
    layers.BatchNormalization(), layers.ReLU(),
    layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh"),
]).save(sys.argv[1])
adapters = [registry.load(name, sys.argv[1]) for name in ("keras", "dcgan")]
np.save(sys.argv[2], np.stack([adapter.sample(range(5)) for adapter in adapters]))
"""


@pytest.mark.long
def test_a_keras_generator_on_torch_takes_the_gpu(
    keras_process: Callable[..., list[str]], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{here}:{os.environ.get('PYTHONPATH', '')}")
    keras_process(KERAS_GENERATOR, "g.keras", "cpu.npy", backend="torch")
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cuda")  # as Keras says to itself where there is one
    (operations,) = keras_process(KERAS_ON_TORCH, "g.keras", "gpu.npy", backend="torch")
    assert int(operations) > 10
    np.testing.assert_array_equal(np.load("gpu.npy"), np.load("cpu.npy"))


def test_onnx_takes_a_gpu_where_its_runtime_can(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = "CPUExecutionProvider"
    assert onnx_model.providers("cuda") == [cpu]
    there = ["TensorrtExecutionProvider", "CUDAExecutionProvider", cpu]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: there)
    options = {"device_id": "1", "use_tf32": "0"}
    assert onnx_model.providers("cuda:1") == [("CUDAExecutionProvider", options), cpu]
    assert onnx_model.providers("cpu") == [cpu]


def test_what_is_shown_of_latents_is_of_the_same_device(place: Path) -> None:
    save_vae(place)
    images = registry.load("_latent-visuals", "run").sample([0, 9])
    with pretended_gpu() as gpu:
        there = registry.load("_latent-visuals", "run", device="cuda").sample([0, 9])
        assert gpu.operations
    np.testing.assert_array_equal(there, images)


def test_an_adapter_that_takes_a_device_is_given_it_and_a_user_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def with_device(path: Path, *, size: str = "1", device: str = "?") -> Any:
        return device

    def without(path: Path, *, size: str = "1") -> Any:
        return "was not asked"

    adapters = {"with": with_device, "without": without}
    monkeypatch.setattr(registry, "find", lambda kind, name: adapters[name])
    load: Any = registry.load
    assert load("with", "m", {"size": "2"}, device="cuda:1") == "cuda:1"
    assert load("with", "m") == "cpu"
    assert load("without", "m", device="cuda:1") == "was not asked"
    with pytest.raises(BadInput, match="give --device"):
        registry.load("with", "m", {"device": "cuda"})


@pytest.mark.parametrize(
    ("device", "visible", "seen"),
    [
        ("cuda", None, "0"),
        ("cuda:0", None, "0"),
        ("cuda:2", None, "2"),
        ("cuda:1", "4,7", "7"),
        ("cuda", "4,7", "4"),
        ("cuda:1", "GPU-0a1b, MIG-5ea1", "MIG-5ea1"),
        ("cuda:0", "", ""),
        ("cuda:3", "4,7", ""),
        ("cpu", None, ""),
        ("cpu", "4,7", ""),
    ],
)
def test_a_process_sees_its_own_card_only(device: str, visible: str | None, seen: str) -> None:
    own = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert environment(own, device, None, 4)["CUDA_VISIBLE_DEVICES"] == seen


def test_the_user_s_environment_counts_but_for_threads_that_are_asked_for() -> None:
    found = environment({}, "cpu", None, 6)
    assert found["OMP_NUM_THREADS"] == found["TF_NUM_INTRAOP_THREADS"] == "6"
    assert found["OMP_WAIT_POLICY"] == "passive" and found["NVIDIA_TF32_OVERRIDE"] == "0"
    assert "MKL_NUM_THREADS" not in found
    own = {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2", "NVIDIA_TF32_OVERRIDE": "1", "A": "b"}
    assert environment(own, "cpu", None, 6).items() >= own.items()
    asked = environment(own, "cpu", 5, 6)
    assert asked["OMP_NUM_THREADS"] == asked["MKL_NUM_THREADS"] == "5"
    assert asked["OPENBLAS_NUM_THREADS"] == asked["TF_NUM_INTRAOP_THREADS"] == "5"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("threads", "own", "taken"), [(None, "", own_cores()), (None, "3", 3), (5, "3", 5)]
)
def test_a_sampler_takes_its_threads(
    threads: int | None, own: str, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if own:
        monkeypatch.setenv("OMP_NUM_THREADS", own)
    model = parse_model("a=python+takes=seeds:nets:of_threads")
    with contextlib.closing(Sandbox(model, Limits(threads=threads))) as sandbox:
        (images,) = sandbox.sample([[0]])
    assert images.max() == images.min() == taken


def test_processes_of_a_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(7)))
    monkeypatch.setattr("facebench.sandbox.limits.least_cores", lambda: 5.5)
    assert own_cores() == 6
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert own_cores() == 1
    monkeypatch.setattr("facebench.sandbox.limits.least_cores", lambda: 0.2)
    assert own_cores() == 1


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, float(1 << 62)),
        ({"cpu.max": "max 100000\n"}, float(1 << 62)),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000"}, float(1 << 62)),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "50000"}, 4.0),
    ],
)
def test_control_groups_say_how_many_cores_there_are(
    files: dict[str, str], cores: float, tmp_path: Path
) -> None:
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert least_cores(tmp_path) == cores


class Hungry:
    """Has memory for so many images at once."""

    def __init__(self, most: int, error: type[Exception] = torch.OutOfMemoryError):
        self.most, self.error, self.tried = most, error, list[int]()

    def sample(self, seeds: Sequence[int]) -> np.ndarray:
        self.tried.append(len(seeds))
        if len(seeds) > self.most:
            raise self.error("2 GiB were asked for")
        return np.stack([np.full((3, 8, 8), seed, np.uint8) for seed in seeds])


ResourceExhaustedError = type("ResourceExhaustedError", (Exception,), {})


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, ResourceExhaustedError])
@pytest.mark.parametrize(("most", "tried"), [(12, [12]), (5, [12, 6, 3, 3, 3, 3]), (1, None)])
def test_a_batch_that_has_no_room_is_halved(
    most: int, tried: list[int] | None, error: type[Exception]
) -> None:
    sampler = Hungry(most, error)
    images, found = sample_within_memory(sampler, range(12), 12)
    assert images[:, 0, 0, 0].tolist() == list(range(12))
    assert found <= most and (tried is None or sampler.tried == tried)
    sampler.tried.clear()
    sample_within_memory(sampler, range(12), found)
    assert max(sampler.tried) == found


def test_no_room_for_one_image_is_the_row_s_failure_and_other_errors_are_their_own() -> None:
    with pytest.raises(RowFailed, match="too little memory for a single image: OutOfMemoryError"):
        sample_within_memory(Hungry(0), range(3), 8)
    with pytest.raises(ZeroDivisionError):
        sample_within_memory(Hungry(0, ZeroDivisionError), range(3), 8)


class Flickering:
    """Rounds otherwise every time, as a GPU may."""

    def __init__(self, levels: int):
        self.levels, self.calls = levels, 0

    def sample(self, seeds: Sequence[int]) -> np.ndarray:
        self.calls += 1
        images = nets().noise(seeds) // 2
        images[:, 0, 0, :4] += np.uint8(self.calls % 2 * self.levels)
        return images


@pytest.mark.parametrize(
    ("device", "levels", "level", "text"),
    [
        ("cpu", 0, "ok", "the images are the same"),
        ("cpu", 1, "failed", "8 of 8 images differ by up to 1 grey level"),
        ("cuda:0", 1, "note", "differ by at most 1 grey level, in 2.1 % of pixel values"),
        ("cuda:0", 2, "failed", "8 of 8 images differ by up to 2 grey levels"),
    ],
)
def test_what_is_drawn_again_is_the_same_to_the_bit_or_on_a_gpu_to_one_grey_level(
    device: str, levels: int, level: str, text: str
) -> None:
    findings = check_sampler(Flickering(levels), 8, 0, device).findings
    (found,) = [finding for finding in findings if finding.check == "determinism"]
    assert found.level == level and text in found.text


@pytest.mark.processes
@pytest.mark.parametrize(
    ("name", "cpu"),
    [
        ("of_the_card", "on the CPU, images differ by at most 1 grey level, in 0.52 % of pixel"),
        ("noise", "on the CPU, the images are the same"),
    ],
)
def test_images_of_a_gpu_are_compared_with_the_cpu_s(
    name: str, cpu: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")  # which nobody looks for
    model = parse_model(f"a=python+takes=seeds:nets:{name}")
    findings = {each.check: each for each in examine(model, 8, 0, Limits(), "cuda:0")}
    assert findings["CPU"].level == "ok" and cpu in findings["CPU"].text
    assert findings["determinism"].level == "ok"
    assert "CPU" not in {each.check for each in examine(model, 8, 0, Limits())}


@pytest.mark.processes
def test_the_command_names_the_device() -> None:
    words = ["check", "a=python+takes=seeds:nets:noise", "--num", "8", "--device"]
    assert CliRunner().invoke(cli, [*words, "cpu"]).exit_code == 0
    answer = CliRunner().invoke(cli, [*words, "cuda:9"])
    assert answer.exit_code and re.search("'cuda:9' cannot be used", str(answer.exception))


@pytest.mark.processes
def test_what_is_known_of_a_model_on_the_cpu_is_not_said_on_a_gpu(pictures: Path) -> None:
    def source(device: str) -> Any:
        source = ModelSource(Model("a", "images", pictures), device=device)
        with contextlib.closing(source):
            keys = source.keys([range(4)])
        return keys, source.note

    keys, note = source("cpu")
    (record,) = Path(os.environ["FACEBENCH_CACHE"], "features/models").glob("*.json")
    record.write_text(record.read_text().replace('"note": ""', '"note": "rounded"'))
    assert (note, source("cpu")) == ("", (keys, "rounded"))
    there, note = source("cuda:0")
    assert note == "" and there != keys
    assert source("cuda:1") == (there, "")


@pytest.fixture
def four_cards() -> Iterator[list[Any]]:
    """Pretend that there are four GPUs; gives those that were set as a process's own."""
    chosen: list[Any] = []
    with pretended_gpu(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "device_count", lambda: 4)
        patch.setattr(torch.cuda, "set_device", chosen.append)
        patch.setattr(torch, "empty", lambda *_, device: SimpleNamespace(device=device))
        yield chosen


@pytest.mark.parametrize(
    ("ranks", "rank", "asked", "found"),
    [
        (0, 0, None, "cuda:0"),
        (0, 0, "cuda:2", "cuda:2"),
        (0, 0, "cpu", "cpu"),
        (4, 3, None, "cuda:3"),
        (4, 3, "cuda", "cuda:3"),
        (4, 0, "cpu", "cpu"),
        (1, 0, "cuda:2", "cuda:2"),
        (4, 1, "cuda:2", "one GPU for 4 processes: give --device cuda"),
        (5, 4, None, "fewer GPUs \\(4\\) than processes \\(5\\)"),
    ],
)
def test_every_rank_takes_its_own_card(
    ranks: int,
    rank: int,
    asked: str | None,
    found: str,
    four_cards: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if ranks:
        names = {"WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "LOCAL_RANK": rank}
        for name, value in names.items():
            monkeypatch.setenv(name, str(value))
    if " " in found:
        with pytest.raises(BadInput, match=found):
            find_device(asked)
    else:
        assert find_device(asked) == found
        own = [torch.device(found)] if found != "cpu" else []
        assert four_cards == own


def test_one_card_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with pretended_gpu():
        assert find_device() == find_device("cuda") == "cuda:0"
    assert find_device("cpu") == "cpu"
