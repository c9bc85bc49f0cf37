"""GFV and GFVE messages as data: what the syntax elements say, before any prediction.

All numbers are integers: a coordinate, matrix element or pupil is a signed multiple of 2^-precision, and with
prediction the difference from its reference.
"""

from __future__ import annotations

from dataclasses import dataclass, field

AM0334 = "am0334"
AJ0207 = "aj0207"
# The two forms of the syntax, the newer first (SPEC.md clause C.4.1).
SYNTAXES = (AM0334, AJ0207)
NN_PAYLOAD, NN_URI = 0, 1


@dataclass
class NeuralNetwork:
    """mode 0: payload, an ISO/IEC 15938-17 bitstream; mode 1: tag_uri and uri; other modes are reserved."""

    mode: int = NN_URI
    tag_uri: str = ""
    uri: str = ""
    payload: bytes = b""


@dataclass
class ChromaKey:
    """purpose: 0 unspecified, 1 background, 2 face recognition; values: of Y, Cb, Cr, 0..255, None where not sent;
    lower, upper: thresholds, None where not sent. am0334 sends both or none, upper 1..256 above lower; aj0207 sends
    each alone and has no purpose."""

    purpose: int = 0
    values: list[int | None] = field(default_factory=lambda: [None] * 3)
    lower: int | None = None
    upper: int | None = None


@dataclass
class Coordinates:
    """Key points: precision 1..32, z_max 1..65536 with 3-D points and None with 2-D ones; values: per point its 2 or 3
    integers. With pred in a driven message precision and z_max are those of the base message and not sent."""

    pred: int = 0
    precision: int = 8
    z_max: int | None = None
    values: list[list[int]] = field(default_factory=list)


@dataclass
class MatrixGroup:
    """The matrices of one type 0..63: their number, rows and columns, and all elements, row by row, matrix by
    matrix."""

    type: int = 7
    count: int = 1
    rows: int = 1
    columns: int = 1
    elements: list[int] = field(default_factory=list)

    @property
    def geometry(self) -> tuple[int, int, int, int]:
        return self.type, self.count, self.rows, self.columns


@dataclass
class Matrices:
    """precision: 1..32; with pred precision and geometry are those of the base message and not sent."""

    pred: int = 0
    precision: int = 8
    groups: list[MatrixGroup] = field(default_factory=list)


@dataclass
class GfvMessage:
    """A generative face video message.

    id: 0..2^32 - 2; cnt: 0..2^32 - 2; base: 1 only with cnt 0; nn, chroma_key: of base messages only; fusion: where the
    syntax has it, else None; at least one of coordinates and matrices.
    """

    id: int = 0
    cnt: int = 0
    base: int = 0
    nn: NeuralNetwork | None = None
    chroma_key: ChromaKey | None = None
    fusion: int | None = None
    low_confidence: int = 0
    coordinates: Coordinates | None = None
    matrices: Matrices | None = None


@dataclass
class Pupils:
    """precision: 1..32, sent in base messages; left, right: x and y, None where not sent; differences from their
    references, 0..2^(precision + 1) in magnitude."""

    precision: int = 8
    left: list[int] | None = None
    right: list[int] | None = None

    @property
    def present_idx(self) -> int:
        return (self.left is not None) + 2 * (self.right is not None)


@dataclass
class GfveMessage:
    """A generative face video enhancement message: it belongs to the GFV message with gfv_id and gfv_cnt.

    Its matrices have no type.
    """

    id: int = 0
    gfv_id: int = 0
    gfv_cnt: int = 0
    base: int = 0
    nn: NeuralNetwork | None = None
    matrices: Matrices | None = None
    pupils: Pupils | None = None


Message = GfvMessage | GfveMessage
