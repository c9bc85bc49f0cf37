"""From file to file: pictures, times, sizes and costs."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest

from bitstream import read_report
from gfvc import EncoderOptions, VideoError, decode, encode
from gfvc.models.families import FAMILIES

from .media import psnr, read_clip, read_times, scaled, write_clip, write_lossless
from .streams import decode_stream, encode_stream, parse_stream

families = pytest.mark.parametrize("family", sorted(FAMILIES))


@families
@pytest.mark.parametrize(("width", "height"), [(64, 64), (66, 90), (67, 101)])
def test_every_picture_comes_back_in_its_size_and_at_its_time(tmp_path, demo, family, width, height):
    clip = write_lossless(tmp_path / "in.mkv", [scaled(picture, width, height) for picture in demo[:12:2]])
    summary = encode(clip, tmp_path / "a.gfv", EncoderOptions(family=family))
    assert (summary.pictures, summary.width, summary.height, summary.family) == (6, width, height, family)
    assert decode(tmp_path / "a.gfv", tmp_path / "out.mp4") == 6
    shown = read_clip(tmp_path / "out.mp4")
    assert [picture.shape for picture in shown] == [(height, width, 3)] * 6
    assert read_times(tmp_path / "out.mp4") == [Fraction(index, 25) for index in range(6)]


@pytest.mark.parametrize(
    ("rate", "ticks"),
    [(Fraction(30000, 1001), None), (Fraction(25), [0, 40, 75, 120, 320, 333, 400, 500, 540, 581, 620, 1000])],
    ids=["ntsc", "variable"],
)
def test_times_are_those_of_the_source(tmp_path, small, rate, ticks):
    clock = {"ticks": ticks, "time_base": Fraction(1, 1000)} if ticks else {}
    clip = write_clip(tmp_path / "in.mp4", small, rate=rate, **clock)
    encode(clip, tmp_path / "a.gfv", EncoderOptions(run=5))
    decode(tmp_path / "a.gfv", tmp_path / "out.mp4")
    assert read_times(tmp_path / "out.mp4") == read_times(clip)


def test_key_picture_is_shown_as_it_was_coded(demo):
    shown = decode_stream(encode_stream(demo[:1]))
    assert len(shown) == 1
    assert psnr(shown[0].rgb, demo[0]) > 28


@families
def test_summary_is_what_reading_the_stream_finds(tmp_path, small_clip, family):
    target = tmp_path / "a.gfv"
    summary = encode(small_clip, target, EncoderOptions(family=family, key_interval=5, run=3))
    with target.open("rb") as source:
        report = read_report(source)
    assert report.error is None
    assert report.tally.summary() == summary
    assert summary.size_bytes == target.stat().st_size
    assert summary.duration_s == pytest.approx(12 / 25)


def test_rates_add_up_to_the_size_of_the_file(tmp_path, small_clip):
    summary = encode(small_clip, tmp_path / "a.gfv")
    size = (tmp_path / "a.gfv").stat().st_size
    assert summary.kbps_total == pytest.approx(size * 8 / 1000 / summary.duration_s, abs=1e-3)
    parts = summary.kbps_key + summary.kbps_parameters + summary.kbps_overhead
    assert parts == pytest.approx(summary.kbps_total, abs=1e-3)
    assert min(summary.kbps_key, summary.kbps_parameters, summary.kbps_overhead) > 0
    # The header is some 60 bytes, the frame of a unit 4 to 7.
    assert summary.kbps_overhead * summary.duration_s * 125 < 120


@families
@pytest.mark.parametrize("codec", ["av1", "avc", "hevc"])
def test_two_encodes_give_equal_bytes(small, family, codec):
    streams = {encode_stream(small[:6], family=family, key_codec=codec, key_interval=3) for _ in range(2)}
    assert len(streams) == 1


@families
def test_two_decodes_give_equal_pictures(small, family):
    stream = encode_stream(small[:6], family=family)
    for first, second in zip(decode_stream(stream), decode_stream(stream), strict=True):
        assert np.array_equal(first.rgb, second.rgb)


@pytest.mark.parametrize(("codec", "chroma"), [("avc", "420"), ("avc", "444"), ("hevc", "420"), ("hevc", "444")])
def test_every_key_codec_works_end_to_end(small, codec, chroma):
    shown = decode_stream(encode_stream(small[:3], key_codec=codec, chroma=chroma, key_qp=30))
    assert len(shown) == 3
    assert psnr(shown[0].rgb, small[0]) > 26


def test_files_pipes_and_objects_give_the_same_stream(tmp_path, small_clip):
    encode(small_clip, tmp_path / "a.gfv")
    out = io.BytesIO()
    with small_clip.open("rb") as source:
        encode(source, out)
    assert out.getvalue() == (tmp_path / "a.gfv").read_bytes()
    video = io.BytesIO()
    assert decode(io.BytesIO(out.getvalue()), video) == 12
    (tmp_path / "a.mkv").write_bytes(video.getvalue())
    assert len(read_clip(tmp_path / "a.mkv")) == 12


def test_progress_counts_the_pictures(tmp_path, small_clip):
    encoded, decoded = [], []
    encode(small_clip, tmp_path / "a.gfv", progress=encoded.append)
    decode(tmp_path / "a.gfv", tmp_path / "a.mp4", progress=decoded.append)
    assert encoded == decoded == list(range(1, 13))


def test_coarser_steps_and_wider_dead_zone_cost_less(demo):
    pictures = [scaled(picture, 64, 64) for picture in demo]
    sizes = [
        len(encode_stream(pictures, quantiser=quantiser, dead_zone=zone, lagrangian=0.0))
        for quantiser, zone in ((8, 0.5), (0, 0.75), (-8, 1.5))
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1.2 * sizes[2]


@pytest.mark.parametrize(("width", "height"), [(32, 64), (64, 62), (1026, 64)])
def test_sizes_off_the_range_are_refused_and_leave_nothing(tmp_path, width, height):
    clip = write_clip(tmp_path / "in.mp4", [np.zeros((height, width, 3), np.uint8)] * 2)
    with pytest.raises(VideoError, match=rf"{width}x{height}, 64\.\.1024 expected"):
        encode(clip, tmp_path / "a.gfv")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_picture_of_another_size_is_refused(small, demo):
    with pytest.raises(VideoError, match=r"shape \(256, 256, 3\), \(64, 64, 3\) expected"):
        encode_stream([small[0], demo[0]])


def test_one_picture_is_a_stream(small):
    stream = encode_stream(small[:1])
    assert len(parse_stream(stream)) == len(decode_stream(stream)) == 1


def test_largest_picture_works(demo):
    large = np.repeat(np.repeat(demo[0], 4, axis=0), 4, axis=1)
    shown = decode_stream(encode_stream([large, large], key_qp=60))
    assert [picture.rgb.shape for picture in shown] == [(1024, 1024, 3)] * 2
