"""facebench.track in somebody's loop: the page's own, and what may go wrong in one."""

import json
import random
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from pages import DOCS, blocks
from PIL import Image
from pretended_gpu import pretended_gpu
from torch import nn

import facebench
from facebench.data.dataset import Dataset
from facebench.errors import BadInput
from facebench.metrics.table import METRICS
from facebench.synth import render
from facebench.training.track import Tracker, cheap_extractor
from facebench.weights import MANIFEST

Numbers = dict[str, float]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return render(range(24), 16)


def noise(seeds: list[int]) -> np.ndarray:
    return np.random.default_rng(seeds).integers(0, 256, (len(seeds), 3, 16, 16), np.uint8)


def lines(folder: Path = Path("track")) -> list[Numbers]:
    return [json.loads(line) for line in (folder / "track.jsonl").read_text().splitlines()]


class Fading:
    """A sampler that goes from noise to the real images as `mix` goes to 1."""

    def __init__(self, faces: np.ndarray, mix: float = 0):
        self.faces, self.mix = faces, mix

    def sample(self, seeds: list[int]) -> np.ndarray:
        real = self.faces[np.array(seeds) % len(self.faces)]
        return (self.mix * real + (1 - self.mix) * noise(seeds)).astype(np.uint8)


@pytest.mark.long
def test_the_pages_loop_of_plain_pytorch_shows_a_falling_curve(place: Path) -> None:
    (block,) = blocks(DOCS / "tracking.md", "python")
    code = compile(block.text, "loop.py", "exec")
    torch.manual_seed(0)
    program: dict[str, Any] = {}
    exec(code, program)
    written = lines()
    assert [line["step"] for line in written] == [100, 200, 300]
    for name in ("fd_portrait@256", "kd_portrait@256"):
        values = [line[name] for line in written]
        assert np.isfinite(values).all()
        assert values[0] > values[1] > values[2]
        for line in written:
            assert line[f"{name}_low"] < line[name] < line[f"{name}_high"]
    code_lines = [line for line in block.text.splitlines() if line.strip()]
    assert len(code_lines) <= 28 and sum("track" in line for line in code_lines) == 2
    assert {path.name for path in (place / "track").iterdir()} >= {"track.svg", "track.json"}


def test_it_scores_at_every_so_many_steps_and_returns_what_it_wrote(faces: np.ndarray) -> None:
    sampler = Fading(faces)
    tracker = facebench.track(sampler, faces, every=3)
    given = {}
    for step in range(10):
        sampler.mix = step / 9
        given[step] = tracker(step)
    scored = {step: values for step, values in given.items() if values}
    assert [*scored] == [0, 3, 6, 9]
    assert lines() == [{"step": step} | values for step, values in scored.items()]
    values = [each["fd_portrait@24"] for each in scored.values()]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0, abs=1e-6)


def test_names_say_extractor_and_number_and_never_just_fid(faces: np.ndarray) -> None:
    metrics = ["kid", "fid", "precision", "vendi"]
    tracker = facebench.track(noise, faces, 1, num=20, metrics=metrics, out=None)
    found = tracker(1)
    assert found is not None
    names = [name for name in found if not name.endswith(("_low", "_high"))]
    expected = ["kd_portrait@20", "fd_portrait@20", "precision_portrait@20", "vendi_portrait@20"]
    assert names == expected
    assert not Path("track").exists()


def test_the_values_are_those_of_the_metrics(faces: np.ndarray) -> None:
    from facebench.features import create
    from facebench.metrics import frechet_distance
    from facebench.training.recorder import SCORE_SEEDS
    from facebench.weights import WeightSource

    found = facebench.track(noise, faces, 1, metrics="fid", out=None)(1)
    network = create("portrait", WeightSource(), "cpu")
    real, fake = (
        network.extract(images, 32)["features"]
        for images in (faces, noise([*SCORE_SEEDS[: len(faces)]]))
    )
    assert found is not None
    assert found["fd_portrait@24"] == pytest.approx(frechet_distance(real, fake), rel=1e-9)


def test_the_picture_has_a_line_and_a_band_for_each_metric(faces: np.ndarray) -> None:
    tracker = facebench.track(noise, faces, 1)
    for step in (1, 2):
        tracker(step)
    root = ElementTree.parse("track/track.svg").getroot()
    roles = [path.get("aria-roledescription") for path in root.iter(f"{SVG}path")]
    assert roles.count("line mark") == roles.count("area mark") == 2
    assert {"fd_portrait@24", "kd_portrait@24"} <= {text.text for text in root.iter(f"{SVG}text")}


