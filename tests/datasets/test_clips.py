"""Reading a folder of clips into one file of small pictures, once."""

from __future__ import annotations

import os

import numpy as np
import pytest

from datasets import clips as module
from datasets.clips import ClipError, build_frame_cache, list_clips, load_landmarks, read_pictures

from ..gfvc.media import DEMO, psnr, read_clip, scaled, write_clip, write_lossless, write_sound

SIZE = 64
VERTICES = (1, 61, 473)


@pytest.fixture(scope="module")
def pictures():
    return [scaled(picture, 96, 96) for picture in read_clip(DEMO, 8)]


@pytest.fixture
def folder(tmp_path, pictures):
    """Clips a (8 pictures) and, one folder deeper, b (5 pictures)."""
    (tmp_path / "clips" / "below").mkdir(parents=True)
    write_clip(tmp_path / "clips" / "a.mp4", pictures)
    write_clip(tmp_path / "clips" / "below" / "b.mkv", pictures[:5])
    return tmp_path / "clips"


def test_clips_are_found_in_name_order_and_below(folder):
    (folder / "notes.txt").write_text("not a clip")
    assert [path.name for path in list_clips(folder)] == ["a.mp4", "b.mkv"]


def test_stills_count_where_asked(folder, pictures):
    write_clip(folder / "c.png", pictures[:1], codec="png", pixel_format="rgb24")
    assert [path.name for path in list_clips(folder)] == ["a.mp4", "b.mkv"]
    assert [path.name for path in list_clips(folder, stills=True)] == ["a.mp4", "b.mkv", "c.png"]


def test_missing_folder_and_folder_without_clips_are_named(tmp_path):
    with pytest.raises(ClipError, match="nowhere: not a folder"):
        list_clips(tmp_path / "nowhere")
    with pytest.raises(ClipError, match=rf"{tmp_path.name}: no files"):
        list_clips(tmp_path)


def test_cache_holds_every_picture_of_every_clip(folder, tmp_path, pictures):
    cache = build_frame_cache([folder], tmp_path / "cache", SIZE)
    assert cache.clips == (("a", 0, 8), ("below/b", 8, 5))
    assert cache.frames.shape == (13, SIZE, SIZE, 3)
    assert cache.frames.dtype == np.uint8
    assert cache.skipped == ()
    for row, picture in zip(cache.frames, [*pictures, *pictures[:5]], strict=True):
        assert psnr(np.asarray(row), scaled(picture, SIZE, SIZE)) > 30


def test_several_folders_make_one_cache(folder, tmp_path, pictures):
    (tmp_path / "more").mkdir()
    write_clip(tmp_path / "more" / "still.png", pictures[:1], codec="png", pixel_format="rgb24")
    cache = build_frame_cache([folder, tmp_path / "more"], tmp_path / "cache", SIZE)
    assert cache.clips == (("a", 0, 8), ("below/b", 8, 5), ("still", 13, 1))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_step_keeps_each_nth_picture(tmp_path, pictures, step):
    write_lossless(tmp_path / "a.mkv", [scaled(picture, SIZE, SIZE) for picture in pictures])
    found = list(read_pictures(tmp_path / "a.mkv", SIZE, step))
    assert len(found) == len(range(0, 8, step))
    for picture, original in zip(found, pictures[::step], strict=True):
        assert psnr(picture, scaled(original, SIZE, SIZE)) > 40


@pytest.mark.parametrize(("height", "width"), [(96, 160), (160, 96), (96, 96)])
def test_central_square_is_kept(tmp_path, pictures, height, width):
    """The bars on either side are red, and must be gone."""
    wide = np.zeros((height, width, 3), np.uint8)
    wide[..., 0] = 255
    top, left = (height - 96) // 2, (width - 96) // 2
    wide[top : top + 96, left : left + 96] = pictures[0]
    write_lossless(tmp_path / "a.mkv", [wide])
    (found,) = read_pictures(tmp_path / "a.mkv", SIZE)
    assert psnr(found, scaled(pictures[0], SIZE, SIZE)) > 35


def test_second_call_decodes_nothing(folder, tmp_path, monkeypatch):
    first = build_frame_cache([folder], tmp_path / "cache", SIZE)
    monkeypatch.setattr(module, "read_pictures", lambda *_: pytest.fail("decoded again"))
    second = build_frame_cache([folder], tmp_path / "cache", SIZE)
    assert second.clips == first.clips
    assert np.array_equal(second.frames, first.frames)


