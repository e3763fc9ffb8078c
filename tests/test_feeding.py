"""Networks of fixed batches, other types, and answers that are more than a tensor."""

from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.samplers.latents import draw
from facebench.samplers.pixels import Pixels
from facebench.testing import check_sampler
from facebench_models.feeding import Network, images_of
from facebench_models.network import Loaded, NetworkSampler
from facebench_models.torch_model import ExportSampler, TorchSampler, TorchScriptSampler

TANH = Pixels("tanh", "NCHW")
Z = draw(range(40), 6, "normal")


class Net(nn.Module):
    """A generator of 8×8 images that may want `batch` latents at once."""

    def __init__(self, batch: int = -1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(6, 48)
        self.second = nn.ConvTranspose2d(3, 3, 4, 2, 1)
        self.batch = batch

    def forward(self, z: Tensor) -> Tensor:
        maps = self.first(z).reshape(self.batch, 3, 4, 4)
        return torch.tanh(self.second(maps))


class Opened(NetworkSampler):
    """A network that is there already."""

    def __init__(self, run: Network) -> None:
        self.run = run
        super().__init__(Path("m"))

    def load(self, path: Path) -> Loaded:
        return Loaded(self.run, (None, 6))


def expected(network: nn.Module, z: np.ndarray = Z) -> np.ndarray:
    dtype = next(network.parameters()).dtype
    with torch.no_grad():
        rows = [network.eval()(torch.from_numpy(row[None]).to(dtype)).float() for row in z]
    return TANH.images(torch.cat(rows).numpy())


def check(sampler: NetworkSampler, wanted: np.ndarray, atol: int = 1) -> None:
    np.testing.assert_allclose(sampler.decode(Z).astype(int), wanted, atol=atol)
    np.testing.assert_allclose(sampler.decode(Z[3:4]).astype(int), wanted[3:4], atol=atol)
    report = check_sampler(sampler, num=21)
    assert report.ok, report.findings


@pytest.mark.parametrize("batch", [1, 3, 16, 25, 64])
def test_the_batch_size_of_a_network_is_found_out(batch: int) -> None:
    network = Net(batch).eval()
    sizes: list[int] = []

    def run(z: np.ndarray) -> np.ndarray:
        sizes.append(len(z))
        with torch.no_grad():
            return network(torch.from_numpy(z)).numpy()

    sampler = Opened(run)
    sizes.clear()
    check(sampler, expected(Net()))
    assert set(sizes) == {batch}


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("batch", [1, 16, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("frozen", [False, True])
def test_torchscript(batch: int, dtype: torch.dtype, frozen: bool, tmp_path: Path) -> None:
    network = Net(batch).to(dtype).eval()
    traced = torch.jit.trace(network, torch.zeros(batch, 6, dtype=dtype))  # type: ignore[no-untyped-call]
    torch.jit.save(torch.jit.freeze(traced) if frozen else traced, tmp_path / "m.pt")
    sampler = TorchScriptSampler(tmp_path / "m.pt", size="6")
    assert sampler.files == ()
    check(sampler, expected(Net().to(dtype)), atol=2)


@pytest.mark.parametrize("batch", [1, 16, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_export(batch: int, dtype: torch.dtype, tmp_path: Path) -> None:
    network = Net(batch).to(dtype).eval()
    program = torch.export.export(network, (torch.zeros(batch, 6, dtype=dtype),))
    torch.export.save(program, tmp_path / "m.pt2")
    sampler = ExportSampler(tmp_path / "m.pt2")
    assert sampler.files == ()
    check(sampler, expected(Net().to(dtype)), atol=2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_module_of_another_type(
    dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(
        "import torch\nfrom test_feeding import Net\n"
        f"def build():\n    return Net(16).to({dtype})\n"
    )
    network = Net().to(dtype)
    torch.save(network.state_dict(), "w.pt")
    sampler = TorchSampler(Path("w.pt"), code="nets.py:build", size="6")
    assert sampler.files is None
    check(sampler, expected(network), atol=2)


@dataclass
class Output:
    sample: Tensor
    loss: float = 0.5


IMAGES = torch.zeros(5, 3, 8, 8)
Named = namedtuple("Named", "images latents")


@pytest.mark.parametrize(
    "output",
    [
        IMAGES,
        (IMAGES,),
        [IMAGES, torch.zeros(5, 6)],
        {"rgb": IMAGES, "mu": torch.zeros(5, 6), "features": torch.zeros(5, 64, 4, 4)},
        Output(IMAGES),
        SimpleNamespace(sample=IMAGES, name="x"),
        Named(IMAGES, torch.zeros(5, 6)),
        {"deep": ({"x": IMAGES}, None)},
    ],
)
def test_the_one_tensor_of_images_is_found(output: Any) -> None:
    assert images_of(output) is IMAGES


@pytest.mark.parametrize(
    ("output", "wanted", "says"),
    [
        (None, "", "gives NoneType, not one tensor"),
        ({"a": IMAGES, "b": IMAGES}, "", r"2 outputs \(a of shape \(5, 3, 8, 8\), b .*\+output=a"),
        ((IMAGES, IMAGES[:, :1]), "", r"\+output=0"),
        ({"a": IMAGES}, "c", r"no output=c; there are: a of shape"),
        ({"a": torch.zeros(5, 6), "b": torch.zeros(5)}, "", r"a of shape \(5, 6\), b of"),
    ],
)
def test_outputs_that_leave_a_choice_are_listed(output: Any, wanted: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        images_of(output, wanted)


def test_an_output_is_chosen_by_name() -> None:
    assert images_of({"a": IMAGES + 1, "b": (0, IMAGES)}, "b.1") is IMAGES


def test_what_a_network_fails_with_is_said_and_the_shape_that_it_takes() -> None:
    network = nn.Sequential(nn.ConvTranspose2d(6, 3, 4), nn.Tanh()).eval()

    def run(z: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(z)).numpy()

    with pytest.raises(BadInput, match=r"\(n, 6\): RuntimeError: .*; size=6x1x1 can be\."):
        Opened(run)

    def broken(z: np.ndarray) -> np.ndarray:
        raise RuntimeError("A long story.\n  in between\nThe cause is here.")

    with pytest.raises(BadInput, match=r"A long story\. … The cause is here; mend the network\."):
        Opened(broken)
