"""Streams of an earlier day, one for each model that has been a default, still decode to the same parameters and,
nearly, the same pictures.

After new weights: GENERATE_EXPECTED=1 python -m pytest tests/gfvc/test_golden.py adds a stream of the default model;
those of models before it stay.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from bitstream import StreamReader
from bitstream.check import check_stream
from gfvc.models.registry import DEFAULT_FAMILY, DEFAULTS

from .streams import decode_stream, encode_stream, parse_stream

FOLDER = Path(__file__).parent / "golden"
MODELS = ("keypoints2d-1", "compact-2", "compact-3", "compact-4", "compact-5", DEFAULTS[DEFAULT_FAMILY])
# Levels by which a thumbnail may differ: processors round the networks' sums differently.
TOLERANCE = 3
GRID = 16


def thumbnail(rgb: np.ndarray) -> np.ndarray:
    """Mean luma (BT.601) of each cell of a 16x16 grid, [16, 16]."""
    luma = rgb.astype(np.float64) @ (0.299, 0.587, 0.114)
    height, width = luma.shape
    return luma.reshape(GRID, height // GRID, GRID, width // GRID).mean((1, 3))


def describe(stream: bytes) -> dict[str, object]:
    """What is compared: an exact hash of the integers, and small pictures."""
    values = np.array([picture.values for picture in parse_stream(stream)], "<i2")
    # As the networks make them, not as they are quieted.
    shown = decode_stream(stream, slack=0)
    return {
        "pictures": len(shown),
        "model_hash": StreamReader(io.BytesIO(stream)).header.model_hash.hex(),
        "parameters_sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        "times": [picture.pts for picture in shown],
        "thumbnails": [np.rint(thumbnail(picture.rgb)).astype(int).flatten().tolist() for picture in shown],
    }


@pytest.fixture(scope="module", params=MODELS)
def golden(request, demo) -> tuple[bytes, dict[str, object]]:
    """A stream and what it should show."""
    stream, expected = (FOLDER / f"{request.param}.{suffix}" for suffix in ("gfv", "json"))
    if os.environ.get("GENERATE_EXPECTED") == "1" and not stream.exists():
        # One key picture in the middle, and a short last run.
        stream.write_bytes(encode_stream(demo[:36:3], run=4, key_interval=7))
        rows = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in describe(stream.read_bytes()).items()]
        expected.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    return stream.read_bytes(), json.loads(expected.read_text())


@pytest.fixture(scope="module")
def expected(golden) -> dict[str, object]:
    return golden[1]


@pytest.fixture(scope="module")
def found(golden) -> dict[str, object]:
    return describe(golden[0])


def test_stream_conforms(golden, expected):
    report = check_stream(io.BytesIO(golden[0]))
    assert report.violations == []
    assert report.pictures == expected["pictures"] == 12


def test_parameters_are_exactly_those_expected(expected, found):
    for name in ("pictures", "model_hash", "parameters_sha256", "times"):
        assert found[name] == expected[name], name


def test_pictures_are_nearly_those_expected(expected, found):
    difference = np.abs(np.array(found["thumbnails"]) - np.array(expected["thumbnails"]))
    assert difference.shape == (12, GRID * GRID)
    assert difference.max() <= TOLERANCE


def test_thumbnails_tell_the_pictures_apart(expected):
    """Else the comparison above would prove little."""
    first, *others = np.array(expected["thumbnails"])
    assert np.ptp(first) > 50
    assert max(np.abs(other - first).max() for other in others) > TOLERANCE
