"""The standard carriage, writing: pictures as an AVC, HEVC or VVC elementary stream (SPEC.md clause C.6)."""

from __future__ import annotations

from collections.abc import Sequence

from .annexb import END_OF_STREAM
from .avc_slice import with_idr_pic_id
from .container import KeyPicture, Picture
from .errors import BitstreamError, CarriageError
from .header import Header
from .nal import START_CODE, hevc_vps, nal_type, unpack_nal_units
from .sei.facial import FacialMessages
from .sei.messages import AJ0207, AM0334, GfvMessage
from .sei.parser import GfvWriter
from .sei.payload import GFV, write_sei
from .sei.time import write_ticks
from .tally import StreamTally
from .units import CarriedUnit, UnitType

# nal_unit_types of intra pictures that reset the decoder; others would refer to the key picture before.
IDR_TYPES = {"avc": (5,), "hevc": (19, 20), "vvc": (7, 8, 17, 19)}
_HEVC_SPS = 33
# Values of the messages that may wait for the slices of their access unit, as in AVC they all do.
MAX_GROUP_VALUES = 3 << 20
# Messages of an SEI NAL unit in AVC, where those of a whole group come before its slices.
_RUN = 256
# A NAL unit that ends the stream: end of stream in AVC, end of bitstream in HEVC and VVC.
_END = {"avc": b"\x0b", "hevc": b"\x4a\x01", "vvc": b"\x00\xb1"}


