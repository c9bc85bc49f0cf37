"""Figures of the report: curves and bars, drawn from `Results` alone, as SVG for the page and PNG and PDF for papers.

Up is always better: the axis of a metric of which less is better is turned over.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from gfvc.files import replacing

from .metrics import METRICS
from .results import Results

# Okabe and Ito's colours, which the colour-blind tell apart; ours are warm, the anchors cool or grey.
_ANCHOR_COLOURS = {"x264": "#8a8a8a", "x265": "#0072b2", "svtav1": "#009e73", "vvenc": "#7a4fa3"}
_FAMILY_COLOURS = {"compact": "#d55e00", "keypoints2d": "#e69f00"}
_LABELS = {"x264": "x264 (AVC)", "x265": "x265 (HEVC)", "svtav1": "SVT-AV1 (AV1)", "vvenc": "VVenC (VVC)"}
_TICKS = (0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500)
# Tick labels of a narrow plot.
_FEW_TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}


def label(curve: str) -> str:
    """A curve's name for people."""
    if curve in _LABELS:
        return _LABELS[curve]
    _, family, *carriage = curve.split("-")
    return f"gfvc {family}" + (f", {carriage[0].upper()} + SEI" if carriage else "")


def style(curve: str) -> dict[str, Any]:
    """Colour, line and marker of a curve; the standard carriage is dashed."""
    if not curve.startswith("gfvc"):
        return {"color": _ANCHOR_COLOURS.get(curve, "#555555"), "linestyle": "-", "linewidth": 1.5, "marker": "o"}
    _, family, *carriage = curve.split("-")
    return {
        "color": _FAMILY_COLOURS.get(family, "#cc79a7"),
        "linestyle": (0, (4, 2)) if carriage else "-",
        "linewidth": 2.2,
        "marker": "D" if carriage else "s",
    }


def _draw(axes: Axes, results: Results, metric: str, clip: str | None, *, small: bool) -> None:
    sign = 1 if METRICS[metric].higher else -1
    rates: list[float] = []
    for curve in results.curves:
        look = style(curve)
        line = results.curve(curve, metric, clip)
        rows = results.mean_rows(curve) if clip is None else results.select(curve, clip)
        rates += [row["kbps"] for row in rows]
        axes.plot(
            [sample.kbps for sample in line],
            [sign * sample.quality for sample in line],
            **(look | {"marker": ""}),
            gid=f"curve-{curve}",
            zorder=3 if curve.startswith("gfvc") else 2,
        )
        for half in (False, True):
            chosen = [row for row in rows if row["half_size"] is half and not math.isnan(row[metric])]
            axes.plot(
                [row["kbps"] for row in chosen],
                [row[metric] for row in chosen],
                linestyle="",
                marker=look["marker"],
                markersize=(3 if small else 5),
                markerfacecolor="white" if half else look["color"],
                markeredgecolor=look["color"],
                zorder=4,
            )
    axes.set_xscale("log")
    if rates:
        low, high = min(rates) / 1.12, max(rates) * 1.12
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(
            FixedLocator([tick for tick in (_FEW_TICKS if small else _TICKS) if low <= tick <= high])
        )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(4 if small else 6))
    if sign < 0:
        axes.invert_yaxis()


def axis_label(metric: str) -> str:
    """Name and unit of a metric."""
    entry = METRICS[metric]
    return entry.label + (f" ({entry.unit})" if entry.unit else "")


def mean_figure(results: Results, metric: str, *, legend: bool) -> Figure:
    """Curves of the means over clips; without ``legend`` and axis title for the page, which has its own."""
    figure, axes = pyplot.subplots(figsize=(5.2, 3.6), layout="constrained")
    _draw(axes, results, metric, None, small=False)
    axes.set_xlabel("kbit/s (whole file, mean over clips)")
    if legend:
        axes.set_ylabel(axis_label(metric) + ("" if METRICS[metric].higher else " (axis turned: up is better)"))
        handles = [pyplot.Line2D([], [], label=label(curve), markersize=5, **style(curve)) for curve in results.curves]
        axes.legend(handles=handles, frameon=False, fontsize=8, loc="lower right")
    return figure


