"""Digests of what results say, whatever file, spelling or machine they lie in."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from facebench.results.result import Result, as_record

_CLAIMED = ("model_digest", "first_seed", "protocol", "metrics")


def digest_of(value: Any) -> str:
    """Return the sha256 of a JSON value, the same for every order of keys and every layout.

    >>> digest_of({"a": 1, "b": [2.5]}) == digest_of({"b": [2.5], "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return sha256(text.encode()).hexdigest()


def row_digest(result: Result) -> str:
    """Return the sha256 of what a row claims: which model, which seeds, which protocol and values.

    A row has the same digest in its results folder, in a bundle and on every board, whatever it is
    called there and however long it took.
    """
    return claims_digest(as_record(result))


def claims_digest(record: Mapping[str, Any]) -> str:
    """Return the same of a row as JSON has it."""
    return digest_of({name: record[name] for name in _CLAIMED})
