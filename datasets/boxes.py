"""The face boxes of VoxCeleb's text files, for videos that show what they were made on.

The boxes belong to the uncropped pictures of the original video. Who has those, cut to the utterances (one file an
utterance, at the published place), can take the boxes for the faces, or check with them which face is meant. The
utterances as VoxCeleb2 publishes them are crops, where the boxes mean nothing.
"""

from __future__ import annotations

from pathlib import Path

from gfvc.errors import GfvcError
from gfvc.video import VideoInfo

from .faces import Box
from .sources import METADATA_FPS, Source, read_metadata
from .tracking import SAME_FACE, Track, overlap

# ignore: the face is searched as if there were none; verify: it is searched, and only a face that overlaps them counts;
# use: they are the face, nothing is searched.
MODES = ("ignore", "verify", "use")


class MetadataBoxes:
    """Boxes of a metadata file for the pictures of a video of the same span."""

    def __init__(self, path: Path, info: VideoInfo) -> None:
        """Raises ClipError if the file is broken, GfvcError if boxes in pixels lie outside the video's pictures."""
        rows = read_metadata(path).rows
        self.per_s = float(1 / (info.time_base * info.picture_ticks))
        self.first = rows[0][0]
        # VoxCeleb1 has pixels, VoxCeleb2 fractions of the picture; the box of a face is wider than a pixel.
        across, down = (info.width, info.height) if max(row[3] for row in rows) <= 1 else (1, 1)
        self.boxes = {
            round(frame): Box(x * across, y * down, (x + w) * across, (y + h) * down, 1.0) for frame, x, y, w, h in rows
        }
        centres = [box.centre for box in self.boxes.values()]
        outside = sum(not (0 <= x < info.width and 0 <= y < info.height) for x, y in centres)
        if outside:
            raise GfvcError(
                f"{path}: {outside} of {len(rows)} boxes lie outside pictures of {info.width}x{info.height}: they "
                "belong to the original video, this is another size or a crop of it; --boxes ignore searches the face"
            )

    def at(self, picture: int) -> list[Box]:
        """The box of a picture of the video in pixels, as a list; empty where the metadata has no row."""
        box = self.boxes.get(round(self.first + picture * METADATA_FPS / self.per_s))
        return [] if box is None else [box]

    def confirms(self, track: Track) -> bool:
        """Whether most boxes of a track overlap those of the metadata."""
        pairs = zip(track.pictures, track.boxes, strict=True)
        same = sum(any(overlap(box, told) >= SAME_FACE for told in self.at(picture)) for picture, box in pairs)
        return 2 * same > len(track.boxes)


def metadata_boxes(source: Source, info: VideoInfo, mode: str) -> MetadataBoxes | None:
    """The boxes for a video, None in mode `ignore`.

    Raises GfvcError if they are missing or do not fit, ClipError if they are broken.
    """
    if mode == "ignore":
        return None
    if source.metadata is None:
        raise GfvcError(f"--boxes {mode}: {source.path} has no txt file with boxes as VoxCeleb has; use --boxes ignore")
    return MetadataBoxes(source.metadata, info)