def clips_figure(results: Results, metric: str, columns: int = 4) -> Figure:
    """The same for each clip, side by side."""
    clips = results.clips
    columns = min(columns, len(clips))
    rows = -(-len(clips) // columns)
    figure, grid = pyplot.subplots(
        rows, columns, figsize=(2.75 * columns, 2.2 * rows + 0.2), layout="constrained", squeeze=False
    )
    for axes in grid.flat[len(clips) :]:
        axes.set_visible(False)
    for axes, clip in zip(grid.flat, clips, strict=False):
        _draw(axes, results, metric, clip, small=True)
        axes.set_title(clip, fontsize=8, loc="left", color="#222222")
    figure.supxlabel("kbit/s", fontsize=9)
    figure.supylabel(axis_label(metric), fontsize=9)
    return figure


def bar_figure(results: Results, equal: list[dict[str, Any]]) -> Figure:
    """Rate at equal quality: a group of bars for each metric, ``equal`` being the rows of one of our curves."""
    test = equal[0]["test"]
    metrics = list(dict.fromkeys(row["metric"] for row in equal))
    others = [curve for curve in results.curves if not curve.startswith("gfvc")]
    figure, axes = pyplot.subplots(figsize=(10.4, 0.62 + 0.2 * len(metrics) * (len(others) + 2)), layout="constrained")
    top = max([equal[0]["kbps"], *(_finite(row) for row in equal if row["other"] in others)])
    place = 0.0
    ticks = []
    for metric in metrics:
        rows = {row["other"]: row for row in equal if row["metric"] == metric}
        first = place
        _bar(axes, place, equal[0]["kbps"], f"{equal[0]['kbps']:.2f}", test, top)
        for curve in (curve for curve in others if curve in rows):
            place += 1
            found = rows[curve]["at_equal_quality"]
            if found["verdict"] == "never reached":
                axes.text(top * 0.008, place, "never reaches this quality", va="center", fontsize=7.5, color="#555555")
                continue
            text = f"{found['kbps']:.2f}" + (
                "" if found["verdict"] == "ok" else " or less (its lowest point is better)"
            )
            _bar(axes, place, found["kbps"], text, curve, top)
        ticks.append((first + place) / 2)
        place += 2
    axes.set_yticks(ticks, [f"{axis_label(name)}\n{_value(equal, name)}" for name in metrics])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, top * 1.28)
    axes.set_xlabel("kbit/s for the same quality (means over clips)")
    return figure


def _finite(row: dict[str, Any]) -> float:
    value = row["at_equal_quality"]["kbps"]
    return 0.0 if math.isnan(value) else value


def _value(equal: list[dict[str, Any]], metric: str) -> str:
    return next(f"at {row['quality']:.4g}" for row in equal if row["metric"] == metric)


def _bar(axes: Axes, place: float, length: float, text: str, curve: str, top: float) -> None:
    axes.barh(place, length, height=0.82, color=style(curve)["color"])
    axes.text(length + top * 0.008, place, text, va="center", fontsize=7.5, color="#222222")


def svg(figure: Figure, salt: str) -> str:
    """The figure as an <svg> element; ``salt`` keeps the ids of several in one page apart."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    pyplot.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]


def themed() -> matplotlib.rc_context:
    """Everything here is drawn inside this context."""
    return matplotlib.rc_context(_STYLE)


def legend_svg(curve: str) -> str:
    """A short sample of a curve's line, for the legend of the page."""
    look = style(curve)
    dash = "" if look["linestyle"] == "-" else ' stroke-dasharray="7 4"'
    return (
        f'<svg width="34" height="12" viewBox="0 0 34 12" aria-hidden="true"><path d="M1 6H33" fill="none" '
        f'stroke="{look["color"]}" stroke-width="{look["linewidth"] * 1.3:.1f}"{dash}/></svg>'
    )


def figures(results: Results, equal: list[dict[str, Any]]) -> Iterator[tuple[str, Figure]]:
    """(file stem, figure) of all plots for papers."""
    for metric in results.metrics:
        yield f"rd-{metric}", mean_figure(results, metric, legend=True)
        yield f"rd-{metric}-clips", clips_figure(results, metric)
    for test in dict.fromkeys(row["test"] for row in equal):
        yield f"equal-quality-{test}", bar_figure(results, [row for row in equal if row["test"] == test])


def write_plots(folder: Path, results: Results, equal: list[dict[str, Any]]) -> None:
    """All plots as PNG (200 dpi) and PDF."""
    folder.mkdir(exist_ok=True)
    with themed():
        for stem, figure in figures(results, equal):
            for kind in ("png", "pdf"):
                with replacing(folder / f"{stem}.{kind}", force=True) as partial:
                    metadata = {"CreationDate": None} if kind == "pdf" else None
                    figure.savefig(partial, format=kind, dpi=200, metadata=metadata)
            pyplot.close(figure)
