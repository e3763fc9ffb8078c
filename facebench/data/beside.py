"""What a prepared data set says of its images beside them: their class, who they show, and what.

- ``labels.npy``, ``int64`` (n,): the number of each image's class; ``classes`` has their names.
- ``identities.npy``, ``int64`` (n,): the number of the person that each image shows, 0 or more.
- ``attributes.npy``, ``int8`` (n, a): 1 where the person has the attribute, 0 where not, -1 where
  nobody knows; ``attributes`` has their names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int8, Int64

from facebench.data.labels import in_order_of_name
from facebench.data.stored import check_claims, check_range, open_array
from facebench.files import file_digest

LABELS, PEOPLE, ATTRIBUTES = "labels.npy", "identities.npy", "attributes.npy"
MOST_ATTRIBUTES = 256
"""Those that have been labelled anywhere are fewer than 80; each is looked at by itself."""
LONGEST_NAME = 100  # characters of an attribute's name
UNKNOWN = -1
"""What an attribute is that nobody knows."""
_DIGESTS = {LABELS: "labels_digest", PEOPLE: "identities_digest", ATTRIBUTES: "attributes_digest"}


@dataclass(frozen=True)
class Attributes:
    """Attributes of images, or of pictures that they are made of."""

    names: Sequence[str]
    values: Int8[np.ndarray, "n a"]
    """1 where the person has it, 0 where not, :data:`UNKNOWN` where nobody knows."""


def write_labels(folder: Path, labels: Sequence[str]) -> dict[str, Any]:
    """Write the number of each label's class; return what ``dataset.json`` says of them."""
    classes = in_order_of_name(labels)
    numbers = {name: number for number, name in enumerate(classes)}
    return {"classes": classes} | _write(folder, LABELS, [numbers[label] for label in labels])


def write_people(folder: Path, people: Int64[np.ndarray, " n"]) -> dict[str, Any]:
    """Write who each image shows; return what ``dataset.json`` says of it."""
    return {"people": len(np.unique(people))} | _write(folder, PEOPLE, people)


def write_attributes(folder: Path, of: Attributes) -> dict[str, Any]:
    """Write which attributes each image has; return what ``dataset.json`` says of them."""
    return {"attributes": list(of.names)} | _write(folder, ATTRIBUTES, of.values, np.int8)


def _write(folder: Path, name: str, values: Any, dtype: type = np.int64) -> dict[str, str]:
    np.save(folder / name, np.asarray(values, dtype))
    return {_DIGESTS[name]: file_digest(folder / name)}


def wrong_in(info: dict[str, Any]) -> list[str]:
    """Return the keys of ``dataset.json`` under which there is nothing that can be used."""
    fits = {
        "classes": _are_names(info.get("classes")),
        "people": type(info.get("people")) is int and info["people"] >= 0,
        "attributes": _are_attributes(info.get("attributes")),
    }
    return [key for key, is_good in fits.items() if key in info and not is_good]


def _are_names(names: Any) -> bool:
    is_text = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return is_text and len(set(names)) == len(names) > 0


def _are_attributes(names: Any) -> bool:
    if not _are_names(names) or len(names) > MOST_ATTRIBUTES:
        return False
    return all(name.isprintable() and 0 < len(name) <= LONGEST_NAME for name in names)


def digests(info: dict[str, Any]) -> dict[str, str]:
    """Return the sha256 that ``dataset.json`` names for each of the arrays that there are."""
    there = {LABELS: "classes", PEOPLE: "people", ATTRIBUTES: "attributes"}
    return {name: str(info.get(_DIGESTS[name])) for name, key in there.items() if key in info}


def open_labels(folder: Path, info: dict[str, Any]) -> Int64[np.ndarray, " n"] | None:
    """Open the number of each image's class, where there are any."""
    if "classes" not in info:
        return None
    labels = open_array(folder / LABELS)
    check_claims(folder / LABELS, labels, np.int64, (info["count"],))
    check_range(folder / LABELS, labels, "labels", 0, len(info["classes"]) - 1)
    return labels


def open_people(folder: Path, info: dict[str, Any]) -> Int64[np.ndarray, " n"] | None:
    """Open the number of the person that each image shows, where that is known."""
    if "people" not in info:
        return None
    people = open_array(folder / PEOPLE)
    check_claims(folder / PEOPLE, people, np.int64, (info["count"],))
    check_range(folder / PEOPLE, people, "people", 0, None)
    return people


def open_attributes(folder: Path, info: dict[str, Any]) -> Int8[np.ndarray, "n a"] | None:
    """Open the attributes of all images, where there are any."""
    if "attributes" not in info:
        return None
    values = open_array(folder / ATTRIBUTES)
    check_claims(folder / ATTRIBUTES, values, np.int8, (info["count"], len(info["attributes"])))
    check_range(folder / ATTRIBUTES, values, "attributes", -1, 1)
    return values
