"""Key pictures: quality, sizes, bytes that are needed and no others."""

from __future__ import annotations

import numpy as np
import pytest

from bitstream import Colour
from bitstream.nal import nal_type, unpack_nal_units
from bitstream.obu import parse_obus
from gfvc import KeyCodecError
from gfvc.key_picture import CODECS, KeyPictureCodec, decoder_name, encoder_name

from .media import psnr, scaled

# Width, height and the least PSNR in dB: detail is denser in the small pictures, and the QP is the same.
SIZES = [(64, 64, 26), (67, 101, 27), (256, 256, 30)]
ENCODED = ("av1", "avc", "hevc")
codecs = pytest.mark.parametrize("codec", ENCODED)


def codec_for(codec, picture, chroma="420", colour=None):
    return KeyPictureCodec(codec, picture.shape[1], picture.shape[0], colour or Colour(), chroma)


@codecs
@pytest.mark.parametrize(("width", "height", "least"), SIZES)
def test_picture_comes_back_at_the_default_qp(demo, codec, width, height, least):
    picture = scaled(demo[0], width, height)
    keys = codec_for(codec, picture)
    back = keys.decode(keys.encode(picture, CODECS[codec].default_qp))
    assert back.shape == picture.shape
    assert back.dtype == np.uint8
    assert psnr(back, picture) > least


@codecs
def test_default_qp_gives_about_a_kilobyte_at_256(demo, codec):
    coded = codec_for(codec, demo[0]).encode(demo[0], CODECS[codec].default_qp)
    assert 600 < len(coded.payload) < 2500


@pytest.mark.parametrize(("codec", "chroma"), [(c, f) for c in ENCODED for f in CODECS[c].chroma_formats])
def test_flat_colour_keeps_its_colour(codec, chroma):
    picture = np.full((64, 64, 3), (200, 60, 90), np.uint8)
    for colour in (Colour(matrix=6), Colour(matrix=1), Colour(matrix=6, full_range=True)):
        keys = codec_for(codec, picture, chroma, colour)
        assert np.abs(keys.decode(keys.encode(picture, 20)).astype(int) - picture).max() <= 4


@pytest.mark.parametrize("codec", ["avc", "hevc"])
def test_444_keeps_fine_colour_that_420_blurs(codec):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, ::2, 0], picture[:, 1::2, 2] = 200, 200
    scores = []
    for chroma in ("420", "444"):
        keys = codec_for(codec, picture, chroma)
        scores.append(psnr(keys.decode(keys.encode(picture, 10)), picture))
    assert scores[1] > scores[0] + 10


@codecs
def test_lower_qp_is_larger_and_better(demo, codec):
    picture = scaled(demo[0], 128, 128)
    keys = codec_for(codec, picture)
    coded = [keys.encode(picture, qp) for qp in (20, 35, 50)]
    sizes = [len(one.payload) for one in coded]
    scores = [psnr(keys.decode(one), picture) for one in coded]
    assert sizes == sorted(sizes, reverse=True)
    assert scores == sorted(scores, reverse=True)


@codecs
def test_ends_of_the_qp_range_work(codec, demo):
    picture = scaled(demo[0], 64, 64)
    keys = codec_for(codec, picture)
    for qp in (0, CODECS[codec].max_qp):
        assert keys.decode(keys.encode(picture, qp)).shape == picture.shape
    for qp in (-1, CODECS[codec].max_qp + 1):
        with pytest.raises(KeyCodecError, match=f"key QP {qp}, 0.."):
            keys.encode(picture, qp)


@codecs
def test_two_encodes_give_equal_bytes(demo, codec):
    picture = scaled(demo[0], 128, 128)
    first, second = (codec_for(codec, picture).encode(picture, 36) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("codec", ["avc", "hevc"])
def test_nal_units_are_parameter_sets_and_one_slice(demo, codec):
    coded = codec_for(codec, demo[0]).encode(demo[0], CODECS[codec].default_qp)
    sets = [nal_type(codec, unit) for unit in unpack_nal_units(coded.config)]
    pictures = unpack_nal_units(coded.payload)
    assert sets == {"avc": [7, 8], "hevc": [33, 34]}[codec]
    assert [nal_type(codec, unit) in {"avc": (5,), "hevc": (19, 20)}[codec] for unit in pictures] == [True]
    assert len(coded.config) + len(coded.payload) - len(pictures[0]) <= 40


def test_av1_is_sequence_header_and_frame_alone(demo):
    keys = codec_for("av1", demo[0])
    coded = keys.encode(demo[0], CODECS["av1"].default_qp)
    units = parse_obus(keys.elementary_stream(coded))
    assert [kind for kind, _ in units] == [2, 1, 6]
    assert len(coded.config) + len(coded.payload) - len(units[2][1]) <= 40


@codecs
def test_config_does_not_depend_on_the_picture(demo, codec):
    """So that a stream carries it once."""
    keys = codec_for(codec, demo[0])
    assert keys.encode(demo[0], 36).config == keys.encode(255 - demo[20], 36).config


def test_unknown_codec_names_those_there_are():
    with pytest.raises(KeyCodecError, match="'mpeg2', one of av1, hevc, avc, vvc"):
        KeyPictureCodec("mpeg2", 64, 64, Colour())


@pytest.mark.parametrize("codec", ["av1", "vvc"])
def test_444_that_a_codec_lacks_names_codecs_that_have_it(codec):
    with pytest.raises(KeyCodecError, match=f"{codec} has no chroma format 444; hevc, avc can"):
        KeyPictureCodec(codec, 64, 64, Colour(), "444")


def test_codecs_of_this_build_have_both_ends():
    for codec in ENCODED:
        assert encoder_name(codec) in CODECS[codec].encoders
    for codec in CODECS:
        assert decoder_name(codec) in CODECS[codec].decoders


def test_missing_decoder_is_named(monkeypatch, demo):
    picture = scaled(demo[0], 64, 64)
    keys = codec_for("avc", picture)
    coded = keys.encode(picture, 36)
    monkeypatch.setattr("gfvc.key_picture._installed", lambda names, mode: None)
    with pytest.raises(KeyCodecError, match="none of the decoders h264"):
        keys.decode(coded)
