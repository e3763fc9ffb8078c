from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pretended_gpu import pretended_gpu

from facebench.errors import BadInput
from facebench.sampler import tensor_to_uint8, to_uint8
from facebench.samplers.latents import CUT, check_distribution, draw, parse_shape
from facebench.samplers.pixels import LAYOUTS, RANGES, Pixels

RNG = np.random.default_rng(0)
UNIT = RNG.random((6, 3, 4, 5), np.float32)  # fills [0, 1]
FITS = {"tanh": UNIT * 2 - 1, "sigmoid": UNIT, "uint8": UNIT * 255}


@pytest.mark.parametrize("name", RANGES)
def test_every_range_reaches_0_to_255(name: str) -> None:
    images = Pixels(name, "NCHW").images(FITS[name])
    np.testing.assert_array_equal(images, np.rint(UNIT * 255))


@pytest.mark.parametrize("stated", RANGES)
@pytest.mark.parametrize("true", RANGES)
def test_a_range_that_does_not_fit_names_the_likely_one(stated: str, true: str) -> None:
    if stated == true:
        Pixels(stated, "NCHW").check(FITS[true])
        return
    with pytest.raises(BadInput, match=f"does not fit range={stated}: range={true} does"):
        Pixels(stated, "NCHW").check(FITS[true])


def test_one_bright_image_is_no_misfit_where_it_is_not_the_probe() -> None:
    bright = Pixels("tanh", "NCHW").images(UNIT[:1] / 2 + 0.5)
    assert bright.min() >= 190


@pytest.mark.parametrize(
    ("values", "named"),
    [(UNIT * 3 - 1.5, r"-1\.\.1"), (UNIT * 1.2, r"0\.\.1"), (UNIT * 300, "255")],
)
def test_unbounded_outputs_are_pointed_to_a_range_that_clips(
    values: np.ndarray, named: str
) -> None:
    with pytest.raises(BadInput, match=named):
        Pixels("sigmoid", "NCHW").check(values)
    assert Pixels("0..1", "NCHW").images(values).max() == 255


@pytest.mark.parametrize(
    ("stated", "values", "named"),
    [
        ("tanh", UNIT - 0.02, r"range=0\.\.1 does; .* say range=-1\.\.1"),
        ("tanh", UNIT * 1.1 - 0.1, r"range=0\.\.1 does"),
        ("uint8", UNIT * 2.2 - 1.1, r"range=-1\.\.1 does; .* say range=0\.\.255"),
        ("uint8", UNIT * 1.5, r"range=0\.\.1 does"),
        ("uint8", (UNIT > 0.5).astype(np.int64), "range=sigmoid does"),
    ],
)
def test_a_part_of_the_stated_range_is_a_misfit_unless_it_is_meant(
    stated: str, values: np.ndarray, named: str
) -> None:
    with pytest.raises(BadInput, match=named):
        Pixels(stated, "NCHW").check(values)
    low, high = RANGES[stated]
    Pixels(f"{low:g}..{high:g}", "NCHW").check(values)


def test_dark_bytes_and_a_network_before_its_training_are_no_misfits() -> None:
    Pixels("uint8", "NCHW").check(np.ones((6, 3, 4, 5), np.uint8))
    Pixels("tanh", "NCHW").check(UNIT * 0.1 - 0.05)


def test_layouts_are_turned_or_refused_with_the_one_that_fits() -> None:
    last = UNIT.transpose(0, 2, 3, 1)
    expected = Pixels("sigmoid", "NCHW").images(UNIT)
    np.testing.assert_array_equal(Pixels("sigmoid", "NHWC").images(last), expected)
    for wrong, values in (("NCHW", last), ("NHWC", UNIT)):
        right = next(name for name in LAYOUTS if name != wrong)
        with pytest.raises(BadInput, match=f"layout={right} fits"):
            Pixels("sigmoid", wrong).images(values)


