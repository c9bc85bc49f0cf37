"""Decoded key pictures for training: in use, the networks never see an original key picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bitstream import Colour
from datasets.clips import FrameCache, write_array

from ..carriage import DEFAULT_CODEC
from ..key_picture import KeyPictureCodec

# One picture in so many of each clip is coded; the sampler draws its key pictures from these.
SPACING = 12
# Of the codec's own scale: files of 4 kB down to half a kB for a head at 256x256.
QP_RANGE = (18, 50)


def degraded_rows(frames: FrameCache) -> np.ndarray:
    """Rows of the cache that have a degraded twin: int64 [M]."""
    return np.concatenate([np.arange(start, start + count, SPACING) for _, start, count in frames.clips])


def build_degraded(
    frames: FrameCache, cache: Path, seed: int, progress: Callable[[np.ndarray], Iterator[int]] = iter
) -> np.ndarray:
    """Code some pictures of each clip with the default key-picture codec at a random QP: uint8 [M, S, S, 3], as
    `degraded_rows` lists them."""
    rows = degraded_rows(frames)
    size = frames.frames.shape[1]
    path = cache / f"degraded-{DEFAULT_CODEC}-{size}-{len(frames.frames)}-{seed}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    codec = KeyPictureCodec(DEFAULT_CODEC, size, size, Colour())
    generator = np.random.default_rng(seed)
    out = np.empty((len(rows), size, size, 3), np.uint8)
    for index, row in enumerate(progress(rows)):
        qp = int(generator.integers(*QP_RANGE, endpoint=True))
        out[index] = codec.decode(codec.encode(np.asarray(frames.frames[row]), qp))
    write_array(out, path)
    return out


@torch.no_grad()
def restore_degraded(degraded: np.ndarray, restore: nn.Module, cache: Path, device: torch.device) -> np.ndarray:
    """The degraded pictures as a model's restoration makes them, which is what the motion works on in use: uint8, as
    `build_degraded`."""
    path = cache / f"restored-{degraded.shape[1]}-{len(degraded)}-{fingerprint(restore.state_dict())}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    out = np.empty_like(degraded)
    for start in range(0, len(degraded), 8):
        pictures = torch.from_numpy(np.array(degraded[start : start + 8])).to(device).permute(0, 3, 1, 2).float() / 255
        restored = restore(pictures).clamp(0, 1).permute(0, 2, 3, 1)
        out[start : start + 8] = (restored * 255).round().byte().cpu().numpy()
    write_array(out, path)
    return out


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Twelve hexadecimal digits that differ where any weight does: what was computed with them is kept under it."""
    digest = hashlib.sha256()
    for _, value in sorted(weights.items()):
        digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
