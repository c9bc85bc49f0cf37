"""What a run found, as rows: read and written as points.csv and summary.json, averaged over clips, drawn as curves."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gfvc.errors import GfvcError
from gfvc.files import replacing

from .curves import Curve, Sample, envelope
from .metrics import METRICS

# Columns of points.csv before the metrics'.
COLUMNS = (
    "clip",
    "curve",
    "point",
    "codec",
    "qp",
    "half_size",
    "kbps",
    "size_bytes",
    "pictures",
    "duration_s",
    "width",
    "height",
    "kbps_key",
    "kbps_parameters",
    "kbps_overhead",
    "key_pictures",
    "encode_s",
    "decode_s",
    "stream",
    "view",
)
_WHOLE = ("qp", "size_bytes", "pictures", "width", "height", "key_pictures")
_TEXT = ("clip", "curve", "point", "codec", "stream", "view")


Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """rows: one for each clip and point; summary: the run (versions, options, machine, codecs and metrics left out)."""

    rows: list[Row]
    summary: dict[str, Any]

    @property
    def clips(self) -> list[str]:
        return list(dict.fromkeys(row["clip"] for row in self.rows))

    @property
    def curves(self) -> list[str]:
        """Names of the curves, ours first."""
        names = dict.fromkeys(row["curve"] for row in self.rows)
        return sorted(names, key=lambda name: not name.startswith("gfvc"))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics that have values."""
        return [name for name in METRICS if any(not math.isnan(row.get(name, math.nan)) for row in self.rows)]

    def select(self, curve: str, clip: str | None = None) -> list[Row]:
        return [row for row in self.rows if row["curve"] == curve and clip in (None, row["clip"])]

    def mean_rows(self, curve: str) -> list[Row]:
        """A row for each point of a curve with the means over all clips; points that lack a clip are left out."""
        rows = self.select(curve)
        found = []
        for point in dict.fromkeys(row["point"] for row in rows):
            same = [row for row in rows if row["point"] == point]
            if len(same) == len(self.clips):
                numbers = ("kbps", "kbps_key", "kbps_parameters", "kbps_overhead", *self.metrics)
                found.append(same[0] | {"clip": "mean"} | {name: _mean(row[name] for row in same) for name in numbers})
        return found

    def curve(self, name: str, metric: str, clip: str | None = None) -> Curve:
        """Envelope of a curve for a clip, or of the means over clips; quality so that higher is better."""
        rows = self.mean_rows(name) if clip is None else self.select(name, clip)
        sign = 1 if METRICS[metric].higher else -1
        return envelope(Sample(row["kbps"], sign * row[metric], row["point"]) for row in rows)


def _mean(values: Iterable[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan


def write(folder: Path, results: Results, metrics: Iterable[str]) -> None:
    """points.csv and summary.json; numbers with all their digits, empty for what there is not."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, *metrics], lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in results.rows:
        writer.writerow({name: "" if value != value else value for name, value in row.items()})
    for name, content in (("points.csv", text.getvalue()), ("summary.json", as_json(results.summary))):
        with replacing(folder / name, force=True) as partial:
            partial.write_text(content)


def as_json(value: Any) -> str:
    """JSON with null for NaN."""
    return json.dumps(_plain(value), indent=2) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def read(folder: Path) -> Results:
    """Results that `write` wrote.

    Raises GfvcError if the folder has none, or a file is damaged.
    """
    path = folder / "points.csv"
    try:
        with path.open(newline="") as file:
            rows = [_row(entry) for entry in csv.DictReader(file)]
        path = folder / "summary.json"
        summary = json.loads(path.read_text())
    except OSError as error:
        raise GfvcError(f"{path}: {error.strerror}; a folder written by `python -m eval rd` is expected") from None
    except (ValueError, KeyError, TypeError) as error:
        raise GfvcError(f"{path}: damaged ({error}); run `python -m eval rd` again") from None
    return Results(rows, summary)


def _row(entry: dict[str, str]) -> Row:
    convert: dict[str, Callable[[str], Any]] = dict.fromkeys(_TEXT, str) | dict.fromkeys(_WHOLE, int)
    convert["half_size"] = lambda text: {"True": True, "False": False}[text]
    row: Row = {}
    for name in (*COLUMNS, *(name for name in entry if name in METRICS)):
        text = entry[name]
        row[name] = math.nan if text == "" and name not in _TEXT else convert.get(name, float)(text)
    return row
