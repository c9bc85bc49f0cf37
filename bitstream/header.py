"""The file header of a `.gfv` stream (SPEC.md clause 6)."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from .bits import BitReader, BitWriter
from .errors import BitstreamError
from .layout import MAX_GROUP_VALUES, MAX_GROUPS, Group, Layout

# magic, version, header_size: then header_size bytes of fields and four of CRC-32 over all before them.
MAGIC = b"GFV"
VERSION = 1
CLAUSE = "6.1"
MAX_HEADER_BYTES = 255
MIN_SIDE, MAX_SIDE = 64, 1024
MAX_TIME = (1 << 31) - 1

FAMILIES = ("keypoints2d", "compact")
KEY_CODECS = ("avc", "hevc", "vvc", "av1")
CHROMA_FORMATS = {1: "420", 3: "444"}
_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


@dataclass(frozen=True)
class Colour:
    """Code points of Rec. ITU-T H.273; full_range as its VideoFullRangeFlag.

    Key pictures are coded with this matrix and range.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 6
    full_range: bool = False

    def __post_init__(self) -> None:
        for name in ("primaries", "transfer", "matrix"):
            if not 0 <= getattr(self, name) <= 255:
                raise ValueError(f"colour {name} {getattr(self, name)}, 0..255 expected")


@dataclass(frozen=True)
class Header:
    """All fields of the file header.

    width, height: 64..1024; time_base: seconds per tick as (numerator, denominator); picture_ticks: usual duration of
    a picture; family, key_codec, chroma_format: names as in FAMILIES, KEY_CODECS, CHROMA_FORMATS; model: name of the
    weights; model_hash: first 8 bytes of their SHA-256.
    """

    width: int
    height: int
    time_base: tuple[int, int]
    picture_ticks: int
    colour: Colour
    key_codec: str
    chroma_format: str
    family: str
    layout: Layout
    model: str
    model_hash: bytes

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("width", self.width, MIN_SIDE, MAX_SIDE),
            ("height", self.height, MIN_SIDE, MAX_SIDE),
            ("time base numerator", self.time_base[0], 1, MAX_TIME),
            ("time base denominator", self.time_base[1], 1, MAX_TIME),
            ("picture duration", self.picture_ticks, 1, MAX_TIME),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, {low}..{high} expected")
        for name, value, known in (
            ("family", self.family, FAMILIES),
            ("key codec", self.key_codec, KEY_CODECS),
            ("chroma format", self.chroma_format, tuple(CHROMA_FORMATS.values())),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}, one of {', '.join(known)} expected")
        if self.chroma_format != "420" and self.key_codec in ("vvc", "av1"):
            raise ValueError(f"chroma format {self.chroma_format} with {self.key_codec}, 420 expected")
        if not _MODEL_NAME.fullmatch(self.model):
            raise ValueError(f"model name {self.model!r}: 1 to 32 of a-z 0-9 . _ - expected")
        if len(self.model_hash) != 8:
            raise ValueError(f"model hash of {len(self.model_hash)} bytes, 8 expected")

    def to_bytes(self) -> bytes:
        """The header as it stands at the start of a stream, checksum included."""
        w = BitWriter()
        w.u(self.width, 11)
        w.u(self.height, 11)
        w.ue(self.time_base[0] - 1)
        w.ue(self.time_base[1] - 1)
        w.ue(self.picture_ticks - 1)
        for code in (self.colour.primaries, self.colour.transfer, self.colour.matrix):
            w.u(code, 8)
        w.u(int(self.colour.full_range), 1)
        w.u(KEY_CODECS.index(self.key_codec), 4)
        w.u(next(code for code, name in CHROMA_FORMATS.items() if name == self.chroma_format), 2)
        w.u(FAMILIES.index(self.family), 6)
        w.ue(len(self.layout.groups) - 1)
        for number, group in enumerate(self.layout.groups):
            w.ue(group.count - 1)
            w.u(group.components - 1, 2)
            w.u(group.step_index, 7)
            if number:
                w.u(int(group.follows), 1)
        w.u(len(self.model), 6)
        for byte in self.model.encode("ascii"):
            w.u(byte, 8)
        for byte in self.model_hash:
            w.u(byte, 8)
        fields = w.to_bytes()
        if len(fields) > MAX_HEADER_BYTES:
            raise ValueError(f"header of {len(fields)} bytes, at most {MAX_HEADER_BYTES} expected")
        data = MAGIC + bytes((VERSION, len(fields))) + fields
        return data + zlib.crc32(data).to_bytes(4, "big")