def test_grey_is_repeated() -> None:
    images = Pixels("sigmoid", "NCHW").images(UNIT[:, :1])
    assert images.shape == (6, 3, 4, 5)
    assert (images == images[:, :1]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    values = UNIT.copy()
    values[2, 1, 0, 0] = value
    for name in ("sigmoid", "0..1"):
        with pytest.raises(BadInput, match="NaN or infinite"):
            Pixels(name, "NCHW").images(values)


@pytest.mark.parametrize("shape", [(6, 60), (6, 2, 4, 5), (6, 3, 1, 1, 1)])
def test_what_are_no_images_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match="the output has the shape"):
        Pixels("sigmoid", "NCHW").images(np.zeros(shape, np.float32))


@pytest.mark.parametrize("text", ["tan", "1..0", "0..nan", "..", "", "0..1..2", "-inf..1"])
def test_ranges_that_there_are_not_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"no range=.* tanh, sigmoid, uint8, and LOW\.\.HIGH"):
        Pixels(text, "NCHW")


def test_a_layout_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="no layout='HWC'"):
        Pixels("tanh", "HWC")


@pytest.mark.parametrize("name", ["normal", "uniform", "truncated"])
def test_latents_depend_on_their_seed_alone(name: str) -> None:
    whole = draw(range(10), 7, name)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(draw([3, 9], 7, name), whole[[3, 9]])
    assert len(np.unique(whole)) == 70


@pytest.mark.parametrize(
    ("name", "bound", "variance"), [("uniform", 1, 1 / 3), ("truncated", CUT, 0.7737)]
)
def test_bounded_latents_have_their_moments(name: str, bound: float, variance: float) -> None:
    drawn = draw(range(500), 100, name).astype(np.float64)
    assert 0.99 * bound < np.abs(drawn).max() <= bound
    assert abs(drawn.mean()) < 4 / drawn.size**0.5
    assert drawn.var() == pytest.approx(variance, rel=0.02)


def test_distributions_and_sizes_that_there_are_not_are_refused() -> None:
    with pytest.raises(BadInput, match="no latent='gauss'; there are: normal, uniform, truncated"):
        check_distribution("gauss")
    for text in ("", "0", "-3", "10x", "x", "1e3", "²", "9999999999"):
        with pytest.raises(BadInput, match="not a latent size"):
            parse_shape(text)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [*RANGES, "-1..1"])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.uint8])
def test_a_tensor_is_mapped_on_its_device_as_an_array_is(
    name: str, layout: str, kind: torch.dtype
) -> None:
    low, high = RANGES.get(name, (-1, 1))
    unit = torch.linspace(0, 1, 6 * 4 * 5 * 3) if kind.is_floating_point else torch.ones(360)
    values = (unit * (high - low) + low).reshape(6, *((3, 4, 5) if layout == "NCHW" else (4, 5, 3)))
    values = values.to(kind)
    for each in (values, values[:, :1] if layout == "NCHW" else values[..., :1]):
        images = Pixels(name, layout).images(each.float().numpy())
        np.testing.assert_array_equal(Pixels(name, layout).images(each), images)
        with pretended_gpu() as gpu:
            there = each.to("cuda")
            before = gpu.operations
            np.testing.assert_array_equal(Pixels(name, layout).images(there), images)
            assert gpu.operations > before + 4


def test_halves_are_rounded_on_a_gpu_as_on_the_cpu() -> None:
    values = np.arange(512, dtype=np.float32) / 255 - 1
    with pretended_gpu():
        there = tensor_to_uint8(torch.from_numpy(values).to("cuda"), -1, 1)
    np.testing.assert_array_equal(there, to_uint8(values, -1, 1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x: x / 0, "NaN or infinite"),
        (lambda x: x * 3, "does not fit range=tanh"),
        (lambda x: x > 0, "of type torch.bool, where real"),
        (lambda x: x[:, :2], r"has the shape \(6, 2, 4, 5\), not NCHW"),
        (lambda x: x[0], r"has the shape \(3, 4, 5\), where"),
    ],
)
def test_a_tensor_that_is_no_image_is_refused_as_an_array_is(
    change: Callable[[Any], Any], says: str
) -> None:
    with pretended_gpu():
        values = torch.from_numpy(FITS["tanh"]).to("cuda")
        with pytest.raises(BadInput, match=says):
            Pixels("tanh", "NCHW").images(change(values))
        with pytest.raises(ValueError, match="NaN or infinite"):
            tensor_to_uint8(values / 0, -1, 1)