class ElementaryWriter:
    """Turns pictures into the bytes of an elementary stream; used as `StreamWriter`.

    In HEVC and VVC each call returns the NAL units of its pictures. AVC has SEI only before the slices: a group is
    returned as a whole, when the next one begins or the stream ends.
    """

    def __init__(self, header: Header, syntax: str = AM0334) -> None:
        """syntax: form of the GFV messages, "am0334" or "aj0207".

        Raises CarriageError for what an elementary stream cannot carry.
        """
        if header.key_codec not in END_OF_STREAM:
            able = ", ".join(END_OF_STREAM)
            raise CarriageError(f"key pictures coded with {header.key_codec} cannot be carried, one of {able} expected")
        self.header = header
        self.codec = header.key_codec
        self.tally = StreamTally(header, 0)
        self._facial = FacialMessages(header, syntax)
        self._writer = GfvWriter(syntax)
        self._fusion = 0 if syntax == AJ0207 else None
        self._config = b""
        self._count = 0
        self._ended = False
        # AVC: the group that waits for its messages, as NAL units before and after them.
        self._waiting: tuple[list[bytes], list[bytes], KeyPicture] | None = None
        self._messages: list[tuple[int, bytes]] = []
        self._driven_ticks: list[int] = []

    def header_bytes(self) -> bytes:
        """Nothing: the first message says what a header would."""
        return b""

    def key_picture(self, picture: KeyPicture) -> list[bytes]:
        """Parameter sets where they changed, the coded picture and, but in AVC, its message.

        Raises CarriageError for pictures that are not IDR pictures.
        """
        self._check(picture)
        units = self._flush_group()
        changed = picture.config != self._config
        sets, slices = self._nal_units(picture)
        self._config = picture.config
        message = self._facial.base(picture.values, with_uri=changed or not self.tally.pictures)
        self._count = 1
        lead = ([hevc_vps(unit) for unit in sets if nal_type("hevc", unit) == _HEVC_SPS][:1] + sets) if changed else []
        sei = self._sei(message, picture)
        if self.codec == "avc":
            self._waiting, self._messages, self._driven_ticks = (lead, slices, picture), sei, []
            return units
        data = self._key_bytes(lead, slices)
        suffix = START_CODE + write_sei(self.codec, sei, suffix=True)
        self._count_key(picture, lead, slices, sei, len(data) + len(suffix))
        return [*units, data, suffix]

    def parameters(self, pictures: Sequence[Picture]) -> bytes:
        """One suffix SEI NAL unit for each driven picture; nothing yet in AVC."""
        parts = []
        for picture in pictures:
            self._check(picture)
            if not self._count:
                raise ValueError("parameters before the first key picture")
            sei = self._sei(self._facial.driven(self._count, picture.values, self._fusion), picture)
            self._count += 1
            if self.codec == "avc":
                if self._count * self.header.layout.count > MAX_GROUP_VALUES:
                    raise CarriageError(
                        f"a group of {self._count} pictures, whose messages would all precede its slice in AVC, "
                        f"{MAX_GROUP_VALUES // self.header.layout.count} at most: encode with --key-interval"
                    )
                self._messages += sei
                self._driven_ticks.append(picture.ticks)
                continue
            parts.append(START_CODE + write_sei(self.codec, sei, suffix=True))
            self._count_driven([sei[0][1]], [picture.ticks], len(parts[-1]))
        return b"".join(parts)

    def end(self) -> bytes:
        """The last group in AVC, and a NAL unit that ends the stream.

        Raises CarriageError for a stream without pictures.
        """
        if not self._count:
            raise CarriageError("a stream without pictures cannot be carried: it has no place for its header")
        units = [*self._flush_group(), b"\0" + START_CODE + _END[self.codec]]
        self.tally.add(CarriedUnit(UnitType.END, b"", self.tally.size_bytes, len(units[-1])), ())
        self._ended = True
        return b"".join(units)

    def _check(self, picture: Picture) -> None:
        if self._ended:
            raise ValueError("the stream has ended")
        if len(picture.values) != self.header.layout.count:
            raise ValueError(f"{len(picture.values)} parameters, {self.header.layout.count} expected")

    def _nal_units(self, picture: KeyPicture) -> tuple[list[bytes], list[bytes]]:
        """(parameter sets, coded picture)."""
        try:
            sets, slices = unpack_nal_units(picture.config), unpack_nal_units(picture.payload)
            kinds = [nal_type(self.codec, unit) for unit in slices]
            wrong = [kind for kind in kinds if kind not in IDR_TYPES[self.codec]]
            if wrong:
                raise CarriageError(
                    f"a key picture with a NAL unit of type {wrong[0]}, one of {IDR_TYPES[self.codec]} expected: only "
                    "IDR pictures can be carried"
                )
            if self.codec == "avc":
                number = self.tally.key_pictures & 1
                slices = [with_idr_pic_id(unit, sets, number) for unit in slices]
        except BitstreamError as error:
            raise CarriageError(f"key picture {self.tally.key_pictures}: {error.message}") from None
        return sets, slices

    def _sei(self, message: GfvMessage, picture: Picture) -> list[tuple[int, bytes]]:
        """The message of a picture, and its time where that is not the usual one."""
        messages = [(GFV, self._writer.write(message))]
        first = not self.tally.pictures and self._waiting is None
        if not first and picture.ticks != self.header.picture_ticks:
            messages.append(write_ticks(picture.ticks))
        return messages

    def _key_bytes(self, lead: list[bytes], slices: list[bytes]) -> bytes:
        # Parameter sets and the first NAL unit of an access unit have a start code of four bytes.
        units, long = [*lead, *slices], max(len(lead), 1)
        return b"".join(b"\0" * (index < long) + START_CODE + unit for index, unit in enumerate(units))

    def _flush_group(self) -> list[bytes]:
        """AVC: the group that has waited, its messages before its slices."""
        if self._waiting is None:
            return []
        (lead, slices, picture), self._waiting = self._waiting, None
        sei = [
            write_sei(self.codec, self._messages[start : start + _RUN], suffix=False)
            for start in range(0, len(self._messages), _RUN)
        ]
        data = self._key_bytes(lead, [*sei, *slices])
        payloads = [payload for kind, payload in self._messages if kind == GFV]
        driven = sum(map(len, payloads[1:]))
        key = sum(map(len, [*lead, *slices]))
        overhead = len(data) - driven - key - len(payloads[0])
        self._count_key(picture, lead, slices, self._messages[:1], key + len(payloads[0]) + overhead)
        if self._driven_ticks:
            self._count_driven(payloads[1:], self._driven_ticks, driven)
        return [data]

    def _count_key(
        self, picture: KeyPicture, lead: list[bytes], slices: list[bytes], sei: list[tuple[int, bytes]], size: int
    ) -> None:
        payload = b"".join([*lead, *slices, sei[0][1]])
        ticks = picture.ticks if self.tally.pictures else 0
        self.tally.add(CarriedUnit(UnitType.KEY_PICTURE, payload, self.tally.size_bytes, size), [ticks])

    def _count_driven(self, payloads: Sequence[bytes], ticks: Sequence[int], size: int) -> None:
        self.tally.add(CarriedUnit(UnitType.PARAMETERS, b"".join(payloads), self.tally.size_bytes, size), ticks)
