"""Times of pictures survive reading and writing."""

from __future__ import annotations

import io
import itertools
from fractions import Fraction

import numpy as np
import pytest

from bitstream import Colour
from gfvc import TimedPicture, VideoInfo
from gfvc.video import VideoReader, open_writer

from .media import read_clip, read_times, write_clip, write_lossless

NTSC = Fraction(30000, 1001)
# Milliseconds, so that Matroska can hold them: a camera that drops pictures and dithers.
UNEVEN = (0, 40, 75, 120, 320, 333, 400, 500, 540, 581, 620, 1000)


def seconds(reader):
    return [picture.pts * reader.info.time_base for picture in reader]


def copy(source, target):
    """Read ``source`` and write it to ``target``; the times that were read."""
    with VideoReader(source) as reader, open_writer(target, reader.info) as writer:
        times = []
        for picture in reader:
            times.append(picture.pts * reader.info.time_base)
            writer.write(picture)
        return times


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_constant_rate_is_read_and_written_exactly(tmp_path, small, suffix):
    source = write_clip(tmp_path / f"in.{suffix}", small)
    target = tmp_path / f"out.{suffix}"
    expected = [Fraction(index, 25) for index in range(len(small))]
    assert copy(source, target) == expected
    assert read_times(target) == expected


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_ntsc_rate_is_read_and_written_exactly(tmp_path, small, suffix):
    source = write_clip(tmp_path / f"in.{suffix}", small, rate=NTSC)
    target = tmp_path / f"out.{suffix}"
    expected = [index / NTSC for index in range(len(small))]
    assert copy(source, target) == expected
    assert read_times(target) == expected


def test_ntsc_rate_in_matroska_is_off_by_its_clock_alone(tmp_path, small):
    source = write_clip(tmp_path / "in.mp4", small, rate=NTSC)
    copy(source, tmp_path / "out.mkv")
    for index, time in enumerate(read_times(tmp_path / "out.mkv")):
        assert abs(time - index / NTSC) <= Fraction(1, 1000)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(["mp4", "mkv"], repeat=2)))
def test_variable_frame_times_are_kept_exactly(tmp_path, small, source, target):
    clip = write_clip(tmp_path / f"in.{source}", small, ticks=UNEVEN, time_base=Fraction(1, 1000))
    out = tmp_path / f"out.{target}"
    expected = [Fraction(tick, 1000) for tick in UNEVEN]
    assert copy(clip, out) == expected
    assert read_times(out) == expected


def test_times_begin_at_zero_wherever_the_file_begins(tmp_path, small):
    clip = write_clip(
        tmp_path / "in.mkv", small, ticks=[5000 + 40 * n for n in range(len(small))], time_base=Fraction(1, 1000)
    )
    with VideoReader(clip) as reader:
        assert seconds(reader) == [Fraction(index, 25) for index in range(len(small))]


def test_picture_ticks_are_the_usual_duration_of_a_picture(tmp_path, small):
    for rate in (Fraction(25), NTSC, Fraction(10)):
        clip = write_clip(tmp_path / f"{float(rate)}.mp4", small, rate=rate)
        with VideoReader(clip) as reader:
            assert reader.info.picture_ticks * reader.info.time_base == 1 / rate


def test_matroska_from_a_pipe_keeps_uneven_times(tmp_path, small):
    clip = write_clip(tmp_path / "in.mp4", small, ticks=UNEVEN, time_base=Fraction(1, 1000))
    out = io.BytesIO()
    copy(clip, out)
    out.seek(0)
    with VideoReader(out) as reader:
        assert seconds(reader) == [Fraction(tick, 1000) for tick in UNEVEN]


@pytest.mark.parametrize("suffix", ["y4m", "rgb"])
def test_formats_without_times_hold_every_picture(tmp_path, small, suffix):
    clip = write_clip(tmp_path / "in.mp4", small, ticks=UNEVEN, time_base=Fraction(1, 1000))
    copy(clip, tmp_path / f"out.{suffix}")
    if suffix == "rgb":
        assert (tmp_path / "out.rgb").stat().st_size == len(small) * small[0].size
    else:
        assert len(read_clip(tmp_path / "out.y4m")) == len(small)


def test_y4m_states_the_rate(tmp_path, small):
    copy(write_clip(tmp_path / "in.mp4", small, rate=NTSC), tmp_path / "out.y4m")
    heading = (tmp_path / "out.y4m").read_bytes().split(b"\n")[0].split(b" ")
    assert b"F30000:1001" in heading
    assert read_times(tmp_path / "out.y4m") == [index / NTSC for index in range(len(small))]


def test_pictures_of_a_second_pass_are_those_of_the_first(tmp_path, small):
    clip = write_lossless(tmp_path / "in.mkv", small)
    with VideoReader(clip) as reader:
        pictures = list(reader)
    assert [picture.pts for picture in pictures] == sorted({picture.pts for picture in pictures})
    assert all(np.array_equal(picture.rgb, original) for picture, original in zip(pictures, small, strict=True))


def test_long_gap_between_pictures_is_kept(tmp_path):
    info = VideoInfo(64, 64, Fraction(1, 90000), 3600, Colour())
    grey = np.full((64, 64, 3), 128, np.uint8)
    ticks = [0, 1, 90000 * 60, 90000 * 3600]
    with open_writer(tmp_path / "out.mp4", info) as writer:
        for tick in ticks:
            writer.write(TimedPicture(grey, tick))
    assert read_times(tmp_path / "out.mp4") == [Fraction(tick, 90000) for tick in ticks]
