"""When a training step is recorded and when it is played back, on torch's calls alone.

What a real GPU makes of it is held against the CPU in test_programs_on_gpu.py.
"""

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from facebench.training.recorded import WARM_UP, Recorded, Tensors, recorded


class Step:
    """Doubles what it is given, into the same tensor every time; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.inputs: Tensors = {}
        self.doubled = torch.zeros(2)

    def __call__(self, inputs: Tensors) -> Tensors:
        self.calls += 1
        self.inputs = inputs
        self.again()
        return {"doubled": self.doubled}

    def again(self) -> None:
        """Do what a GPU does when the last call is played back."""
        self.doubled.copy_(2 * self.inputs["x"])


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Step:
    """Give a step whose recording is itself, and take the place of torch's streams and graphs."""
    made, stream = Step(), SimpleNamespace(wait_stream=lambda other: None)
    for name, answer in {
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "stream": lambda which: contextlib.nullcontext(),
        "graph": lambda graph, **how: contextlib.nullcontext(),
        "CUDAGraph": lambda: SimpleNamespace(replay=made.again),
    }.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    return made


def answers(play: Callable[[Tensors], Tensors], count: int) -> Iterator[Any]:
    for number in range(count):
        yield play({"x": torch.full((2,), float(number))})["doubled"]


def test_a_step_is_played_back_after_a_few(step: Step) -> None:
    found = [*answers(Recorded(step), WARM_UP + 4)]
    assert step.calls == WARM_UP + 1
    assert [each[0].item() for each in found[WARM_UP:]] == [
        6.0,
        8.0,
        10.0,
        12.0,
    ]  # none overwritten


def test_another_shape_is_no_step(step: Step) -> None:
    play = Recorded(step)
    assert len([*answers(play, WARM_UP + 1)]) == WARM_UP + 1
    with pytest.raises(AssertionError, match="x changed its shape"):
        play({"x": torch.zeros(3)})


def test_what_cannot_be_recorded_goes_on_as_it_is(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def refused(graph: Any, **how: Any) -> Iterator[None]:
        yield
        raise RuntimeError("operation not permitted when stream is capturing\nCUDA kernel errors")

    monkeypatch.setattr(torch.cuda, "graph", refused)
    with pytest.warns(UserWarning, match=r"cannot be recorded here \(operation not permitted.*\)"):
        found = [each[0].item() for each in answers(Recorded(step), WARM_UP + 3)]
    assert found[-2:] == [8.0, 10.0]


def test_a_cpu_takes_its_steps_as_they_are() -> None:
    step = Step()
    assert recorded(step, torch.device("cpu")) is step
