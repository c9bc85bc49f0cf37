"""A stored stream must stay readable, and its pictures must be written as the same bytes.

After a change of the format: `GENERATE_EXPECTED=1 python -m pytest tests/bitstream/test_golden.py`.
"""

import io
import json
import os
from pathlib import Path

import pytest

from bitstream import KeyPicture, StreamReader, read_report

from .streams import build, read_pictures, small_stream

FOLDER = Path(__file__).parent / "golden"
STREAM, EXPECTED = FOLDER / "small.gfv", FOLDER / "small.json"


def describe(data):
    """What the stream holds, as JSON can state it."""
    return {
        "summary": read_report(io.BytesIO(data)).tally.summary().as_dict(),
        "units": read_report(io.BytesIO(data)).units,
        "pictures": [
            {"ticks": picture.ticks, "values": list(picture.values)}
            | (
                {"config": picture.config.hex(), "payload": picture.payload.hex()}
                if isinstance(picture, KeyPicture)
                else {}
            )
            for picture in read_pictures(data)
        ],
    }


def write_expected():
    FOLDER.mkdir(exist_ok=True)
    data = small_stream().data
    STREAM.write_bytes(data)
    lines = json.dumps(describe(data), indent=1)
    EXPECTED.write_text(lines + "\n", encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def _expected():
    if os.environ.get("GENERATE_EXPECTED") == "1":
        write_expected()


def test_the_stored_stream_is_read_as_it_was_when_it_was_written():
    assert describe(STREAM.read_bytes()) == json.loads(EXPECTED.read_text(encoding="utf-8"))


def test_the_pictures_of_the_stored_stream_are_written_as_the_same_bytes():
    data = STREAM.read_bytes()
    reader = StreamReader(io.BytesIO(data))
    runs = [found[0] if isinstance(found[0], KeyPicture) else found for _, found in reader.units() if found]
    assert build(reader.header, runs).data == data
