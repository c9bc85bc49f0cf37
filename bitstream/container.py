"""The `.gfv` stream: a header, then units (SPEC.md clauses 6 and 7).

Both ends stream.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from .cabac import CabacDecoder, CabacEncoder
from .errors import BitstreamError
from .header import Header, read_header
from .layout import VALUE_LIMIT
from .parameters import MAX_TICKS, BinReader, BinWriter, ParameterState, code_ticks, code_values
from .tally import StreamTally
from .units import MAX_PAYLOAD, Unit, UnitType, leb128, parse_leb128, read_unit, write_unit

MAX_RUN = 256
MAX_CONFIG = MAX_PAYLOAD[UnitType.KEY_CONFIG]
# What a KEY_PICTURE unit has left beside its codeword of at most 64 KiB and the leb128 before it.
MAX_CODED_PICTURE = MAX_PAYLOAD[UnitType.KEY_PICTURE] - (1 << 16) - 4


@dataclass(frozen=True)
class Picture:
    """One coded picture: time since the picture before in ticks (0 for the first), and its quantised parameters."""

    ticks: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class KeyPicture(Picture):
    """A key picture: config (parameter sets, b"" if the codec has none) and payload are of the header's key codec."""

    config: bytes
    payload: bytes


class StreamWriter:
    """Turns pictures into the bytes of a stream.

    Call `header`, then for each group `key_picture` and `parameters`, then `end`.
    """

    def __init__(self, header: Header) -> None:
        self.header = header
        self._header_bytes = header.to_bytes()
        self._crc = int.from_bytes(self._header_bytes[-4:], "big")
        self._units = 0
        self._config = b""
        self._ended = False
        self._state = ParameterState(header.layout)
        self.tally = StreamTally(header, len(self._header_bytes))

    def header_bytes(self) -> bytes:
        return self._header_bytes

    def _unit(self, unit_type: UnitType, payload: bytes, ticks: Sequence[int] = ()) -> bytes:
        try:
            data = write_unit(unit_type, payload, self._crc, self._units)
        except ValueError:
            # The coder has moved on without the reader: nothing that follows could be read.
            self._ended = True
            raise
        self.tally.add(Unit(unit_type, payload, self.tally.size_bytes, len(data)), ticks)
        self._units += 1
        return data

    def _check(self, pictures: Sequence[Picture]) -> None:
        """Refuse what cannot be written before anything is: a coder that has begun a picture cannot go back."""
        if self._ended:
            raise ValueError("the stream has ended")
        for picture in pictures:
            if len(picture.values) != self.header.layout.count:
                raise ValueError(f"{len(picture.values)} parameters, {self.header.layout.count} expected")
            if min(picture.values) < -VALUE_LIMIT or max(picture.values) > VALUE_LIMIT:
                raise ValueError(f"a parameter outside -{VALUE_LIMIT}..{VALUE_LIMIT}")
            if not 1 <= picture.ticks <= MAX_TICKS and (self.tally.pictures or picture.ticks):
                raise ValueError(f"{picture.ticks} ticks since the picture before, 1..{MAX_TICKS} expected")

    def key_picture(self, picture: KeyPicture) -> list[bytes]:
        """The unit of a key picture, after one with its parameter sets where those changed."""
        self._check([picture])
        if len(picture.config) > MAX_CONFIG:
            raise ValueError(f"parameter sets of {len(picture.config)} bytes, at most {MAX_CONFIG} expected")
        if not picture.payload:
            raise ValueError("a key picture without coded picture")
        if len(picture.payload) > MAX_CODED_PICTURE:
            raise ValueError(f"a coded picture of {len(picture.payload)} bytes, at most {MAX_CODED_PICTURE} expected")
        units = []
        if picture.config != self._config:
            units.append(self._unit(UnitType.KEY_CONFIG, picture.config))
            self._config = picture.config
        engine = CabacEncoder(self._state.contexts)
        bins = BinWriter(engine)
        code_values(bins, self._state, list(picture.values), key=True)
        if self.tally.pictures:
            code_ticks(bins, picture.ticks, self.header.picture_ticks)
        codeword = engine.finish()
        ticks = picture.ticks if self.tally.pictures else 0
        payload = leb128(len(codeword)) + codeword + picture.payload
        return [*units, self._unit(UnitType.KEY_PICTURE, payload, [ticks])]

    def parameters(self, pictures: Sequence[Picture]) -> bytes:
        """One unit with the parameters of 1..256 pictures."""
        if not 1 <= len(pictures) <= MAX_RUN:
            raise ValueError(f"a run of {len(pictures)} pictures, 1..{MAX_RUN} expected")
        if not self.tally.pictures:
            raise ValueError("parameters before the first key picture")
        self._check(pictures)
        engine = CabacEncoder(self._state.contexts)
        bins = BinWriter(engine)
        for picture in pictures:
            code_ticks(bins, picture.ticks, self.header.picture_ticks)
            code_values(bins, self._state, list(picture.values), key=False)
        payload = bytes((len(pictures) - 1,)) + engine.finish()
        return self._unit(UnitType.PARAMETERS, payload, [picture.ticks for picture in pictures])

    def end(self) -> bytes:
        """The end unit, which states the number of pictures."""
        self._check(())
        self._ended = True
        return self._unit(UnitType.END, leb128(self.tally.pictures))


