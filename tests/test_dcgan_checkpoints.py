"""A DCGAN's checkpoint draws what the model exported of its step draws, on either backend."""

import json
from pathlib import Path

import pytest
from pages import run

from facebench.data.prepare import synthesize

pytestmark = [pytest.mark.processes, pytest.mark.tensorflow, pytest.mark.long]

# TensorFlow eagerly, for compiling takes most of the time.
COMPARE = """
import json, os, pathlib, sys
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file
from facebench.errors import BadInput
from facebench.plugins.model_spec import parse_model
from facebench_dcgan import gan
from facebench_dcgan.train import command

backend = sys.argv[1]
gan.SETTLING_PASSES = 5
if backend == "tensorflow":
    import tensorflow as tf
    tf.config.run_functions_eagerly(True)

WORDS = "--data faces16 --steps 5 --batch-size 4 --width 4 --latent-dim 8 --log-every 5"
WORDS += " --grid-every 5 --checkpoint-every 2 --keep-checkpoints all --backend " + backend

def train(out, *more):
    command([*WORDS.split(), "--out", out, *more], standalone_mode=False)

def drawn(text):
    return parse_model(text).open().sample(range(50))

def score(path, value):
    with safe_open(path, "numpy") as kept:
        about = kept.metadata() | {"score": repr(value)}
        arrays = {name: kept.get_tensor(name) for name in kept.keys()}
    save_file(arrays, path, about)

found = {}
for kind, more in json.loads(sys.argv[2]).items():
    train(kind, *more)
    found[f"{kind} last"] = bool((drawn("x=" + kind) == drawn(f"x={kind}@5")).all())
    before = drawn(f"x={kind}@4")
    score(f"{kind}/checkpoints/step-000004.safetensors", 0.0)
    os.remove(f"{kind}/generator.keras")
    train(kind, *more, "--export", "best")
    assert "that of step 4" in pathlib.Path(kind, "README.md").read_text()
    found[f"{kind} best"] = bool((drawn("x=" + kind) == before).all())
    found[f"{kind} early"] = list(drawn(f"x={kind}@2").shape)
config = pathlib.Path("plain/config.json")
config.write_text(json.dumps(json.loads(config.read_text()) | {"width": 5}))
try:
    drawn("x=plain@4")
except BadInput as error:
    found["other"] = str(error)
print(json.dumps(found))
"""
KINDS = {
    "plain": ["--attention"],
    "growing": ["--progressive"],
    "residual": ["--preset", "residual", "--loss", "r3"],
    "notebook": ["--preset", "notebook"],
}


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_checkpoints_draw_what_their_export_draws(backend: str, tmp_path: Path) -> None:
    synthesize(tmp_path / "faces16", num=40, size=16, holdout=10)
    answer = run(tmp_path, "-c", COMPARE, backend, json.dumps(KINDS))
    assert answer.returncode == 0, answer.stderr[-3000:]
    found = json.loads(answer.stdout.splitlines()[-1])
    assert "config.json are not of one run, or damaged" in found.pop("other")
    for kind in KINDS:
        assert found.pop(f"{kind} early") == [50, 3, 16, 16]
    assert found == {f"{kind} {how}": True for kind in KINDS for how in ("last", "best")}
