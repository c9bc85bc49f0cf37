"""Curves of rate and quality: envelope, BD-rate with its overlap, rate at equal quality.

Quality is always "higher is better" here: a metric of which less is better comes in negated.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import bjontegaard
import numpy as np
from scipy.interpolate import PchipInterpolator


@dataclass(frozen=True)
class Sample:
    """A point of a curve: kbit/s, quality, and its name."""

    kbps: float
    quality: float
    name: str = ""


Curve = list[Sample]


def envelope(samples: Iterable[Sample]) -> Curve:
    """The samples that no other beats in both rate and quality, by rising rate: what one would choose among full and
    half size."""
    kept: Curve = []
    for sample in sorted(samples, key=lambda sample: (sample.kbps, -sample.quality)):
        if not math.isnan(sample.quality) and (not kept or sample.quality > kept[-1].quality):
            kept.append(sample)
    return kept


@dataclass(frozen=True)
class BdRate:
    """BD-rate of a curve against an anchor's.

    percent: NaN where it is not given; overlap: share of the joint quality range that both cover, 0..1; other: the same
    with the other interpolation; verdict: `ok`, `partial` (overlap below `full_overlap`) or why there is no number.
    """

    percent: float
    other: float
    overlap: float
    verdict: str

    @property
    def given(self) -> bool:
        return not math.isnan(self.percent)


def overlap(anchor: Curve, test: Curve) -> float:
    """Length of the common quality range by that of the joint one; 0 for curves of fewer than two points."""
    if min(len(anchor), len(test)) < 2:
        return 0.0
    lows, highs = zip(*((curve[0].quality, curve[-1].quality) for curve in (anchor, test)), strict=True)
    return max(0.0, min(highs) - max(lows)) / (max(highs) - min(lows))


def bd_rate(anchor: Curve, test: Curve, *, method: str, minimum_overlap: float, full_overlap: float) -> BdRate:
    """Mean difference of rate at equal quality in percent, by the `bjontegaard` package; negative: ``test`` needs less.

    anchor, test: envelopes. method: `pchip` or `akima`.
    """
    shared = overlap(anchor, test)
    if min(len(anchor), len(test)) < 2:
        return BdRate(float("nan"), float("nan"), 0.0, "fewer than two points")
    if shared == 0:
        better = "test always better" if test[0].quality > anchor[-1].quality else "test always worse"
        return BdRate(float("nan"), float("nan"), 0.0, f"no overlap, {better}")
    if shared < minimum_overlap:
        return BdRate(float("nan"), float("nan"), shared, "not comparable")
    lists = [[getattr(sample, name) for sample in curve] for curve in (anchor, test) for name in ("kbps", "quality")]
    other = "akima" if method == "pchip" else "pchip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        percent, beside = (
            float(bjontegaard.bd_rate(*lists, method=kind, require_matching_points=False, min_overlap=0))
            for kind in (method, other)
        )
    return BdRate(percent, beside, shared, "ok" if shared >= full_overlap else "partial")


@dataclass(frozen=True)
class EqualQuality:
    """Rate of a curve at a quality.

    kbps: by interpolation; where the curve does not reach so high NaN, where it does not go so low its lowest rate.
    verdict: `ok`, `never reached`, or `at least this good` at its lowest rate.
    """

    kbps: float
    verdict: str


def rate_at(curve: Curve, quality: float) -> EqualQuality:
    """Rate at ``quality``: PCHIP of log rate over quality, never beyond the points."""
    if not curve or quality > curve[-1].quality:
        return EqualQuality(float("nan"), "never reached")
    if quality < curve[0].quality or len(curve) == 1:
        return EqualQuality(curve[0].kbps, "at least this good")
    qualities = [sample.quality for sample in curve]
    logs = np.log([sample.kbps for sample in curve])
    return EqualQuality(float(np.exp(PchipInterpolator(qualities, logs)(quality))), "ok")
