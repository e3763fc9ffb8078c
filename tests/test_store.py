import json
import mmap
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file, save_file

import facebench
from facebench.cache.paths import cache_folder
from facebench.cache.store import DAY, DamagedRecord, FeatureStore, Record
from facebench.cli import cli
from facebench.engine.extract import CHUNK, extract
from facebench.features.extractor import Extractor, ImageBatch, Tensors
from facebench.features.random import RandomFeatures

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


def test_what_is_saved_is_hashed_once_and_mapped_from_its_file(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []

    class Counting:
        def __init__(self, data: bytes = b""):
            self._digest = sha256(data)
            hashed.append(len(data))

        def update(self, data: memoryview | bytes) -> None:
            self._digest.update(data)
            hashed.append(memoryview(data).nbytes)

        def hexdigest(self) -> str:
            return self._digest.hexdigest()

    monkeypatch.setattr("facebench.cache.store.sha256", Counting)
    found = store.save("key", {"a": np.ones(1 << 20, np.uint8)})
    assert 1 << 20 <= sum(hashed) < 2 << 20
    base: Any = found["a"]
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)
    store.save("key", {"a": np.zeros(1 << 20, np.uint8)})
    store.path("key").unlink()
    assert found["a"].all()


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
        pytest.param(lambda data: data + b"\0", id="longer"),
        pytest.param(lambda data: b"\xff" * len(data), id="overwritten"),
    ],
)
def test_a_damaged_record_is_said_and_counts_as_absent(
    store: FeatureStore, damage: Callable[[bytes], bytes]
) -> None:
    store.save("key", RECORD)
    path = store.path("key")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(DamagedRecord, match=f"features kept in {path} are damaged; .*again"):
        assert store.load("key") is None
    assert not store.is_whole(path)
    store.save("key", RECORD)
    assert store.load("key") is not None
    assert store.is_whole(path)


def test_any_changed_byte_is_damage(store: FeatureStore) -> None:
    store.save("key", {"a": np.arange(3, dtype=np.float32), "b": np.ones((1, 2), np.uint8)})
    path = store.path("key")
    whole = path.read_bytes()
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        with pytest.warns(DamagedRecord):
            assert store.load("key") is None, f"byte {i} of {len(whole)}"
        assert not store.is_whole(path), f"byte {i} of {len(whole)}"


def test_a_record_in_the_place_of_another_is_damage(store: FeatureStore) -> None:
    store.save("key", RECORD)
    store.save("another", RECORD)
    shutil.copy(store.path("key"), store.path("another"))
    with pytest.warns(DamagedRecord):
        assert store.load("another") is None
    assert not store.is_whole(store.path("another"))
    assert store.is_whole(store.path("key"))


def test_a_record_without_a_digest_is_not_believed(store: FeatureStore) -> None:
    store.save("key", {"a": np.ones(3)})
    for metadata in (None, {"key": "key"}, {"digest": "0" * 64}):
        save_file({"a": np.ones(3)}, store.path("key"), metadata)
        with pytest.warns(DamagedRecord):
            assert store.load("key") is None


WRITER = """
import sys
from pathlib import Path
import numpy as np
from facebench.cache.store import FeatureStore

store, number = FeatureStore(Path(sys.argv[1])), float(sys.argv[2])
for _ in range(300):
    store.save("key", {"a": np.full((64, 256), number)})
    found = store.load("key")["a"]
    assert (found == found[0, 0]).all()
    assert store.is_whole(store.path("key"))
"""


@pytest.mark.processes
def test_two_processes_that_write_the_same_key_do_no_harm(store: FeatureStore) -> None:
    words = [sys.executable, "-W", "error", "-c", WRITER, str(store.folder)]
    writers = [
        subprocess.Popen([*words, number], stderr=subprocess.PIPE, text=True) for number in "12"
    ]
    said = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], said
    assert [path.name for path in store.path("key").parent.iterdir()] == [store.path("key").name]


class _Source:
    """Images that are nothing but their seed, drawn in this process."""

    preview_side = 0

    def keys(self, parts):  # type: ignore[no-untyped-def]
        return [{"source": "source", "shown": str(part)} for part in parts]

    def close(self) -> None:
        pass

    def batches(self, seeds):  # type: ignore[no-untyped-def]  # any sequence of ranges
        for batch in seeds:
            yield np.stack([np.full((3, 4, 4), seed % 251, np.uint8) for seed in batch])