def test_cache_follows_size_step_and_files(folder, tmp_path, pictures):
    cache = tmp_path / "cache"
    assert len(build_frame_cache([folder], cache, SIZE).frames) == 13
    assert build_frame_cache([folder], cache, 72).frames.shape[1] == 72
    assert build_frame_cache([folder], cache, SIZE, 2).clips == (("a", 0, 4), ("below/b", 4, 3))
    write_clip(folder / "a.mp4", [255 - picture for picture in pictures])
    os.utime(folder / "a.mp4", (1, 1))
    changed = build_frame_cache([folder], cache, SIZE)
    assert psnr(np.asarray(changed.frames[0]), scaled(255 - pictures[0], SIZE, SIZE)) > 30
    (folder / "a.mp4").unlink()
    assert build_frame_cache([folder], cache, SIZE).clips == (("below/b", 0, 5),)


def test_build_that_was_stopped_is_done_again(folder, tmp_path):
    def stop(paths):
        yield paths[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_frame_cache([folder], tmp_path / "cache", SIZE, progress=stop)
    assert len(build_frame_cache([folder], tmp_path / "cache", SIZE).frames) == 13


def test_two_processes_that_build_at_once_do_not_disturb_each_other(folder, tmp_path):
    """As the processes of one training run do; the other one finishes while this one reads."""

    def meanwhile(paths):
        yield paths[0]
        assert len(build_frame_cache([folder], tmp_path / "cache", SIZE).frames) == 13
        yield from paths[1:]

    assert len(build_frame_cache([folder], tmp_path / "cache", SIZE, progress=meanwhile).frames) == 13


def no_video(path):
    write_sound(path.with_suffix(".wav")).rename(path)


UNREADABLE = {
    "text": lambda path: path.write_text("no video\n" * 40),
    "empty": lambda path: path.write_bytes(b""),
    "sound": no_video,
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_file_that_cannot_be_read_is_skipped_and_listed(folder, tmp_path, kind):
    UNREADABLE[kind](folder / "bad.mp4")
    for _ in range(2):
        cache = build_frame_cache([folder], tmp_path / "cache", SIZE)
        assert [name for name, _, _ in cache.clips] == ["a", "below/b"]
        ((name, reason),) = cache.skipped
        assert name.endswith("bad.mp4")
        assert reason


def test_clip_without_a_picture_is_listed_too(folder, tmp_path):
    data = (folder / "below" / "b.mkv").read_bytes()
    # What stands before the first cluster: headers, and no picture.
    (folder / "bad.mkv").write_bytes(data[: data.index(bytes.fromhex("1f43b675"))])
    cache = build_frame_cache([folder], tmp_path / "cache", SIZE)
    assert [name for name, _, _ in cache.clips] == ["a", "below/b"]
    assert len(cache.skipped) == 1


def test_folder_of_unreadable_files_alone_is_an_error(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "bad.mp4").write_text("no video")
    with pytest.raises(ClipError, match="none of 1"):
        build_frame_cache([tmp_path / "clips"], tmp_path / "cache", SIZE)


def labels_for(tmp_path, counts):
    """Label files of so many rows; row r holds r / 100 everywhere."""
    (tmp_path / "labels").mkdir()
    for name, count in counts.items():
        rows = np.broadcast_to(np.arange(count)[:, None, None] / 100, (count, 478, 2)).astype(np.float16)
        path = tmp_path / "labels" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rows)
    return tmp_path / "labels"


@pytest.mark.parametrize("step", [1, 2])
def test_labels_go_to_the_rows_of_their_pictures(folder, tmp_path, step):
    cache = build_frame_cache([folder], tmp_path / "cache", SIZE, step)
    marks = load_landmarks(cache, labels_for(tmp_path, {"a": 8, "below/b": 5}), VERTICES)
    assert marks.shape == (len(cache.frames), len(VERTICES), 2)
    expected = [*range(0, 8, step), *range(0, 5, step)]
    assert np.allclose(marks[:, 0, 0] * 100, expected, atol=0.05)


def test_clip_without_labels_has_unknown_marks(folder, tmp_path):
    cache = build_frame_cache([folder], tmp_path / "cache", SIZE)
    marks = load_landmarks(cache, labels_for(tmp_path, {"below/b": 5}), VERTICES)
    assert np.isnan(marks[:8]).all()
    assert np.isfinite(marks[8:]).all()


def test_labels_shorter_than_their_clip_are_an_error(folder, tmp_path):
    cache = build_frame_cache([folder], tmp_path / "cache", SIZE)
    with pytest.raises(ClipError, match=r"a\.npy: 7 labels for 8 pictures of a"):
        load_landmarks(cache, labels_for(tmp_path, {"a": 7, "below/b": 5}), VERTICES)


def test_folder_without_fitting_labels_is_an_error(folder, tmp_path):
    cache = build_frame_cache([folder], tmp_path / "cache", SIZE)
    with pytest.raises(ClipError, match="no labels for these clips"):
        load_landmarks(cache, labels_for(tmp_path, {"other": 8}), VERTICES)
