"""Streams with GFV and GFVE messages, put together NAL unit by NAL unit, for the conformance suite."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from bitstream import Colour, ElementaryWriter, Group, Header, KeyPicture, Layout, Picture
from bitstream.annexb import read_nal_units
from bitstream.avc_slice import with_idr_pic_id
from bitstream.bits import BitWriter
from bitstream.elementary_writer import IDR_TYPES
from bitstream.nal import PARAMETER_SETS, START_CODE, hevc_vps, nal_type, pack_nal_units, unpack_nal_units
from bitstream.sei.messages import AM0334, GfvMessage, Message
from bitstream.sei.parser import GfvWriter
from bitstream.sei.payload import GFV, GFVE, write_sei
from gfvc.key_picture import KeyPictureCodec

SIDE = 64
# Parameter sets and an IDR slice of VVC by their headers alone: no encoder is needed, and no decoder reads them.
_VVC_SETS = [b"\x00\x79\x00\x8d", b"\x00\x81\x00\x80"]
_VVC_SLICE = b"\x00\x41\xa0\x80"


def fields(*items: int | tuple[int, int]) -> bytes:
    """A payload of fields: (value, bits) for u(n), a number for ue(v); then a 1 and zeros up to the byte."""
    writer = BitWriter()
    for item in items:
        if isinstance(item, tuple):
            writer.u(*item)
        else:
            writer.ue(item)
    if writer.position % 8:
        writer.u(1, 1)
    return writer.to_bytes()


class StreamBuilder:
    """A stream of one codec, "avc", "hevc" or "vvc", that grows by coded pictures and SEI NAL units.

    decodable: pictures are real ones; those of VVC are not.
    """

    def __init__(self, codec: str, syntax: str = AM0334, seed: int = 1) -> None:
        self.codec, self.syntax = codec, syntax
        self.decodable = codec != "vvc"
        self.data = b""
        # The syntax elements of each message as they were written; None of those that came as bytes.
        self.elements: list[list[tuple[str, int | str]] | None] = []
        self._random = np.random.default_rng(seed)
        self._writer = GfvWriter(syntax, allow_quirks=True)
        self._pictures = 0
        self._prefix = b""

    def picture(self) -> StreamBuilder:
        """A key picture: parameter sets before the first, then what was put before it, then its slice."""
        sets, slices = _VVC_SETS, [_VVC_SLICE]
        if self.decodable:
            low = self._random.integers(0, 256, (4, 4, 3)).astype(np.uint8)
            coded = KeyPictureCodec(self.codec, SIDE, SIDE, Colour()).encode(low.repeat(16, 0).repeat(16, 1), 45)
            sets, slices = unpack_nal_units(coded.config), unpack_nal_units(coded.payload)
        if self.codec == "avc":
            slices = [with_idr_pic_id(unit, sets, self._pictures & 1) for unit in slices]
        if self.codec == "hevc":
            sets = [hevc_vps(unit) for unit in sets if nal_type("hevc", unit) == 33][:1] + sets
        for unit in [] if self._pictures else sets:
            self.raw(unit)
        self.data += self._prefix
        self._prefix = b""
        for unit in slices:
            self.raw(unit)
        self._pictures += 1
        return self

    def raw(self, nal_unit: bytes) -> StreamBuilder:
        """Any NAL unit."""
        self.data += b"\0" + START_CODE + nal_unit
        return self

    def payloads(self, messages: list[tuple[int, bytes]], *, suffix: bool | None = None) -> StreamBuilder:
        """One SEI NAL unit; before the next picture in AVC or with suffix=False, else after the last."""
        self.elements += [None] * sum(kind in (GFV, GFVE) for kind, _ in messages)
        return self._sei(messages, suffix)

    def _sei(self, messages: list[tuple[int, bytes]], suffix: bool | None) -> StreamBuilder:
        suffix = self.codec != "avc" if suffix is None else suffix
        data = START_CODE + write_sei(self.codec, messages, suffix=suffix)
        if suffix:
            self.data += data
        else:
            self._prefix += data
        return self

    def messages(self, *found: Message, together: bool = False, suffix: bool | None = None) -> StreamBuilder:
        """Messages in an SEI NAL unit each, or all in one."""
        written = []
        for m in found:
            payload, trace = self._writer.write_traced(m)
            written.append((GFV if isinstance(m, GfvMessage) else GFVE, payload))
            self.elements.append(trace.elements)
        for part in [written] if together else [[one] for one in written]:
            self._sei(part, suffix)
        return self


def group(codec: str, *found: Message, **options: Any) -> StreamBuilder:
    """One access unit with these messages."""
    return add_group(StreamBuilder(codec, options.pop("syntax", AM0334), options.pop("seed", 1)), *found, **options)


def add_group(builder: StreamBuilder, *found: Message, **options: Any) -> StreamBuilder:
    """One more access unit; messages before the picture where there is no suffix."""
    if builder.codec == "avc" or options.get("suffix") is False:
        return builder.messages(*found, **options).picture()
    return builder.picture().messages(*found, **options)


def product_stream(codec: str, family: str, numbers: Callable[[int, int], list[int]]) -> StreamBuilder:
    """Through the product's own writer, for its own reader."""
    layout = Layout(
        (Group(8, 2, 24, False), Group(4, 2, 25, True)) if family == "keypoints2d" else (Group(16, 1, 17, False),)
    )
    header = Header(64, 64, (1, 25), 1, Colour(), codec, "420", family, layout, "conformance", bytes(range(8)))
    writer, stream = ElementaryWriter(header), StreamBuilder(codec)
    for number in range(6):
        values = tuple(numbers(layout.count, 60))
        if number % 3:
            stream.data += writer.parameters([Picture(2 if number == 4 else 1, values)])
            continue
        config, payload = _coded(codec, number)
        stream.data += b"".join(writer.key_picture(KeyPicture(number, values, config, payload)))
    stream.data += writer.end()
    return stream


def _coded(codec: str, seed: int) -> tuple[bytes, bytes]:
    units = list(read_nal_units(io.BytesIO(StreamBuilder(codec, seed=seed).picture().data), codec))
    sets = [unit.data for unit in units if unit.type in PARAMETER_SETS[codec]]
    return pack_nal_units(sets), pack_nal_units([unit.data for unit in units if unit.type in IDR_TYPES[codec]])
