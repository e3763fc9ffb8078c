"""Experiment trackers as their users run them: MLflow's own server, W&B's own files."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebench.results.result import Protocol, Result, Value, write_result

PROTOCOL = Protocol(
    *("faces64", "ab" * 32, "holdout", "140", 64, "lanczos", "inception"),
    *({"inception": "a" * 64}, "float32", 1000, 900),
)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of two rows, one of them with a name that no file or address would be given."""
    folder = tmp_path / "results"
    values = {"fid": Value(12.5, 0.25, 12.0, 13.0, floor=2.5), "is": Value(3.25)}
    row = Result(
        *("dcgan", "images", "runs/dcgan", "cd" * 32, 0, PROTOCOL, values),
        command="facebench eval --models dcgan",
        created="2026-01-02T03:04:05+00:00",
    )
    write_result(row, folder)
    write_result(replace(row, model="von heute: 100 %?", metrics={"fid": Value(20.0)}), folder)
    (folder / "samples").mkdir()
    Image.fromarray(np.full((8, 8, 3), 9, np.uint8)).save(folder / "samples" / "dcgan.png")
    return folder


def report(folder: Path, tracker: str, **environment: str) -> None:
    words = ["-m", "facebench", "report", str(folder), "--to", tracker]
    answer = subprocess.run(
        [sys.executable, *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert answer.returncode == 0, answer.stderr


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of MLflow's server, as a team has it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = tmp_path / "mlflow"
    store.mkdir()
    words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{store}/store.db"]
    artifacts = ["--artifacts-destination", str(store / "artifacts")]
    log = (store / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, *words, *stores, *artifacts], cwd=store, stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/health", process, store / "log")
        yield address
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 240
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text("utf-8", "replace"))


def ask(address: str, **question: object) -> "dict[str, list[dict[str, dict[str, object]]]]":
    request = urllib.request.Request(
        address, json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, list[dict[str, dict[str, object]]]] = json.load(answer)
        return found


@pytest.mark.long
@pytest.mark.processes
def test_the_server_of_mlflow_has_a_run_per_model(results: Path, server: str) -> None:
    report(results, "mlflow", MLFLOW_TRACKING_URI=server)
    api = f"{server}/api/2.0/mlflow"
    with urllib.request.urlopen(f"{api}/experiments/get-by-name?experiment_name=facebench") as said:
        experiment = json.load(said)["experiment"]["experiment_id"]
    runs = ask(f"{api}/runs/search", experiment_ids=[experiment])["runs"]
    by_name = {str(run["info"]["run_name"]): run for run in runs}
    assert by_name.keys() == {"dcgan", "von heute: 100 %?"}
    data = by_name["dcgan"]["data"]
    metrics = {each["key"]: each["value"] for each in data["metrics"]}  # type: ignore[attr-defined]
    assert metrics == {
        "facebench/fid": 12.5,
        "facebench/fid_low": 12.0,
        "facebench/fid_high": 13.0,
        "facebench/fid_floor": 2.5,
        "facebench/is": 3.25,
    }
    settings = {each["key"]: each["value"] for each in data["params"]}  # type: ignore[attr-defined]
    assert settings["crop"] == "140" and settings["dataset_digest"] == "ab" * 32
    run = by_name["dcgan"]["info"]["run_id"]
    with urllib.request.urlopen(f"{api}/artifacts/list?run_id={run}") as said:
        assert {each["path"] for each in json.load(said)["files"]} == {"dcgan.json", "dcgan.png"}
    assert all(each["info"]["status"] == "FINISHED" for each in runs)


_READ = """
import json, pathlib, struct, sys
from wandb.proto import wandb_internal_pb2

def records(data):  # LevelDB's log: blocks of 32 KiB, records whole or in parts (2 and 3: goes on)
    place, whole = 7, b""
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        _, size, part = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if part in (1, 4):
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""

found = {"history": {}, "exit": None}
for record in records(pathlib.Path(sys.argv[1]).read_bytes()):
    kind = record.WhichOneof("record_type")
    if kind == "run" and record.run.display_name:
        found["name"], found["project"] = record.run.display_name, record.run.project
    if kind == "history":
        for item in record.history.item:
            key = item.key or "/".join(item.nested_key)
            found["history"][key] = json.loads(item.value_json)
    if kind == "exit":
        found["exit"] = record.exit.exit_code
print(json.dumps(found))
"""


@pytest.mark.long
@pytest.mark.processes
def test_the_files_of_weights_and_biases_have_a_run_per_model(
    results: Path, tmp_path: Path
) -> None:
    home = {"WANDB_MODE": "offline", "WANDB_DATA_DIR": str(tmp_path), "HOME": str(tmp_path)}
    report(results, "wandb", **home)
    found = {}
    for path in (results / "wandb").glob("offline-run-*/run-*.wandb"):
        answer = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _READ, str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        run = json.loads(answer.stdout.splitlines()[-1])
        found[run["name"]] = run
    assert found.keys() == {"dcgan", "von heute: 100 %?"}
    history = found["dcgan"]["history"]
    assert history["facebench/fid"] == 12.5 and history["facebench/fid_floor"] == 2.5
    assert history["samples/_type"] == "image-file" and history["samples/width"] == 8
    assert found["dcgan"]["project"] == "facebench"
    assert [run["exit"] for run in found.values()] == [0, 0]
