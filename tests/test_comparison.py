import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.metrics.comparison import Comparison, FeatureSet
from facebench.metrics.diversity import PairMoments
from facebench.metrics.frechet import frechet_distance
from facebench.metrics.inception import inception_score
from facebench.metrics.manifold import density_coverage, precision_recall
from facebench.metrics.table import METRICS
from facebench.result import Value


def feature_set(n: int, seed: int, scale: float = 1.0) -> FeatureSet:
    random = np.random.default_rng(seed)
    embeddings = scale * random.standard_normal((n, 3))
    return FeatureSet(
        features=(scale * random.standard_normal((n, 8))).astype(np.float32),
        logits=random.standard_normal((n, 5)).astype(np.float32),
        lpips=PairMoments(n, embeddings.sum(0), float((embeddings**2).sum())),
    )


def compare(n: int = 60, m: int = 50) -> Comparison:
    return Comparison(feature_set(n, 0), feature_set(m, 1, scale=1.2), seed=7)


def test_every_row_of_the_table_finds_its_value() -> None:
    comparison = compare()
    for row in METRICS.values():
        value = row.compute(comparison)
        assert isinstance(value, Value)
        assert np.isfinite(value.value)


def test_values_are_those_of_the_functions() -> None:
    comparison = compare()
    real, fake = comparison.real.features, comparison.fake.features
    assert comparison.frechet == Value(frechet_distance(real, fake))
    assert (comparison.precision, comparison.recall) == tuple(
        map(Value, precision_recall(real, fake))
    )
    assert (comparison.density, comparison.coverage) == tuple(
        map(Value, density_coverage(real, fake))
    )


def test_kernel_claims_no_standard_error_for_its_overlapping_subsets() -> None:
    value = compare().kernel
    assert value.error is None


def test_inception_score_is_of_the_generated_set_with_the_error_of_its_mean() -> None:
    comparison = compare()
    assert comparison.fake.logits is not None
    mean, std = inception_score(comparison.fake.logits, splits=10, seed=7)
    assert comparison.inception_score == Value(mean, float(std / np.sqrt(10)))


def test_diversity_is_beside_the_references_own() -> None:
    comparison = compare()
    assert comparison.real.lpips is not None
    assert comparison.fake.lpips is not None
    assert comparison.diversity == Value(
        comparison.fake.lpips.mean(), reference=comparison.real.lpips.mean()
    )


def test_the_distances_are_swept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = compare()
    first = comparison.precision
    monkeypatch.delattr("facebench.metrics.comparison.manifold_scores")
    assert comparison.precision is first
    assert all(
        0 <= value.value <= 1.5
        for value in (comparison.recall, comparison.density, comparison.coverage)
    )


def test_what_was_not_extracted_is_named() -> None:
    features = feature_set(20, 0).features
    bare = Comparison(FeatureSet(features), FeatureSet(features), seed=0)
    assert bare.coverage.value == 1
    with pytest.raises(BadInput, match="needs logits"):
        _ = bare.inception_score
    with pytest.raises(BadInput, match="LPIPS moments of both sets"):
        _ = bare.diversity
