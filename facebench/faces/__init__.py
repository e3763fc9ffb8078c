"""Face models: images in; out the faces found, where they look, and whose they are.

They stand beside :mod:`facebench.features`, whose extractors see a whole image.
"""

from typing import TYPE_CHECKING

from facebench.errors import BadInput

if TYPE_CHECKING:
    from facebench.faces.extractor import FaceExtractor
    from facebench.weights import WeightSource

OURS = ("dlib", "opencv")


def create(name: str, weights: "WeightSource", device: str, load: bool = True) -> "FaceExtractor":
    """Return the face model called `name`.

    ``dlib``, ``opencv``, or a user's own ``MODULE:FUNCTION`` (see :mod:`facebench.faces.custom`).
    The first two compute on the CPU wherever the images are. Without `load`, known weights are
    found now and loaded when the first image comes.

    Raises:
        BadInput: there is no such model, its package is not installed, or its weights are nowhere.
    """
    if name == "dlib":
        from facebench.faces.dlib_faces import DlibFaces

        return DlibFaces(device, load)
    if name == "opencv":
        from facebench.faces.opencv_faces import OpenCVFaces

        return OpenCVFaces(weights, device, load)
    if ":" in name:
        from facebench.faces.custom import CustomFaces

        return CustomFaces(name, device)
    raise BadInput(
        f"There is no face model {name!r}; there are: {', '.join(OURS)}, "
        "or your own as MODULE:FUNCTION or FILE.py:FUNCTION."
    )
