"""Key pictures through FFmpeg's codecs (PyAV): one intra picture in, parameter sets and coded picture out, and back.

What `.gfv` carries is split in two: `config`, the parameter sets, sent again only when they change, and `payload`, the
coded picture alone. Delimiters, SEI and version strings are dropped. SPEC.md clause 8 states both for each codec.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from bitstream import BitstreamError, Colour
from bitstream.nal import (
    PARAMETER_SETS,
    PICTURE_TYPES,
    hevc_vps,
    join_annex_b,
    nal_type,
    pack_nal_units,
    split_annex_b,
    unpack_nal_units,
)
from bitstream.obu import join_obus, split_obus

from .colour import from_rgb, to_rgb
from .errors import KeyCodecError

VVENC = "vvencapp"
# SVT-AV1 prints its settings to standard error unless told otherwise.
os.environ.setdefault("SVT_LOG", "1")


class CodedPicture(NamedTuple):
    """config: parameter sets; payload: the coded picture."""

    config: bytes
    payload: bytes


@dataclass(frozen=True)
class CodecEntry:
    """A key codec: FFmpeg's names, the range of its quantiser, and the default that gives about 1.2 kB at 256x256."""

    encoders: tuple[str, ...]
    decoders: tuple[str, ...]
    max_qp: int
    default_qp: int
    chroma_formats: tuple[str, ...]
    options: dict[str, str]


CODECS: dict[str, CodecEntry] = {
    "av1": CodecEntry(("libsvtav1",), ("libdav1d", "libaom-av1", "av1"), 63, 42, ("420",), {"preset": "2"}),
    "hevc": CodecEntry(("libx265",), ("hevc",), 51, 34, ("420", "444"), {"preset": "veryslow", "tune": "psnr"}),
    "avc": CodecEntry(("libx264",), ("h264",), 51, 34, ("420", "444"), {"preset": "veryslow", "tune": "psnr"}),
    "vvc": CodecEntry(("libvvenc",), ("vvc",), 63, 34, ("420",), {"preset": "slow"}),
}


def _installed(names: tuple[str, ...], mode: str) -> str | None:
    for name in names:
        try:
            av.Codec(name, mode)
        except (ValueError, av.FFmpegError):
            continue
        return name
    return None


def encoder_name(codec: str) -> str | None:
    """The encoder that would be used for ``codec`` here, or None."""
    found = _installed(CODECS[codec].encoders, "w")
    if found is None and codec == "vvc":
        return shutil.which(VVENC)
    return found


def decoder_name(codec: str) -> str | None:
    """The decoder that would be used for ``codec`` here, or None."""
    return _installed(CODECS[codec].decoders, "r")


