"""Where live pictures are shown: a window (SDL through pygame) or an MJPEG page on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

import av
import numpy as np

from .errors import GfvcError

AUTO, WINDOW, PAGE = "auto", "window", "page"
SCREENS = (AUTO, WINDOW, PAGE)
_BOUNDARY = "gfvc-picture"
_PAGE = b"""<!doctype html><meta charset="utf-8"><title>gfvc</title>
<style>body{background:#222;color:#eee;font:16px sans-serif;text-align:center}img{max-width:100%}</style>
<img src="/pictures" alt="decoded video"><p>gfvc</p>
"""


class Screen(Protocol):
    """Shows pictures, uint8 [H, W, 3] RGB, each with a line of text."""

    place: str

    def show(self, rgb: np.ndarray, text: str) -> None:
        """Show a picture now."""

    @property
    def closed(self) -> bool:
        """Whether the viewer has gone."""


class Window:
    """A window; closed by its button, q or Escape."""

    place = "a window"

    def __init__(self, width: int, height: int) -> None:
        """Raises GfvcError without pygame or a display."""
        try:
            os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
            import pygame
        except ImportError:
            raise GfvcError("a window needs pygame: pip install 'gfvc[play]', or use --screen page") from None
        self._pygame = pygame
        try:
            pygame.display.init()
            self._surface = pygame.display.set_mode((width, height), pygame.RESIZABLE)
        except pygame.error as error:
            raise GfvcError(f"no window can be opened ({error}); use --screen page") from None
        self.closed = False

    def show(self, rgb: np.ndarray, text: str) -> None:
        pygame = self._pygame
        for event in pygame.event.get():
            if event.type == pygame.QUIT or (
                event.type == pygame.KEYDOWN and event.key in (pygame.K_q, pygame.K_ESCAPE)
            ):
                self.closed = True
        picture = pygame.image.frombuffer(np.ascontiguousarray(rgb).data, (rgb.shape[1], rgb.shape[0]), "RGB")
        surface = pygame.display.get_surface()
        surface.blit(pygame.transform.scale(picture, surface.get_size()), (0, 0))
        pygame.display.set_caption(text)
        pygame.display.flip()

    def close(self) -> None:
        self._pygame.display.quit()


class Page:
    """A page of moving pictures (MJPEG), for browsers of this machine only."""

    def __init__(self, width: int, height: int, port: int = 0) -> None:
        """port: 0 takes a free one.

        Raises GfvcError if the port is taken.
        """
        self.closed = False
        self._news = threading.Condition()
        self._jpeg, self._number = b"", 0
        self._codec = av.CodecContext.create("mjpeg", "w")
        self._codec.width, self._codec.height, self._codec.pix_fmt = width, height, "yuvj444p"
        self._codec.time_base = Fraction(1, 25)
        self._codec.options = {"qscale": "3", "flags": "+qscale"}
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except OSError as error:
            raise GfvcError(f"--port {port}: {error.strerror}; use another, or 0 for a free one") from None
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True, name="gfvc-page").start()
        self.place = f"http://127.0.0.1:{self._server.server_port}/"

    def show(self, rgb: np.ndarray, text: str) -> None:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24").reformat(format="yuvj444p")
        frame.pts = self._number
        jpeg = b"".join(bytes(packet) for packet in self._codec.encode(frame))
        with self._news:
            self._jpeg, self._number = jpeg, self._number + 1
            self._news.notify_all()

    def pictures(self) -> Iterator[bytes]:
        """JPEG pictures as they come, skipping those for which the reader was too slow."""
        seen = 0
        while not self.closed:
            with self._news:
                if self._number == seen:
                    self._news.wait(timeout=1)
                jpeg, number = self._jpeg, self._number
            if number > seen:
                seen = number
                yield jpeg

    def close(self) -> None:
        self.closed = True
        with self._news:
            self._news.notify_all()
        self._server.shutdown()
        self._server.server_close()


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self._head("text/html; charset=utf-8", len(_PAGE))
                self.wfile.write(_PAGE)
            elif self.path == "/pictures":
                self._head(f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
                # The reader may go at any time.
                with contextlib.suppress(ConnectionError):
                    for jpeg in page.pictures():
                        self.wfile.write(
                            f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                            + jpeg
                            + b"\r\n"
                        )
            else:
                self.send_error(404)

        def _head(self, kind: str, length: int | None = None) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Cache-Control", "no-store")
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet: the terminal is the user's."""

    return Handler


def _has_display() -> bool:
    if importlib.util.find_spec("pygame") is None:
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))


@contextlib.contextmanager
def open_screen(kind: str, width: int, height: int, port: int = 0) -> Iterator[Window | Page]:
    """`window`, `page`, or `auto`: a window where there is a display and pygame, else a page.

    Raises GfvcError.
    """
    if kind == AUTO:
        kind = WINDOW if _has_display() else PAGE
    screen = Window(width, height) if kind == WINDOW else Page(width, height, port)
    try:
        yield screen
    finally:
        screen.close()
