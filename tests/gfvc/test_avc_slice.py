"""idr_pic_id of AVC slices (SPEC.md clause C.6.1): changed in slices of x264, which decode to the same samples."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from bitstream import BitstreamError
from bitstream.avc_slice import with_idr_pic_id
from bitstream.nal import PARAMETER_SETS, PICTURE_TYPES, join_annex_b, nal_type, split_annex_b


def coded(pixel_format: str, settings: str) -> list[bytes]:
    """NAL units of one picture of noise."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 64, 64, pixel_format
    context.time_base = Fraction(1, 25)
    context.options = {"qp": "20", "x264-params": f"keyint=1:threads=1:sliced-threads=0:{settings}"}
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=pixel_format)
    return split_annex_b(b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)]))


def decoded(units: list[bytes]) -> bytes:
    context = av.CodecContext.create("h264", "r")
    (frame,) = [*context.decode(av.Packet(join_annex_b(units))), *context.decode(None)]
    return frame.to_ndarray().tobytes()


@pytest.mark.parametrize(
    ("pixel_format", "settings"),
    [
        ("yuv420p", ""),
        ("yuv420p", "cabac=0"),
        ("yuv420p", "no-deblock=1"),
        ("yuv420p", "deblock=-2,1:slices=3"),
        ("yuv420p", "cabac=0:slices=2:8x8dct=0"),
        ("yuv420p", "cqm=jvt"),
        ("yuv420p", "bframes=0:ref=1:weightp=0"),
        ("yuv420p", "interlaced=1"),
        ("yuv444p", "cqm=jvt"),
        ("yuv444p", "cabac=0"),
    ],
)
def test_the_picture_stays_and_the_number_comes_back(pixel_format, settings):
    units = coded(pixel_format, settings)
    sets = [unit for unit in units if nal_type("avc", unit) in PARAMETER_SETS["avc"]]
    slices = [unit for unit in units if nal_type("avc", unit) in PICTURE_TYPES["avc"]]
    before = decoded([*sets, *slices])
    for number in (0, 1, 5, 65535):
        changed = [with_idr_pic_id(unit, sets, number) for unit in slices]
        assert (changed == slices) == (number == 0)
        assert decoded([*sets, *changed]) == before
        assert [with_idr_pic_id(unit, sets, 0) for unit in changed] == slices


def test_what_cannot_be_followed_is_refused():
    units = coded("yuv420p", "")
    sets = [unit for unit in units if nal_type("avc", unit) in PARAMETER_SETS["avc"]]
    (unit,) = [unit for unit in units if nal_type("avc", unit) in PICTURE_TYPES["avc"]]
    with pytest.raises(BitstreamError, match="0 parameter sets of type 8"):
        with_idr_pic_id(unit, sets[:1], 1)
    with pytest.raises(BitstreamError, match="slice_type"):
        with_idr_pic_id(b"\x65\xc0\x80", sets, 1)
    with pytest.raises(BitstreamError, match="bits left"):
        with_idr_pic_id(unit[:2], sets, 1)
    with pytest.raises(ValueError, match="0..65535"):
        with_idr_pic_id(unit, sets, 65536)
