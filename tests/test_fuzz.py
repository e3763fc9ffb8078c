import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hostile_files import FILES


def _targets() -> ModuleType:
    path = Path(__file__).parents[1] / "fuzz" / "targets.py"
    spec = importlib.util.spec_from_file_location("fuzz_targets", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TARGETS = _targets()


def _case(name: str) -> object:
    marks = [pytest.mark.tensorflow] if name.startswith("keras") else []
    return pytest.param(name, marks=marks)


@pytest.mark.filterwarnings("ignore")  # of damage, before it is refused
@pytest.mark.parametrize("name", [_case(name) for name in TARGETS.TARGETS])
def test_every_target_takes_any_bytes(name: str, tmp_path: Path) -> None:
    reader = {"npy": "array", "npz": "array", "zip": "archive", "tar": "archive", "pca": "pca-npz"}
    reader |= dict.fromkeys(("npz-labelled", "parquet", "hdf5"), "archive")
    suffix = {"keras": "m.keras", "keras-h5": "m.h5"} | {
        "npz-labelled": "a.npz", "parquet": "a.parquet", "hdf5": "a.h5",
        "identities": "list.csv", "attributes": "list.csv",
    }  # fmt: skip
    cases = [c for c in FILES.values() if c.reader == reader.get(name, name)]
    for case in [c for c in cases if c.name == suffix.get(name, c.name)][:12]:
        case.make(tmp_path / "seed")
        TARGETS.run(name, (tmp_path / "seed").read_bytes())
        (tmp_path / "seed").unlink()
    for data in (b"", b"\0" * 64, b"PK\x03\x04", b"{}", b"a=images:x"):
        TARGETS.run(name, data)
