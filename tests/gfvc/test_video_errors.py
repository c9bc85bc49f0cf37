"""Bad videos give one VideoError, and failed writing leaves nothing behind."""

from __future__ import annotations

import io
import random
from fractions import Fraction

import numpy as np
import pytest

from bitstream import Colour
from gfvc import GfvcError, TimedPicture, VideoError, VideoInfo
from gfvc.video import VideoReader, open_writer

from .media import scaled, write_clip, write_lossless, write_sound
from .test_video_formats import Pipe

INFO = VideoInfo(64, 64, Fraction(1, 25), 1, Colour())
GREY = np.full((64, 64, 3), 128, np.uint8)


def read_all(source):
    """(pictures before a fault, the fault)."""
    pictures = []
    try:
        with VideoReader(source) as reader:
            pictures.extend(picture.rgb for picture in reader)
    except VideoError as error:
        return pictures, error
    return pictures, None


def test_missing_file(tmp_path):
    with pytest.raises(VideoError, match=r"none\.mp4: no such file"):
        VideoReader(tmp_path / "none.mp4")


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(VideoError, match="cannot be opened"):
        VideoReader(tmp_path)


@pytest.mark.parametrize("content", [b"", b"just a letter\n" * 50, bytes(5000)], ids=["empty", "text", "zeros"])
def test_file_that_is_no_video(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"a\.mp4"):
        VideoReader(path)
    with pytest.raises(VideoError, match="input"):
        VideoReader(io.BytesIO(content))


def test_sound_without_video(tmp_path):
    with pytest.raises(VideoError, match="no video stream"):
        VideoReader(write_sound(tmp_path / "a.wav"))


def test_mp4_whose_index_is_at_its_end_cannot_come_through_a_pipe(tmp_path, small):
    """Nothing can be done about that; it must be said, not shown as a crash."""
    data = write_clip(tmp_path / "a.mp4", small).read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")
    pictures, fault = read_all(Pipe(data))
    assert fault is not None or len(pictures) == len(small)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated_matroska_gives_the_pictures_before_the_cut(tmp_path, small, share):
    data = write_lossless(tmp_path / "a.mkv", small).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(data[: int(len(data) * share)])
    pictures, _ = read_all(path)
    assert len(small) * share - 3 < len(pictures) < len(small)
    # A codec may show the cut picture itself as far as it goes.
    for shown, picture in zip(pictures[:-1], small, strict=False):
        assert np.array_equal(shown, picture)


def test_truncated_mp4_is_one_error(tmp_path, small):
    path = write_clip(tmp_path / "a.mp4", small)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(VideoError, match=r"a\.mp4"), VideoReader(path) as reader:
        list(reader)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_damaged_file_gives_pictures_or_one_error(tmp_path, small, name):
    data = write_clip(tmp_path / name, small).read_bytes()
    path = tmp_path / f"damaged-{name}"
    generator = random.Random(4)
    for _ in range(30):
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 20)):
            damaged[generator.randrange(len(data))] = generator.randrange(256)
        path.write_bytes(damaged)
        pictures, _ = read_all(path)
        assert len({picture.shape for picture in pictures}) <= 1


def test_change_of_size_in_the_middle_is_refused(tmp_path, demo):
    first = write_clip(tmp_path / "a.264", [scaled(demo[0], 64, 64)] * 3)
    second = write_clip(tmp_path / "b.264", [scaled(demo[0], 96, 64)] * 3)
    path = tmp_path / "c.264"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    pictures, fault = read_all(path)
    assert [picture.shape for picture in pictures] == [(64, 64, 3)] * 3
    assert "picture 3 is 96x64" in str(fault)


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.webm"])
def test_unknown_suffix_names_the_known_ones(tmp_path, name):
    with pytest.raises(VideoError, match=r"unknown suffix.*\.mp4"), open_writer(tmp_path / name, INFO):
        pytest.fail("the body ran")
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_kept_without_force(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"mine")
    with pytest.raises(GfvcError, match="exists"), open_writer(path, INFO):
        pytest.fail("the body ran")
    assert path.read_bytes() == b"mine"
    with open_writer(path, INFO, force=True) as writer:
        writer.write(TimedPicture(GREY, 0))
    assert path.stat().st_size > 100


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "y4m", "rgb"])
@pytest.mark.parametrize("written", [0, 3])
@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_when_writing_fails(tmp_path, suffix, written, fault):
    with pytest.raises(fault), open_writer(tmp_path / f"a.{suffix}", INFO) as writer:
        for index in range(written):
            writer.write(TimedPicture(GREY, index))
        raise fault
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_a_video_error():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with open("/dev/full", "wb", buffering=0) as full:
        with (
            pytest.raises(VideoError, match="cannot be written: No space left"),
            open_writer(full, INFO, crf=0) as writer,
        ):
            for index in range(40):
                writer.write(TimedPicture(noise, index))