@pytest.mark.tensorflow  # which tensorboard's reader loads where it is there
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_the_curve_and_a_resumed_one_once(faces: np.ndarray) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sampler = Fading(faces)
    first = facebench.track(sampler, faces, 10)
    for step in range(1, 41):
        first(step)
    sampler.mix = 0.5
    again = facebench.track(sampler, faces, 10)
    for step in range(25, 41):  # from a checkpoint of step 24
        again(step)
    read = EventAccumulator("track").Reload()
    for name in ("fd_portrait@24", "fd_portrait@24_low", "kd_portrait@24_high"):
        events = [(event.step, event.value) for event in read.Scalars(name)]
        expected = [(line["step"], pytest.approx(line[name], rel=1e-6)) for line in lines()]
        assert events == expected
    assert len([*Path("track").glob("events.out.tfevents.*")]) == 1


def test_a_resumed_loop_continues_its_curve_without_its_later_steps(faces: np.ndarray) -> None:
    first = facebench.track(noise, faces, 10)
    for step in range(1, 51):
        first(step)
    before = lines()
    with Path("track/track.jsonl").open("a") as stream:
        stream.write('{"step": 60, "fd_ran')  # a crash
    Path("track/events.out.tfevents.1.of-the-user").touch()
    again = facebench.track(Fading(faces, 0.9), faces, 10)
    again(31)
    assert lines() == before[:3]
    again(40)
    assert lines()[:3] == before[:3] and lines()[3]["step"] == 40
    assert lines()[3]["fd_portrait@24"] < before[3]["fd_portrait@24"]
    assert Path("track/events.out.tfevents.1.of-the-user").exists()


def test_another_curve_is_refused(faces: np.ndarray) -> None:
    facebench.track(noise, faces, 10)
    facebench.track(noise, faces, 20)  # the same curve, in other steps
    for other in ({"num": 20}, {"metrics": "kid"}):
        with pytest.raises(BadInput, match="track holds the curve of another reference or of oth"):
            facebench.track(noise, faces, 10, **other)
    with pytest.raises(BadInput, match="another reference"):
        facebench.track(noise, faces[::-1].copy(), 10)


def test_the_users_random_states_modes_and_gradients_are_left_alone(faces: np.ndarray) -> None:
    network = nn.Sequential(nn.Linear(4, 3 * 16 * 16), nn.Dropout())
    seen: list[tuple[bool, bool]] = []

    def sample(seeds: list[int]) -> torch.Tensor:
        seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        random.random(), np.random.rand(), torch.randn(3)  # noqa: NPY002
        x = network(torch.randn(len(seeds), 4)).sigmoid() * 255
        return x.byte().unflatten(1, (3, 16, 16))

    tracker = facebench.track(sample, faces, 1, out=None)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    expected = random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    first = tracker(1)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected  # noqa: NPY002
    assert seen == [(False, False)]
    assert torch.is_grad_enabled() and network.training and network[0].weight.grad is None
    assert tracker(2) == first  # seeded alike, for samplers that look at no seed


def test_gradients_may_be_switched_on_and_lazy_parameters_be_made(faces: np.ndarray) -> None:
    network = nn.LazyLinear(3 * 16 * 16)

    def sample(seeds: list[int]) -> torch.Tensor:
        with torch.enable_grad():
            z = torch.ones(len(seeds), 4, requires_grad=True)
            (slope,) = torch.autograd.grad(network(z).square().sum(), z)
        return network(z - slope).sigmoid().mul(255).byte().unflatten(1, (3, 16, 16))

    assert facebench.track(sample, faces, 1, out=None)(1)
    network(torch.ones(2, 4)).sum().backward()
    assert network.weight.grad is not None


def test_the_users_autocast_changes_no_score(faces: np.ndarray) -> None:
    tracker = facebench.track(noise, faces, 1, out=None)
    with torch.autocast("cpu", torch.bfloat16):
        inside = tracker(1)
    assert inside == tracker(1)


class Run(SimpleNamespace):
    """What the tracker knows of a run of W&B."""

    def __init__(self) -> None:
        self.defined: list[tuple[Any, ...]] = []
        self.logged: list[dict[str, float]] = []

    def define_metric(self, name: str, step_metric: str | None = None) -> None:
        self.defined.append((name, step_metric))

    def log(self, numbers: dict[str, float], commit: bool) -> None:
        assert not commit  # the user's own steps go on as they did
        self.logged.append(numbers)


