"""Curves: envelope, BD-rate against `bjontegaard` called by hand, rate at equal quality."""

from __future__ import annotations

import math

import bjontegaard
import pytest

from eval.rd.curves import Sample, bd_rate, envelope, overlap, rate_at

LIMITS = {"method": "pchip", "minimum_overlap": 0.25, "full_overlap": 0.75}


def curve(*points: tuple[float, float]) -> list[Sample]:
    return envelope(Sample(kbps, quality) for kbps, quality in points)


def test_envelope_keeps_what_nothing_beats():
    kept = curve((10, 30), (5, 28), (6, 27), (12, 30), (5, 25), (20, math.nan), (15, 33))
    assert kept == [Sample(5, 28), Sample(10, 30), Sample(15, 33)]


def test_bd_rate_is_that_of_the_package():
    anchor, test = [(5, 30.0), (8, 32.5), (13, 34.0), (20, 36.0)], [(4, 30.2), (7, 32.9), (11, 34.3), (18, 36.1)]
    found = bd_rate(curve(*anchor), curve(*test), **LIMITS)
    lists = [list(values) for points in (anchor, test) for values in zip(*points, strict=True)]
    for method, value in (("pchip", found.percent), ("akima", found.other)):
        assert value == pytest.approx(bjontegaard.bd_rate(*lists, method=method, min_overlap=0), rel=1e-9)
    assert found.verdict == "ok"
    assert found.overlap == pytest.approx((36.0 - 30.2) / (36.1 - 30.0))


def test_curves_of_twice_the_rate_differ_by_a_hundred_percent():
    anchor = curve((5, 30), (8, 32), (13, 34))
    doubled = [Sample(2 * sample.kbps, sample.quality) for sample in anchor]
    assert bd_rate(anchor, doubled, **LIMITS).percent == pytest.approx(100)
    assert bd_rate(doubled, anchor, **LIMITS).percent == pytest.approx(-50)


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ([(1, 20), (2, 29)], "no overlap, test always worse"),
        ([(1, 37), (2, 39)], "no overlap, test always better"),
        ([(1, 20), (2, 31)], "not comparable"),
        ([(1, 31)], "fewer than two points"),
        ([(1, 31), (2, 30)], "fewer than two points"),
    ],
)
def test_no_number_where_curves_do_not_overlap(test, verdict):
    found = bd_rate(curve((5, 30), (8, 32), (20, 36)), curve(*test), **LIMITS)
    assert not found.given
    assert math.isnan(found.other)
    assert found.verdict == verdict


def test_little_overlap_is_marked():
    found = bd_rate(curve((5, 30), (8, 32), (20, 36)), curve((2, 27), (4, 33)), **LIMITS)
    assert found.verdict == "partial"
    assert found.given
    assert found.overlap == pytest.approx(3 / 9)


def test_lower_is_better_comes_in_negated():
    anchor = curve((5, -0.3), (8, -0.2), (20, -0.1))
    assert [sample.quality for sample in anchor] == [-0.3, -0.2, -0.1]
    assert overlap(anchor, curve((3, -0.25), (9, -0.15))) == pytest.approx(0.5)


def test_rate_at_equal_quality():
    line = curve((4, 30), (8, 32), (16, 34))
    # Log rate is linear in quality here, so that interpolation has one answer.
    assert rate_at(line, 31).kbps == pytest.approx(4 * 2**0.5)
    assert rate_at(line, 32).kbps == pytest.approx(8)
    assert rate_at(line, 34.01).verdict == "never reached"
    assert math.isnan(rate_at(line, 34.01).kbps)
    below = rate_at(line, 29)
    assert (below.kbps, below.verdict) == (4, "at least this good")
    assert rate_at([], 30).verdict == "never reached"
