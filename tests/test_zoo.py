"""How far two networks agree on a zoo: ranks, and pairs that one of them tells apart."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from zoo_agreement import agreement, table

from facebench.results.result import Protocol, Result, Value

PROTOCOL = Protocol("d", "0", "holdout", "none", 8, "none", "inception", {}, "fp32", 1, 1)


def result(name: str, **values: float) -> Result:
    rng = np.random.default_rng(crc32(name.encode()))
    noise = rng.standard_normal(32) * 0.01
    metrics = {
        key: Value(value, None, None, None, None, None, tuple((value + noise).tolist()))
        for key, value in values.items()
    }
    return Result(name, "images", name, "0", 0, PROTOCOL, metrics)


ALIKE = [
    result(f"{run}@{step}", fid_768=i + step / 10, fd_portrait=2 * i + step / 5)
    for i, run in enumerate(["vae-0", "vae-1", "dcgan-0", "pca4", "pca8", "stranger"])
    for step in (1, 2)
]


def test_equal_ranks_agree_wholly() -> None:
    found = agreement(ALIKE, "fd_portrait")
    assert found.rho == 1 and found.signs == 1 and found.interval == pytest.approx((1, 1))
    assert found.pairs == len(ALIKE) * (len(ALIKE) - 1) // 2


def test_reversed_ranks_disagree() -> None:
    turned = [
        replace(
            each,
            metrics=each.metrics
            | {
                "fd_portrait": replace(
                    each.metrics["fd_portrait"], value=-each.metrics["fid_768"].value
                )
            },
        )
        for each in ALIKE
    ]
    found = agreement(turned, "fd_portrait")
    assert found.rho == pytest.approx(-1) and found.signs == 0


def test_what_no_row_has_beside_the_teachers_is_not_there() -> None:
    apart = [result("a", fid_768=1.0), result("b", fd_portrait=2.0)]
    assert "| `fd_portrait` | not there |" in table({"x": apart})
    assert "| `fd_portrait` | 1.000 (1.000 – 1.000), 100.0% of 66 |" in table({"x": ALIKE})
