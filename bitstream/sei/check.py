"""Verify an AVC, HEVC or VVC stream with GFV messages against SPEC.md Annex C: the work of `gfvc check`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from ..annexb import END_OF_STREAM, HEADER_BYTES, NalUnit, read_nal_units
from ..check import MAX_VIOLATIONS
from ..errors import BitstreamError
from .access_unit import AccessUnits
from .carried import CarriedStream, has_our_uri
from .choice import MAX_BYTES, MAX_MESSAGES, choose_syntax
from .messages import GfvMessage, Message
from .parser import GfvParser, Parsed, is_face_message
from .payload import SeiMessage, parse_sei, sei_position

AUTO = "auto"


@dataclass
class Warned:
    """Something legal that other readers get wrong: item of SPEC.md clause C.7, where it was met first, how often."""

    kind: str
    message: str
    element: str
    offset: int
    bit: int
    count: int = 1


@dataclass
class SeiReport:
    """violations: in stream order; warnings: one of each kind; syntax: the form that was read; units: NAL units;
    pictures: coded pictures; messages: GFV and GFVE messages, readable or not."""

    syntax: str = ""
    violations: list[BitstreamError] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    units: int = 0
    pictures: int = 0
    messages: int = 0

    @property
    def conforming(self) -> bool:
        return not self.violations


class _Checker:
    def __init__(self, codec: str, syntax: str, on_message: Callable[[SeiMessage, Parsed], None]) -> None:
        self.codec = codec
        self.report = SeiReport("" if syntax == AUTO else syntax)
        self._on_message = on_message
        self._parser = None if syntax == AUTO else GfvParser(syntax)
        self._units = AccessUnits()
        self._waiting: list[tuple[int, SeiMessage]] = []
        self._waiting_bytes = 0
        # A stream of gfvc, or one whose URI is broken.
        self._ours: CarriedStream | None = None
        self._broken = False
        self._last: NalUnit | None = None
        self._unit = -1
        # gfv_id -> the next count of this access unit; (gfv_id, count) that have been there.
        self._counts: dict[int, int] = {}

    def add(self, nal: NalUnit) -> None:
        report = self.report
        report.units += 1
        self._last = nal
        number = self._units.enter(nal)
        report.pictures = self._units.pictures
        self._check_header(nal)
        if sei_position(nal) is None:
            return
        try:
            messages = parse_sei(nal)
        except BitstreamError as fault:
            report.violations.append(fault)
            return
        for message in filter(is_face_message, messages):
            self._waiting.append((number, message))
            self._waiting_bytes += len(nal.data)
        if self._parser or len(self._waiting) >= MAX_MESSAGES or self._waiting_bytes >= MAX_BYTES:
            self.flush()

    def flush(self) -> None:
        """Judge the messages that have waited for the form of the syntax to be known."""
        waiting, self._waiting = self._waiting, []
        if self._parser is None:
            self._parser = GfvParser(choose_syntax([message for _, message in waiting]))
            self.report.syntax = self._parser.syntax
        for number, message in waiting:
            self._judge(number, message)

    def end(self) -> None:
        """Judge what is left once the stream has ended."""
        self.flush()
        if self._ours is not None and self._last is not None and self._last.type not in END_OF_STREAM[self.codec]:
            kinds = " or ".join(map(str, END_OF_STREAM[self.codec]))
            self.report.violations.append(
                BitstreamError(
                    f"the stream ends here, a NAL unit of type {kinds} expected: it was cut",
                    offset=self._last.offset + len(self._last.data),
                    bit=0,
                    clause="C.6.1",
                )
            )

    def _check_header(self, nal: NalUnit) -> None:
        def fault(message: str, position: int = 0, **details: int | str) -> None:
            self.report.violations.append(
                BitstreamError(message, offset=nal.offset + position, bit=0, clause="C.2", **details)
            )

        if len(nal.data) < HEADER_BYTES[nal.codec]:
            fault(f"a NAL unit of {len(nal.data)} bytes, {HEADER_BYTES[nal.codec]} of header expected")
            return
        if nal.data[0] & 0x80:
            fault("forbidden_zero_bit is 1, 0 expected", element="forbidden_zero_bit", found=1, allowed="0")
        if nal.codec != "avc" and not nal.data[1] & 7:
            name = "nuh_temporal_id_plus1"
            fault(f"{name} is 0, 1..7 expected", 1, element=name, found=0, allowed="1..7")
        for position in nal.rbsp().faults:
            pattern = nal.data[position : position + 4].hex(" ")
            fault(f"bytes {pattern} in a NAL unit, emulation prevention expected", position)

    def _judge(self, number: int, message: SeiMessage) -> None:
        parsed = self._parser.parse(message.type, message.payload)
        self.report.messages += 1
        self.report.violations += [fault.moved(message.place) for fault in parsed.violations]
        for quirk in parsed.quirks:
            self._warn(quirk.kind, quirk.message, quirk.element, message, parsed)
        if message.position == "prefix" and self.codec != "avc":
            text = "a message in a prefix SEI NAL unit: VTM does not read it there"
            self._warn("j", text, parsed.elements[0][0] if parsed.elements else "", message, parsed)
        if parsed.message is not None:
            self._check_ours(parsed, message)
            self._check_order(number, parsed, message)
        self._on_message(message, parsed)

    def _check_ours(self, parsed: Parsed, message: SeiMessage) -> None:
        """The rules of a stream of gfvc, from the first message on that says it is one."""
        try:
            if has_our_uri(parsed) and not self._broken:
                self._ours = self._ours or CarriedStream(parsed, self.codec)
            if self._ours is not None and isinstance(parsed.message, GfvMessage):
                self._ours.accept(parsed)
        except BitstreamError as error:
            if self._ours is None:
                self._broken = True
                position = _position(parsed, "gfv_nn_uri")
                found = next(value for name, value in parsed.elements if name == "gfv_nn_uri")
                error = BitstreamError(
                    error.message,
                    offset=position // 8,
                    bit=0,
                    clause=error.clause,
                    element="gfv_nn_uri",
                    found=str(found)[:80],
                    allowed="the grammar of SPEC.md C.6",
                )
            self.report.violations.append(error.moved(message.place))

    def _check_order(self, number: int, parsed: Parsed, message: SeiMessage) -> None:
        """Counts of an access unit go 0, 1, 2...; an enhancement follows the message that it enhances."""
        if number != self._unit:
            self._unit, self._counts = number, {}
        m: Message | None = parsed.message
        if isinstance(m, GfvMessage):
            expected = self._counts.get(m.id, 0)
            if m.cnt != expected:
                text = f"gfv_cnt {m.cnt}, {expected} expected after the messages before in the access unit"
                self._warn("k", text, "gfv_cnt", message, parsed)
            if len(self._counts) < MAX_MESSAGES:
                self._counts[m.id] = m.cnt + 1
        elif m is not None and m.gfv_cnt >= self._counts.get(m.gfv_id, 0):
            text = f"no GFV message with gfv_id {m.gfv_id} and gfv_cnt {m.gfv_cnt} before it in the access unit"
            self._warn("k", text, "gfve_gfv_cnt", message, parsed)

    def _warn(self, kind: str, text: str, element: str, message: SeiMessage, parsed: Parsed) -> None:
        for warned in self.report.warnings:
            if warned.kind == kind:
                warned.count += 1
                return
        position = _position(parsed, element)
        self.report.warnings.append(Warned(kind, text, element, message.place(position // 8), position % 8))


def _position(parsed: Parsed, name: str) -> int:
    """Bit in the payload of the first element called ``name``; 0 if there is none."""
    for (found, _), position in zip(parsed.elements, parsed.positions, strict=True):
        if found == name:
            return position
    return 0


def check_sei_stream(
    source: BinaryIO,
    codec: str,
    syntax: str = AUTO,
    on_message: Callable[[SeiMessage, Parsed], None] = lambda message, parsed: None,
) -> SeiReport:
    """Read a byte stream of ``codec`` to its end; ``on_message`` gets each GFV and GFVE message in order.

    Raises BitstreamError only if it does not begin as a byte stream.
    """
    checker = _Checker(codec, syntax, on_message)
    try:
        for nal in read_nal_units(source, codec):
            checker.add(nal)
            if len(checker.report.violations) >= MAX_VIOLATIONS:
                break
    except BitstreamError as fault:
        if not checker.report.units:
            raise
        checker.report.violations.append(fault)
    checker.end()
    report = checker.report
    report.violations.sort(key=lambda fault: (fault.offset, fault.bit or 0))
    return report
