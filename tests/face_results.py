"""Results with faces as the face metrics would give them, for tests of what is shown of them."""

from dataclasses import replace
from typing import Any

import pytest

from facebench.metrics import table
from facebench.metrics.metric import Better, Metric
from facebench.results.result import SANITY, Protocol, Result, Value

ATTRIBUTES = ("eyeglasses", "hat", "smiling", "beard", "bangs", "male", "young", "blond_hair")
POSE = ("roll", "yaw", "eye distance", "x", "y")
PROTOCOL = Protocol(
    *("celeba64", "0123456789ab" + "c" * 52, "holdout", "140", 64, "lanczos", "inception"),
    *({"inception": "a" * 64}, "float32", 1000, 1000),
    faces="faces-dlib",
)
_ROWS: tuple[tuple[str, str, Better], ...] = (
    ("identity_leakage", "Identity leakage", "lower"),
    ("identity_diversity", "Identity diversity", "reference"),
    ("fd_identity", "Fréchet distance, identity", "lower"),
    ("precision_identity", "Precision, identity", "higher"),
    ("recall_identity", "Recall, identity", "higher"),
    *((f"pose_{factor.replace(' ', '_')}", f"Pose: {factor}", "lower") for factor in POSE),
    ("share", "Share", "reference"),
)


def with_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the table of metrics know those of faces that it lacks."""
    lacking = [row for row in _ROWS if row[0] not in table.METRICS]
    rows = [*table.METRICS.usable, *(_row(*row) for row in lacking)]
    monkeypatch.setattr(table, "METRICS", table.Table(rows))


def _row(key: str, title: str, better: Better) -> Metric:
    def none(comparison: Any) -> Any:
        raise NotImplementedError

    family = none if key == "share" else None
    return Metric(key, title, none, better, "", f"What {title} is.", needs="faces", family=family)


def leakage(share: float, low: float, high: float, **details: float | str) -> Value:
    """Return a leakage whose excess over a chance of 1 % follows from it."""
    excess = {
        f"excess{end}": (each - 0.01) / 0.99
        for end, each in (("", share), ("_low", low), ("_high", high))
    }
    known: dict[str, float | str] = {
        **excess,
        **{"level": 0.99, "threshold": 0.612, "way": "training faces of other people"},
        **{"null_count": 7640.0, "not_found": 0.02, "power": 0.14, "recognised": 0.72},
        "holdout": 0.67,
    }
    return Value(share, 0.004, low, high, floor=0.01, details=known | details)


def pose(
    distance: float, mean: float, spread: float, real: tuple[float, float], differs: bool | None
) -> Value:
    """Return the distance of one factor with what it is read with."""
    details: dict[str, float | str] = {
        **{"mean": mean, "mean_real": real[0], "spread": spread, "spread_real": real[1]},
        **{"not_found": 0.02, "p": 0.001 if differs else 0.4},
    }
    error = distance / 8
    ends = distance - 2 * error, distance + 2 * error
    return Value(distance, error, *ends, details=details, differs=differs)


def faces_of(k: int = 0) -> dict[str, Value]:
    """Return the face metrics of model number `k`."""
    levels = {name: 0.05 + 0.1 * i + 0.02 * k for i, name in enumerate(ATTRIBUTES)}
    shares = {
        f"share_{name}": Value(
            *(level, 0.01, level - 0.02, level + 0.02),
            reference=0.09 + 0.1 * i,
            differs=(i + k) % 3 == 0,
        )
        for i, (name, level) in enumerate(levels.items())
    }
    classes = {"male": 0.041 + 0.01 * k, "not male": 0.022, "young": 0.03, "not young": 0.028}
    rate = 0.971 - 0.05 * k
    none = 0.75 * (1 - rate)
    people = 870.0 - 150 * k
    return {
        "face_rate": Value(
            *(rate, 0.005, rate - 0.011, rate + 0.009),
            reference=0.98,
            details={"none": none, "several": 1 - rate - none},
            classes={"male": rate - 0.01, "not male": rate + 0.01},
            differs=k > 0,
        ),
        "face_confidence": Value(0.91 - 0.02 * k, 0.002, 0.9 - 0.02 * k, 0.92 - 0.02 * k, 0.93),
        "identity_leakage": replace(
            leakage(0.031 - 0.011 * k, 0.022 - 0.011 * k, 0.042 - 0.01 * k), classes=classes
        ),
        "identity_diversity": Value(
            people, 10.0, people - 20, people + 20, 930.0, differs=True, details={"threshold": 0.7}
        ),
        "fd_identity": Value(0.08 + 0.05 * k, 0.004, 0.07 + 0.05 * k, 0.09 + 0.05 * k, floor=0.02),
        "precision_identity": Value(0.8 - 0.1 * k, 0.02, 0.76 - 0.1 * k, 0.84 - 0.1 * k),
        "recall_identity": Value(0.6 - 0.1 * k, 0.02, 0.56 - 0.1 * k, 0.64 - 0.1 * k),
        "pose_roll": pose(0.9, 0.3, 4.1, (0.2, 5.0), True),
        "pose_yaw": pose(0.045, 0.01, 0.06, (0.0, 0.11), True),
        "pose_eye_distance": pose(0.004, 0.30, 0.011, (0.30, 0.012), False),
        "pose_x": pose(0.002, 0.5, 0.01, (0.5, 0.011), False),
        "pose_y": pose(0.01, 0.43, 0.012, (0.44, 0.012), k > 0),
        **shares,
    }


def result(model: str, k: int = 0, adapter: str = "images", **changes: Any) -> Result:
    """Return a result with a few metrics of images and all of faces."""
    of_images = {
        "fid": Value(30.0 + 9 * k, 0.4, 29.0 + 9 * k, 31.0 + 9 * k, floor=12.0),
        "precision": Value(0.7 - 0.1 * k, 0.02),
        "recall": Value(0.4 - 0.05 * k, 0.02),
    }
    faces = faces_of(k)
    if adapter == SANITY:
        faces["identity_leakage"] = leakage(0.998, 0.99, 1.0, power=0.14)
    made = Result(
        *(model, adapter, f"runs/{model}", "d" * 64, 0, PROTOCOL, of_images | faces),
        failed={"share_necktie": "its probe tells only AUC 0.81, and below 0.9 none is told"},
        command=f"facebench eval --models {model} --faces",
        created="2026-01-02T03:04:05+00:00",
    )
    return replace(made, **changes)