class _Wide(Extractor):
    """An extractor of many features; counts the images it was shown."""

    name = "wide"
    layer = ""
    arithmetic = "fp32"
    notes: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.weights: dict[str, str] = {}
        self.seen = 0

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        self.seen += len(images)
        return {"features": images[:, 0, 0, :1].float().repeat(1, 2048)}


ANONYMOUS = """
import sys
from pathlib import Path
import numpy as np
import torch
from facebench.engine.extract import extract
from facebench.features.extractor import Extractor, in_batches
from facebench.cache.store import FeatureStore

class Source:
    preview_side = 0
    def keys(self, parts):
        return [{"source": "source"}] * len(parts)
    def close(self):
        pass
    def batches(self, seeds):
        return (np.zeros((len(batch), 3, 4, 4), np.uint8) for batch in seeds)

class Wide(Extractor):
    name, layer, arithmetic, notes, weights = "wide", "", "fp32", (), {}
    def compute(self, images, batch_size):
        used.append(anonymous())
        (features,) = in_batches(lambda x: (torch.ones(len(x), 2048),), images, batch_size)
        return {"features": features}

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024

used = []
extract(Source(), range(512), [Wide()], FeatureStore(Path(sys.argv[1])))  # starts all
used[:] = [anonymous()]
for _ in ("computed", "loaded"):
    records = extract(Source(), range(16384), [Wide()], FeatureStore(Path(sys.argv[1])))
    size = records["wide"]["features"].nbytes
    used.append(anonymous())
assert max(used) - used[0] < size / 4, f"{max(used) - used[0]} for {size}"
"""


@pytest.mark.processes
def test_features_lie_in_a_file_and_not_in_memory(store: FeatureStore) -> None:
    subprocess.run([sys.executable, "-c", ANONYMOUS, str(store.folder)], check=True)


def test_only_the_damaged_chunk_is_computed_again(store: FeatureStore) -> None:
    seeds, extractors = range(3 * CHUNK), [_Wide()]
    before = extract(_Source(), seeds, extractors, store)
    paths = [file.path for file in store.records() if set(load_file(file.path)) == {"features"}]
    assert len(paths) == 3
    data = bytearray(paths[1].read_bytes())
    data[-1] ^= 1
    paths[1].write_bytes(data)
    with pytest.warns(DamagedRecord, match=paths[1].name) as said:
        after = extract(_Source(), seeds, extractors, store)
    assert len(said) == 1
    assert extractors[0].seen == len(seeds) + CHUNK
    np.testing.assert_array_equal(after["wide"]["features"], before["wide"]["features"])


def test_another_network_or_more_images_compute_only_what_is_missing(store: FeatureStore) -> None:
    first, second = _Wide(), _Wide()
    second.name = "second"
    extract(_Source(), range(CHUNK), [first], store)
    extract(_Source(), range(CHUNK), [first, second], store)
    assert (first.seen, second.seen) == (CHUNK, CHUNK)
    extract(_Source(), range(2 * CHUNK), [first, second], store)
    assert (first.seen, second.seen) == (2 * CHUNK, 2 * CHUNK)


