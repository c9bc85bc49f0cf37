"""Garbage behind checksums that fit: the parameter syntax itself must hold. A BitstreamError or a clean parse."""

import io
import random
import time
import tracemalloc
import zlib

import pytest

from bitstream import BitstreamError, Group, KeyPicture, Layout, Picture, StreamReader, UnitType
from bitstream.layout import VALUE_LIMIT
from bitstream.parameters import MAX_TICKS
from bitstream.units import MAX_PAYLOAD

from .streams import HEADER, build, header, payloads, read_until_fault, seal, small_stream

STREAM = small_stream()
UNITS = payloads(STREAM.data)
MAX_TIME_S = 2.0
KEY = KeyPicture(0, (0,) * HEADER.layout.count, b"", b"coded")


def check(data):
    """Read the stream; the number of pictures in it and the fault, if any."""
    start = time.process_time()
    found, fault = read_until_fault(data, BitstreamError)
    taken = time.process_time() - start
    assert taken < MAX_TIME_S, f"{taken:.1f} s for {len(data)} bytes, under {MAX_TIME_S} s expected"
    for number, picture in enumerate(found):
        assert all(abs(value) <= VALUE_LIMIT for value in picture.values)
        assert picture.ticks == 0 if not number else 1 <= picture.ticks <= MAX_TICKS
    if fault is not None:
        assert 0 <= fault.offset <= len(data)
    return len(found), fault


def mutated(rng, payload):
    data = bytearray(payload)
    kind = rng.randrange(4)
    if kind == 0 or not data:
        return rng.randbytes(rng.randint(0, 60))
    if kind == 1:
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del data[rng.randrange(len(data)) :]
    else:
        data[rng.randrange(len(data)) :] = rng.choice((b"\0", b"\xff", b"\x55")) * rng.randint(1, 100)
    return bytes(data)


@pytest.mark.parametrize("number", range(len(UNITS)))
def test_mutated_payloads_are_refused_or_read(number):
    rng = random.Random(number)
    for _ in range(100):
        units = list(UNITS)
        kind, payload = units[number]
        units[number] = kind, mutated(rng, payload)[: MAX_PAYLOAD[kind]]
        check(seal(STREAM.parts[0], units))


def test_units_of_mutated_types_and_order_are_refused_or_read():
    rng = random.Random(11)
    for _ in range(300):
        units = [(rng.choice(list(UnitType)) if rng.random() < 0.2 else kind, data) for kind, data in UNITS]
        if rng.random() < 0.5:
            rng.shuffle(units)
        check(seal(STREAM.parts[0], [(kind, data[: MAX_PAYLOAD[kind]]) for kind, data in units]))


def test_mutated_header_fields_are_refused_or_read():
    rng = random.Random(12)
    fields = STREAM.parts[0][5:-4]
    read = 0
    for _ in range(600):
        damaged = bytearray(fields)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(fields))] ^= 1 << rng.randrange(8)
        start = STREAM.parts[0][:5] + bytes(damaged)
        head = start + zlib.crc32(start).to_bytes(4, "big")
        read += check(seal(head, UNITS))[0]
    assert read, "some of these headers are legal"


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\x80", b"\x55", b"\x01"])
@pytest.mark.parametrize("size", [3, 100, MAX_PAYLOAD[UnitType.PARAMETERS] - 1])
@pytest.mark.parametrize("kind", [UnitType.KEY_PICTURE, UnitType.PARAMETERS])
def test_monotone_codewords_of_any_size_end_soon(kind, size, fill):
    if kind == UnitType.PARAMETERS:
        units = [*payloads(build(HEADER, [KEY], end=False).data), (kind, b"\xff" + fill * size)]
    else:
        prefix = bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14)) if size >> 14 else bytes((size,))
        units = [(kind, prefix + fill * size + b"coded")]
    assert check(seal(STREAM.parts[0], units))[1] is not None


def test_a_large_random_codeword_is_refused():
    rng = random.Random(13)
    start = payloads(build(HEADER, [KEY], end=False).data)
    for _ in range(10):
        units = [*start, (UnitType.PARAMETERS, b"\xff" + rng.randbytes(60000))]
        assert check(seal(STREAM.parts[0], units))[1] is not None


def test_a_long_codeword_of_escapes_is_read_in_time_linear_in_its_size():
    rows = [tuple(sign * VALUE_LIMIT for _ in range(HEADER.layout.count)) for sign in (1, -1)]
    run = [Picture(1 + number, rows[number % 2]) for number in range(64)]
    stream = build(HEADER, [KEY, run, run])
    found, fault = check(stream.data)
    assert fault is None
    assert found == 129


def test_the_largest_layout_is_read_within_bounded_memory():
    layout = Layout((Group(1024, 1, 24, False),) * 16)
    row = (0,) * layout.count
    stream = build(header(layout), [KeyPicture(0, row, b"", b"coded"), *([[Picture(1001, row)] * 256] * 2)])
    tracemalloc.start()
    try:
        count = sum(len(found) for _, found in StreamReader(io.BytesIO(stream.data)).units())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 513
    # Two units of 256 pictures of 16384 values are alive at once at most, eight bytes a value.
    assert peak < 80 << 20, f"{peak >> 20} MiB at the peak"
