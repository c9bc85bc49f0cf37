"""What the curves say: BD-rates with their overlap, rate at equal quality, speed. All of it from `Results` alone."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict
from typing import Any

from gfvc.models.store import DEFAULTS, cards

from .conditions import Conditions
from .curves import bd_rate, rate_at
from .metrics import METRICS
from .results import Results, Row

# Picture side of the figures in a card of weights.
CARD_SIZE = 256


def reference_row(results: Results, curve: str, qp: int, clip: str | None = None) -> Row | None:
    """Our point at the reference quantiser (or the nearest) on a clip, or of the means; None if there is none."""
    rows = results.mean_rows(curve) if clip is None else results.select(curve, clip)
    return min(rows, key=lambda row: abs(row["qp"] - qp), default=None)


def bd_table(results: Results, conditions: Conditions) -> list[dict[str, Any]]:
    """A row for each of our curves, anchor and metric: BD-rate of the mean curves, and over the clips their mean,
    deviation, extremes and how many have one."""
    options = asdict(conditions.bd)
    found = []
    ours = [name for name in results.curves if name.startswith("gfvc")]
    for metric in results.metrics:
        for test in ours:
            for anchor in (name for name in results.curves if name not in ours):
                whole = bd_rate(results.curve(anchor, metric), results.curve(test, metric), **options)
                each = {
                    clip: bd_rate(results.curve(anchor, metric, clip), results.curve(test, metric, clip), **options)
                    for clip in results.clips
                }
                numbers = [value.percent for value in each.values() if value.given]
                found.append(
                    {"metric": metric, "test": test, "anchor": anchor}
                    | asdict(whole)
                    | {
                        "clips": {clip: asdict(value) for clip, value in each.items()},
                        "clips_given": len(numbers),
                        "clips_mean": statistics.fmean(numbers) if numbers else math.nan,
                        "clips_deviation": statistics.stdev(numbers) if len(numbers) > 1 else math.nan,
                        "clips_low": min(numbers, default=math.nan),
                        "clips_high": max(numbers, default=math.nan),
                    }
                )
    return found


def equal_quality(results: Results, conditions: Conditions) -> list[dict[str, Any]]:
    """A row for each of our curves, metric and other curve: the rate that curve needs for the quality of our reference
    point, on the mean curves, and on how many clips it gets there at all."""
    found = []
    for test in (name for name in results.curves if name.startswith("gfvc")):
        reference = reference_row(results, test, conditions.gfvc.reference_qp)
        if reference is None:
            continue
        for metric in results.metrics:
            sign = 1 if METRICS[metric].higher else -1
            for other in (name for name in results.curves if name != test):
                each = []
                for clip in results.clips:
                    row = reference_row(results, test, conditions.gfvc.reference_qp, clip)
                    if row is not None:
                        each.append(rate_at(results.curve(other, metric, clip), sign * row[metric]).verdict)
                found.append(
                    {
                        "metric": metric,
                        "test": test,
                        "point": reference["point"],
                        "quality": reference[metric],
                        "kbps": reference["kbps"],
                        "other": other,
                        "at_equal_quality": asdict(rate_at(results.curve(other, metric), sign * reference[metric])),
                        "clips_never_reached": each.count("never reached"),
                        "clips": len(each),
                    }
                )
    return found


def speed(results: Results) -> list[dict[str, Any]]:
    """Pictures a second of each curve, encoding and decoding, over all its full-size points: one core each."""
    found = []
    for name in results.curves:
        rows = [row for row in results.select(name) if not row["half_size"]]
        if rows:
            count = sum(row["pictures"] for row in rows)
            found.append(
                {
                    "curve": name,
                    "encode_fps": count / sum(row["encode_s"] for row in rows),
                    "decode_fps": count / sum(row["decode_s"] for row in rows),
                    "kbps_low": min(row["kbps"] for row in results.mean_rows(name)),
                    "kbps_high": max(row["kbps"] for row in results.mean_rows(name)),
                }
                | complexity(name, rows[0])
            )
    return found


def complexity(curve: str, row: Row) -> dict[str, float]:
    """GMAC of our networks at the clip's size, and weights; nothing for conventional codecs, which are not counted so.

    At 256x256 they are those of the card of the weights, at other sizes they are counted.
    """
    if not curve.startswith("gfvc"):
        return {}
    size = min(row["width"], row["height"])
    if size == CARD_SIZE:
        (card,) = (card for card in cards() if card["name"] == DEFAULTS[row["codec"]])
        return {"weights": card["weights"]} | {f"{part}_gmac": value for part, value in card["gmac_256"].items()}
    from gfvc.models.complexity import measure
    from gfvc.models.registry import load_model

    return measure(load_model(row["codec"]).model, size)


def analyse(results: Results, conditions: Conditions) -> dict[str, Any]:
    """Everything above under one roof, as summary.json has it."""
    if not any(results.mean_rows(name) for name in results.curves):
        return {"bd_rate": [], "equal_quality": [], "speed": []}
    return {
        "bd_rate": bd_table(results, conditions),
        "equal_quality": equal_quality(results, conditions),
        "speed": speed(results),
    }


def percent(value: float) -> str:
    return f"{value:+.1f} %".replace("-", "\u2212")


def bd_text(row: dict[str, Any]) -> str:
    """A BD-rate in a few words: number, or why there is none."""
    if math.isnan(row["percent"]):
        return row["verdict"].replace("test always", "ours always")
    mark = "" if row["verdict"] == "ok" else " (partial)"
    return f"{percent(row['percent'])}{mark}"


def equal_text(row: dict[str, Any]) -> str:
    """A rate at equal quality in a few words."""
    found = row["at_equal_quality"]
    if found["verdict"] == "never reached":
        return "never reached"
    return f"{'≤ ' if found['verdict'] != 'ok' else ''}{found['kbps']:.2f} kbit/s"


def as_text(results: Results, conditions: Conditions) -> str:
    """The result for a terminal."""
    analysis = results.summary["analysis"]
    lines = [f"{len(results.clips)} clips, {len(results.rows)} points; means over clips"]
    for curve in results.curves:
        for row in results.mean_rows(curve):
            scores = "  ".join(f"{name} {row[name]:.4f}" for name in results.metrics)
            lines.append(f"{row['point']:32} {row['kbps']:7.2f} kbit/s  {scores}")
    for row in analysis["bd_rate"]:
        lines.append(
            f"BD-rate {row['metric']}: {row['test']} against {row['anchor']}: {bd_text(row)}, "
            f"overlap {100 * row['overlap']:.0f} %"
        )
    for row in analysis["equal_quality"]:
        lines.append(
            f"equal quality {row['metric']} {row['quality']:.4f}: {row['test']} {row['kbps']:.2f} kbit/s, "
            f"{row['other']} {equal_text(row)}; never reached on {row['clips_never_reached']} of {row['clips']} clips"
        )
    return "\n".join(lines)
