"""The report: one HTML file that needs nothing but itself, and plots for papers beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from gfvc.errors import GfvcError
from gfvc.files import replacing

from . import pictures, plots
from .analysis import bd_text, equal_text, percent, reference_row
from .conditions import Conditions
from .metrics import METRICS
from .results import Results, read

# Clips of which pictures are shown: with more the page would be slow, and nobody looks.
MAX_SHOWN = 6
# How far into the clip the pictures are taken: long enough for a head to have moved.
STILL_AT = 0.6


def write_report(folder: Path, conditions: Conditions) -> None:
    """report.html and plots/ from points.csv and summary.json of ``folder``."""
    results = read(folder)
    equal = _numbers(results.summary["analysis"]["equal_quality"])
    plots.write_plots(folder / "plots", results, equal)
    with plots.themed():
        page = _template().render(_content(folder, results, equal, conditions))
    with replacing(folder / "report.html", force=True) as partial:
        partial.write_text(page)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.trim_blocks = environment.lstrip_blocks = True
    return environment.get_template("report.html.j2")


def _numbers(value: Any) -> Any:
    """JSON's null back to NaN."""
    if isinstance(value, dict):
        return {key: _numbers(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_numbers(entry) for entry in value]
    return math.nan if value is None else value


def _content(folder: Path, results: Results, equal: list[dict], conditions: Conditions) -> dict[str, Any]:
    summary = results.summary
    ours = [curve for curve in results.curves if curve.startswith("gfvc")]
    anchors = [curve for curve in results.curves if curve not in ours]
    first = ours[0] if ours else None
    bars = [row for row in equal if row["test"] == first]
    return {
        "summary": summary,
        "label": plots.label,
        "conditions": conditions,
        "results": results,
        "ours": ours,
        "anchors": anchors,
        "legend": [(plots.label(curve), Markup(plots.legend_svg(curve))) for curve in results.curves],
        "reference": reference_row(results, first, conditions.gfvc.reference_qp) if first else None,
        "findings": _findings(bars, anchors),
        "charts": [
            {
                "name": plots.axis_label(metric),
                "arrow": METRICS[metric].arrow,
                "turned": not METRICS[metric].higher,
                "mean": Markup(plots.svg(plots.mean_figure(results, metric, legend=False), f"mean-{metric}")),
                "clips": Markup(plots.svg(plots.clips_figure(results, metric), f"clips-{metric}")),
            }
            for metric in results.metrics
        ],
        "bars": Markup(plots.svg(plots.bar_figure(results, bars), "bars")) if bars and anchors else None,
        "bd": _bd_tables(results, _numbers(summary["analysis"]["bd_rate"]), ours, anchors),
        "scenes": _scenes(folder, results, first, conditions) if first else [],
        "speed": [row | {"label": plots.label(row["curve"])} for row in _numbers(summary["analysis"]["speed"])],
        "means": [
            (plots.label(curve), sorted(results.mean_rows(curve), key=lambda row: row["kbps"]))
            for curve in results.curves
        ],
        "metric_names": [(name, METRICS[name]) for name in results.metrics],
        "left_out": [(METRICS[name].label, text) for name, text in summary["metrics_left_out"].items()],
        "number": lambda value, digits: "" if math.isnan(value) else f"{value:.{digits}f}",
    }


def _findings(bars: list[dict], anchors: list[str]) -> list[str]:
    """What the bars say of each anchor, in a sentence."""
    found = []
    for anchor in anchors:
        rows = [row for row in bars if row["other"] == anchor]
        never = [METRICS[row["metric"]].label for row in rows if row["at_equal_quality"]["verdict"] == "never reached"]
        ratios = [
            (row["at_equal_quality"]["kbps"] / row["kbps"], METRICS[row["metric"]].label, row)
            for row in rows
            if row["at_equal_quality"]["verdict"] == "ok"
        ]
        lower = [
            METRICS[row["metric"]].label for row in rows if row["at_equal_quality"]["verdict"] == "at least this good"
        ]
        parts = []
        if ratios:
            least, most = min(ratios, key=lambda item: item[0]), max(ratios, key=lambda item: item[0])
            same = least is most
            parts.append(
                f"needs {equal_text(least[2])} ({least[0]:.1f} times ours) by {least[1]}"
                + ("" if same else f", {equal_text(most[2])} ({most[0]:.1f} times) by {most[1]}")
            )
        if lower:
            kbps = next(
                row["at_equal_quality"]["kbps"]
                for row in rows
                if row["at_equal_quality"]["verdict"] == "at least this good"
            )
            parts.append(f"is better already at its lowest rate, {kbps:.2f} kbit/s, by {', '.join(lower)}")
        if never:
            parts.append(f"never gets there by {', '.join(never)}")
        if parts:
            found.append(f"{plots.label(anchor)} " + "; ".join(parts) + ".")
    return found


def _bd_tables(results: Results, rows: list[dict], ours: list[str], anchors: list[str]) -> list[dict[str, Any]]:
    """For each of our curves a table: metrics down, anchors across."""
    tables = []
    for test in ours:
        lines = []
        for metric in results.metrics:
            cells = []
            for anchor in anchors:
                row = next(row for row in rows if (row["metric"], row["test"], row["anchor"]) == (metric, test, anchor))
                given = row["clips_given"]
                low, high = percent(row["clips_low"]), percent(row["clips_high"])
                spread = f"{given} of {len(row['clips'])} clips comparable"
                if given:
                    spread += f": {low}" if given == 1 else f": mean {percent(row['clips_mean'])} ({low} to {high})"
                overlap = f"overlap {100 * row['overlap']:.0f} %"
                other = "" if math.isnan(row["other"]) else f", Akima {percent(row['other'])}"
                cells.append({"text": bd_text(row), "detail": overlap + other, "spread": spread})
            lines.append((METRICS[metric].label, cells))
        if lines and anchors:
            tables.append(
                {"test": plots.label(test), "anchors": [plots.label(name) for name in anchors], "rows": lines}
            )
    return tables


def _scenes(folder: Path, results: Results, curve: str, conditions: Conditions) -> list[dict[str, Any]]:
    """Pictures and a video of some clips, evenly chosen."""
    clips = results.clips
    step = max(1, -(-len(clips) // MAX_SHOWN))
    found = []
    for clip in clips[::step]:
        ours = reference_row(results, curve, conditions.gfvc.reference_qp, clip)
        original = Path(results.summary["clips"][clip]["path"])
        if ours is None:
            continue
        if not original.is_absolute():
            original = folder / original
        if not original.exists():
            raise GfvcError(f"{original}: the clip is no longer there; run `python -m eval rd` again")
        index = int(STILL_AT * ours["pictures"])
        shown = pictures.columns(results, clip, ours)
        found.append(
            {
                "clip": clip,
                "index": index,
                "columns": [_column(folder, original, entry, index, results.metrics) for entry in shown],
                "video": pictures.video(shown, folder, original, ours["pictures"]) if not found else None,
            }
        )
    return found


def _column(folder: Path, original: Path, shown: pictures.Shown, index: int, metrics: list[str]) -> dict[str, Any]:
    uri = pictures.still(shown, folder, original, index)
    if shown.row is None:
        return {"title": "Original", "rate": "", "detail": "", "uri": uri}
    size = ", half size" if shown.row["half_size"] else ""
    first = next((name for name in metrics if name == "ms-ssim-y"), metrics[0])
    return {
        "title": plots.label(shown.curve),
        "rate": f"{shown.row['kbps']:.2f} kbit/s",
        "detail": f"QP {shown.row['qp']}{size}; {METRICS[first].label} {shown.row[first]:.3f}",
        "uri": uri,
    }
