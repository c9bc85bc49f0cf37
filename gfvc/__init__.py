"""gfvc: a generative face video codec.

`encode`, `decode`, and the streaming `Encoder` and `Decoder` behind them. The names are loaded on first use, so that
`gfvc info` and `gfvc check` need neither torch nor FFmpeg.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from bitstream import BitstreamError

from .errors import GfvcError, KeyCodecError, ModelError, VideoError
from .version import __version__

if TYPE_CHECKING:
    from .conversion import convert
    from .decoder import Decoder, decode
    from .encoder import Encoder, encode
    from .options import EncoderOptions
    from .video import TimedPicture, VideoInfo


_HOMES = {
    "convert": "conversion",
    "Decoder": "decoder",
    "decode": "decoder",
    "Encoder": "encoder",
    "encode": "encoder",
    "EncoderOptions": "options",
    "TimedPicture": "video",
    "VideoInfo": "video",
}
__all__ = [
    "BitstreamError",
    "Decoder",
    "Encoder",
    "EncoderOptions",
    "GfvcError",
    "KeyCodecError",
    "ModelError",
    "TimedPicture",
    "VideoError",
    "VideoInfo",
    "__version__",
    "convert",
    "decode",
    "encode",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
