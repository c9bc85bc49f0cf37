"""What is in the pictures survives: sizes, colour, rotation, raw formats, pipes."""

from __future__ import annotations

import io
import os
import struct
import threading
from fractions import Fraction

import av
import numpy as np
import pytest

from bitstream import Colour
from gfvc import TimedPicture, VideoInfo
from gfvc.video import VideoReader, open_writer, write_png

from .media import psnr, read_clip, scaled, write_clip, write_lossless


class Pipe:
    """Gives bytes, a few at a time, and cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, count: int = -1) -> bytes:
        return self._data.read(min(count, 1000) if count > 0 else count)


def write(target, pictures, colour=None, **options):
    height, width = pictures[0].shape[:2]
    info = VideoInfo(width, height, Fraction(1, 25), 1, colour or Colour())
    with open_writer(target, info, **options) as writer:
        for index, picture in enumerate(pictures):
            writer.write(TimedPicture(picture, index))


@pytest.mark.parametrize(("width", "height"), [(64, 64), (66, 90), (67, 101), (64, 65), (101, 64)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "y4m"])
def test_every_size_comes_back_with_nearly_equal_pictures(tmp_path, demo, width, height, suffix):
    pictures = [scaled(picture, width, height) for picture in demo[:3]]
    target = tmp_path / f"out.{suffix}"
    write(target, pictures)
    with VideoReader(target) as reader:
        assert (reader.info.width, reader.info.height) == (width, height)
        back = [picture.rgb for picture in reader]
    assert len(back) == 3
    assert min(psnr(a, b) for a, b in zip(back, pictures, strict=True)) > 30


@pytest.mark.parametrize(
    ("size", "pixel_format"), [((66, 90), "yuv420p"), ((67, 90), "yuv444p"), ((66, 91), "yuv444p")]
)
def test_odd_sizes_are_written_in_444(tmp_path, size, pixel_format):
    write(tmp_path / "out.mp4", [np.zeros((size[1], size[0], 3), np.uint8)])
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == pixel_format


@pytest.mark.parametrize("colour", [Colour(1, 1, 1, False), Colour(6, 6, 6, False), Colour(1, 13, 6, True)])
def test_colour_description_is_written_and_read(tmp_path, demo, colour):
    write(tmp_path / "out.mp4", demo[:1], colour)
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert reader.info.colour == colour
        assert psnr(next(iter(reader)).rgb, demo[0]) > 30


def test_raw_rgb_is_exact(tmp_path, small):
    write(tmp_path / "out.rgb", small)
    raw = np.fromfile(tmp_path / "out.rgb", np.uint8).reshape(-1, 64, 64, 3)
    assert np.array_equal(raw, np.stack(small))


def test_raw_rgb_of_odd_width_has_no_padding(tmp_path, demo):
    pictures = [scaled(picture, 67, 101) for picture in demo[:2]]
    write(tmp_path / "out.rgb", pictures)
    assert (tmp_path / "out.rgb").read_bytes() == b"".join(picture.tobytes() for picture in pictures)


def rotated_clip(path, picture, matrix):
    """A clip with a display matrix (a, b, c, d) in its track header (ISO/IEC 14496-12 clause 8.3.2)."""
    data = bytearray(write_clip(path, [picture] * 3).read_bytes())
    start = data.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)],
    ids=["upright", "clockwise", "upside-down", "counter-clockwise"],
)
def test_rotation_metadata_is_applied(tmp_path, matrix, turns):
    picture = np.full((96, 64, 3), 16, np.uint8)
    picture[:32, :32] = 235
    expected = np.rot90(picture, turns)
    with VideoReader(rotated_clip(tmp_path / "in.mp4", picture, matrix)) as reader:
        assert (reader.info.height, reader.info.width) == expected.shape[:2]
        pictures = [shown.rgb for shown in reader]
    assert len(pictures) == 3
    for shown in pictures:
        assert psnr(shown, expected) > 25


def test_reading_a_file_object(tmp_path, small):
    data = write_lossless(tmp_path / "in.mkv", small).read_bytes()
    with VideoReader(io.BytesIO(data)) as reader:
        assert all(np.array_equal(shown.rgb, picture) for shown, picture in zip(reader, small, strict=True))


def test_reading_an_object_that_cannot_seek(tmp_path, small):
    data = write_lossless(tmp_path / "in.mkv", small).read_bytes()
    with VideoReader(Pipe(data)) as reader:
        assert all(np.array_equal(shown.rgb, picture) for shown, picture in zip(reader, small, strict=True))


def test_reading_and_writing_real_pipes(tmp_path, small):
    """What is written to one end is read at the other, with nothing to seek in."""
    read_end, write_end = os.pipe()

    def produce():
        with os.fdopen(write_end, "wb") as out:
            write(out, small, crf=0)

    producer = threading.Thread(target=produce)
    producer.start()
    with os.fdopen(read_end, "rb") as source, VideoReader(source) as reader:
        pictures = [shown.rgb for shown in reader]
    producer.join()
    assert len(pictures) == len(small)
    assert min(psnr(a, b) for a, b in zip(pictures, small, strict=True)) > 28


def test_written_file_object_stays_open_and_holds_matroska(small):
    out = io.BytesIO()
    write(out, small)
    assert out.getvalue()[:4] == bytes.fromhex("1a45dfa3")


def test_crf_trades_size_for_quality(tmp_path, demo):
    sizes = []
    for crf in (5, 25, 45):
        write(tmp_path / f"{crf}.mp4", demo[:4], crf=crf)
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 3 * sizes[2]


@pytest.mark.parametrize(("width", "height"), [(64, 64), (67, 31)])
def test_png_is_exact(tmp_path, demo, width, height):
    picture = scaled(demo[0], width, height)
    write_png(tmp_path / "a.png", picture)
    assert np.array_equal(read_clip(tmp_path / "a.png")[0], picture)