@pytest.mark.processes
def test_another_model_or_metric_computes_only_what_is_missing(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dark = tmp_path / "dark.npy"
    np.save(dark, np.load(tiny_folder / "images.npy") // 2)
    shown: list[int] = []
    compute_as_ever = RandomFeatures.compute

    def counted(self: RandomFeatures, images: ImageBatch, batch_size: int) -> Tensors:
        shown.append(len(images))
        return compute_as_ever(self, images, batch_size)

    monkeypatch.setattr(RandomFeatures, "compute", counted)

    def computed(models: str, *metrics: str) -> int:
        shown.clear()
        found = facebench.evaluate(models, tiny_folder, extractor="random", metrics=metrics)
        assert not found.failures
        return sum(shown)

    copies = f"copies=images:{tiny_folder / 'images.npy'}"
    assert computed(copies, "fid") >= 16  # the reference's and the model's, at least
    assert computed(copies, "fid") == 0
    assert computed(copies, "recall", "kid") == 0
    assert computed(f"{copies},dark=images:{dark}", "recall") == 8


def _run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["store", *words])


@pytest.fixture
def kept() -> FeatureStore:
    """Give the user's store with five records of 300 images, and one that is no engine's."""
    store = FeatureStore(cache_folder() / "features")
    extract(_Source(), range(300), [_Wide()], store)
    digest = "0123456789abcdef" * 4
    key = {"source": f"mine:Sampler {digest} {digest[::-1]}", "seeds": [0, 5], "network": "deep"}
    store.save(json.dumps(key), {"features": np.ones((5, 2))})
    _age(store.path(json.dumps(key)), days=3)
    return store


def _age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def test_an_empty_store_is_no_error() -> None:
    for words, says in (
        (["list"], "Nothing is kept in"),
        (["verify"], "0 records checked, 0 damaged"),
        (["prune", "--all"], "0 records and 0 unfinished files removed, 0 bytes freed"),
    ):
        answer = _run(*words)
        assert answer.exit_code == 0 and says in answer.output


def test_list_says_what_is_kept_newest_first(kept: FeatureStore) -> None:
    lines = _run("list").output.splitlines()
    assert max(map(len, lines[:-1])) <= 100
    assert lines[0].split() == ["source", "network", "images", "size", "age"]
    cells = [line.split() for line in lines[1:-1]]
    assert {tuple(row[:3]) for row in cells[:2]} == {
        ("source", "wide", "300"),
        ("source", "preview-36", "256"),
    }
    assert cells[2][:5] == ["mine:Sampler", "01234567", "fedcba98", "deep", "5"]
    assert cells[2][6:] == ["bytes", "3", "days"]
    assert lines[-1].startswith("4 records, 2.") and str(kept.folder) in lines[-1]


def test_list_shows_that_something_cannot_be_read(kept: FeatureStore) -> None:
    kept.records()[0].path.write_bytes(b"nothing")
    assert "unreadable: see facebench store verify" in _run("list").output


def test_verify_names_what_is_damaged_and_removes_it_when_told(kept: FeatureStore) -> None:
    whole = _run("verify")
    assert whole.exit_code == 0 and "4 records checked, 0 damaged" in whole.output
    path = kept.records()[2].path
    path.write_bytes(path.read_bytes()[:-1])
    found = _run("verify")
    assert found.exit_code == 1
    assert f"damaged: {path}\n" in found.output
    assert "4 records checked, 1 damaged and computed again when needed" in found.output
    removed = _run("verify", "--remove")
    assert removed.exit_code == 0 and "1 damaged and removed" in removed.output
    assert not path.exists() and len(kept.records()) == 3


def test_prune_removes_by_age_and_what_killed_writers_left(kept: FeatureStore) -> None:
    folder = kept.records()[0].path.parent
    for name, days in ((".old.safetensors", 2), (".new.safetensors", 0)):
        (folder / name).write_bytes(b"half")
        _age(folder / name, days)
    assert len(kept.records()) == 4
    answer = _run("prune").output
    assert answer == "0 records and 1 unfinished file removed, 4 bytes freed; 4 records left\n"
    assert not (folder / ".old.safetensors").exists() and (folder / ".new.safetensors").exists()
    answer = _run("prune", "--older-than", "4").output
    assert answer.startswith("0 records and 0 unfinished files removed")
    answer = _run("prune", "--older-than", "2.5").output
    assert answer.startswith("1 record and 0 unfinished files removed, 4")
    assert _run("prune", "--all").output.startswith("3 records and 0 unfinished files removed, 2.")
    assert not kept.records() and (folder / ".new.safetensors").exists()


def test_prune_does_not_guess_between_two_wishes() -> None:
    answer = _run("prune", "--all", "--older-than", "3")
    assert answer.exit_code == 2 and "not both" in answer.output


@pytest.mark.processes
def test_looking_after_the_store_loads_no_framework() -> None:
    probe = (
        "import sys; from facebench.cli import cli; "
        "cli(['store', 'list'], standalone_mode=False); "
        "cli(['store', 'prune', '--all'], standalone_mode=False); "
        "assert not {'torch', 'keras', 'tensorflow', 'scipy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, stdout=subprocess.DEVNULL)
