"""One DCGAN trained by two processes, as torchrun starts them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import BadInput
from facebench_dcgan.learner import shared
from facebench_dcgan.train import command

# Prints, at the last step, a digest of what each process has learnt.
SCRIPT = """
import os
from hashlib import sha256
from facebench.cli import main
from facebench_dcgan.learner import DCGANLearner

step = DCGANLearner.step

def told(self, number):
    take = self.gan.step
    def taking(batch, stage):
        self.seen = batch["z"]
        return take(batch, stage)
    self.gan.step = taking
    losses = step(self, number)
    self.gan.step = take
    if number == self.steps:
        arrays = [v.numpy().tobytes() for group in self.gan.trained for v in group]
        line = f"LEARNT {sha256(b''.join(arrays)).hexdigest()} {self.seen.tobytes().hex()}\\n"
        os.write(1, line.encode())  # whole, whatever the other process prints
    return losses

DCGANLearner.step = told
if __name__ == "__main__":
    main()
"""


@pytest.mark.processes
@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
@pytest.mark.parametrize("option", ["--diffaugment", "--loss=r3"])
def test_two_processes_learn_the_same_and_one_writes(
    option: str, backend: str, tiny_folder: Path, tmp_path: Path
) -> None:
    script, out = tmp_path / "launch.py", tmp_path / "run"
    script.write_text(SCRIPT)
    words = ["train", "dcgan", "--data", tiny_folder, "--out", out, "--backend", backend]
    words += ["--steps", 3, "--batch-size", 8, "--width", 4, "--latent-dim", 8, option]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    finished = subprocess.run(
        [*torchrun, str(script), *map(str, words)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    learnt = [line.split() for line in finished.stdout.splitlines() if line.startswith("LEARNT")]
    assert len(learnt) == 2 and learnt[0][1] == learnt[1][1]
    seen = [np.frombuffer(bytes.fromhex(words[2]), np.float32).reshape(4, 8) for words in learnt]
    assert not np.isin(seen[0], seen[1]).any()  # each its own part of the batch
    assert finished.stdout.count("Model:") == 1
    assert (out / "generator.keras").is_file()


def test_processes_share_each_batch() -> None:
    batch = {
        "real": np.arange(6),
        "z": np.arange(6),
        "targets": np.arange(12).reshape(2, 6),
        "changes": np.arange(12).reshape(2, 6),
    }
    one, other = (shared(batch, slice(rank, None, 2)) for rank in range(2))
    assert one["real"].tolist() == [0, 2, 4] and other["z"].tolist() == [1, 3, 5]
    for name in ("targets", "changes"):
        both = np.stack([one[name], other[name]], 2).reshape(2, 6)
        assert (both == batch[name]).all()


@pytest.mark.parametrize("words", ["--jit-compile", "--backend torch --preset notebook"])
def test_what_cannot_be_shared_is_refused(
    words: str, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    where = ["--data", str(tiny_folder), "--out", str(tmp_path / "run")]
    with pytest.raises(BadInput, match="Under torchrun the DCGAN trains without"):
        command([*where, *words.split()], standalone_mode=False)
    assert not (tmp_path / "run").exists()
