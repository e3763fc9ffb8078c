"""Which model is it? By the content of all that its images depend on, as far as that can be known.

A model's files are known when it has been opened once: their names are kept, and while all of them
hold the same, so does the name of the model. Whether that is all there is, the adapter says; where
it does not, the first and last image of every chunk are sampled again, and their content counts.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from facebench.errors import BadInput
from facebench.files import file_digests, read_json, write_json

FORMAT = "facebench-model/1"


@dataclass(frozen=True)
class Identity:
    """What is known of a model besides what was named."""

    name: str
    """A digest of all that is known of it."""
    files: dict[str, str] = field(default_factory=dict)
    """The digest of every file besides those that were named."""
    complete: bool = False
    """Whether the images depend on nothing else."""
    note: str = ""
    """What must be said of its images beside their scores."""
    classes: list[str] | None = None
    """Those that it can be asked for, none where it takes no labels; None where nobody looked."""

    def holds(self) -> bool:
        """Return whether all files are as they were."""
        return self.files == file_digests(self.files)

    def grown(self, files: Iterable[str], since: float) -> "Identity":
        """Return it with more files, which turned out to be read."""
        return replace(self, files=_settled(files, since) | self.files)


def identify(named: str, files: Iterable[str], complete: bool, since: float) -> Identity:
    """Return the identity of a model of the digest `named` that depends on `files`.

    Read they were after the time `since`, in seconds since the epoch.
    """
    digests = _settled(files, since)
    name = sha256(json.dumps([named, sorted(digests.items())]).encode()).hexdigest()
    return Identity(name, digests, complete)


def _settled(files: Iterable[str], since: float) -> dict[str, str]:
    """Return the files' digests, but of none that was changed while it may have been read."""
    times = {name: os.stat(name).st_mtime for name in files if os.path.exists(name)}
    digests = file_digests(times)
    return {n: d if times[n] <= since else f"changed at {times[n]}" for n, d in digests.items()}


@dataclass(frozen=True)
class Identities:
    """A folder of them, by the digest of what was named."""

    folder: Path

    def find(self, named: str) -> Identity | None:
        """Return what is known, or None where there is nothing or it is damaged."""
        try:
            record = read_json(self._path(named))
            if record.pop("format") == FORMAT:
                return Identity(**record)
        except (BadInput, AttributeError, KeyError, TypeError):
            pass
        return None

    def keep(self, named: str, identity: Identity) -> None:
        """Write what is known."""
        write_json(self._path(named), {"format": FORMAT, **asdict(identity)})

    def _path(self, named: str) -> Path:
        return self.folder / f"{sha256(named.encode()).hexdigest()}.json"
