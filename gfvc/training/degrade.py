"""Decoded key pictures for training: in use, the networks never see an original key picture."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bitstream import Colour
from datasets.clips import FrameCache

from ..key_picture import KeyPictureCodec

# One picture in so many of each clip is coded; the sampler draws its key pictures from these.
SPACING = 12
QP_RANGE = (24, 46)


def degraded_rows(frames: FrameCache) -> np.ndarray:
    """Rows of the cache that have a degraded twin: int64 [M]."""
    return np.concatenate([np.arange(start, start + count, SPACING) for _, start, count in frames.clips])


def build_degraded(
    frames: FrameCache, cache: Path, seed: int, progress: Callable[[np.ndarray], Iterator[int]] = iter
) -> np.ndarray:
    """Code some pictures of each clip with x264 intra at a random QP: uint8 [M, S, S, 3], as `degraded_rows` lists
    them.

    x264 stands in for the slower codecs: ten times faster, with the same kind of blur and ringing.
    """
    rows = degraded_rows(frames)
    size = frames.frames.shape[1]
    path = cache / f"degraded-{size}-{len(frames.frames)}-{seed}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    codec = KeyPictureCodec("avc", size, size, Colour())
    generator = np.random.default_rng(seed)
    out = np.empty((len(rows), size, size, 3), np.uint8)
    for index, row in enumerate(progress(rows)):
        qp = int(generator.integers(*QP_RANGE, endpoint=True))
        out[index] = codec.decode(codec.encode(np.asarray(frames.frames[row]), qp))
    with tempfile.NamedTemporaryFile(dir=cache, suffix=".partial", delete=False) as handle:
        np.save(handle, out)
    os.replace(handle.name, path)
    return out