def read_exactly(source: BinaryIO, count: int, offset: int, what: str, clause: str) -> bytes:
    """Read ``count`` bytes, also from a pipe that gives fewer at a time.

    Raises BitstreamError at the end of the stream.
    """
    parts, missing = [], count
    while missing:
        part = source.read(missing)
        if not part:
            raise BitstreamError(
                f"{what}: the stream ends, {missing} of {count} bytes missing",
                offset=offset + count - missing,
                clause=clause,
            )
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def read_header(source: BinaryIO) -> tuple[Header, int, int]:
    """Read the header: (header, its size in bytes, its CRC-32).

    Raises BitstreamError.
    """
    start = read_exactly(source, 5, 0, "file header", CLAUSE)
    if start[:3] != MAGIC:
        raise BitstreamError(
            f"the stream begins with {start[:3].hex()}, {MAGIC.hex()} ('GFV') expected: not a .gfv file",
            offset=0,
            clause=CLAUSE,
        )
    if start[3] != VERSION:
        raise BitstreamError(
            f"version {start[3]}, {VERSION} expected: a newer gfvc may read it", offset=3, clause=CLAUSE
        )
    rest = read_exactly(source, start[4] + 4, 5, "file header", CLAUSE)
    fields, stored = rest[:-4], int.from_bytes(rest[-4:], "big")
    computed = zlib.crc32(start + fields)
    if stored != computed:
        raise BitstreamError(
            f"header checksum {stored:08x}, {computed:08x} expected: the header is damaged",
            offset=5 + len(fields),
            clause=CLAUSE,
        )
    try:
        return parse_fields(fields), 9 + len(fields), computed
    except BitstreamError as error:
        raise error.at(5) from None


def _index(reader: BitReader, code: int, names: tuple[str, ...], what: str) -> str:
    if code >= len(names):
        raise reader.fail(f"{what} {code} is reserved, 0..{len(names) - 1} expected")
    return names[code]


def parse_fields(fields: bytes) -> Header:
    """Parse the bit fields of the header (clause 6.2).

    Raises BitstreamError with offsets into ``fields``.
    """
    r = BitReader(fields, clause="6.2")
    width, height = r.u(11, "picture_width"), r.u(11, "picture_height")
    time_base = (r.ue("time_base_num_minus1", MAX_TIME - 1) + 1, r.ue("time_base_den_minus1", MAX_TIME - 1) + 1)
    ticks = r.ue("picture_ticks_minus1", MAX_TIME - 1) + 1
    colour = Colour(
        r.u(8, "colour_primaries"),
        r.u(8, "transfer_characteristics"),
        r.u(8, "matrix_coefficients"),
        bool(r.u(1, "full_range_flag")),
    )
    key_codec = _index(r, r.u(4, "key_codec_idc"), KEY_CODECS, "key_codec_idc")
    chroma = r.u(2, "chroma_format_idc")
    if chroma not in CHROMA_FORMATS:
        raise r.fail(f"chroma_format_idc {chroma}, 1 or 3 expected")
    family = _index(r, r.u(6, "family_idc"), FAMILIES, "family_idc")
    groups = []
    for number in range(r.ue("num_groups_minus1", MAX_GROUPS - 1) + 1):
        count = r.ue("group_count_minus1", MAX_GROUP_VALUES - 1) + 1
        components, step = r.u(2, "group_components_minus1") + 1, r.u(7, "group_step_idx")
        groups.append((count, components, step, bool(number and r.u(1, "group_follows_flag"))))
    name = bytes(r.u(8, "model_name") for _ in range(r.u(6, "model_name_length")))
    model_hash = bytes(r.u(8, "model_hash") for _ in range(8))
    r.end()
    try:
        layout = Layout(tuple(Group(*group) for group in groups))
        return Header(
            width,
            height,
            time_base,
            ticks,
            colour,
            key_codec,
            CHROMA_FORMATS[chroma],
            family,
            layout,
            name.decode("ascii", "backslashreplace"),
            model_hash,
        )
    except ValueError as error:
        raise r.fail(str(error)) from None
