"""`python -m eval compare A B`: two result folders of `rd` side by side.

Points are matched by clip and name. A difference is B - A (of rates in percent of A); its spread is that over the clips
that both have. BD-rate of B against A is taken per curve and clip, with the overlap rule of A's conditions.
"""

from __future__ import annotations

import argparse
import math
import statistics
from pathlib import Path
from typing import Any

from gfvc.cli import OneLineParser
from gfvc.errors import GfvcError

from .rd.analysis import percent
from .rd.curves import bd_rate
from .rd.metrics import METRICS
from .rd.results import Results, as_json, read


def spread(values: list[float]) -> dict[str, float]:
    """Mean, standard deviation over the clips, lowest, highest and number of the values that are numbers."""
    numbers = [value for value in values if not math.isnan(value)]
    return {
        "mean": statistics.fmean(numbers) if numbers else math.nan,
        "deviation": statistics.stdev(numbers) if len(numbers) > 1 else math.nan,
        "low": min(numbers, default=math.nan),
        "high": max(numbers, default=math.nan),
        "clips": len(numbers),
    }


def compare(a: Results, b: Results) -> dict[str, Any]:
    """All differences.

    Raises GfvcError if the two have no point of the same clip in common.
    """
    before = {(row["clip"], row["point"]): row for row in a.rows}
    after = {(row["clip"], row["point"]): row for row in b.rows}
    common = [key for key in before if key in after]
    if not common:
        raise GfvcError("no point of a clip is in both folders: other clips, or other conditions")
    changed = [
        clip
        for clip in a.clips
        if clip in b.summary["clips"] and a.summary["clips"][clip]["sha256"] != b.summary["clips"][clip]["sha256"]
    ]
    if changed:
        raise GfvcError(
            f"clips with the same name and other content: {', '.join(changed)}; compare runs of the same clips"
        )
    metrics = [name for name in a.metrics if name in b.metrics]
    points = []
    for name in dict.fromkeys(point for _, point in common):
        pairs = [(before[key], after[key]) for key in common if key[1] == name]
        entry: dict[str, Any] = {"point": name, "curve": pairs[0][0]["curve"]}
        entry["kbps"] = {"a": _mean(pairs, 0, "kbps"), "b": _mean(pairs, 1, "kbps")}
        entry["kbps"] |= spread([100 * (new["kbps"] / old["kbps"] - 1) for old, new in pairs])
        for metric in metrics:
            entry[metric] = {"a": _mean(pairs, 0, metric), "b": _mean(pairs, 1, metric)}
            entry[metric] |= spread([new[metric] - old[metric] for old, new in pairs])
        points.append(entry)
    options = a.summary["conditions"]["bd"]
    curves = []
    for curve in (name for name in a.curves if name in b.curves):
        for metric in metrics:
            each = [
                bd_rate(a.curve(curve, metric, clip), b.curve(curve, metric, clip), **options)
                for clip in a.clips
                if clip in b.clips
            ]
            entry = {"curve": curve, "metric": metric} | spread([value.percent for value in each])
            curves.append(entry | {"smallest_overlap": min(value.overlap for value in each), "of": len(each)})
    return {
        "a": _about(a),
        "b": _about(b),
        "only_in_a": sorted(f"{clip}: {point}" for clip, point in before.keys() - after.keys()),
        "only_in_b": sorted(f"{clip}: {point}" for clip, point in after.keys() - before.keys()),
        "points": points,
        "bd_rate": curves,
    }


def _mean(pairs: list[tuple[dict, dict]], side: int, name: str) -> float:
    return spread([pair[side][name] for pair in pairs])["mean"]


def _about(results: Results) -> dict[str, Any]:
    return {name: results.summary[name] for name in ("gfvc", "commit", "written")}


def as_text(found: dict[str, Any]) -> str:
    """The differences for a terminal: a block for each point, then the curves."""
    lines = [
        f"{side.upper()}: gfvc {found[side]['gfvc']}, commit {found[side]['commit']}, {found[side]['written']}"
        for side in ("a", "b")
    ]
    lines.append("differences are B - A: mean over clips (standard deviation; lowest .. highest)")
    for entry in found["points"]:
        rate = entry["kbps"]
        lines.append(f"{entry['point']}, {rate['clips']} clips")
        lines.append(
            f"  {'kbit/s':18} {rate['a']:9.3f} {rate['b']:9.3f}  {percent(rate['mean'])} "
            f"({rate['deviation']:.1f}; {percent(rate['low'])} .. {percent(rate['high'])})"
        )
        for name in (key for key in entry if key in METRICS):
            value = entry[name]
            lines.append(
                f"  {name:18} {value['a']:9.4f} {value['b']:9.4f}  {value['mean']:+.4f} "
                f"({value['deviation']:.4f}; {value['low']:+.4f} .. {value['high']:+.4f})"
                + _verdict(name, value["mean"])
            )
    lines.append("BD-rate of B against A")
    for entry in found["bd_rate"]:
        text = "not comparable on any clip"
        if entry["clips"]:
            text = f"{percent(entry['mean'])} ({entry['deviation']:.1f}; {percent(entry['low'])} .. "
            text += f"{percent(entry['high'])}), {entry['clips']} of {entry['of']} clips comparable"
        lines.append(f"  {entry['curve']:24} {entry['metric']:18} {text}")
    for side in ("a", "b"):
        names = found[f"only_in_{side}"]
        if names:
            lines.append(
                f"only in {side.upper()}: {len(names)} points, {names[0]} and on"
                if len(names) > 1
                else f"only in {side.upper()}: {names[0]}"
            )
    return "\n".join(lines)


def _verdict(metric: str, difference: float) -> str:
    if not difference or math.isnan(difference):
        return ""
    return "  better" if (difference > 0) == METRICS[metric].higher else "  worse"


def main(argv: list[str]) -> int:
    parser: argparse.ArgumentParser = OneLineParser(prog="python -m eval compare", description=__doc__.splitlines()[0])
    parser.add_argument("a", type=Path, help="result folder")
    parser.add_argument("b", type=Path, help="the one to compare with it")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    args = parser.parse_args(argv)
    found = compare(read(args.a), read(args.b))
    print(as_json(found) if args.json else as_text(found))
    return 0
