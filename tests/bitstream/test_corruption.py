"""Damaged streams: a BitstreamError, after every picture of the units before the damage, and nothing else."""

import random
import tracemalloc

import pytest

from bitstream import BitstreamError

from .streams import read_until_fault, small_stream

STREAM = small_stream()
DATA = STREAM.data
OTHER = small_stream(seed=2).data
MAX_MEMORY = 64 << 20


def first_difference(data):
    """Where ``data`` leaves the undamaged stream."""
    return next((n for n, (a, b) in enumerate(zip(data, DATA, strict=False)) if a != b), min(len(data), len(DATA)))


def check(data):
    """The rule for any damaged stream."""
    found, fault = read_until_fault(data, BitstreamError)
    damage, end, whole = first_difference(data), 0, 0
    for part, pictures in zip(STREAM.parts, STREAM.found, strict=True):
        end += len(part)
        if end > damage:
            break
        whole += len(pictures)
    assert fault is not None, "the damage was not noticed"
    assert len(found) == whole
    assert found == STREAM.pictures[:whole]
    assert 0 <= fault.offset <= len(data)


@pytest.mark.parametrize("mask", [0x01, 0x02, 0x10, 0x40, 0x80, 0xFF])
def test_every_flipped_byte_is_noticed(mask):
    for position in range(len(DATA)):
        damaged = bytearray(DATA)
        damaged[position] ^= mask
        check(bytes(damaged))


def test_every_cut_is_noticed():
    for size in range(len(DATA)):
        check(DATA[:size])


def test_every_dropped_byte_is_noticed():
    for position in range(len(DATA)):
        check(DATA[:position] + DATA[position + 1 :])


def flip(rng, data):
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 20)):
        damaged[rng.randrange(len(data))] ^= rng.randint(1, 255)
    return bytes(damaged)


def cut(rng, data):
    return data[: rng.randrange(len(data))]


def drop(rng, data):
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randint(1, 40) :]


def splice(rng, data):
    start, other = rng.randrange(len(data)), rng.randrange(len(OTHER))
    return data[:start] + OTHER[other:] if rng.random() < 0.5 else data[:start] + data[rng.randrange(len(data)) :]


def insert(rng, data):
    start = rng.randint(0, len(data))
    garbage = rng.choice((b"\0", b"\xff", rng.randbytes(1))) * rng.randint(1, 50) if rng.random() < 0.5 else None
    return data[:start] + (garbage or rng.randbytes(rng.randint(1, 3000))) + data[start:]


@pytest.mark.parametrize("mutate", [flip, cut, drop, splice, insert])
def test_random_damage_is_noticed_within_bounded_memory(mutate):
    rng = random.Random(mutate.__name__)
    tracemalloc.start()
    try:
        for _ in range(400):
            data = mutate(rng, DATA)
            if data != DATA:
                check(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MAX_MEMORY, f"{peak >> 20} MiB at the peak, under {MAX_MEMORY >> 20} expected"


def test_garbage_behind_the_header_is_refused():
    rng = random.Random(5)
    for size in (1, 2, 5, 100, 10000):
        for _ in range(20):
            check(STREAM.parts[0] + rng.randbytes(size))


def test_garbage_alone_is_refused():
    rng = random.Random(6)
    for size in (0, 1, 4, 5, 9, 100):
        for start in (b"", b"GFV", b"GFV\x01"):
            check(start + rng.randbytes(size))
