"""The standard carriage, reading: an AVC, HEVC or VVC elementary stream of ours as pictures (SPEC.md clause C.6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from .annexb import END_OF_STREAM, MAX_NAL_BYTES, NalUnit, read_nal_units
from .avc_slice import with_idr_pic_id
from .container import MAX_CODED_PICTURE, MAX_CONFIG, KeyPicture, Picture
from .elementary_writer import IDR_TYPES, MAX_GROUP_VALUES
from .errors import BitstreamError
from .header import Header
from .nal import MAX_UNITS, PARAMETER_SETS, pack_nal_units, unpack_nal_units
from .sei.access_unit import AccessUnits
from .sei.carried import CarriedStream
from .sei.messages import AM0334
from .sei.parser import GfvParser
from .sei.payload import GFV, SeiMessage, parse_sei, sei_position
from .sei.time import parse_ticks
from .units import CarriedUnit, UnitType

CLAUSE = "C.6"


class ElementaryReader:
    """Reads an elementary stream from a binary file object; used as `StreamReader`.

    `header` is there after construction, which reads up to the first coded picture with its message. Raises
    BitstreamError, from `units` only after every picture before the fault has been yielded.
    """

    def __init__(self, source: BinaryIO, codec: str) -> None:
        """codec: "avc", "hevc" or "vvc"."""
        self.codec = codec
        self.header_size = 0
        self._stream: CarriedStream | None = None
        self._parser = GfvParser(AM0334)
        self._config = b""
        self._key_pictures = 0
        self._position = 0
        # Of the access unit: parameter sets, coded picture, and the pictures whose messages have been read.
        self._sets: list[bytes] = []
        self._slices: list[bytes] = []
        self._key_units: list[bytes] = []
        self._waiting: list[tuple[Picture, bytes]] = []
        self._shown = False
        self._damage: BitstreamError | None = None
        self._events = self._read(source)
        self._first = next(self._events, None)
        if self._first is None or self._stream is None:
            raise self._fault("no coded picture with a GFV message of gfvc in the stream", 0)

    @property
    def header(self) -> Header:
        if self._stream is None:
            raise ValueError("the header has not been read")
        return self._stream.header

    def units(self) -> Iterator[tuple[CarriedUnit, list[Picture]]]:
        """Each coded picture and each run of messages, with the pictures in it."""
        first, self._first = self._first, None
        if first is not None:
            yield first
        yield from self._events

    def pictures(self) -> Iterator[Picture]:
        """Every picture in order; key pictures are `KeyPicture`."""
        for _, found in self.units():
            yield from found

    def _fault(self, message: str, offset: int, clause: str = CLAUSE) -> BitstreamError:
        return BitstreamError(message, offset=offset, clause=clause)

    def _read(self, source: BinaryIO) -> Iterator[tuple[CarriedUnit, list[Picture]]]:
        access, number, ended, end = AccessUnits(), 0, False, 0
        for nal in read_nal_units(source, self.codec):
            if ended and nal.type not in END_OF_STREAM[self.codec]:
                raise self._fault("a NAL unit after the end of the stream", nal.offset)
            now = access.enter(nal)
            if self._slices and not self._shown and not nal.is_slice:
                yield from self._show(end)
            if now != number:
                self._finish(nal.offset)
                number = now
            end = nal.offset + len(nal.data)
            if nal.type in END_OF_STREAM[self.codec]:
                ended = True
            else:
                yield from self._add(nal, end)
        if self._slices and not self._shown:
            yield from self._show(end)
        self._finish(end)
        if not ended:
            kinds = " or ".join(map(str, END_OF_STREAM[self.codec]))
            raise self._fault(f"the stream ends here, a NAL unit of type {kinds} expected: it was cut", end)
        yield self._unit(UnitType.END, b"", end), []

    def _unit(self, kind: UnitType, payload: bytes, end: int) -> CarriedUnit:
        unit = CarriedUnit(kind, payload, self._position, end - self._position)
        self._position = end
        return unit

    def _add(self, nal: NalUnit, end: int) -> Iterator[tuple[CarriedUnit, list[Picture]]]:
        """Take one NAL unit; messages after the slices are pictures at once."""
        if sei_position(nal) is None:
            self._key_units.append(nal.data)
        if nal.type in PARAMETER_SETS[self.codec]:
            self._sets.append(nal.data)
        elif nal.is_slice or nal.type in IDR_TYPES[self.codec]:
            if nal.type not in IDR_TYPES[self.codec]:
                raise self._fault(
                    f"a slice of type {nal.type}, an IDR picture ({IDR_TYPES[self.codec]}) expected", nal.offset
                )
            self._slices.append(nal.data)
        if len(self._key_units) > 2 * MAX_UNITS or sum(map(len, self._key_units)) > MAX_NAL_BYTES:
            raise self._fault(
                f"more than {2 * MAX_UNITS} NAL units or {MAX_NAL_BYTES} bytes of one coded picture", nal.offset
            )
        if sei_position(nal) is None:
            return
        fault = None
        try:
            self._messages(nal)
        except BitstreamError as error:
            fault = error
        if self._shown and self._waiting:
            found, self._waiting = self._waiting, []
            yield self._driven(found, end)
        elif self._slices:
            yield from self._show(end)
        if fault is not None:
            if self._slices or not self._waiting:
                raise fault
            # The pictures before the damage are shown when their slices have come.
            self._damage = fault

    def _messages(self, nal: NalUnit) -> None:
        """The pictures of an SEI NAL unit, appended to those that wait."""
        if self._damage is not None:
            return
        for message in parse_sei(nal):
            try:
                ticks = parse_ticks(message.type, message.payload)
                if ticks is not None and self._waiting:
                    picture, payload = self._waiting[-1]
                    self._waiting[-1] = Picture(ticks, picture.values), payload
                elif message.type == GFV:
                    self._waiting.append((self._picture(message), message.payload))
            except BitstreamError as error:
                raise error.moved(message.place) from None
            if self._stream and len(self._waiting) * self.header.layout.count > MAX_GROUP_VALUES:
                raise self._fault(f"more than {MAX_GROUP_VALUES} values before the slices", nal.offset)

    def _picture(self, message: SeiMessage) -> Picture:
        parsed = self._parser.parse(GFV, message.payload)
        if self._stream is None:
            # The first message is the same in both forms of the syntax, and says which one the stream has.
            self._stream = CarriedStream(parsed, self.codec)
            self._parser = GfvParser(self._stream.syntax)
            parsed = self._parser.parse(GFV, message.payload)
        if parsed.violations:
            raise parsed.violations[0]
        values = self._stream.accept(parsed)
        first = not self._key_pictures and not self._waiting
        return Picture(0 if first else self.header.picture_ticks, values)

    def _show(self, end: int) -> Iterator[tuple[CarriedUnit, list[Picture]]]:
        """The key picture, once its slices and its message are there, and the driven ones that waited for it."""
        if not self._waiting:
            return
        (base, payload), *driven = self._waiting
        self._waiting, self._shown = [], True
        coded = self._slices
        if self._sets:
            self._config = pack_nal_units(self._sets)
        if self.codec == "avc":
            coded = [self._plain(unit) for unit in coded]
        packed = pack_nal_units(coded)
        if len(self._config) > MAX_CONFIG or len(packed) > MAX_CODED_PICTURE:
            raise self._fault(
                f"a key picture of {len(self._config)} + {len(packed)} bytes, at most {MAX_CONFIG} + "
                f"{MAX_CODED_PICTURE} expected",
                self._position,
            )
        self._key_pictures += 1
        key = KeyPicture(base.ticks, base.values, self._config, packed)
        # What waited is counted with the key picture's bytes, but for its payloads.
        later = sum(len(payload) for _, payload in driven)
        yield self._unit(UnitType.KEY_PICTURE, b"".join([*self._key_units, payload]), end - later), [key]
        if driven:
            yield self._driven(driven, end)
        if self._damage is not None:
            raise self._damage

    def _driven(self, found: list[tuple[Picture, bytes]], end: int) -> tuple[CarriedUnit, list[Picture]]:
        unit = self._unit(UnitType.PARAMETERS, b"".join(payload for _, payload in found), end)
        return unit, [picture for picture, _ in found]

    def _plain(self, unit: bytes) -> bytes:
        """An AVC slice as it was coded, without the number that tells it from the key picture before."""
        try:
            return with_idr_pic_id(unit, unpack_nal_units(self._config), 0)
        except BitstreamError:
            return unit

    def _finish(self, offset: int) -> None:
        """End an access unit."""
        if self._slices and not self._shown:
            raise self._fault("a coded picture without GFV message", offset)
        if self._waiting:
            raise self._fault("GFV messages without a coded picture", offset)
        if self._slices:
            self._sets, self._slices, self._key_units, self._shown = [], [], [], False
