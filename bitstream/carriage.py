"""The carriages of a stream behind one interface: `.gfv`, and AVC, HEVC and VVC elementary streams."""

from __future__ import annotations

from pathlib import PurePath
from typing import BinaryIO

from .container import StreamReader, StreamWriter
from .detect import GFV_FILE, detect
from .elementary_reader import ElementaryReader
from .elementary_writer import ElementaryWriter
from .errors import CarriageError
from .header import Header
from .sei.messages import AM0334

# Suffix -> carriage; a carriage that is not gfv has the name of its key codec.
SUFFIXES = {
    ".gfv": GFV_FILE,
    ".264": "avc",
    ".h264": "avc",
    ".avc": "avc",
    ".265": "hevc",
    ".h265": "hevc",
    ".hevc": "hevc",
    ".266": "vvc",
    ".h266": "vvc",
    ".vvc": "vvc",
}
CARRIAGES = (GFV_FILE, "avc", "hevc", "vvc")

Reader = StreamReader | ElementaryReader
Writer = StreamWriter | ElementaryWriter


def carriage_of(name: object) -> str:
    """The carriage that a file name asks for: by its suffix, `.gfv` where that says nothing."""
    return SUFFIXES.get(PurePath(str(name)).suffix.lower(), GFV_FILE)


def open_reader(source: BinaryIO) -> Reader:
    """A reader for the carriage that the stream has, told by its content.

    Raises BitstreamError.
    """
    carriage, stream = detect(source)
    return StreamReader(stream) if carriage == GFV_FILE else ElementaryReader(stream, carriage)


def open_writer(carriage: str, header: Header, syntax: str = AM0334) -> Writer:
    """A writer for a carriage; syntax: form of the GFV messages.

    Raises CarriageError for what the carriage cannot hold.
    """
    if carriage == GFV_FILE:
        return StreamWriter(header)
    if carriage != header.key_codec:
        raise CarriageError(f"key pictures coded with {header.key_codec} in a stream of {carriage}")
    return ElementaryWriter(header, syntax)
