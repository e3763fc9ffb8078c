"""What the metrics give is never taken for edited, whatever they are given."""

from dataclasses import replace

import numpy as np
import pytest

from facebench.bundles.consistency import faults_of
from facebench.engine.scores import recorded
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.metric import Metric
from facebench.metrics.table import METRICS
from facebench.results.result import Value

RNG = np.random.default_rng(0)
ROWS = [
    row for row in METRICS.values() if row.needs in ("features", "logits", "labels", "training")
]


def features(count: int, shift: float, scale: float = 1.0) -> FeatureSet:
    made = RNG.normal(shift, scale, (count, 8)).astype(np.float32)
    logits = RNG.normal(0, 2, (count, 12)).astype(np.float32)
    return FeatureSet(made, logits, labels=np.arange(count) % 3)


REAL, TRAINING = features(160, 0.0), features(300, 0.0)
FAKE = {
    "alike": features(160, 0.0),
    "far": features(160, 5.0),
    "narrow": features(160, 0.0, 0.1),
    "few": features(60, 0.3),
    "many": features(400, 0.1),
    "copies": FeatureSet(REAL.features, REAL.logits, labels=REAL.labels),
    "repeated": replace(features(160, 0.0), features=features(16, 0.0).features.repeat(10, 0)),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_an_honest_value_is_consistent(row: Metric) -> None:
    found = 0
    for name, fake in FAKE.items():
        estimate = row.compute(Comparison(REAL, fake, TRAINING))
        value = recorded(row.key, estimate, None)
        assert [*faults_of(row, value)] == [], name
        found += bool(value.groups)
    assert found > 3


def test_what_can_not_occur_is_no_end_of_an_interval() -> None:
    row = METRICS["precision"]
    groups = tuple((0.9 + np.linspace(-0.9, 0.9, 10)).tolist())
    error = float(np.std(groups, ddof=1) / 10**0.5)
    low = 0.9 - 2.26215716 * error
    good = Value(0.9, error, low, 1.0, groups=groups)
    assert not [*faults_of(row, good)]
    for ends in ((low, 0.99), (low, 1.01), (0.6, 1.0), (-0.1, 1.0)):
        [fault] = faults_of(row, replace(good, low=ends[0], high=ends[1]))
        assert "that is not of its error" in fault
