"""Whole, undamaged units in the wrong place: the checksum knows a unit's number and its stream (SPEC.md clause 6.4)."""

import pytest

from bitstream import BitstreamError

from .streams import HEADER, header, payloads, read_until_fault, seal, small_stream

STREAM = small_stream()
UNITS = range(1, len(STREAM.parts))


def check(parts, first):
    """All pictures before part number ``first`` are read, and then the stream is refused there."""
    found, fault = read_until_fault(b"".join(parts), BitstreamError)
    assert found == [picture for part in STREAM.found[:first] for picture in part]
    assert fault is not None
    assert fault.offset == len(b"".join(STREAM.parts[:first]))


def resealed_under(head):
    """The parts of the same units in a stream of another header."""
    data, parts, start = seal(head.to_bytes(), payloads(STREAM.data)), [], 0
    for part in STREAM.parts:
        parts.append(data[start : start + len(part)])
        start += len(part)
    return parts


@pytest.mark.parametrize("number", UNITS)
def test_a_unit_that_is_dropped_is_noticed(number):
    check(STREAM.parts[:number] + STREAM.parts[number + 1 :], number)


@pytest.mark.parametrize("number", UNITS)
def test_a_unit_that_is_repeated_is_noticed(number):
    check(STREAM.parts[: number + 1] + STREAM.parts[number:], number + 1)


@pytest.mark.parametrize("number", UNITS[:-1])
@pytest.mark.parametrize("distance", [1, 2, 5])
def test_two_units_that_are_swapped_are_noticed(number, distance):
    other = min(number + distance, len(STREAM.parts) - 1)
    parts = list(STREAM.parts)
    parts[number], parts[other] = parts[other], parts[number]
    check(parts, number)


@pytest.mark.parametrize("number", UNITS)
def test_a_unit_of_another_stream_is_noticed(number):
    head = header(model_hash=b"another!")
    assert len(head.to_bytes()) == len(HEADER.to_bytes())
    parts = resealed_under(head)
    assert parts[number] != STREAM.parts[number]
    check(STREAM.parts[:number] + parts[number:], number)


@pytest.mark.parametrize("number", UNITS[:-1])
def test_an_end_that_comes_early_is_noticed(number):
    check(STREAM.parts[:number] + STREAM.parts[-1:], number)
    check([*STREAM.parts[:-1], *STREAM.parts[1 : 1 + number]], len(STREAM.parts) - 1)
