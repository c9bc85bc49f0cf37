"""What the labellers of clips, `datasets.landmarks` and `datasets.outlines`, share: command line and list of clips.

They run in an environment that has MediaPipe, PyAV and NumPy, but neither torch nor what the codec needs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from .clips import ClipError, list_clips


class Unlabelled(NamedTuple):
    """A clip or still without labels; target: the file for them; place: how far the work is, for the log."""

    path: Path
    target: Path
    place: str


def start(name: str, doc: str, labels_help: str, suffix: str) -> tuple[ModuleType, Iterator[Unlabelled]]:
    """MediaPipe, and what ``python -m datasets.NAME CLIPS LABELS`` has to label: files without one of ``suffix``.

    A file is looked for when its turn comes, so that several may work on one folder. Exits with a message if MediaPipe
    is not installed or there are no clips.
    """
    parser = argparse.ArgumentParser(prog=f"python -m datasets.{name}", description=doc.splitlines()[0])
    parser.add_argument("clips", type=Path, help="folder of clips or stills")
    parser.add_argument("labels", type=Path, help=labels_help)
    args = parser.parse_args()
    try:
        import mediapipe
    except ModuleNotFoundError:
        parser.error("mediapipe is not installed: pip install mediapipe==0.10.21 (in an environment of its own)")
    try:
        clips = list_clips(args.clips, stills=True)
    except ClipError as error:
        parser.error(str(error))

    def unlabelled() -> Iterator[Unlabelled]:
        for index, path in enumerate(clips, start=1):
            target = (args.labels / path.relative_to(args.clips)).with_suffix(suffix)
            if not target.exists():
                yield Unlabelled(path, target, f"{index}/{len(clips)} {path.name}")

    return mediapipe, unlabelled()
