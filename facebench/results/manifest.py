"""What a bundle says of its files: ``manifest.json``, see :mod:`facebench.bundles.bundle`."""

from typing import Annotated

import msgspec

from facebench.results.result import Natural

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a bundle."""

    size: Natural
    """In bytes."""
    sha256: Sha256
    """Of its bytes."""


class Manifest(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    tag_field="format",
    tag="facebench-bundle/1",
):
    """``manifest.json``, the first file of a bundle."""

    facebench: str
    """The version that wrote it."""
    files: dict[str, Held]
    """Every other file, by its name."""
