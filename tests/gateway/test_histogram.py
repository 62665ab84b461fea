"""Histograms: what falls into which bucket, and the quantiles that can be read from it."""

from __future__ import annotations

import pytest

from gateway.histogram import Histogram


def made(*seconds: float) -> Histogram:
    found = Histogram((0.01, 0.1, 1.0))
    for one in seconds:
        found.observe(one)
    return found


def test_a_bound_belongs_below_itself_and_the_last_bucket_has_none() -> None:
    assert made(0.0, 0.01, 0.0100001, 0.1, 1.0, 1.1, 99).counts == [2, 2, 1, 2]
    assert made(0.5, 0.25).total_s == 0.75


@pytest.mark.parametrize(
    ("seconds", "part", "expected"),
    [
        ([], 0.5, None),
        ([0.05], 0.5, 0.055),  # half of one: the middle of its bucket, 0.01 to 0.1
        ([0.05] * 99 + [0.5], 0.99, 0.1),  # exactly the 99 of the second bucket
        ([0.005] * 50 + [0.5] * 50, 0.5, 0.01),
        ([0.005] * 50 + [0.5] * 50, 0.75, 0.55),  # half of the third bucket, 0.1 to 1
        ([0.5, 99, 99], 0.99, 1.0),  # beyond the last bound nothing is known
        ([0.05], 1.0, 0.1),
    ],
)
def test_a_quantile_is_where_the_part_is_reached(seconds: list[float], part: float, expected: float | None) -> None:
    found = made(*seconds).quantile(part)
    assert found == (None if expected is None else pytest.approx(expected))


def test_programs_see_the_counts_apart() -> None:
    assert made(0.05, 5).as_json() == {
        "bounds_s": [0.01, 0.1, 1.0], "counts": [0, 1, 0, 1], "count": 2, "sum_s": 5.05, "p50_s": pytest.approx(0.1), "p99_s": 1.0,
    }  # fmt: skip