class KeyPictureCodec:
    """Encode and decode key pictures of one size with one codec.

    width, height: of the picture, 64..1024, odd ones too; colour: matrix and range of the YUV that is coded; chroma:
    "420" or "444".
    """

    def __init__(self, codec: str, width: int, height: int, colour: Colour, chroma: str = "420") -> None:
        """Raises KeyCodecError for an unknown codec or a chroma format that it lacks."""
        if codec not in CODECS:
            raise KeyCodecError(f"key codec {codec!r}, one of {', '.join(CODECS)} expected")
        entry = CODECS[codec]
        if chroma not in entry.chroma_formats:
            able = ", ".join(name for name, other in CODECS.items() if chroma in other.chroma_formats)
            raise KeyCodecError(
                f"key codec {codec} has no chroma format {chroma}; {able or 'no key codec'} can code it"
            )
        self.codec, self.entry, self.colour, self.chroma = codec, entry, colour, chroma
        self.width, self.height = width, height
        # Coded sizes are even: 4:2:0 asks for it, and the codecs agree on nothing else.
        self._coded_width, self._coded_height = width + width % 2, height + height % 2

    def encode(self, picture: np.ndarray, qp: int) -> CodedPicture:
        """uint8 [H, W, 3] RGB -> coded picture.

        Raises KeyCodecError if the encoder is missing or ``qp`` is out of range.
        """
        if not 0 <= qp <= self.entry.max_qp:
            raise KeyCodecError(f"key QP {qp}, 0..{self.entry.max_qp} expected for {self.codec}")
        name = encoder_name(self.codec)
        if name is None:
            wanted = " or ".join((*self.entry.encoders, *((f"{VVENC} on the PATH",) if self.codec == "vvc" else ())))
            raise KeyCodecError(
                f"key codec {self.codec}: this FFmpeg build has no encoder for it ({wanted} needed); "
                "try --key-codec hevc, or a .265 file instead of a .266 one"
            )
        padded = np.pad(
            picture, ((0, self._coded_height - self.height), (0, self._coded_width - self.width), (0, 0)), mode="edge"
        )
        pixel_format = f"yuv{self.chroma}p"
        frame = from_rgb(padded, self.colour, pixel_format)
        data = encode_with_vvenc(frame, qp, name) if name not in self.entry.encoders else self._encode(frame, qp, name)
        return self._split(data)

    def _encode(self, frame: av.VideoFrame, qp: int, name: str) -> bytes:
        context = av.CodecContext.create(name, "w")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        context.thread_count = 1
        options = dict(self.entry.options)
        if name == "libsvtav1":
            # avif=1 is the still-picture mode, with its short sequence header.
            options |= {"crf": str(max(qp, 1)), "svtav1-params": "avif=1:lp=1"}
        elif name == "libx265":
            options["x265-params"] = (
                f"qp={qp}:ipratio=1:keyint=1:info=0:hrd=0:vui-timing-info=0:pools=none:frame-threads=1:log-level=none"
            )
        elif name == "libx264":
            options |= {"qp": str(qp), "x264-params": "ipratio=1:keyint=1:threads=1:sliced-threads=0"}
        else:
            options["qp"] = str(qp)
        context.options = options
        frame.pts = 0
        try:
            return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
        except av.FFmpegError as error:
            raise KeyCodecError(f"key codec {self.codec} ({name}) at QP {qp}: {error.strerror}") from None

    def _split(self, data: bytes) -> CodedPicture:
        if self.codec == "av1":
            return CodedPicture(*split_obus(data))
        units = split_annex_b(data)
        sets = [unit for unit in units if nal_type(self.codec, unit) in PARAMETER_SETS[self.codec]]
        coded = [unit for unit in units if nal_type(self.codec, unit) in PICTURE_TYPES[self.codec]]
        return CodedPicture(pack_nal_units(sets), pack_nal_units(coded))

    def elementary_stream(self, coded: CodedPicture) -> bytes:
        """The picture as a stream that any decoder of the codec reads.

        Raises BitstreamError.
        """
        if self.codec == "av1":
            return join_obus(coded.config, coded.payload)
        sets = unpack_nal_units(coded.config)
        if self.codec == "hevc":
            sets = [hevc_vps(unit) for unit in sets if nal_type("hevc", unit) == 33][:1] + sets
        return join_annex_b(sets + unpack_nal_units(coded.payload))

    def decode(self, coded: CodedPicture) -> np.ndarray:
        """Coded picture -> uint8 [H, W, 3] RGB.

        Raises BitstreamError if it is not one, KeyCodecError if the decoder is missing.
        """
        name = decoder_name(self.codec)
        if name is None:
            raise KeyCodecError(
                f"key codec {self.codec}: this FFmpeg build has none of the decoders {', '.join(self.entry.decoders)}"
            )
        data = self.elementary_stream(coded)
        context = av.CodecContext.create(name, "r")
        context.thread_count = 1
        # FFmpeg checks this before it allocates a picture; decoders pad sizes to their block size.
        context.options = {"max_pixels": str((self._coded_width + 128) * (self._coded_height + 128))}
        try:
            frames = [*context.decode(av.Packet(data)), *context.decode(None)]
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise BitstreamError(
                f"the {self.codec} picture cannot be decoded: {getattr(error, 'strerror', error)}",
                offset=0,
                clause="8.1",
            ) from None
        expected = (self._coded_width, self._coded_height)
        if len(frames) != 1 or (frames[0].width, frames[0].height) != expected:
            found = f"{frames[0].width}x{frames[0].height}" if frames else "none"
            raise BitstreamError(
                f"{len(frames)} coded pictures ({found}), one of {expected[0]}x{expected[1]} expected",
                offset=0,
                clause="8.1",
            )
        return np.ascontiguousarray(to_rgb(frames[0], self.colour)[: self.height, : self.width])


def encode_with_vvenc(frame: av.VideoFrame, qp: int, program: str) -> bytes:
    """One picture through the `vvencapp` program at its default internal depth of 10 bits (FFmpeg decodes that
    bit-exactly).
    """
    planes = b"".join(
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width].tobytes()
        for plane in frame.planes
    )
    with tempfile.TemporaryDirectory(prefix="gfvc-") as folder:
        source, target = Path(folder, "in.yuv"), Path(folder, "out.266")
        source.write_bytes(planes)
        command = [
            program,
            "-i",
            str(source),
            "-s",
            f"{frame.width}x{frame.height}",
            "-c",
            "yuv420",
            "-r",
            "25",
            "-f",
            "1",
            "-q",
            str(qp),
            "--preset",
            "slower",
            "--qpa",
            "0",
            "-t",
            "1",
            "-o",
            str(target),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not target.exists():
            raise KeyCodecError(
                f"{program}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}"
            )
        return target.read_bytes()
