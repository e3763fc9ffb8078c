"""The feature store: what was computed once, by the content of everything it depends on.

A record is one chunk of one source seen by one extractor. Its key names the data or the model by
digest, the seeds, the network, its weights and its precision, so that it cannot go stale. Records
are safetensors files, written whole; a damaged one is computed again.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from facebench.files import atomic_path

Record = dict[str, np.ndarray]


@dataclass(frozen=True)
class FeatureStore:
    """A folder of records."""

    folder: Path

    def path(self, key: str) -> Path:
        """Return the file of the record called `key`."""
        digest = sha256(key.encode()).hexdigest()
        return self.folder / digest[:2] / f"{digest}.safetensors"

    def load(self, key: str) -> Record | None:
        """Return the record called `key`, or None where there is none that can be read."""
        try:
            return load_file(self.path(key))
        except (FileNotFoundError, SafetensorError):
            return None

    def save(self, key: str, record: Record) -> None:
        """Keep `record` under `key`."""
        with atomic_path(self.path(key)) as partial:
            save_file(
                {k: np.asarray(v, order="C") for k, v in record.items()}, partial, {"key": key}
            )
