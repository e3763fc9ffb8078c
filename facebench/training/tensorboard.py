"""TensorBoard's event files, by its own messages and record writer.

torch's ``SummaryWriter`` imports TensorFlow wherever that is installed, which takes seconds, and
TensorFlow before Triton aborts the process. These parts of TensorBoard import no framework.
"""

import io
import os
import time
from pathlib import Path
from typing import Any

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

_RGB = 3


class Events:
    """An event file that is appended to, in `folder`: the one called `name`, or a new one.

    A run that goes on after `step` begins a new file; TensorBoard drops what earlier files say of
    later steps.
    """

    def __init__(self, folder: Path, step: int = 0, name: str = ""):
        file = folder / (name or f"events.out.tfevents.{time.time():.6f}.{os.getpid()}")
        is_new = not file.exists()
        self._records = RecordWriter(file.open("ab"))
        if is_new:
            self._write(file_version="brain.Event:2")
        if step:
            self._write(step=step + 1, session_log=SessionLog(status=SessionLog.START))

    def scalars(self, step: int, **values: int | float) -> None:
        """Write one value per tag."""
        numbers = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(step=step, summary=Summary(value=numbers))

    def image(self, step: int, tag: str, picture: Image.Image) -> None:
        """Write an RGB picture."""
        encoded = io.BytesIO()
        picture.save(encoded, "PNG")
        size = {"width": picture.width, "height": picture.height, "colorspace": _RGB}
        image = Summary.Image(encoded_image_string=encoded.getvalue(), **size)
        self._write(step=step, summary=Summary(value=[Summary.Value(tag=tag, image=image)]))

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def _write(self, **event: Any) -> None:
        self._records.write(Event(wall_time=time.time(), **event).SerializeToString())
        self._records.flush()
