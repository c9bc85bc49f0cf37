"""leb128 of unit headers and lengths: one form for each value, four bytes at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError
from bitstream.units import leb128, parse_leb128

from .streams import few

LITERALS = [
    (0, "00"),
    (1, "01"),
    (127, "7f"),
    (128, "8001"),
    (300, "ac02"),
    (16383, "ff7f"),
    (16384, "808001"),
    ((1 << 21) - 1, "ffff7f"),
    (1 << 21, "80808001"),
    ((1 << 28) - 1, "ffffff7f"),
]


@pytest.mark.parametrize(("value", "expected"), LITERALS)
def test_literals_are_written_and_read(value, expected):
    data = bytes.fromhex(expected)
    assert leb128(value) == data
    assert parse_leb128(data, 0, clause="6.4") == (value, len(data))


@given(st.integers(0, (1 << 28) - 1), st.binary(max_size=4), st.binary(max_size=4))
@few
def test_any_value_round_trips_between_other_bytes(value, before, after):
    data = leb128(value)
    assert parse_leb128(before + data + after, len(before), clause="6.4") == (value, len(before) + len(data))


@pytest.mark.parametrize("data", ["8000", "ff00", "808000", "80808000", "81808000"])
def test_a_longer_form_than_needed_is_refused(data):
    with pytest.raises(BitstreamError, match="shortest form"):
        parse_leb128(bytes.fromhex(data), 0, clause="6.4")


@pytest.mark.parametrize("data", ["", "80", "ffff", "ffffff"])
def test_a_cut_value_is_refused(data):
    with pytest.raises(BitstreamError, match="leb128 is cut"):
        parse_leb128(bytes.fromhex(data), 0, clause="6.4")


@pytest.mark.parametrize("data", ["80808080", "8080808001", "ffffffffff7f"])
def test_more_than_four_bytes_are_refused(data):
    with pytest.raises(BitstreamError, match="more than 4 bytes"):
        parse_leb128(bytes.fromhex(data), 0, clause="6.4")


def test_the_error_states_where_the_value_begins_and_the_clause():
    with pytest.raises(BitstreamError) as caught:
        parse_leb128(b"\0\0\0\x80", 3, clause="8.1")
    assert (caught.value.offset, caught.value.clause) == (3, "8.1")
