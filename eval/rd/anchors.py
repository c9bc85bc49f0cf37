"""Conventional codecs as a careful engineer sets them for a video call: low delay, slow, nothing wasted on headers.

Low delay: a picture's bits depend on no later picture (no reordering, no look-ahead), one key picture in all. Every
codec has a fixed quantiser; the settings are those that won a search for the best MS-SSIM at equal bitrate
(docs/evaluation.md). The file holds the coded pictures and one copy of the parameter sets: no version strings,
delimiters or other SEI, three-byte start codes. FFmpeg plays the .264, .265 and .266 files; an .obu file is the
low-overhead form without temporal delimiters, as MP4 and Matroska carry it.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bitstream.nal import join_annex_b, nal_type, split_annex_b
from bitstream.obu import TEMPORAL_DELIMITER, parse_obus
from bitstream.units import leb128
from gfvc.errors import GfvcError
from gfvc.key_picture import VVENC
from gfvc.video import VideoInfo

from .scaling import half, to_picture, to_yuv

# SVT-AV1 prints its settings to standard error unless told otherwise.
os.environ.setdefault("SVT_LOG", "1")


@dataclass(frozen=True)
class Anchor:
    """An anchor codec.

    codec: its name in `bitstream.nal`, or av1; encoder, decoder: FFmpeg's names; max_qp: the highest quantiser;
    pixel_format: what is coded; options: FFmpeg's, `parameters` the encoder's own with {qp} in it, given as
    `parameter_option`; dropped: NAL unit types that a decoder does not need.
    """

    codec: str
    encoder: str
    decoder: str
    suffix: str
    max_qp: int
    pixel_format: str
    options: dict[str, str]
    parameter_option: str
    parameters: str
    dropped: tuple[int, ...] = ()


ANCHORS: dict[str, Anchor] = {
    "x264": Anchor(
        "avc",
        "libx264",
        "h264",
        ".264",
        63,
        "yuv420p10le",
        {"preset": "veryslow", "tune": "psnr"},
        "x264-params",
        # On the scale of 10 bit: 12 more than the same quantiser at 8 bit.
        "qp={qp}:ipratio=2.5:ref=1:weightp=0:bframes=0:rc-lookahead=0:sync-lookahead=0:mbtree=0:scenecut=0:keyint=infinite:"
        "threads=1:sliced-threads=0",
        (6, 9),
    ),
    "x265": Anchor(
        "hevc",
        "libx265",
        "hevc",
        ".265",
        51,
        "yuv420p",
        {"preset": "veryslow", "tune": "psnr"},
        "x265-params",
        "qp={qp}:ipratio=2:ref=1:weightp=0:sao=0:log2-max-poc-lsb=4:bframes=0:rc-lookahead=0:cutree=0:scenecut=0:keyint=-1:repeat-headers=1:info=0:hrd=0:aud=0:"
        "vui-timing-info=0:pools=none:frame-threads=1:log-level=none",
        (35, 39, 40),
    ),
    "svtav1": Anchor(
        "av1",
        "libsvtav1",
        "libdav1d",
        ".obu",
        70,
        "yuv420p",
        {"preset": "3"},
        "svtav1-params",
        "crf={qp}:pred-struct=1:hierarchical-levels=2:lookahead=0:keyint=-1:scd=0:enable-cdef=0:enable-restoration=0:lp=1",
    ),
    "vvenc": Anchor(
        "vvc",
        "libvvenc",
        "vvc",
        ".266",
        63,
        "yuv420p10le",
        {"preset": "slower"},
        "vvenc-params",
        # Perceptual QP adaptation lowers every measured metric. Internal depth 10: FFmpeg decodes that exactly.
        "qp={qp}:gopsize=8:picreordering=0:intraperiod=-1:decodingrefreshtype=none:qpa=0:internalbitdepth=10:threads=1",
        (20, 23, 24),
    ),
}


def missing(name: str) -> str | None:
    """Why an anchor cannot be used here and what to do; None if it can."""
    anchor = ANCHORS[name]
    for kind, mode in ((anchor.decoder, "r"), (anchor.encoder, "w")):
        try:
            av.Codec(kind, mode)
        except (ValueError, av.FFmpegError):
            if mode == "w" and anchor.codec == "vvc":
                if shutil.which(VVENC):
                    continue
                return f"this FFmpeg build has no {kind} and there is no {VVENC} on the PATH; install vvenc"
            return f"this FFmpeg build has no {kind}; pip install av brings one that has"
    return None


def describe(anchor: Anchor, qp: int) -> str:
    """The settings of a point in one line."""
    options = " ".join(f"-{key} {value}" for key, value in anchor.options.items())
    return f"{anchor.encoder} {options} -{anchor.parameter_option} {anchor.parameters.format(qp=qp)}"


def encode(anchor: Anchor, pictures: Iterable[np.ndarray], info: VideoInfo, qp: int, *, half_size: bool) -> bytes:
    """The file of an anchor at a quantiser, of uint8 [H, W, 3] RGB pictures; the sides must be even at full size.

    Raises GfvcError if the encoder fails.
    """
    size = (half(info.width), half(info.height)) if half_size else (info.width, info.height)
    if size[0] % 2 or size[1] % 2:
        raise GfvcError(f"pictures of {size[0]}x{size[1]}: 4:2:0 has even sizes only; crop the clip by a row or column")
    rate = Fraction(1 / (info.time_base * info.picture_ticks)).limit_denominator(60060)
    frames = (to_yuv(picture, size, anchor.pixel_format, info.colour) for picture in pictures)
    try:
        if anchor.codec == "vvc" and not _has_encoder(anchor.encoder):
            data = _vvencapp(frames, size, rate, qp)
        else:
            data = _encode(anchor, frames, size, rate, qp)
    except av.FFmpegError as error:
        raise GfvcError(f"{describe(anchor, qp)}: {error.strerror}") from None
    return _bare(anchor, data)


def _has_encoder(name: str) -> bool:
    try:
        av.Codec(name, "w")
    except (ValueError, av.FFmpegError):
        return False
    return True


def _encode(anchor: Anchor, frames: Iterable[av.VideoFrame], size: tuple[int, int], rate: Fraction, qp: int) -> bytes:
    context = av.CodecContext.create(anchor.encoder, "w")
    context.width, context.height = size
    context.pix_fmt = anchor.pixel_format
    context.time_base, context.framerate = 1 / rate, rate
    context.thread_count = 1
    context.options = anchor.options | {anchor.parameter_option: anchor.parameters.format(qp=qp)}
    data = io.BytesIO()
    for index, frame in enumerate(frames):
        frame.pts = index
        for packet in context.encode(frame):
            data.write(bytes(packet))
    for packet in context.encode(None):
        data.write(bytes(packet))
    return data.getvalue()


def _vvencapp(frames: Iterable[av.VideoFrame], size: tuple[int, int], rate: Fraction, qp: int) -> bytes:
    """Through the `vvencapp` program, which reads raw pictures from a file."""
    with tempfile.TemporaryDirectory(prefix="gfvc-") as folder:
        source, target = Path(folder, "in.yuv"), Path(folder, "out.266")
        with source.open("wb") as file:
            for frame in frames:
                file.write(frame.to_ndarray().tobytes())
        command = [shutil.which(VVENC) or VVENC, "-i", str(source), "-o", str(target)]
        command += ["-s", f"{size[0]}x{size[1]}", "-c", "yuv420_10", "-r", f"{rate.numerator}/{rate.denominator}"]
        command += ["-q", str(qp), "--preset", "slower", "--qpa", "0", "-t", "1", "--internal-bitdepth", "10"]
        command += ["--additional", "GopSize=8:PicReordering=0:IntraPeriod=-1", "-rt", "0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not target.exists():
            text = (done.stderr or done.stdout).strip()[-300:]
            raise GfvcError(f"{' '.join(command)}: exit code {done.returncode}: {text}")
        return target.read_bytes()


def _bare(anchor: Anchor, data: bytes) -> bytes:
    """What a decoder needs of a stream, and nothing else."""
    if anchor.codec == "av1":
        return b"".join(_obus(parse_obus(data)))
    return join_annex_b(unit for unit in split_annex_b(data) if nal_type(anchor.codec, unit) not in anchor.dropped)


def decode(anchor: Anchor, data: bytes, info: VideoInfo) -> Iterator[np.ndarray]:
    """The pictures of an anchor's file at the size of ``info``: uint8 [H, W, 3] RGB.

    Raises GfvcError if it cannot be decoded.
    """
    size = info.width, info.height
    try:
        for frame in _frames(anchor, data):
            yield to_picture(frame, size, info.colour)
    except av.FFmpegError as error:
        raise GfvcError(f"{anchor.decoder} cannot decode what {anchor.encoder} wrote: {error.strerror}") from None


def _frames(anchor: Anchor, data: bytes) -> Iterator[av.VideoFrame]:
    if anchor.codec != "av1":
        with av.open(io.BytesIO(data), format=anchor.decoder) as container:
            yield from container.decode(video=0)
        return
    # FFmpeg's reader of .obu files looks for delimiters; the decoder itself does not need them.
    context = av.CodecContext.create(anchor.decoder, "r")
    context.thread_count = 1
    for unit in _obus(parse_obus(data)):
        yield from context.decode(av.Packet(unit))
    yield from context.decode(None)


def _obus(units: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """Each unit with its header and size; without temporal delimiters."""
    for kind, payload in units:
        if kind != TEMPORAL_DELIMITER:
            yield bytes((kind << 3 | 2,)) + leb128(len(payload)) + payload
