"""Read and write video files and pipes (PyAV).

Pictures are RGB uint8 [H, W, 3] here and everywhere above.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
import numpy as np

from bitstream import Colour

from .colour import frame_colour, from_rgb, to_rgb
from .errors import VideoError
from .files import PIPE, is_special, replacing, standard_output

DEFAULT_RATE = Fraction(25)
# Containers by suffix; a pipe has none and gets Matroska, which needs no seeking.
CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".y4m": "yuv4mpegpipe",
    ".rgb": "rawvideo",
}
PIPE_CONTAINER = "matroska"
# Of the H.264 that is written.
DEFAULT_CRF = 4


class TimedPicture(NamedTuple):
    """rgb: uint8 [H, W, 3]; pts: presentation time in ticks of the video's time base, from 0, strictly rising."""

    rgb: np.ndarray
    pts: int


@dataclass(frozen=True)
class VideoInfo:
    """width, height after rotation; time_base: seconds per tick; picture_ticks: usual duration of a picture in
    ticks."""

    width: int
    height: int
    time_base: Fraction
    picture_ticks: int
    colour: Colour


class VideoReader:
    """Iterate over the pictures of a file, of `-` (standard input) or of a binary file object.

    A context manager. Raises VideoError if it cannot be opened, has no video stream or no picture, or fails in the
    middle (after all pictures before the fault). Rotation metadata is applied. Other streams, sound among them, are
    not read.
    """

    def __init__(self, source: str | os.PathLike[str] | BinaryIO | av.container.InputContainer) -> None:
        """source: also an open container, a camera's for example, which is closed with this."""
        self.name = (
            "standard input" if source == PIPE else str(source) if isinstance(source, str | os.PathLike) else "input"
        )
        if isinstance(source, str | os.PathLike) and source != PIPE and not Path(source).exists():
            raise VideoError(f"{self.name}: no such file")
        if source == PIPE:
            source = sys.stdin.buffer
        try:
            opened = isinstance(source, av.container.InputContainer)
            self._container = source if opened else av.open(source if hasattr(source, "read") else str(source))
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{self.name}: cannot be opened as video: {error.strerror}") from None
        try:
            self.info, self._first = self._probe()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def _probe(self) -> tuple[VideoInfo, av.VideoFrame]:
        # FFmpeg draws any text file as a terminal's screen.
        if not self._container.streams.video or self._container.format.name == "tty":
            raise VideoError(f"{self.name}: has no video stream")
        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        self._frames = self._decode(stream)
        first = next(self._frames, None)
        if first is None:
            raise VideoError(f"{self.name}: the video stream has no picture")
        rate = stream.average_rate or stream.guessed_rate or DEFAULT_RATE
        time_base = Fraction(stream.time_base or 1 / rate)
        ticks = max(1, round(1 / (rate * time_base)))
        width, height = first.width, first.height
        if first.rotation % 180:
            width, height = height, width
        self._untimed = Fraction(1 / rate) / time_base
        return VideoInfo(width, height, time_base, ticks, frame_colour(first)), first

    def _decode(self, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
        count = 0
        try:
            for frame in self._container.decode(stream):
                count += 1
                yield frame
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{self.name}: decoding fails after {count} pictures: {error.strerror}") from None

    def __iter__(self) -> Iterator[TimedPicture]:
        size, start, last, count = (self._first.width, self._first.height), None, -1, 0
        frame: av.VideoFrame | None = self._first
        while frame is not None:
            if (frame.width, frame.height) != size:
                raise VideoError(
                    f"{self.name}: picture {count} is {frame.width}x{frame.height}, {size[0]}x{size[1]} before; "
                    "scale the video to one size first"
                )
            pts = frame.pts if frame.pts is not None else (start or 0) + round(count * self._untimed)
            start = pts if start is None else start
            # Broken files repeat or turn back time stamps; a picture is never dropped for that.
            last = max(pts - start, last + 1)
            rgb = to_rgb(frame, self.info.colour)
            if frame.rotation:
                rgb = np.ascontiguousarray(np.rot90(rgb, frame.rotation // 90))
            yield TimedPicture(rgb, last)
            count += 1
            frame = next(self._frames, None)


class VideoWriter:
    """Write pictures to an open container; see `open_writer`."""

    def __init__(self, container: av.container.OutputContainer, info: VideoInfo, crf: int) -> None:
        self._container = container
        self._colour = info.colour
        raw = container.format.name in ("yuv4mpegpipe", "rawvideo")
        odd = info.width % 2 or info.height % 2
        # 4:2:0 has no odd sizes in H.264.
        self._format = "rgb24" if container.format.name == "rawvideo" else "yuv444p" if odd else "yuv420p"
        codec = "rawvideo" if raw else "libx264"
        rate = 1 / (info.time_base * info.picture_ticks)
        self._stream = container.add_stream(codec, rate=rate)
        stream = self._stream
        stream.width, stream.height, stream.pix_fmt = info.width, info.height, self._format
        context = stream.codec_context
        # Formats without time stamps count pictures; the others keep the source's clock.
        context.time_base = 1 / rate if raw else info.time_base
        if not raw:
            context.max_b_frames = 0
            context.options = {"crf": str(crf), "preset": "fast"}
            context.color_primaries, context.color_trc = info.colour.primaries, info.colour.transfer
            context.colorspace = info.colour.matrix
            context.color_range = 2 if info.colour.full_range else 1
        self._count_only = raw
        self._count = 0

    def write(self, picture: TimedPicture) -> None:
        """Append a picture.

        Raises VideoError if that fails, on a full disk for example.
        """
        if self._format == "rgb24":
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.rgb), format="rgb24")
        else:
            frame = from_rgb(picture.rgb, self._colour, self._format)
        context = self._stream.codec_context
        frame.pts = self._count if self._count_only else picture.pts
        frame.time_base = context.time_base
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def flush(self) -> None:
        self._container.mux(self._stream.encode(None))


@contextlib.contextmanager
def open_writer(
    target: str | os.PathLike[str] | BinaryIO, info: VideoInfo, *, force: bool = False, crf: int = DEFAULT_CRF
) -> Iterator[VideoWriter]:
    """Write H.264 (or raw .y4m, .rgb) to a path, `-` (standard output, Matroska) or a binary file object (Matroska).

    A file appears when it is whole. crf: 0..51, quality of the H.264; 10 looks lossless, but makes what rests tremble
    by a sixth more, 4 by a twelfth. Raises VideoError, GfvcError.
    """
    with contextlib.ExitStack() as stack:
        container_format = PIPE_CONTAINER
        if not isinstance(target, str | os.PathLike):
            name, destination = "output", target
        elif target == PIPE:
            name, destination = "standard output", standard_output()
        elif is_special(Path(target)):
            name, destination = str(target), stack.enter_context(open(target, "wb"))
        else:
            name, suffix = str(target), Path(target).suffix.lower()
            if suffix not in CONTAINERS:
                raise VideoError(f"{target}: unknown suffix {suffix!r}, one of {', '.join(CONTAINERS)} expected")
            container_format = CONTAINERS[suffix]
            destination = str(stack.enter_context(replacing(Path(target), force=force)))
        try:
            with av.open(destination, "w", format=container_format) as container:
                writer = VideoWriter(container, info, crf)
                yield writer
                writer.flush()
        except BrokenPipeError:
            raise
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{name}: cannot be written: {error.strerror or error}") from None


def write_png(path: Path, rgb: np.ndarray) -> None:
    """Write uint8 [H, W, 3] RGB as a PNG file."""
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt = rgb.shape[1], rgb.shape[0], "rgb24"
    context.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    path.write_bytes(b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)]))
