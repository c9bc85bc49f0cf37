"""Encoding to a given bitrate: the key pictures' quantiser is found by trying."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from bitstream import StreamSummary

from .backends.base import Backend
from .carriage import DEFAULT_SYNTAX, choose_carriage, options_for
from .encoder import encode
from .errors import GfvcError
from .files import PIPE, is_special, open_target
from .key_picture import CODECS, KeyPictureCodec
from .options import EncoderOptions
from .video import VideoReader

# Whole encodings at most: the first at the codec's default, and usually two or three more.
MAX_TRIES = 6
# A file this much under the bitrate is near enough.
SLACK = 0.04


class _KeySizes:
    """Size of a clip's first key picture by QP; those of the others are taken to change in proportion."""

    def __init__(self, source: str | PathLike[str], options: EncoderOptions) -> None:
        with VideoReader(source) as video:
            info, self._picture = video.info, next(iter(video)).rgb
        self._codec = KeyPictureCodec(options.key_codec, info.width, info.height, info.colour, options.chroma)
        self._sizes: dict[int, int] = {}

    def __call__(self, qp: int) -> int:
        if qp not in self._sizes:
            coded = self._codec.encode(self._picture, qp)
            self._sizes[qp] = len(coded.payload) + len(coded.config)
        return self._sizes[qp]

    def finest(self, budget: float, low: int, high: int) -> int:
        """The lowest QP of ``low``..``high`` whose picture is at most ``budget`` bytes, ``high`` if none is."""
        while low < high:
            middle = (low + high) // 2
            if self(middle) <= budget:
                high = middle
            else:
                low = middle + 1
        return low


def encode_at_bitrate(
    source: str | PathLike[str],
    target: str | PathLike[str] | BinaryIO,
    kbps: float,
    options: EncoderOptions | None = None,
    *,
    carriage: str | None = None,
    syntax: str = DEFAULT_SYNTAX,
    force: bool = False,
    progress: Callable[[int], None] = lambda pictures: None,
    announce: Callable[[Backend], None] = lambda backend: None,
) -> StreamSummary:
    """Encode a video file to a stream of at most ``kbps`` kbit/s in all, with key pictures as fine as that allows.

    Parameters and overhead cost what they cost; what they leave goes to the key pictures. The file is read several
    times. Raises GfvcError if the input is a pipe or no key-picture quantiser reaches the bitrate, else as `encode`.
    """
    carriage = choose_carriage(target, carriage)
    options = options_for(options or EncoderOptions(), carriage)
    if source == PIPE or not isinstance(source, str | PathLike) or is_special(Path(source)):
        raise GfvcError("--bitrate reads its input several times: a file is needed, not a pipe; or use --key-qp")
    # Opened first: a target that cannot be written is said before the minutes of trying.
    with open_target(target, force=force) as file:
        summary, stream = _finest(
            source, kbps, options, carriage=carriage, syntax=syntax, progress=progress, announce=announce
        )
        file.write(stream)
    return summary


def _finest(
    source: str | PathLike[str],
    kbps: float,
    options: EncoderOptions,
    *,
    carriage: str,
    syntax: str,
    progress: Callable[[int], None],
    announce: Callable[[Backend], None],
) -> tuple[StreamSummary, bytes]:
    """The largest stream of at most ``kbps`` among those tried."""
    sizes = _KeySizes(source, options)
    low, high = 1, CODECS[options.key_codec].max_qp
    qp = CODECS[options.key_codec].default_qp
    best: tuple[StreamSummary, bytes] | None = None
    least = float("inf")
    for _ in range(MAX_TRIES):
        out = io.BytesIO()
        tried = replace(options, key_qp=qp)
        summary = encode(source, out, tried, carriage=carriage, syntax=syntax, progress=progress, announce=announce)
        least = min(least, summary.kbps_total)
        if summary.kbps_total <= kbps:
            if best is None or summary.kbps_total > best[0].kbps_total:
                best = summary, out.getvalue()
            if summary.kbps_total >= kbps * (1 - SLACK):
                break
            high = qp - 1
        else:
            low = qp + 1
        if low > high:
            break
        left = kbps - summary.kbps_total + summary.kbps_key
        qp = sizes.finest(sizes(qp) * left / summary.kbps_key, low, high)
    if best is None:
        raise GfvcError(f"{source}: --bitrate {kbps:g} is out of reach; the lowest tried is {least:.2f} kbit/s")
    return best
