"""In which arithmetic networks compute, and what compiles them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from facebench.engine import evaluate
from facebench.engine.batch_size import choose_batch_size
from facebench.errors import BadInput
from facebench.features import create
from facebench.features.compiled import Compiled
from facebench.numerics.precision import Precision, arithmetic
from facebench.weights import WeightSource


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(2)).eval()


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Stand in for torch's compiler, and note the shapes that what it made was called with."""
    shapes: list[torch.Size] = []

    def compile_(network: nn.Module, **options: Any) -> Any:
        assert options == {"dynamic": False, "options": {"freezing": True}}

        def call(x: Tensor) -> Tensor:
            shapes.append(x.shape)
            return network(x)

        return call

    monkeypatch.setattr(torch, "compile", compile_)
    return shapes


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_products_are_taken_in_the_precision_asked_for(
    precision: Precision, dtype: torch.dtype
) -> None:
    x = torch.ones(2, 2)
    with arithmetic(precision, "cpu"):
        assert (x @ x).dtype == dtype
    assert (x @ x).dtype == torch.float32


@pytest.mark.parametrize(("precision", "switch"), [("fp32", "ieee"), ("tf32", "tf32")])
def test_tf32_is_on_only_where_it_is_asked_for(precision: Precision, switch: str) -> None:
    of: Any = torch.backends
    before = of.cuda.matmul.fp32_precision
    with arithmetic(precision, "cpu"):
        assert of.cuda.matmul.fp32_precision == of.cudnn.conv.fp32_precision == switch
    assert of.cuda.matmul.fp32_precision == before


def test_full_batches_alone_are_compiled(network: nn.Module, compiler: list[torch.Size]) -> None:
    compiled = Compiled(network)
    for count in (4, 4, 2):
        x = torch.randn(count, 3, 8, 8)
        torch.testing.assert_close(compiled(x), network(x))
    assert [shape[0] for shape in compiler] == [4, 4]
    assert compiled.seconds > 0


def test_a_network_that_cannot_be_compiled_runs_as_it_is(
    network: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(x: Tensor) -> Tensor:
        raise RuntimeError("no compiler\nand a long story")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: broken)
    compiled, x = Compiled(network), torch.randn(1, 3, 8, 8)
    with pytest.warns(UserWarning, match=r"cannot be compiled here \(no compiler\)"):
        first = compiled(x)
    torch.testing.assert_close(first, network(x))
    torch.testing.assert_close(compiled(x), network(x))


@pytest.mark.processes
def test_precision_is_of_the_protocol_and_of_what_is_kept(tiny_folder: Path) -> None:
    def run(precision: Precision) -> Any:
        models = f"copies=images:{tiny_folder / 'images.npy'}"
        options = {"num": 6, "extractor": "random", "metrics": ["fid"], "precision": precision}
        (result,) = evaluate(models, tiny_folder, **options).results  # type: ignore[arg-type]
        return result

    exact, quick, again = run("fp32"), run("bf16"), run("fp32")
    assert (exact.protocol.precision, quick.protocol.precision) == ("fp32", "bf16")
    assert exact.metrics == again.metrics
    value, other = (result.metrics["fd_random"].value for result in (exact, quick))
    assert value != other and value == pytest.approx(other, rel=0.05)


def test_tf32_needs_a_gpu(tiny_folder: Path) -> None:
    with pytest.raises(BadInput, match="tf32 is of NVIDIA's GPUs"):
        evaluate(
            f"x=images:{tiny_folder / 'images.npy'}",
            tiny_folder,
            num=6,
            extractor="random",
            precision="tf32",
        )


def test_every_extractor_knows_its_arithmetic() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), np.uint8)
    for precision in ("fp32", "bf16"):
        network = create("random", WeightSource(), "cpu", precision=precision)
        assert network.arithmetic == precision
        assert network.extract(images, 2)["features"].dtype == np.float32


def test_the_batch_size_follows_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_memory(gibibytes: float) -> int:
        memory = int(gibibytes * 2**30)
        monkeypatch.setattr("facebench.engine.batch_size.machine_memory", lambda: memory)
        return choose_batch_size("cpu")

    assert [with_memory(gib) for gib in (0.1, 4, 8, 24, 256)] == [1, 8, 16, 32, 32]


def test_only_inception_is_compiled() -> None:
    with pytest.raises(BadInput, match="--compile is for inception only"):
        create("random", WeightSource(), "cpu", compiled=True)