def test_a_run_of_wandb_that_is_active_gets_the_values(
    faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb: Any = ModuleType("wandb")
    wandb.run = None
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    tracker = facebench.track(noise, faces, 5, out=None)
    tracker(5)
    wandb.run = Run()
    found = [tracker(step) for step in (10, 11, 15)]
    assert wandb.run.defined == [("facebench/step", None), ("facebench/*", "facebench/step")]
    assert wandb.run.logged == [
        {"facebench/step": step} | {f"facebench/{name}": value for name, value in each.items()}
        for step, each in zip((10, 15), (found[0], found[2]), strict=True)
        if each
    ]


def test_wandb_is_not_imported_for_who_has_not(faces: np.ndarray) -> None:
    assert facebench.track(noise, faces, 1, out=None)(1)
    assert "wandb" not in sys.modules


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda n: np.zeros((n, 3, 16, 16)), "float64 where uint8 .*tensor_to_uint8"),
        (lambda n: torch.zeros(n, 3, 16, 16), "float32 where uint8"),
        (lambda n: np.zeros((n, 16, 16, 3), np.uint8), r"\(24, 16, 16, 3\) for 24 seeds"),
        (lambda n: np.zeros((n - 1, 3, 16, 16), np.uint8), "for 24 seeds"),
        (lambda n: np.zeros((n, 3, 32, 32), np.uint8), "32×32 pixels.*16×16: give a reference"),
        (lambda n: None, "object where uint8"),
    ],
)
def test_a_broken_contract_is_raised_at_the_first_score(
    answer: Callable[[int], Any], why: str, faces: np.ndarray
) -> None:
    tracker = facebench.track(lambda seeds: answer(len(seeds)), faces, 2, out=None)
    assert tracker(1) is None
    with pytest.raises(BadInput, match=why):
        tracker(2)


def test_what_fails_later_is_warned_of_once_and_training_goes_on(faces: np.ndarray) -> None:
    steps: list[int] = []

    def sample(seeds: list[int]) -> np.ndarray:
        steps.append(1)
        if 1 < len(steps) < 4:
            raise ValueError("the model produced NaN")
        return noise(seeds)

    tracker = facebench.track(sample, faces, 1)
    assert tracker(1)
    with pytest.warns(UserWarning, match=r"Sampling failed \(ValueError: the model produced NaN"):
        assert tracker(2) is None
    with warnings.catch_warnings(action="error"):
        assert tracker(3) is None
        assert tracker(4)
    assert [line["step"] for line in lines()] == [1, 4]


def test_a_metric_that_fails_fails_alone(
    faces: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = facebench.track(noise, faces, 1)

    def fail(comparison: object) -> None:
        raise np.linalg.LinAlgError("did not converge")

    monkeypatch.setattr("facebench.metrics.frechet.frechet_estimate", lambda *_: fail(None))
    with pytest.warns(UserWarning, match=r"Computing fid failed .*did not converge.*goes on"):
        found = tracker(1)
    assert found and {name.partition("@")[0] for name in found} == {"kd_portrait"}


def test_a_disk_that_is_full_ends_no_training(faces: np.ndarray, place: Path) -> None:
    tracker = facebench.track(noise, faces, 1)
    tracker(1)
    (place / "track" / "track.jsonl").unlink()
    (place / "track" / "track.jsonl").mkdir()
    with pytest.warns(UserWarning, match="Writing to track failed"):
        assert tracker(2)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"every": 0}, "every=0 is no number of steps"),
        ({"num": 1}, "num=1 is too few"),
        ({"num": 25}, "The array gives 24 images, where 25 are needed"),
        ({"metrics": "beauty"}, "no metric 'beauty'; there are: fid"),
        ({"metrics": []}, "No metric is named"),
        ({"metrics": "lpips_diversity"}, "takes too long for a training loop"),
        ({"metrics": "is"}, "is needs the extractor inception"),
        ({"extractor": "nothing"}, "no extractor 'nothing'"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"num": 3, "metrics": "precision"}, "precision needs at least 6 images a side"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    options: dict[str, Any], why: str, faces: np.ndarray
) -> None:
    with pytest.raises(BadInput, match=why):
        facebench.track(noise, faces, **{"every": 1, "out": None} | options)


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (nn.Linear(1, 1), "Linear is not a sampler: give a function of a list of seeds"),
        (Fading, "Fading is a class"),
        ("runs/dcgan", "str is not a sampler"),
    ],
)
def test_what_is_no_sampler_is_refused(sample: Any, why: str, faces: np.ndarray) -> None:
    with pytest.raises(BadInput, match=why):
        facebench.track(sample, faces, 1, out=None)


