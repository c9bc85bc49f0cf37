"""Playing and the live loop, without a display."""

from __future__ import annotations

import importlib.util
import json
import threading
import urllib.request

import av
import numpy as np
import pytest

from gfvc import EncoderOptions, VideoError
from gfvc.cli import main
from gfvc.commands.loop import open_camera, square
from gfvc.live import Loop
from gfvc.player import Player
from gfvc.screens import Page, open_screen
from gfvc.video import VideoReader

from .streams import decode_stream

needs_pygame = pytest.mark.skipif(importlib.util.find_spec("pygame") is None, reason="pygame is not installed")


@pytest.fixture(scope="module")
def stream(small_stream, tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "small.gfv"
    path.write_bytes(small_stream)
    return path


def read_jpeg(response):
    """The next picture of an MJPEG response, as uint8 [H, W, 3]."""
    length = 0
    while line := response.readline().strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    data = response.read(length)
    response.readline()
    (frame,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(data))
    return frame.to_ndarray(format="rgb24")


def test_page_gives_the_pictures_to_a_browser_of_this_machine():
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, 48:] = (200, 100, 50)
    with open_screen("page", 96, 64) as page:
        assert page.place.startswith("http://127.0.0.1:")
        assert b"/pictures" in urllib.request.urlopen(page.place, timeout=10).read()
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(page.place + "etc/passwd", timeout=10)
        page.show(picture, "text")
        with urllib.request.urlopen(page.place + "pictures", timeout=10) as response:
            assert response.headers["Content-Type"].startswith("multipart/x-mixed-replace")
            found = read_jpeg(response)
            page.show(255 - picture, "text")
            second = read_jpeg(response)
    assert np.abs(found.astype(int) - picture).mean() < 4
    assert np.abs(second.astype(int) - (255 - picture)).mean() < 4


def test_port_that_is_taken_is_an_error_with_a_way_out():
    page = Page(64, 64)
    port = int(page.place.rstrip("/").rsplit(":", 1)[1])
    try:
        with pytest.raises(ValueError, match=f"--port {port}.*0 for a free one"):
            Page(64, 64, port)
    finally:
        page.close()


@needs_pygame
def test_window_shows_the_picture(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    import pygame

    with open_screen("window", 64, 64) as window:
        window.show(np.full((64, 64, 3), (10, 200, 30), np.uint8), "gfvc")
        assert tuple(pygame.display.get_surface().get_at((5, 5)))[:3] == (10, 200, 30)
        assert not window.closed
        pygame.event.post(pygame.event.Event(pygame.QUIT))
        window.show(np.zeros((64, 64, 3), np.uint8), "gfvc")
        assert window.closed


def test_player_gives_every_picture_in_order_and_on_time(stream, small_stream):
    with stream.open("rb") as file:
        shown = []
        played = Player(file).play(lambda picture: shown.append(picture) or True)
    wanted = decode_stream(small_stream)
    assert played.pictures == 12
    assert [picture.pts for picture in shown] == [picture.pts for picture in wanted]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(shown, wanted, strict=True))


def test_player_that_is_left_stops_its_threads(stream):
    before = threading.active_count()
    with stream.open("rb") as file:
        assert Player(file).play(lambda picture: False).pictures == 1
    assert threading.active_count() == before


def test_play_command_says_what_it_showed(stream, capsys):
    assert main(["play", str(stream), "--screen", "page", "--fast", "--json", "-q"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["pictures"], report["backend"]) == (12, "torch")


def test_play_of_a_damaged_stream_shows_what_came_before(small_stream, tmp_path, capsys):
    path = tmp_path / "cut.gfv"
    path.write_bytes(small_stream[:-3])
    assert main(["play", str(path), "--screen", "page", "--fast", "-q"]) == 2
    assert "cut.gfv" in capsys.readouterr().err


def test_loop_shows_each_picture_when_it_is_given(small_clip):
    with VideoReader(small_clip) as video:
        loop = Loop(video.info, EncoderOptions())
        turns = [loop.turn(picture) for picture in video]
    assert [turn.is_key for turn in turns] == [True] + [False] * 11
    assert all(turn.shown.shape == (64, 64, 3) and turn.latency_s > 0 for turn in turns)
    # The key picture leaves the rate high; it falls as driven pictures follow.
    assert turns[0].kbps > turns[-1].kbps / 3 > 0


def test_loop_command_measures(small_clip, capsys):
    arguments = ["loop", "--input", str(small_clip), "--size", "64", "--screen", "page", "--fast", "--json", "-q"]
    assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["pictures"] == 12
    assert report["dropped"] == 0
    assert report["latency_ms_95th_percentile"] >= report["latency_ms_median"] > 0


def test_camera_that_is_not_there_is_named():
    with pytest.raises(VideoError, match="camera 97"):
        open_camera("97")


def test_square_is_the_middle():
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[:, 35:125] = 255
    assert square(picture, 90).min() == 255
    assert square(picture, 64).shape == (64, 64, 3)
