"""Clips cut from the demo clip, made once a session, and never written to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from .media import DEMO, read_clip, scaled, write_clip
from .streams import encode_stream

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def demo() -> list[np.ndarray]:
    """The first 40 pictures of the demo clip, 256x256."""
    return read_clip(DEMO, 40)


@pytest.fixture(scope="session")
def small(demo: list[np.ndarray]) -> list[np.ndarray]:
    """Twelve pictures of 64x64, every third of the demo clip."""
    return [scaled(picture, 64, 64) for picture in demo[:36:3]]


@pytest.fixture(scope="session")
def small_clip(small: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small` as an mp4 file."""
    return write_clip(tmp_path_factory.mktemp("clip") / "small.mp4", small)


@pytest.fixture(scope="session")
def small_stream(small: list[np.ndarray]) -> bytes:
    """`small` as a .gfv stream with the default options, but four pictures a unit."""
    return encode_stream(small, run=4)
