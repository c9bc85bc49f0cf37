"""Payloads <-> messages with state: `GfvParser` and `GfvWriter` (SPEC.md clauses C.4 and C.5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import BitstreamError
from .elements import ElementReader, ElementWriter, Trace
from .messages import AM0334, SYNTAXES, GfveMessage, GfvMessage, Message
from .payload import GFV, GFVE, SeiMessage
from .quirks import Quirk, QuirkWatch, carry_quirk, extension_quirk
from .state import (
    Histories,
    History,
    MatrixValues,
    MissingReferenceError,
    Points,
    PupilValues,
    reconstruct_matrices,
    reconstruct_points,
    reconstruct_pupils,
    remember,
)
from .syntax import code_gfv, code_gfve


@dataclass
class Parsed:
    """A message that was read: what it says, what it means, how it was coded, and what is wrong with it.

    message: None where reading stopped; elements: (name, value) in coding order, positions: their bits in the payload;
    points, matrices, pupils: after prediction; violations: with offsets in the payload; quirks: for warnings;
    unexplained: bits after the syntax that are not the network payload of the base message.
    """

    syntax: str
    message: Message | None
    elements: list[tuple[str, int | str]]
    positions: list[int]
    points: Points | None = None
    matrices: MatrixValues | None = None
    pupils: PupilValues | None = None
    violations: list[BitstreamError] = field(default_factory=list)
    quirks: list[Quirk] = field(default_factory=list)
    unexplained: int = 0


class _Messages:
    """State of all identifiers, the same in reader and writer."""

    def __init__(self, syntax: str) -> None:
        if syntax not in SYNTAXES:
            raise ValueError(f"syntax {syntax!r}, one of {', '.join(SYNTAXES)} expected")
        self.syntax = syntax
        self._gfv: Histories[int] = Histories()
        self._gfve: Histories[tuple[int, int]] = Histories()
        self._watch = QuirkWatch()

    def _reconstruct(
        self, m: Message, history: History
    ) -> tuple[Points | None, MatrixValues | None, PupilValues | None]:
        points = matrices = pupils = None
        if isinstance(m, GfvMessage):
            if m.coordinates is not None:
                points = reconstruct_points(m.coordinates, history, base=bool(m.base), first=m.cnt == 0)
            if m.matrices is not None:
                matrices = reconstruct_matrices(m.matrices, history, first=m.cnt == 0)
        else:
            if m.matrices is not None:
                matrices = reconstruct_matrices(m.matrices, history, first=m.gfv_cnt == 0)
            pupils = reconstruct_pupils(m, history)
        return points, matrices, pupils

    def _remember(self, m: Message, *values: Points | MatrixValues | PupilValues | None) -> None:
        history = self._gfv.of(m.id) if isinstance(m, GfvMessage) else self._gfve.of((m.id, m.gfv_id))
        remember(history, m, *values)


class GfvParser(_Messages):
    """Reads the messages of one stream in their order."""

    def __init__(self, syntax: str = AM0334) -> None:
        """syntax: "am0334" or "aj0207"."""
        super().__init__(syntax)

    def parse(self, payload_type: int, payload: bytes) -> Parsed:
        """Read one payload of type 223 or 224; never raises for what is in it.

        A message with a fault that stops reading changes no state.
        """
        reader = ElementReader(payload)
        m: Message = GfvMessage() if payload_type == GFV else GfveMessage()
        parsed = Parsed(self.syntax, None, reader.elements, reader.positions, violations=reader.violations)
        try:
            if isinstance(m, GfvMessage):
                history = code_gfv(reader, m, self._gfv, self.syntax)
            else:
                history = code_gfve(reader, m, self._gfve)
            values = self._reconstruct(m, history)
        except BitstreamError as error:
            parsed.violations.append(error)
            return parsed
        except MissingReferenceError as error:
            parsed.violations.append(_reference_fault(reader, str(error)))
            return parsed
        parsed.message = m
        parsed.points, parsed.matrices, parsed.pupils = values
        self._note_quirks(reader, m, history, parsed)
        self._remember(m, *values)
        return parsed

    def _note_quirks(self, reader: ElementReader, m: Message, history: History, parsed: Parsed) -> None:
        prefix = "gfv" if isinstance(m, GfvMessage) else "gfve"
        parsed.quirks += self._watch.find(m)
        if reader.carried:
            parsed.quirks.append(carry_quirk(prefix))
        if reader.extension:
            repeated = _repeats(reader.extension, history.payload)
            parsed.unexplained = 0 if repeated else len(reader.extension)
            parsed.quirks.append(extension_quirk(reader, len(reader.extension), repeated=repeated))


class GfvWriter(_Messages):
    """Writes the messages of one stream in their order."""

    def __init__(self, syntax: str = AM0334, *, allow_quirks: bool = False) -> None:
        """allow_quirks: also write what the reference software reads wrongly (SPEC.md clause C.7)."""
        super().__init__(syntax)
        self._allow_quirks = allow_quirks

    def write(self, m: Message) -> bytes:
        """The payload of a message.

        Raises ValueError for values out of range, prediction without reference, or a quirk that is not allowed; the
        writer is then of no more use.
        """
        return self.write_traced(m)[0]

    def write_traced(self, m: Message) -> tuple[bytes, Trace]:
        """The payload, and its elements."""
        writer = ElementWriter()
        if isinstance(m, GfvMessage):
            history = code_gfv(writer, m, self._gfv, self.syntax)
        else:
            history = code_gfve(writer, m, self._gfve)
        values = self._reconstruct(m, history)
        quirks = self._watch.find(m)
        if quirks and not self._allow_quirks:
            raise ValueError(f"{quirks[0].element}: {quirks[0].message} (SPEC.md C.7 {quirks[0].kind})")
        self._remember(m, *values)
        return writer.to_bytes(), writer


def _reference_fault(trace: Trace, message: str) -> BitstreamError:
    """A message whose prediction has nothing to start from."""
    names = ("gfv_kps_pred_flag", "gfv_matrix_pred_flag", "gfve_matrix_pred_flag", "gfve_pupil_coordinate_present_idx")
    written = [name for name, value in trace.elements if name in names and value]
    name = written[-1] if written else trace.elements[-1][0]
    position = trace.position_of(name)
    return BitstreamError(
        f"{name}: {message}", offset=position // 8, bit=position % 8, clause="C.5", element=name, found=1, allowed="0"
    )


def _repeats(tail: str, payload: bytes) -> bool:
    """Whether the bits after a message are zero bits up to a byte and the network payload of the base message."""
    if not payload:
        return False
    start = len(tail) % 8
    return "1" not in tail[:start] and tail[start:] == f"{int.from_bytes(payload, 'big'):0{8 * len(payload)}b}"


def is_face_message(message: SeiMessage) -> bool:
    """A GFV or GFVE message."""
    return message.type in (GFV, GFVE)
