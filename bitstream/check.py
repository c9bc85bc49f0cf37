"""Verify a stream against SPEC.md and list every violation: the work of `gfvc check`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from .container import KeyPicture, Picture, StreamParser
from .errors import BitstreamError
from .header import Header, read_header
from .nal import PARAMETER_SETS, PICTURE_TYPES, START_CODE, nal_type, unpack_nal_units
from .units import Unit, UnitType, checksum_error, frame_unit

# A stream of garbage has a fault at every step; nobody reads more than this many.
MAX_VIOLATIONS = 100


@dataclass
class CheckReport:
    """violations: what is wrong, in stream order; units, pictures: how many could be read."""

    violations: list[BitstreamError] = field(default_factory=list)
    units: int = 0
    pictures: int = 0

    @property
    def conforming(self) -> bool:
        return not self.violations


def _key_picture_faults(codec: str, picture: KeyPicture, unit: Unit) -> list[BitstreamError]:
    """Violations of clause 8: what a key picture's parameter sets and payload may hold."""

    def fault(message: str, clause: str) -> BitstreamError:
        return BitstreamError(message, offset=unit.payload_offset, clause=clause)

    if codec == "av1":
        return [] if picture.config else [fault("an AV1 key picture without sequence header", "8.5")]
    faults = []
    for name, data, allowed in (
        ("parameter set", picture.config, PARAMETER_SETS[codec]),
        ("coded picture", picture.payload, PICTURE_TYPES[codec]),
    ):
        try:
            nals = unpack_nal_units(data)
        except BitstreamError as error:
            faults.append(fault(error.message, error.clause))
            continue
        types = [nal_type(codec, nal) for nal in nals]
        faults += [
            fault(f"NAL unit of type {found} as {name} of {codec}, one of {allowed} expected", "8.1")
            for found in types
            if found not in allowed
        ]
        faults += [
            fault(f"start code or trailing zero bytes in a {name} of {codec}", "8.1")
            for nal in nals
            if START_CODE in nal or nal.endswith(b"\0")
        ]
        if not types:
            faults.append(fault(f"no {name} in a key picture of {codec}", "8.1"))
    return faults


def check_stream(
    source: BinaryIO,
    on_header: Callable[[Header], None] = lambda header: None,
    on_unit: Callable[[Unit, list[Picture]], None] = lambda unit, pictures: None,
) -> CheckReport:
    """Read a stream to its end, going on after damage where the framing allows it.

    ``on_header`` gets the header, ``on_unit`` each unit that could be read with the pictures in it.

    After a damaged unit the parameters up to the next key picture cannot be read and are not judged. Raises
    BitstreamError only if the header cannot be read.
    """
    header, offset, crc = read_header(source)
    on_header(header)
    parser, report = StreamParser(header, offset, crc), CheckReport()
    # lost: something since the start; blind: something since the last key picture.
    lost, blind, config, ended = False, False, b"", False

    def lose(unit: Unit) -> None:
        nonlocal lost, blind
        lost = blind = True
        # Where the first picture is lost the next one is still not the first (clause 10.3).
        parser.pictures += unit.type == UnitType.KEY_PICTURE

    while len(report.violations) < MAX_VIOLATIONS:
        try:
            framed = frame_unit(source, offset, crc, report.units)
        except BitstreamError as fault:
            after_end = BitstreamError("bytes after the END unit", offset=offset, clause="6.5")
            report.violations.append(after_end if ended else fault)
            return report
        if framed is None:
            break
        unit = framed.unit
        if ended:
            report.violations.append(BitstreamError("a unit after the END unit", offset=offset, clause="6.5"))
        error = checksum_error(framed, report.units)
        offset, report.units = offset + unit.size, report.units + 1
        if error is not None:
            report.violations.append(error)
            lose(unit)
            continue
        if unit.type == UnitType.KEY_CONFIG:
            if unit.payload == config:
                report.violations.append(
                    BitstreamError("KEY_CONFIG repeats the one in force", offset=unit.offset, clause="6.5")
                )
            config = unit.payload
        if unit.type == UnitType.END:
            ended = True
            # After damage the count cannot fit; that is no fault of its own.
            if lost:
                continue
        if blind and unit.type == UnitType.PARAMETERS:
            continue
        try:
            pictures = parser.accept(unit)
        except BitstreamError as fault:
            report.violations.append(fault)
            lose(unit)
            continue
        blind = blind and unit.type != UnitType.KEY_PICTURE
        report.pictures += len(pictures)
        on_unit(unit, pictures)
        for picture in pictures:
            if isinstance(picture, KeyPicture):
                report.violations += _key_picture_faults(header.key_codec, picture, unit)
    if not ended and len(report.violations) < MAX_VIOLATIONS:
        report.violations.append(
            BitstreamError("the stream ends here, an END unit expected: it was cut", offset=offset, clause="6.5")
        )
    return report
