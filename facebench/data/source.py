"""What every kind of source of pictures is opened as."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from facebench.data.beside import Attributes


@dataclass(frozen=True)
class Pictures:
    """The pictures of one source, in its own order."""

    names: Sequence[str]
    """One of each, printable."""
    load: Callable[[int], Image.Image]
    """Return a picture as 8-bit RGB, or raise :class:`facebench.data.decode.Unreadable`."""
    digest: Callable[[], str]
    """The sha256 of all of them and, of files, of their names; of their labels, where they have
    any."""
    left_out: Sequence[str] = ()
    """What else lies there, printable."""
    labels: Sequence[str] | None = None
    """The class of each picture, a name or a number, printable; None where the source has none."""
    people: Int64[np.ndarray, " n"] | None = None
    """Who each picture shows, where the source itself says it."""
    attributes: Attributes | None = None
    """What each picture's person has, where the source itself says it."""
    read: Callable[[int], bytes] | None = None
    """Return a picture's file as it is encoded; None for arrays of pixels, which are not."""
    array: UInt8[np.ndarray, "n 3 h w"] | None = None
    """All of them, where the source is one array."""

    def labelled(self, labels: Sequence[str] | None) -> "Pictures":
        """Return them with `labels`, which are in the digest from now on; the same without."""
        if labels is None:
            return self

        def digest() -> str:
            return sha256(f"{self.digest()}\0{json.dumps(list(labels))}".encode()).hexdigest()

        return replace(self, labels=labels, digest=digest)
