"""Inception on the card: in every precision, beside torch-fidelity's own module, and compiled.

Weights are seeded: a network of these shapes takes as long as the trained one.
"""

import copy
import io
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from gpu_timing import (
    DEVICE,
    Bench,
    Case,
    NotMeasured,
    Row,
    Sizes,
    in_turns,
    noise,
    rate,
    rates,
    seconds,
)
from torch import nn

from facebench.numerics.precision import Precision, arithmetic

GFLOP = 11.4  # of Inception, an image
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16")
PRODUCTS = 10  # of matrices, in one timing
ROOM = 96 << 20
"""Bytes of the card's memory that an image may need, by a network that keeps all it makes."""
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


def headings(bench: Bench) -> list[str]:
    """Return the tables'."""
    return [
        *("network", "precision", "images at a time", "images/s (slowest–fastest turn)"),
        *("share of the card's matrix rate", "features' distance from fp32's"),
    ]


def cases(bench: Bench) -> list[Case]:
    """Return what is run as it is."""
    return [
        Case("matrix products", matrix_products),
        *(Case(f"Inception in {each}", partial(beside_peer, each)) for each in PRECISIONS),
        *(Case(f"memory formats in {each}", partial(layouts, each)) for each in PRECISIONS),
    ]


def compiled_cases(bench: Bench) -> list[Case]:
    """Return what is compiled: first where most is gained."""
    order: tuple[Precision, ...] = ("bf16", "fp32", "tf32")
    return [Case(f"Inception in {each}, compiled", partial(compiled, each)) for each in order]


def matrix_products(bench: Bench) -> Iterator[Row]:
    """Measure what the card can do."""
    for precision in PRECISIONS:
        speed = matrix_rate(precision, bench)
        name = f"a product of matrices, {bench.sizes.matrix}²: {speed / 1e12:.3g} TFLOP/s"
        yield Row([name, precision, "", "", "100%", ""])


def beside_peer(precision: Precision, bench: Bench) -> Iterator[Row]:
    """Time facebench and torch-fidelity in turns, at several sizes of batch."""
    images, batches = noise(bench.sizes.images), fitting(bench.sizes)
    exact, ours = (inception(bench, each) for each in ("fp32", precision))
    theirs = seeded().to(DEVICE)
    extractors: dict[str, Callable[[int], np.ndarray]] = {
        "facebench": lambda batch: ours.extract(images, batch)["features"],
        "torch-fidelity": lambda batch: peers_features(theirs, images, batch, precision),
    }
    works = {
        (who, batch): partial(extract, batch)
        for who, extract in extractors.items()
        for batch in batches
    }
    expected = exact.extract(images, batches[0])["features"]
    errors = {who: distance(work(batches[0]), expected) for who, work in extractors.items()}
    if precision == "fp32" and not errors["torch-fidelity"] < 1e-4:
        raise RuntimeError(f"facebench is {errors['torch-fidelity']:.1e} from torch-fidelity")
    taken = in_turns({f"{who}/{b}": work for (who, b), work in works.items()}, bench)
    for who, batch in works:
        times = taken[f"{who}/{batch}"]
        yield _row(who, precision, batch, len(images), times, bench, f"{errors[who]:.1e}")


def layouts(precision: Precision, bench: Bench) -> Iterator[Row]:
    """Time the folded network alone, its images resized and on the card, in either layout."""
    batch = fitting(bench.sizes)[-1]
    x = torch.randn(batch, 3, 299, 299, device=DEVICE)
    works = {}
    for name, layout in LAYOUTS.items():
        works[name] = partial(forward, folded(layout), x.to(memory_format=layout), precision)
    for name, times in in_turns(works, bench, 1 / 2).items():
        yield _row(f"the blocks alone, {name}", precision, batch, batch, times, bench, "")


