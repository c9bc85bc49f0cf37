"""Play a stream in real time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from bitstream.carriage import open_reader

from .backends.choice import AUTO
from .decoder import Decoder, show_all
from .video import TimedPicture, VideoInfo

# Pictures that wait decoded: half a second at 25 per second.
AHEAD = 12


class Played(NamedTuple):
    """pictures: shown; late: shown later than their time by more than a picture's duration."""

    pictures: int
    late: int


class Player:
    """Decodes ahead on threads of its own and gives each picture to the caller's thread at its time."""

    def __init__(self, stream: BinaryIO, *, backend: str = AUTO, device: str = "auto") -> None:
        """Raises BitstreamError, GfvcError and its kinds."""
        self._reader = open_reader(stream)
        self._decoder = Decoder(self._reader.header, backend=backend, device=device)
        self.backend = self._decoder.backend
        self.info: VideoInfo = self._decoder.info
        self._shown: queue.Queue[TimedPicture | None] = queue.Queue(AHEAD)
        self._stop = threading.Event()
        self._error: BaseException | None = None

    def _put(self, picture: TimedPicture | None) -> None:
        while True:
            if self._stop.is_set():
                raise _Stopped
            try:
                return self._shown.put(picture, timeout=0.1)
            except queue.Full:
                continue

    def _decode(self) -> None:
        try:
            show_all(self._reader, self._decoder, self._put)
        except _Stopped:
            return
        except BaseException as error:
            self._error = error
        try:
            self._put(None)
        except _Stopped:
            return

    def play(self, show: Callable[[TimedPicture], bool], *, clock: bool = True) -> Played:
        """``show`` each picture at its time (at once without ``clock``) until it returns False.

        Raises what decoding raises, after all pictures before that have been shown.
        """
        # An interrupt may come at any point here: the thread must not keep the process then.
        thread = threading.Thread(target=self._decode, name="gfvc-player", daemon=True)
        tick_s, count, late, start = float(self.info.time_base), 0, 0, None
        try:
            thread.start()
            while (picture := self._shown.get()) is not None:
                now = time.perf_counter()
                start = now - picture.pts * tick_s if start is None else start
                wait = start + picture.pts * tick_s - now
                if clock and wait > 0:
                    time.sleep(wait)
                late += wait < -self.info.picture_ticks * tick_s
                count += 1
                if not show(picture):
                    break
        finally:
            self._stop.set()
            if thread.is_alive():
                thread.join()
        if self._error is not None:
            raise self._error
        return Played(count, late)


class _Stopped(Exception):  # noqa: N818
    """The viewer has gone; no error."""
