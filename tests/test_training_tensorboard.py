"""Event files against TensorBoard's own reader."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.training.tensorboard import Events

pytestmark = [
    pytest.mark.tensorflow,  # which tensorboard loads where it is there
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning"
    ),  # its imports: pkg_resources, protobuf
]


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def test_scalars_and_pictures_are_what_tensorboard_reads(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    events = Events(tmp_path)
    events.scalars(1, loss=0.5, other=-2.0)
    events.scalars(300, loss=0.25)
    events.image(300, "samples", Image.fromarray(noise))
    events.close()
    assert scalars(tmp_path, "loss") == [(1, 0.5), (300, 0.25)]
    assert scalars(tmp_path, "other") == [(1, -2.0)]
    (image,) = read(tmp_path).Images("samples")
    assert (image.step, image.width, image.height) == (300, 30, 20)
    with Image.open(io.BytesIO(image.encoded_image_string)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), noise)


def test_a_resumed_run_replaces_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    first = Events(tmp_path)
    for step in (1, 2, 3):
        first.scalars(step, loss=float(step))
    first.close()
    second = Events(tmp_path, step=2)
    second.scalars(3, loss=30.0)
    second.close()
    assert scalars(tmp_path, "loss") == [(1, 1.0), (2, 2.0), (3, 30.0)]


@pytest.mark.processes
def test_writing_events_loads_no_framework() -> None:
    code = "import sys, facebench.training.tensorboard; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"torch", "keras", "tensorflow", "triton"} & set(told.stdout.split())