def compiled(precision: Precision, bench: Bench) -> Iterator[Row]:
    """Time the compiled network beside the one that is not."""
    if bench.is_pretended:
        raise NotMeasured("torch compiles nothing for a pretended card")
    images, batch = noise(bench.sizes.images), fitting(bench.sizes)[-1]
    exact, eager, fast = (
        inception(bench, "fp32"),
        inception(bench, precision),
        inception(bench, precision, True),
    )
    prepared = seconds(lambda: fast.extract(images[:batch], batch))
    works = {
        "facebench": lambda: eager.extract(images, batch),
        f"facebench, after {prepared:.0f} s of compilation": lambda: fast.extract(images, batch),
    }
    expected = exact.extract(images[:batch], batch)["features"]
    error = distance(fast.extract(images[:batch], batch)["features"], expected)
    for who, times in in_turns(works, bench).items():
        told = f"{error:.1e}" if "," in who else ""
        yield _row(who, precision, batch, len(images), times, bench, told)


def fitting(sizes: Sizes) -> list[int]:
    """Return the sizes of batch that the card's memory allows; the smallest is tried anyhow."""
    memory = torch.cuda.get_device_properties(0).total_memory
    smallest, *larger = sizes.batches
    return [smallest, *(size for size in larger if size * ROOM <= memory)]


@cache
def matrix_rate(precision: Precision, bench: Bench) -> float:
    """Return the FLOP/s of large matrix products."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(bench.sizes.matrix, bench.sizes.matrix, device=DEVICE, dtype=dtype)

    def multiply() -> None:
        for _ in range(PRODUCTS):
            torch.mm(a, a)

    with arithmetic("fp32" if precision == "bf16" else precision, DEVICE):
        times = in_turns({"": multiply}, bench, 1 / 4)[""]
    return PRODUCTS * 2 * bench.sizes.matrix**3 / min(times)


@cache
def inception(bench: Bench, precision: Precision, is_compiled: bool = False) -> Any:
    """Return facebench's extractor on the card."""
    from facebench.features import create

    return create("inception", weights(bench), DEVICE, precision=precision, compiled=is_compiled)


def weights(bench: Bench) -> Any:
    """Return where the seeded weights are, which are written when they are first asked for."""
    from facebench.weights import WeightSource

    path = bench.folder / "inception.pth"
    if not path.exists():
        torch.save(seeded().state_dict(), path)
    return WeightSource({"inception": path}, trust=True)


def seeded() -> Any:
    """Return torch-fidelity's network with weights that keep the variance (He et al. 2015)."""
    return copy.deepcopy(drawn())


@cache
def drawn() -> Any:
    """Draw the weights, once."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Seeded(FeatureExtractorInceptionV3):  # type: ignore[misc]  # it has no types
        def load_state_dict(self, state: object) -> None:
            """Draw, for there is no file."""
            torch.manual_seed(0)
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    return Seeded("seeded", ["2048"], feature_extractor_weights_path=empty)


@cache
def folded(layout: torch.memory_format) -> Any:
    """Return the network as facebench rewrites it, up to the pool, in one of torch's layouts."""
    from facebench.features.fusion import fold_batch_norms, project_before_pooling

    network = seeded()
    fold_batch_norms(network)
    blocks = nn.Sequential(*list(network.children())[:-1])  # all but the classifier
    return project_before_pooling(blocks).to(DEVICE).to(memory_format=layout)


@torch.inference_mode()
def forward(network: Any, x: torch.Tensor, precision: Precision) -> None:
    """Run `network` once."""
    with arithmetic(precision, DEVICE):
        network(x)


@torch.inference_mode()
def peers_features(
    network: Any, images: np.ndarray, batch: int, precision: Precision
) -> np.ndarray:
    """Return torch-fidelity's features of images from the host, in the arithmetic of `precision`.

    They are fetched together, as facebench's are.
    """
    with arithmetic(precision, DEVICE):
        parts = torch.split(torch.from_numpy(images), batch)
        found = torch.cat([network(part.to(DEVICE))[0] for part in parts])
        return np.asarray(found.float().cpu().numpy())


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the relative distance of features (n, d) from those expected."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def _row(
    who: str,
    precision: Precision,
    batch: int,
    count: int,
    times: list[float],
    bench: Bench,
    error: str,
) -> Row:
    speed = rate(count, times)
    share = speed * GFLOP * 1e9 / matrix_rate(precision, bench)
    cells = [who, precision, str(batch), rates(count, times), f"{share:.0%}", error]
    contender = who.partition(",")[0]
    return Row(cells, {f"{contender} {precision}": speed})
