"""Fixed-length and Exp-Golomb fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError
from bitstream.bits import BitReader, BitWriter

from .streams import few

LARGEST_UE = (1 << 32) - 2


def written(*fields):
    """Bytes of fields: (value, bits) for u(n), one number for ue(v)."""
    writer = BitWriter()
    for field in fields:
        if isinstance(field, tuple):
            writer.u(*field)
        else:
            writer.ue(field)
    return writer.to_bytes()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([(1, 1)], "80"),
        ([(5, 3), (0x1F, 5)], "bf"),
        ([(0x12345, 20)], "123450"),
        ([(1, 2), (0x0123456789ABCDEF, 64)], "4048d159e26af37bc0"),
        ([0], "80"),
        ([1], "40"),
        ([2], "60"),
        ([3, 6], "21c0"),
        ([0, 1, 2, 3], "a640"),
        ([LARGEST_UE], "00000001fffffffe"),
        ([], ""),
    ],
)
def test_fields_are_written_most_significant_bit_first(fields, expected):
    assert written(*fields).hex() == expected


def test_fields_are_read_back_from_literal_bytes():
    reader = BitReader(bytes.fromhex("bfa640"), clause="6.2")
    assert (reader.u(3, "a"), reader.u(5, "b")) == (5, 0x1F)
    assert [reader.ue("c", 10) for _ in range(4)] == [0, 1, 2, 3]
    reader.end()


@given(
    st.lists(
        st.one_of(
            st.integers(0, LARGEST_UE),
            st.integers(1, 64).flatmap(lambda bits: st.tuples(st.integers(0, (1 << bits) - 1), st.just(bits))),
        ),
        max_size=20,
    )
)
@few
def test_any_fields_round_trip(fields):
    reader = BitReader(written(*fields), clause="6.2")
    for field in fields:
        if isinstance(field, tuple):
            assert reader.u(field[1], "field") == field[0]
        else:
            assert reader.ue("field", LARGEST_UE) == field
    reader.end()


@pytest.mark.parametrize(("value", "bits"), [(2, 1), (-1, 8), (256, 8), (1, 0)])
def test_writer_refuses_a_value_that_does_not_fit_u(value, bits):
    with pytest.raises(ValueError, match=f"does not fit u\\({bits}\\)"):
        BitWriter().u(value, bits)


@pytest.mark.parametrize("value", [-1, LARGEST_UE + 1])
def test_writer_refuses_a_value_that_does_not_fit_ue(value):
    with pytest.raises(ValueError, match="does not fit ue"):
        BitWriter().ue(value)


def test_largest_ue_is_read_when_allowed():
    data = bytes.fromhex("00000001fffffffe")
    assert BitReader(data, clause="6.2").ue("field", LARGEST_UE) == LARGEST_UE


def test_ue_above_its_maximum_is_refused():
    with pytest.raises(BitstreamError, match="count is 3, at most 2 expected"):
        BitReader(written(3), clause="6.2").ue("count", 2)


def test_ue_of_endless_zeros_is_refused_after_32_bits():
    reader = BitReader(bytes(1000), clause="6.2")
    with pytest.raises(BitstreamError, match="32 leading zero bits") as caught:
        reader.ue("count", LARGEST_UE)
    assert caught.value.offset == 4


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 7])
def test_ue_cut_short_at_any_byte_is_refused_within_the_data(size):
    reader = BitReader(bytes.fromhex("00000001fffffffe")[:size], clause="6.2")
    with pytest.raises(BitstreamError, match=r"count: .* bits left") as caught:
        reader.ue("count", LARGEST_UE)
    assert caught.value.offset <= size


def test_u_cut_short_names_field_clause_and_offset():
    reader = BitReader(b"\xff\xff", clause="6.2")
    reader.u(12, "before")
    with pytest.raises(BitstreamError, match=r"byte 1: width: 4 bits left, u\(5\) expected \(SPEC.md 6.2\)") as caught:
        reader.u(5, "width")
    assert (caught.value.offset, caught.value.clause) == (1, "6.2")
    assert reader.u(4, "still there") == 15


def test_end_accepts_zero_bits_only():
    reader = BitReader(b"\xe0", clause="6.2")
    reader.u(3, "field")
    reader.end()
    reader = BitReader(b"\xe1", clause="6.2")
    reader.u(3, "field")
    with pytest.raises(BitstreamError, match="alignment_zero_bit is 1"):
        reader.end()


def test_end_refuses_whole_bytes_that_are_left():
    reader = BitReader(b"\xe0\0\0", clause="6.2")
    reader.u(3, "field")
    with pytest.raises(BitstreamError, match="2 bytes left, the end expected"):
        reader.end()


def test_error_moves_with_the_place_of_its_data():
    error = BitstreamError("message", offset=3, clause="7.2").at(100)
    assert (error.message, error.offset, error.clause) == ("message", 103, "7.2")
    assert str(error) == "byte 103: message (SPEC.md 7.2)"
    assert isinstance(error, ValueError)
