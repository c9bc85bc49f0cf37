"""Open bitstream units of a still AV1 picture (SPEC.md clause 8.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError
from bitstream.obu import join_obus, parse_obus, split_obus

from .streams import few

# Temporal delimiter, sequence header of three bytes, frame of two bytes.
LITERAL = "12000a03aabbcc3202ddee"


def test_a_literal_stream_is_split_and_joined():
    assert split_obus(bytes.fromhex(LITERAL)) == (b"\xaa\xbb\xcc", b"\xdd\xee")
    assert join_obus(b"\xaa\xbb\xcc", b"\xdd\xee").hex() == LITERAL


@given(st.binary(max_size=300), st.binary(max_size=300))
@few
def test_any_sequence_header_and_frame_round_trip(sequence, frame):
    assert split_obus(join_obus(sequence, frame)) == (sequence, frame)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", []),
        ("30ddee", [(6, "ddee")]),
        ("3400ddee", [(6, "ddee")]),
        ("360002ddee", [(6, "ddee")]),
        ("328200ddee", [(6, "ddee")]),
        ("2a01ff1200", [(5, "ff"), (2, "")]),
    ],
    ids=["nothing", "no size", "extension, no size", "extension", "longer size form", "metadata"],
)
def test_all_forms_of_headers_are_read(data, expected):
    assert [(kind, payload.hex()) for kind, payload in parse_obus(bytes.fromhex(data))] == expected


@pytest.mark.parametrize(
    "data", ["32", "3280", "3203ddee", "36", "3600", "32ffffffffffff01", "34"], ids=lambda data: data
)
def test_a_cut_or_oversized_unit_is_refused(data):
    with pytest.raises(BitstreamError) as caught:
        parse_obus(bytes.fromhex("1200" + data))
    assert (caught.value.offset, caught.value.clause) == (2, "8.5")


@pytest.mark.parametrize("data", ["", "1200", "0a01aa", "3202ddee", "0a01aa3201dd3201ee"])
def test_other_than_one_sequence_header_and_one_frame_is_refused(data):
    with pytest.raises(ValueError, match="one sequence header and one frame expected"):
        split_obus(bytes.fromhex(data))
