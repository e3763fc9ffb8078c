"""What is known of pictures besides their classes: who they show, and what is to be seen."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from facebench.data import beside
from facebench.data.attributes import attributes_in_list
from facebench.data.beside import Attributes
from facebench.data.people import FOLDERS, people_in_folders, people_in_list
from facebench.data.source import Pictures


@dataclass
class Known:
    """What is known of all pictures of a source, in their order there."""

    people: Int64[np.ndarray, " n"] | None = None
    attributes: Attributes | None = None
    notes: list[str] = field(default_factory=list)
    """How the lists were read, where not as they are."""

    def recipe(self) -> dict[str, str]:
        """Return what a data set made otherwise has another of."""
        recipe = {}
        if self.people is not None:
            recipe["identities_source"] = sha256(self.people.tobytes()).hexdigest()
        if self.attributes is not None:
            total = sha256(json.dumps(list(self.attributes.names)).encode())
            total.update(np.ascontiguousarray(self.attributes.values).data)
            recipe["attributes_source"] = total.hexdigest()
        return recipe

    def write(self, folder: Path, used: Sequence[int]) -> dict[str, Any]:
        """Write what is known of the pictures `used`; return what ``dataset.json`` says of it."""
        told: dict[str, Any] = {}
        if self.people is not None:
            told |= beside.write_people(folder, self.people[used])
        if self.attributes is not None:
            names, values = self.attributes.names, self.attributes.values[used]
            told |= beside.write_attributes(folder, Attributes(names, values))
        return told | ({"notes": self.notes} if self.notes else {})


def known_of(
    pictures: Pictures, source: Path, identities: str | Path | None, attributes: Path | None
) -> Known:
    """Return what lists say of pictures; without any, what their source itself does.

    Args:
        pictures: those of a source.
        source: its path.
        identities: a list of who each picture shows, or "folders" for the first folder of each.
        attributes: a list of attributes.
    """
    known = Known(pictures.people, pictures.attributes)
    if identities is not None and str(identities) == FOLDERS:
        known.people = people_in_folders(source, pictures.names)
    elif identities is not None:
        known.people, note = people_in_list(Path(identities), pictures.names)
        known.notes.append(note)
    if attributes is not None:
        known.attributes, notes = attributes_in_list(attributes, pictures.names)
        known.notes += notes
    known.notes = [note for note in known.notes if note]
    return known
