"""Which carriage a stream has, by its first bytes, also on a pipe."""

from __future__ import annotations

from typing import BinaryIO

from .annexb import CHUNK_BYTES, codec_of
from .errors import BitstreamError
from .header import MAGIC
from .nal import START_CODE

GFV_FILE = "gfv"
# Zero bytes before the first start code that are put up with.
MAX_LEADING_ZEROS = 1024


class Rewound:
    """A binary file object that gives ``head`` first and then what is left in ``source``; for reading only."""

    def __init__(self, head: bytes, source: BinaryIO) -> None:
        self._head = head
        self._source = source

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            head, self._head = self._head, b""
            return head + self._source.read()
        head, self._head = self._head[:size], self._head[size:]
        return head or self._source.read(size)

    def read1(self, size: int = CHUNK_BYTES) -> bytes:
        """What can be had without waiting for more."""
        if self._head:
            return self.read(size)
        return getattr(self._source, "read1", self._source.read)(size)


def detect(source: BinaryIO) -> tuple[str, Rewound]:
    """("gfv", "avc", "hevc" or "vvc", the stream from its start).

    Raises BitstreamError if the stream begins as none of them.
    """
    head = b""
    while len(head) < MAX_LEADING_ZEROS + 5:
        chunk = source.read(1 if head else len(MAGIC) + 3)
        if not chunk:
            break
        head += chunk
        if not MAGIC.startswith(head[:3]) and head.lstrip(b"\0") and len(head.lstrip(b"\0")) >= 3:
            break
        if len(head) >= 6 and head.startswith(MAGIC):
            break
    if not head:
        raise BitstreamError("the stream is empty, a .gfv or AVC, HEVC or VVC stream expected", offset=0, clause="C.1")
    if MAGIC.startswith(head[:3]):
        return GFV_FILE, Rewound(head, source)
    rest = head.lstrip(b"\0")
    zeros = len(head) - len(rest)
    codec = codec_of(rest[1:3]) if zeros >= 2 and rest[:1] == START_CODE[-1:] else None
    if codec is None:
        raise BitstreamError(
            f"the stream begins with {head[:8].hex()}, {MAGIC.hex()} ('GFV') or a start code (000001) expected: "
            "not a .gfv file, nor an AVC, HEVC or VVC byte stream",
            offset=0,
            clause="C.1",
        )
    return codec, Rewound(head, source)
