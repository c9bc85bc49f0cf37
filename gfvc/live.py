"""Encoder and decoder in one live loop: a picture in, what the other side would show out."""

from __future__ import annotations

import io
import time
from collections import deque
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bitstream import StreamReader

from .decoder import Decoder
from .encoder import Encoder
from .options import EncoderOptions
from .video import TimedPicture, VideoInfo

# Over so many seconds the bitrate is counted.
WINDOW_S = 5.0


class Turn(NamedTuple):
    """shown: uint8 [H, W, 3]; latency_s: from the encoder's entrance to the decoder's exit; kbps: over the last
    seconds; is_key: shown from a key picture."""

    shown: np.ndarray
    latency_s: float
    kbps: float
    is_key: bool


class Loop:
    """One picture at a time, each in a unit of its own: what a call does, without the network between."""

    def __init__(self, info: VideoInfo, options: EncoderOptions | None = None) -> None:
        """Raises GfvcError and its kinds, as `Encoder` and `Decoder`."""
        options = replace(options or EncoderOptions(), run=1, lookahead=0)
        self.encoder = Encoder(info, options)
        self._channel = _Channel(self.encoder.header_bytes())
        self._reader = StreamReader(self._channel)
        self._units = self._reader.units()
        self.decoder = Decoder(
            self._reader.header, weights=options.weights, device=options.device, backend=options.backend
        )
        self._tick_s = float(info.time_base)
        self._sent: deque[tuple[float, int]] = deque()

    def turn(self, picture: TimedPicture) -> Turn:
        """Encode, parse and decode one picture.

        Raises VideoError for another picture size.
        """
        started = time.perf_counter()
        data = b"".join(self.encoder.push(picture))
        self._channel.put(data)
        shown, is_key = None, False
        while self._channel.waiting:
            _, pictures = next(self._units)
            for parsed in pictures:
                shown, is_key = self.decoder.push(parsed), hasattr(parsed, "payload")
        finished = time.perf_counter()
        return Turn(shown.rgb, finished - started, self._rate(picture.pts * self._tick_s, len(data)), is_key)

    def _rate(self, now_s: float, size: int) -> float:
        self._sent.append((now_s, size))
        while self._sent[0][0] < now_s - WINDOW_S:
            self._sent.popleft()
        span = max(1.0, now_s - self._sent[0][0])
        return sum(count for _, count in self._sent) * 8 / span / 1000


class _Channel(io.RawIOBase):
    """Bytes in, bytes out; nothing is read that has not been put."""

    def __init__(self, data: bytes) -> None:
        self._data = bytearray(data)

    def put(self, data: bytes) -> None:
        self._data += data

    @property
    def waiting(self) -> int:
        return len(self._data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._data))
        buffer[:count] = self._data[:count]
        del self._data[:count]
        return count
