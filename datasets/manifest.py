"""Manifests, a CSV row a clip: written by `datasets.prepare`, cut by `datasets.split`, read by `python -m eval rd`."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from gfvc.files import replacing

from .clips import ClipError

# file: below the manifest's folder; source, reference: the file it was cut from, and the original video's name; t0, t1:
# seconds in the source file; crop_box: left, top, right, bottom in the source's pixels; source_face_px: median side of
# the face there; fps, frames, width, height: of the clip; sha256: of the clip's file.
COLUMNS = (
    "file",
    "identity",
    "source",
    "reference",
    "t0",
    "t1",
    "crop_box",
    "source_face_px",
    "fps",
    "frames",
    "width",
    "height",
    "sha256",
)
Row = dict[str, str]


def write(path: Path, rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> None:
    """Write a manifest; an existing one is replaced."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path, force=True) as partial:
        partial.write_text(text.getvalue())


def read(path: Path) -> list[Row]:
    """The rows of a manifest; only the column ``file`` is asked for.

    Raises ClipError if it cannot be read, lacks that column, or has no row.
    """
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    except OSError as error:
        raise ClipError(f"{path}: {error.strerror}; a manifest (CSV) is expected") from None
    if not rows or not rows[0].get("file"):
        raise ClipError(f"{path}: no rows with a column file; a manifest of datasets.prepare is expected")
    return rows


def clips(path: Path) -> dict[str, Path]:
    """Clip name -> file of a manifest: the name is the column ``name``, or the file's own place.

    Raises ClipError if a file is not there.
    """
    found = {}
    for row in read(path):
        file = path.parent / row["file"]
        if not file.is_file():
            raise ClipError(f"{path}: {row['file']}: no such file; paths are relative to the manifest")
        found[row.get("name") or Path(row["file"]).with_suffix("").as_posix()] = file
    return found


def split(rows: Sequence[Row], shares: dict[str, float], seed: int) -> dict[str, list[Row]]:
    """Rows by part, no identity in two parts.

    Identities are put in an order that the seed alone decides, whatever else is in the manifest, and dealt out by the
    ``shares`` (at least one to each part that has a share). Raises ClipError if there are fewer identities than parts.
    """
    identities = sorted(
        {row["identity"] for row in rows}, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()
    )
    parts = [name for name, share in shares.items() if share > 0]
    if len(identities) < len(parts):
        raise ClipError(f"{len(identities)} identities for {len(parts)} parts: each needs one at least")
    total = sum(shares[name] for name in parts)
    counts = {name: max(1, int(len(identities) * shares[name] / total)) for name in parts}
    largest = max(parts, key=lambda name: shares[name])
    counts[largest] += len(identities) - sum(counts.values())
    found: dict[str, list[Row]] = {}
    for name in parts:
        chosen, identities = set(identities[: counts[name]]), identities[counts[name] :]
        found[name] = [row for row in rows if row["identity"] in chosen]
    return found
