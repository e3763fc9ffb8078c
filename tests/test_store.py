from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facebench.store import FeatureStore, Record

RECORD: Record = {
    "features": np.arange(12, dtype=np.float32).reshape(3, 4),
    "turned": np.arange(12, dtype=np.float64).reshape(3, 4).T,
    "images": np.full((2, 3, 4, 4), 7, np.uint8),
    "count": np.array(5, np.int64),
    "none": np.empty((0, 4), np.float32),
}


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store")


def test_a_record_comes_back_bit_for_bit(store: FeatureStore) -> None:
    store.save("key", RECORD)
    found = store.load("key")
    assert found is not None and set(found) == set(RECORD)
    for name, array in RECORD.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_keys_are_kept_apart(store: FeatureStore) -> None:
    keys = ["key", "key ", "KEY", "a/../key", "ключ", "k" * 5000]
    for i, key in enumerate(keys):
        store.save(key, {"i": np.array([i])})
    found = [store.load(key) for key in keys]
    assert [int(record["i"][0]) for record in found if record] == list(range(6))
    assert all(store.folder in store.path(key).parents for key in keys)


def test_there_is_nothing_under_another_key(store: FeatureStore) -> None:
    store.save("key", RECORD)
    assert store.load("another") is None


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:7], id="cut in the header's length"),
        pytest.param(lambda data: data[:50], id="cut in the header"),
        pytest.param(lambda data: data[:-1], id="cut in the data"),
        pytest.param(lambda data: b"\xff" * len(data), id="overwritten"),
    ],
)
def test_a_damaged_record_counts_as_absent(
    store: FeatureStore, damage: Callable[[bytes], bytes]
) -> None:
    store.save("key", RECORD)
    path = store.path("key")
    path.write_bytes(damage(path.read_bytes()))
    assert store.load("key") is None
    store.save("key", RECORD)
    assert store.load("key") is not None
