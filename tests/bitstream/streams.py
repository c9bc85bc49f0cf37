"""Streams and helpers that the tests share: small, made of integers alone, the same on each run."""

from __future__ import annotations

import dataclasses
import io
import random
from collections.abc import Iterable
from typing import NamedTuple

from hypothesis import HealthCheck, settings

from bitstream import Colour, Group, Header, KeyPicture, Layout, Picture, StreamReader, StreamWriter
from bitstream.header import read_header
from bitstream.units import read_unit, write_unit

LAYOUT = Layout((Group(6, 2, 24, False), Group(4, 2, 20, True), Group(3, 1, 28, False)))
HEADER = Header(
    width=256,
    height=320,
    time_base=(1, 30000),
    picture_ticks=1001,
    colour=Colour(1, 13, 6, True),
    key_codec="hevc",
    chroma_format="420",
    family="keypoints2d",
    layout=LAYOUT,
    model="face-1.0",
    model_hash=bytes.fromhex("0123456789abcdef"),
)
# Examples are few and have no deadline: the machine may be busy.
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Stream(NamedTuple):
    """parts: the header, then each unit; found: the pictures in each part."""

    parts: list[bytes]
    found: list[list[Picture]]

    @property
    def data(self) -> bytes:
        return b"".join(self.parts)

    @property
    def pictures(self) -> list[Picture]:
        return [picture for part in self.found for picture in part]


def header(layout: Layout = LAYOUT, **changes) -> Header:
    return dataclasses.replace(HEADER, layout=layout, **changes)


def motion(layout: Layout, count: int, seed: int) -> list[tuple[int, ...]]:
    """A random walk of the values of ``count`` pictures, with pictures and groups that stand still."""
    rng = random.Random(seed)
    values = [rng.randint(-200, 200) for _ in range(layout.count)]
    found = []
    for _ in range(count):
        if rng.random() < 0.8:
            moving = [rng.random() < 0.7 for _ in layout.groups]
            active = [flag for flag, group in zip(moving, layout.groups, strict=True) for _ in range(group.count)]
            values = [value + (rng.randint(-6, 6) if flag else 0) for value, flag in zip(values, active, strict=True)]
        found.append(tuple(values))
    return found


def build(head: Header, runs: Iterable[Picture | list[Picture]], *, end: bool = True) -> Stream:
    """A stream of key pictures and, as lists, units of parameters."""
    writer = StreamWriter(head)
    parts, found = [writer.header_bytes()], [[]]
    for run in runs:
        if isinstance(run, KeyPicture):
            units = writer.key_picture(run)
            parts += units
            found += [[] for _ in units[1:]] + [[run]]
        else:
            parts.append(writer.parameters(run))
            found.append(run)
    if end:
        parts.append(writer.end())
        found.append([])
    return Stream(parts, found)


def small_stream(seed: int = 1) -> Stream:
    """Two groups of pictures with new parameter sets in between, runs of 1 to 4 pictures, uneven times."""
    rng = random.Random(seed)
    values = iter(motion(LAYOUT, 15, seed))

    def run(count: int) -> list[Picture]:
        return [Picture(rng.choice((1001, 1001, 1001, 2002, 1)), next(values)) for _ in range(count)]

    return build(
        HEADER,
        [
            KeyPicture(0, next(values), b"sets A", rng.randbytes(24)),
            run(4),
            run(1),
            run(3),
            KeyPicture(1001, next(values), b"sets B", rng.randbytes(20)),
            run(3),
            run(2),
        ],
    )


def read_pictures(data: bytes) -> list[Picture]:
    return list(StreamReader(io.BytesIO(data)).pictures())


def read_until_fault(data: bytes, error: type[Exception]) -> tuple[list[Picture], Exception | None]:
    """The pictures before the first fault, and the fault if it is an ``error``; others pass through."""
    found = []
    try:
        for picture in StreamReader(io.BytesIO(data)).pictures():
            found.append(picture)
    except error as fault:
        return found, fault
    return found, None


def payloads(data: bytes) -> list[tuple[int, bytes]]:
    """(type, payload) of each unit of an undamaged stream."""
    source = io.BytesIO(data)
    _, offset, crc = read_header(source)
    found = []
    while (unit := read_unit(source, offset, crc, len(found))) is not None:
        found.append((unit.type, unit.payload))
        offset += unit.size
    return found


def seal(header_bytes: bytes, units: Iterable[tuple[int, bytes]]) -> bytes:
    """A stream of any payloads with checksums that fit."""
    crc = int.from_bytes(header_bytes[-4:], "big")
    return header_bytes + b"".join(write_unit(kind, data, crc, number) for number, (kind, data) in enumerate(units))