def about(reference: Any, **options: Any) -> dict[str, Any]:
    folder = Path(f"track-{len([*Path().glob('track-*')])}")
    facebench.track(noise, reference, 1, out=folder, **options)
    return json.loads((folder / "track.json").read_text())


def test_a_prepared_data_sets_hold_out_is_never_looked_at(
    place: Path, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    real = facebench.training.track.QuickScores

    def watched(images: np.ndarray, *others: Any) -> Any:
        seen.append(images)
        return real(images, *others)

    monkeypatch.setattr("facebench.training.track.QuickScores", watched)
    record = about(str(tiny_dataset.folder))
    holdout = {image.tobytes() for image in tiny_dataset.split("holdout").images}
    training = {image.tobytes() for image in tiny_dataset.split("train").images}
    assert {image.tobytes() for image in seen[0]} == training
    assert not training & holdout
    assert record["reference"] == f"the training split of {tiny_dataset.name}"
    assert record["num"] == len(training)
    with pytest.raises(BadInput, match="name its folder"):
        about(tiny_dataset.folder / "images.npy")


def test_a_folder_beside_a_data_set_is_one_of_pictures(place: Path, faces: np.ndarray) -> None:
    (place / "dataset.json").write_text("{}")
    (place / "pictures").mkdir()
    for number in range(3):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(place / "pictures" / f"{number}.png")
    assert about("pictures")["num"] == 3


def test_pictures_arrays_and_tensors_are_references_alike(place: Path, faces: np.ndarray) -> None:
    (place / "pictures").mkdir()
    for number, face in enumerate(faces):
        Image.fromarray(face.transpose(1, 2, 0)).save(place / "pictures" / f"{number:03}.png")
    np.save("faces.npy", faces)
    references = ("pictures", place / "faces.npy", faces, torch.from_numpy(faces))
    found = [about(reference, num=10) for reference in references]
    assert len({each["images"] for each in found}) == 1
    assert [each["reference"] for each in found] == [
        *("the pictures of pictures", "the pictures of faces.npy", "the array", "the array")
    ]
    assert {each["num"] for each in found} == {10}


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("nowhere", "no file or folder nowhere"),
        (np.zeros((9, 16, 16, 3), np.uint8), r"uint8 of shape \(9, 16, 16, 3\), where images are"),
        (np.zeros((9, 3, 16, 16), np.float32), "is float32 of shape"),
        (np.zeros((1, 3, 16, 16), np.uint8), "The array gives 1 images, where 2 are needed"),
        (np.zeros((0, 3, 16, 16), np.uint8), "gives 0 images"),
        (7, r"is int64 of shape \(\)"),
    ],
)
def test_references_that_cannot_be_are_refused(reference: Any, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        facebench.track(noise, reference, 1, out=None)


def test_pictures_of_several_sizes_are_refused_with_a_way_out(place: Path) -> None:
    for side in (16, 20):
        Image.new("RGB", (side, 16)).save(place / f"{side}.png")
    with pytest.raises(BadInput, match=r"several sizes \(16×16, 20×16\).*facebench data prepare"):
        facebench.track(noise, place, 1, out=None)


def test_inception_is_taken_on_a_gpu_only_where_its_weights_are(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cheap_extractor("cpu") == cheap_extractor("cuda:0") == "portrait"
    (place / MANIFEST["inception"].file_name).touch()
    monkeypatch.setenv("FACEBENCH_WEIGHTS", str(place))
    assert cheap_extractor("cpu") == "portrait"
    assert cheap_extractor("cuda:0") == "inception"


def test_every_tracked_metric_has_a_name_of_its_own(faces: np.ndarray) -> None:
    keys = [key for key, row in METRICS.items() if row.needs == "features"]
    tracker = facebench.track(noise, faces, 1, metrics=keys, out=None)
    assert isinstance(tracker, Tracker)
    found = tracker(1)
    assert found
    values = [name for name in found if not name.endswith(("_low", "_high"))]
    assert len(values) == len(keys) and all("portrait@24" in name for name in values)


def test_a_gpus_tensors_are_taken_and_scored_there(faces: np.ndarray) -> None:
    expected = facebench.track(noise, faces, 1, out=None)(1)
    with pretended_gpu():
        real = torch.from_numpy(faces).to("cuda:0")

        def sample(seeds: list[int]) -> torch.Tensor:
            return torch.from_numpy(noise(seeds)).to("cuda:0")

        assert facebench.track(sample, real, 1, out=None)(1) == expected
