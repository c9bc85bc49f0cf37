"""Encode and decode in memory with the streaming interfaces."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from bitstream import Colour, Picture, StreamReader
from gfvc import Decoder, Encoder, EncoderOptions, TimedPicture, VideoInfo
from gfvc.stillness import DEFAULT_SLACK


def encode_units(pictures: Sequence[np.ndarray], **options: object) -> list[bytes]:
    """Header and units of ``pictures`` at 25 per second."""
    height, width = pictures[0].shape[:2]
    encoder = Encoder(VideoInfo(width, height, Fraction(1, 25), 1, Colour()), EncoderOptions(**options))
    units = [encoder.header_bytes()]
    for index, picture in enumerate(pictures):
        units += encoder.push(TimedPicture(picture, index))
    return units + encoder.flush()


def encode_stream(pictures: Sequence[np.ndarray], **options: object) -> bytes:
    return b"".join(encode_units(pictures, **options))


def parse_stream(stream: bytes) -> list[Picture]:
    return list(StreamReader(io.BytesIO(stream)).pictures())


def decode_stream(stream: bytes, count: int | None = None, slack: int = DEFAULT_SLACK) -> list[TimedPicture]:
    """The first ``count`` pictures of a stream, all if it is not given."""
    reader = StreamReader(io.BytesIO(stream))
    decoder = Decoder(reader.header, slack=slack)
    return [decoder.push(picture) for picture, _ in zip(reader.pictures(), range(count or 1 << 30), strict=False)]
