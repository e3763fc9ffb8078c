"""The Results in other people's experiment trackers: only where asked for, and installed.

``facebench report RESULTS --to tensorboard`` (or ``wandb``, ``mlflow``). One run per Result; each
metric is a number called ``facebench/METRIC``, with its interval and noise floor beside it. Without
`training_faces`, no sample grid is logged that the page leaves out: see
:mod:`facebench_reports.withheld`.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facebench.errors import BadInput
from facebench.metrics.multiplicity import Correction
from facebench.results.result import Result
from facebench.results.withheld import why_withheld

PROJECT = "facebench"
_BESIDE = ("value", "low", "high", "floor", "reference")


def to_tensorboard(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> Path:
    """Write event files into ``folder/tensorboard``, a run per model, and return that folder."""
    target = folder / "tensorboard"
    writer_class = _module("torch.utils.tensorboard", "tensorboard").SummaryWriter
    for result in results:
        with writer_class(str(target / result.model)) as writer:
            for name, number in _numbers(result):
                writer.add_scalar(name, number, global_step=0)
            writer.add_text("facebench/command", f"    {result.command}")
            if sheet := _sheet(folder, result, training_faces):
                with Image.open(sheet) as image:
                    writer.add_image("samples", np.asarray(image.convert("RGB")), dataformats="HWC")
    return target


def to_wandb(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> None:
    """Log every Result as a run of the Weights & Biases project "facebench"."""
    wandb = _module("wandb", "wandb")
    for result in results:
        run = wandb.init(
            project=PROJECT, name=result.model, config=_settings(result), dir=str(folder)
        )
        run.log(dict(_numbers(result)))
        if sheet := _sheet(folder, result, training_faces):
            run.log({"samples": wandb.Image(str(sheet))})
        run.finish()


def to_mlflow(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> None:
    """Log every Result as a run of the MLflow experiment "facebench"."""
    mlflow = _module("mlflow", "mlflow")
    mlflow.set_experiment(PROJECT)
    for result in results:
        with mlflow.start_run(run_name=result.model):
            mlflow.log_params({name: str(value)[:500] for name, value in _settings(result).items()})
            mlflow.log_metrics(dict(_numbers(result)))
            mlflow.log_artifact(str(folder / f"{result.model}.json"))
            if sheet := _sheet(folder, result, training_faces):
                mlflow.log_artifact(str(sheet))


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BadInput(
            f"Logging to {package} needs the package {package!r}, which is not installed: "
            f"pip install {package}"
        ) from error


def _numbers(result: Result) -> Iterator[tuple[str, float]]:
    for key, value in result.metrics.items():
        for part in _BESIDE:
            if (number := getattr(value, part)) is not None:
                yield f"facebench/{key}_{part}".removesuffix("_value"), number


def _settings(result: Result) -> dict[str, Any]:
    kept = ("adapter", "path", "model_digest", "first_seed", "command", "created")
    return {name: getattr(result, name) for name in kept} | asdict(result.protocol)


def _sheet(folder: Path, result: Result, training_faces: bool) -> Path | None:
    """Return the sample grid of a row; None where there is none, or it may show real people."""
    if not training_faces and why_withheld(result):
        return None
    sheet = folder / "samples" / f"{result.model}.png"
    return sheet if sheet.name == f"{result.model}.png" and sheet.is_file() else None
