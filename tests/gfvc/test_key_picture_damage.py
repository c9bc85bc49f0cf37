"""Damaged key pictures give a BitstreamError or a picture of the right size: nothing else, and no large memory."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bitstream import BitstreamError, Colour
from gfvc.key_picture import CODECS, CodedPicture, KeyPictureCodec

from .media import scaled

MUTATIONS = 200
codecs = pytest.mark.parametrize("codec", ["av1", "avc", "hevc"])


@pytest.fixture(scope="module")
def picture(demo):
    return scaled(demo[0], 64, 64)


def mutate(data: bytes, generator: random.Random) -> bytes:
    """Change, drop, insert or cut some bytes."""
    out = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        if not out:
            break
        at = generator.randrange(len(out))
        kind = generator.randrange(5)
        if kind <= 1:
            out[at] ^= 1 << generator.randrange(8)
        elif kind == 2:
            del out[at : at + generator.randint(1, 8)]
        elif kind == 3:
            out[at:at] = generator.randbytes(generator.randint(1, 8))
        else:
            del out[at:]
    return bytes(out)


def decode_or_none(codec, coded):
    """The picture, or None after a BitstreamError; any other exception is the test's failure."""
    try:
        return codec.decode(coded)
    except BitstreamError:
        return None


@codecs
@pytest.mark.parametrize("part", ["payload", "config", "both"])
def test_damage_is_an_error_or_a_picture_of_the_right_size(codec, picture, part):
    keys = KeyPictureCodec(codec, 64, 64, Colour())
    coded = keys.encode(picture, CODECS[codec].default_qp)
    generator = random.Random(f"{codec} {part}")
    outcomes = []
    for _ in range(MUTATIONS):
        config = coded.config if part == "payload" else mutate(coded.config, generator)
        payload = coded.payload if part == "config" else mutate(coded.payload, generator)
        shown = decode_or_none(keys, CodedPicture(config, payload))
        assert shown is None or (shown.shape == (64, 64, 3) and shown.dtype == np.uint8)
        outcomes.append(shown is None)
    # The mutations do reach the decoder's checks.
    assert any(outcomes)


@codecs
@pytest.mark.parametrize("emptied", ["config", "payload", "both"])
def test_empty_parts_are_an_error(codec, picture, emptied):
    keys = KeyPictureCodec(codec, 64, 64, Colour())
    coded = keys.encode(picture, 36)
    config = b"" if emptied != "payload" else coded.config
    payload = b"" if emptied != "config" else coded.payload
    with pytest.raises(BitstreamError):
        keys.decode(CodedPicture(config, payload))


@codecs
@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (128, 64), (66, 64)])
def test_picture_of_another_size_is_refused(codec, picture, width, height):
    other = KeyPictureCodec(codec, width, height, Colour())
    coded = other.encode(np.full((height, width, 3), 90, np.uint8), 40)
    with pytest.raises(BitstreamError, match=codec if width == 1024 else "64x64 expected|cannot be decoded"):
        KeyPictureCodec(codec, 64, 64, Colour()).decode(coded)


@codecs
def test_config_of_a_huge_picture_is_refused(codec, picture):
    huge = KeyPictureCodec(codec, 1024, 1024, Colour()).encode(np.zeros((1024, 1024, 3), np.uint8), 40)
    keys = KeyPictureCodec(codec, 64, 64, Colour())
    own = keys.encode(picture, 40)
    with pytest.raises(BitstreamError):
        keys.decode(CodedPicture(huge.config, own.payload))


@codecs
def test_payload_of_another_codec_is_an_error(codec, picture):
    keys = KeyPictureCodec(codec, 64, 64, Colour())
    for other in {"av1", "avc", "hevc"} - {codec}:
        coded = KeyPictureCodec(other, 64, 64, Colour()).encode(picture, 36)
        assert decode_or_none(keys, coded) is None