class StreamParser:
    """Turns units into pictures, one unit at a time, as they arrive.

    Raises BitstreamError with offsets into the stream.
    """

    def __init__(self, header: Header, header_size: int, header_crc: int) -> None:
        self.header = header
        self.offset = header_size
        self.pictures = 0
        self.ended = False
        self._crc = header_crc
        self._units = 0
        self._config = b""
        self._state = ParameterState(header.layout)

    def read(self, source: BinaryIO) -> tuple[Unit, list[Picture]] | None:
        """The next unit of ``source`` and the pictures in it; None at the end of the source."""
        if self.ended:
            if source.read(1):
                raise BitstreamError("bytes after the END unit", offset=self.offset, clause="6.5")
            return None
        unit = read_unit(source, self.offset, self._crc, self._units)
        if unit is None:
            return None
        found = self.accept(unit)
        self.offset += unit.size
        self._units += 1
        return unit, found

    def accept(self, unit: Unit) -> list[Picture]:
        """The pictures of a unit whose framing and checksum have been checked."""
        try:
            found = self._parse(unit)
        except BitstreamError as error:
            raise error.at(unit.payload_offset) from None
        self.pictures += len(found)
        return found

    def push(self, data: bytes) -> list[Picture]:
        """Parse exactly one unit."""
        source = io.BytesIO(data)
        result = self.read(source)
        if result is None or source.read(1):
            raise BitstreamError("one whole unit expected", offset=self.offset, clause="6.5")
        return result[1]

    def _parse(self, unit: Unit) -> list[Picture]:
        if unit.type == UnitType.KEY_CONFIG:
            self._config = unit.payload
        elif unit.type == UnitType.KEY_PICTURE:
            return [self._key_picture(unit.payload)]
        elif unit.type == UnitType.PARAMETERS:
            if not self._state.values:
                raise BitstreamError("parameters before the first key picture", offset=0, clause="6.5")
            return self._parameters(unit.payload)
        else:
            self._end(unit.payload)
        return []

    def _key_picture(self, payload: bytes) -> KeyPicture:
        size, start = parse_leb128(payload, 0, clause="6.6")
        if size >= len(payload) - start:
            raise BitstreamError(
                f"codeword of {size} bytes, {len(payload) - start} bytes left for it and the coded picture",
                offset=start,
                clause="6.6",
            )
        self._state.reset()
        try:
            engine = CabacDecoder(self._state.contexts, payload[start : start + size])
            bins = BinReader(engine)
            values = code_values(bins, self._state, [0] * self.header.layout.count, key=True)
            ticks = code_ticks(bins, 1, self.header.picture_ticks) if self.pictures else 0
            engine.finish()
        except BitstreamError as error:
            raise error.at(start) from None
        return KeyPicture(ticks, tuple(values), self._config, payload[start + size :])

    def _parameters(self, payload: bytes) -> list[Picture]:
        if not payload:
            raise BitstreamError("an empty parameters unit", offset=0, clause="6.7")
        found: list[Picture] = []
        try:
            engine = CabacDecoder(self._state.contexts, payload[1:])
            bins = BinReader(engine)
            blank = [0] * self.header.layout.count
            last: tuple[list[int], tuple[int, ...]] = ([], ())
            for _ in range(payload[0] + 1):
                ticks = code_ticks(bins, 1, self.header.picture_ticks)
                values = code_values(bins, self._state, blank, key=False)
                # A skipped picture has the list of the one before: its tuple is shared, not copied.
                last = last if values is last[0] else (values, tuple(values))
                found.append(Picture(ticks, last[1]))
            engine.finish()
        except BitstreamError as error:
            raise error.at(1) from None
        return found

    def _end(self, payload: bytes) -> None:
        stated, position = parse_leb128(payload, 0, clause="6.8")
        if position != len(payload):
            raise BitstreamError("bytes after num_pictures", offset=position, clause="6.8")
        if stated != self.pictures:
            raise BitstreamError(
                f"num_pictures is {stated}, {self.pictures} pictures were read", offset=0, clause="6.8"
            )
        self.ended = True


class StreamReader:
    """Reads a stream from a binary file object; `header` and `header_size` are there after construction.

    Raises BitstreamError, from `units` only after every picture of the undamaged units has been yielded.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.header, self.header_size, crc = read_header(source)
        self._parser = StreamParser(self.header, self.header_size, crc)

    def units(self) -> Iterator[tuple[Unit, list[Picture]]]:
        """Each unit with the pictures in it."""
        parser = self._parser
        while (result := parser.read(self._source)) is not None:
            yield result
        if not parser.ended:
            raise BitstreamError(
                "the stream ends here, an END unit expected: it was cut", offset=parser.offset, clause="6.5"
            )

    def pictures(self) -> Iterator[Picture]:
        """Every picture in order; key pictures are `KeyPicture`."""
        for _, found in self.units():
            yield from found
