"""The fast face model, by OpenCV: YuNet (Wu et al. 2023) finds faces, SFace tells whose they are.

SFace is Zhong et al. 2021 (arXiv:2205.12010). Both networks are those of OpenCV's zoo; another
embedding of OpenCV's form may take SFace's place: 112×112 pixels, RGB from 0 to 255, to d numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from facebench.errors import BadInput, cause
from facebench.faces.extractor import (
    Face,
    HostFaces,
    Look,
    Picture,
    need,
    scaled,
    shares,
    version_of,
)
from facebench.sandbox.limits import own_cores
from facebench.weights import WeightFile, WeightSource

_LEAST, _MOST = 256, 320
"""YuNet finds faces of 10 to 300 pixels. In 3,000 of CelebA's pictures of 64×64 it finds exactly
one in 99.5 % at 128 and at 256 alike, and people are known as well; but how a painted head leans
it tells far better at 256 (correlation with the truth .73, at 128 .47), for 2 ms more."""
_CONFIDENCE, _OVERLAP, _BOXES = 0.8, 0.3, 5000
"""At .8 exactly one face is found most often (.5 to .9 were tried), and none in noise."""
_SIDE = 112
_THREADS = 8
"""At most: each has networks of its own, of 40 MB."""
_PACKAGES = (
    *("opencv-python-headless", "opencv-python"),
    *("opencv-contrib-python-headless", "opencv-contrib-python"),
)
"""Any of them brings cv2."""


class OpenCVFaces(HostFaces):
    """Faces as YuNet and SFace see them.

    OpenCV's own threads make it no faster and change no digit; they are left as they are, for
    their number is the whole process's.
    """

    name = "faces-opencv"

    def __init__(self, weights: WeightSource, device: str, load: bool = True):
        """Find the networks in `weights`; without `load`, load them when the first image comes."""
        need("opencv", "cv2", "faces-opencv")
        self._yunet, self._sface = files = weights.find("yunet"), weights.find("sface")
        self.weights = {file.name: file.sha256 for file in files}
        self.notes = tuple(note for file in files for note in file.notes)
        self.arithmetic = f"fp32, OpenCV {version_of(*_PACKAGES)}"
        self.device = device
        self.threads = min(_THREADS, own_cores())
        if load:
            _ = self.looks

    def open(self) -> Look:
        """Load both networks."""
        return _Look(self._yunet, self._sface)


class _Look(Look):
    def __init__(self, yunet: WeightFile, sface: WeightFile):
        picture = np.zeros((_LEAST, _LEAST, 3), np.uint8)
        with _refused(yunet, "YuNet's network"):
            self._yunet = _detector(yunet)
            self._yunet.detect(picture)
        with _refused(sface, f"a network of OpenCV's from {_SIDE}×{_SIDE} pixels to numbers"):
            self._sface = _recognizer(sface)
            (numbers,) = self._sface.feature(picture[:_SIDE, :_SIDE].copy())
            (self.dimensions,) = numbers.shape

    def __call__(self, picture: Picture) -> Face | None:
        seen = np.ascontiguousarray(scaled(picture, _LEAST, _MOST)[..., ::-1])  # as OpenCV reads
        self._yunet.setInputSize(seen.shape[1::-1])
        _, faces = self._yunet.detect(seen)
        if faces is None:
            return None
        largest = faces[np.argmax(faces[:, 2] * faces[:, 3])]  # x, y, width, height, points, score
        (embedding,) = self._sface.feature(self._sface.alignCrop(seen, largest))
        # That YuNet, too, numbers pixels by their middles is told by mirrored pictures: their eyes
        # lie where they should to .1 of one in 128, and would be 1 off.
        points = shares(largest[4:10].reshape(3, 2), seen)
        return Face(len(faces), float(largest[14]), points, embedding.copy())


def _detector(file: WeightFile) -> Any:
    import cv2

    size = _LEAST, _LEAST
    return cv2.FaceDetectorYN.create(*_content(file), size, _CONFIDENCE, _OVERLAP, _BOXES)


def _recognizer(file: WeightFile) -> Any:
    import cv2

    return cv2.FaceRecognizerSF.create(*_content(file))


def _content(file: WeightFile) -> tuple[str, np.ndarray, np.ndarray]:
    """Return a network as OpenCV takes it from memory, whatever the file is called."""
    return "onnx", np.fromfile(file.path, np.uint8), np.empty(0, np.uint8)


@contextmanager
def _refused(file: WeightFile, wanted: str) -> Iterator[None]:
    """Turn what OpenCV says of a file into one sentence, and keep it from saying more."""
    import cv2

    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    except (cv2.error, ValueError) as error:  # of what it parses; of what it gives
        raise BadInput(
            f"{file.path} is damaged or not {wanted} ({cause(error)}): give --weights "
            f"{file.name}=FILE, or leave it out for the known one."
        ) from error
    finally:
        cv2.utils.logging.setLogLevel(level)
