import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.metrics import (
    authenticity,
    cmmd,
    density_coverage,
    frechet_distance,
    frechet_infinity,
    inception_score,
    precision_recall,
    vendi,
)
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.frechet_ratio import OverFloor
from facebench.metrics.modes import MODES
from facebench.metrics.moments import Moments
from facebench.metrics.table import METRICS
from facebench.metrics.uncertainty import Estimate


def feature_set(n: int, seed: int, scale: float = 1.0) -> FeatureSet:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((n // 8, 8, 3)) * scale
    return FeatureSet(
        features=(scale * random.standard_normal((n, 8))).astype(np.float32),
        logits=random.standard_normal((n, 5)).astype(np.float32),
        lpips={
            "count": np.full(n // 8, 8),
            "total": rows.sum(1),
            "square": np.square(rows).sum((1, 2)),
        },
        labels=np.arange(n) % 3,
        steps={"distance": random.gamma(2, size=n), "levels": np.full(n, 2.0)},
    )


def compare(n: int = 64, m: int = 56, mode: str = "facebench") -> Comparison:
    real, fake = feature_set(n, 0), feature_set(m, 1, scale=1.2)
    distance = METRICS["fid"].compute(Comparison(real, fake))
    floor = METRICS["fid"].compute(Comparison(real, feature_set(m, 3)))
    over_floors = [OverFloor(distance, floor)] * 2
    return Comparison(real, fake, feature_set(80, 2), MODES[mode], over_floors)


def value(key: str, comparison: Comparison) -> Estimate:
    return METRICS[key].compute(comparison)


def test_every_row_of_the_table_finds_its_value_within_its_range_and_its_error() -> None:
    comparison = compare()
    for row in METRICS.values():
        if row.is_of_faces or row.is_of_pairs:  # they have tests of their own
            continue
        estimate = row.compute(comparison)
        assert isinstance(estimate, Estimate)
        assert row.valid[0] <= estimate.value <= row.valid[1]
        low, high = estimate.interval(row.valid) or (np.nan, np.nan)
        assert row.valid[0] <= low <= estimate.value <= high <= row.valid[1], row.key
        assert (estimate.reference is not None) == (row.better == "reference")


def test_values_are_those_of_the_functions() -> None:
    c = compare()
    real, fake = c.real.features, c.fake.features
    assert c.training is not None
    assert value("fid", c).value == pytest.approx(frechet_distance(real, fake))
    assert value("fid_inf", c).value == frechet_infinity(real, fake)
    assert value("cmmd", c).value == cmmd(real, fake)
    assert (c.manifold.precision.value, c.manifold.recall.value) == precision_recall(real, fake)
    assert (c.manifold.density.value, c.manifold.coverage.value) == density_coverage(real, fake)
    assert value("authenticity", c).value == authenticity(c.training.features, fake)
    assert (value("vendi", c).value, value("vendi", c).reference) == (vendi(fake), vendi(real))


def test_a_mode_decides_the_definitions() -> None:
    ours, prdc = compare(), compare(mode="prdc")
    real, fake = ours.real.features, ours.fake.features
    theirs = precision_recall(real, fake, 5, strict=True)
    assert (prdc.manifold.precision.value, prdc.manifold.recall.value) == theirs
    assert ours.manifold.precision.value < prdc.manifold.precision.value
    assert ours.manifold.coverage.value == prdc.manifold.coverage.value


def test_inception_score_is_of_the_generated_set_with_the_error_of_its_mean() -> None:
    comparison = compare()
    assert comparison.fake.logits is not None
    mean, std = inception_score(comparison.fake.logits)
    assert value("is", comparison).value == pytest.approx(mean)
    assert value("is", comparison).error == pytest.approx(std / np.sqrt(9))


def test_diversity_is_beside_the_references_own() -> None:
    comparison = compare()
    found = value("lpips_diversity", comparison)
    assert found.reference == comparison.real.diversity.value < found.value


def test_the_distances_are_swept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = compare()
    first = comparison.manifold
    monkeypatch.delattr("facebench.metrics.feature_sets.manifold")
    assert comparison.manifold is first


def test_a_part_of_a_set_has_what_belongs_to_its_images() -> None:
    whole = feature_set(64, 0)
    part = whole.part(16, 36)
    assert part.features is not whole.features
    assert len(part.features) == 20
    assert part.logits is not None
    assert len(part.logits) == 20
    assert part.lpips is not None
    assert part.labels is not None
    np.testing.assert_array_equal(part.labels, np.arange(16, 36) % 3)
    assert part.lpips["count"].sum() == 16  # rows 16-24 and 24-32: 32-40 is not whole


def test_what_was_not_extracted_is_named() -> None:
    features = feature_set(24, 0).features
    bare = Comparison(FeatureSet(features), FeatureSet(features))
    assert bare.manifold.coverage.value == 1
    with pytest.raises(BadInput, match="needs logits"):
        value("is", bare)
    with pytest.raises(BadInput, match="LPIPS moments of both sets"):
        value("lpips_diversity", bare)
    with pytest.raises(BadInput, match="training images' features"):
        value("authenticity", bare)
    with pytest.raises(BadInput, match="a class for each image"):
        value("fid_class", bare)
    with pytest.raises(BadInput, match="distances of two networks or more"):
        value("fdr", bare)


def test_a_reference_of_moments_alone_has_the_distances_that_need_no_more() -> None:
    c = compare()
    statistics = FeatureSet.of_moments(Moments.of(c.real.features))
    against = Comparison(statistics, c.fake)
    assert value("fid", against).value == pytest.approx(value("fid", c).value)
    for row in METRICS.values():
        if row.from_moments:
            assert row.compute(against).groups is not None
        elif row.needs == "features":
            with pytest.raises(BadInput, match="0 samples"):
                row.compute(against)


def test_of_two_sets_of_moments_there_is_a_distance_and_no_interval() -> None:
    c = compare()
    real, fake = (FeatureSet.of_moments(Moments.of(each.features)) for each in (c.real, c.fake))
    found = value("fid", Comparison(real, fake))
    assert found.value == pytest.approx(value("fid", c).value)
    assert found.groups is None
    of_real_alone = value("fid", Comparison(c.real, fake))
    assert of_real_alone.value == pytest.approx(found.value)
    assert of_real_alone.groups is not None
