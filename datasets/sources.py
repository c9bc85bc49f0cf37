"""Where raw videos come from: VoxCeleb in its official layout, or any folder.

VoxCeleb1 and 2 keep one file an utterance, `mp4/idXXXXX/VIDEO/NNNNN.mp4`, already cut around a face, and beside it
`txt/idXXXXX/VIDEO/NNNNN.txt` (dev and test sets may each have a folder above): identity, YouTube reference, and a row
`FRAME X Y W H` for each picture at 25 pictures/s of the original YouTube video: pixels in VoxCeleb1, fractions in
VoxCeleb2. The boxes are those of that video: `datasets.boxes` tells them to who has it
uncropped. On the utterances as published, which are cropped, they do not fit and the face has to be searched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .clips import ClipError, list_clips

LAYOUTS = ("auto", "voxceleb", "folder")
_IDENTITY = re.compile(r"id\d{5}")
# Of the rows of the metadata.
METADATA_FPS = 25


@dataclass(frozen=True)
class Source:
    """A video to be prepared.

    path; name: its place below the folder, without suffix; identity; reference, t0, t1: the original video's name and
    the span in it in seconds, metadata: the file that told them; empty where unknown.
    """

    path: Path
    name: str
    identity: str
    reference: str = ""
    t0: float | None = None
    t1: float | None = None
    metadata: Path | None = None


class Metadata(NamedTuple):
    """A VoxCeleb metadata file: identity and reference (empty where not named), and rows (frame, x, y, w, h)."""

    identity: str
    reference: str
    rows: list[tuple[float, ...]]

    @property
    def t0(self) -> float:
        """Seconds."""
        return self.rows[0][0] / METADATA_FPS

    @property
    def t1(self) -> float:
        """Seconds; the end of the last picture."""
        return (self.rows[-1][0] + 1) / METADATA_FPS


def read_metadata(path: Path) -> Metadata:
    """Read a VoxCeleb metadata file.

    Raises ClipError if it has no rows, or a row is not five numbers.
    """
    fields: dict[str, str] = {}
    rows: list[tuple[float, ...]] = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        name, colon, value = line.partition(":")
        words = line.split()
        if colon:
            fields[name.strip().lower()] = value.strip()
        elif words and words[0].lower() != "frame":
            try:
                rows.append(tuple(float(word) for word in words))
            except ValueError:
                rows.append(())
            if len(rows[-1]) != 5:
                raise ClipError(f"{path}: line {number} is {line!r}, FRAME X Y W H expected")
    if not rows:
        raise ClipError(f"{path}: no rows FRAME X Y W H")
    return Metadata(fields.get("identity", ""), fields.get("reference", ""), rows)


def _metadata_path(path: Path, parts: tuple[str, ...]) -> Path | None:
    """The txt file of `.../mp4/idXXXXX/VIDEO/NNNNN.mp4`: in a folder txt beside mp4, or beside the file."""
    tail = Path(*parts[-3:]).with_suffix(".txt")
    above = path.parents[2]
    for candidate in (above.parent / "txt" / tail, above / "txt" / tail, path.with_suffix(".txt")):
        if candidate.is_file():
            return candidate
    return None


def _voxceleb(folder: Path, path: Path) -> Source | None:
    parts = path.relative_to(folder.parent).parts
    if len(parts) < 3 or not _IDENTITY.fullmatch(parts[-3]):
        return None
    name = path.relative_to(folder).with_suffix("").as_posix()
    metadata = _metadata_path(path, parts)
    if metadata is None:
        return Source(path, name, parts[-3], parts[-2])
    found = read_metadata(metadata)
    return Source(
        path,
        name,
        found.identity or parts[-3],
        found.reference or parts[-2],
        found.t0,
        found.t1,
        metadata,
    )


def list_sources(folder: Path, layout: str = "auto") -> tuple[list[Source], list[tuple[str, str]]]:
    """(videos in name order, files that cannot be used with the reason).

    layout: `voxceleb`; `folder`: the identity is the first folder below, or the file's own name; `auto`: by the names.
    Raises ClipError if there is no video, or none in VoxCeleb's layout where that is asked for.
    """
    found: list[Source] = []
    skipped: list[tuple[str, str]] = []
    for path in list_clips(folder):
        relative = path.relative_to(folder)
        source = None
        if layout != "folder":
            try:
                source = _voxceleb(folder, path)
            except (ClipError, OSError) as error:
                skipped.append((relative.as_posix(), str(error)))
                continue
        if source is None and layout == "voxceleb":
            skipped.append((relative.as_posix(), "not in the layout idXXXXX/VIDEO/NNNNN.mp4"))
        elif source is None:
            identity = relative.parts[0] if len(relative.parts) > 1 else path.stem
            found.append(Source(path, relative.with_suffix("").as_posix(), identity))
        else:
            found.append(source)
    if not found:
        raise ClipError(f"{folder}: none of {len(skipped)} videos can be used; the first: {skipped[0][1]}")
    return found, skipped
