"""The arithmetic engine alone: bins in, bins out, and nothing accepted that the encoder does not write."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError
from bitstream.cabac import CabacDecoder, CabacEncoder, ContextSet

from .streams import few

INITIAL = (1, 20, 64, 100, 127)
BYPASS = len(INITIAL)
# 200 bins of `sample_bins`, coded once: the format must not drift.
VECTOR = "fe6ffc8e17211eedc14a0c01e903bcc67faf4b3e49a7ddbef4a082cd3ab89ef0"


def sample_bins(seed, count, contexts=BYPASS):
    """(context, bin): skewed towards 0 with a skew of its own for each context; context BYPASS for bypass bins."""
    rng = random.Random(seed)
    return [(context, int(rng.random() < 0.5 / (context + 1))) for context in rng.choices(range(contexts + 1), k=count)]


def encode(bins, contexts):
    engine = CabacEncoder(contexts)
    for context, value in bins:
        if context == BYPASS:
            engine.bypass(value)
        else:
            engine.encode(context, value)
    return engine.finish()


def decode(data, bins, contexts):
    """Values of the bins whose contexts are given."""
    engine = CabacDecoder(contexts, data)
    found = [engine.bypass() if context == BYPASS else engine.decode(context) for context, _ in bins]
    engine.finish()
    return found


def values(bins):
    return [value for _, value in bins]


@given(st.lists(st.tuples(st.integers(0, BYPASS), st.integers(0, 1)), max_size=400))
@few
def test_any_bins_round_trip_and_leave_equal_contexts(bins):
    writer, reader = ContextSet(INITIAL), ContextSet(INITIAL)
    assert decode(encode(bins, writer), bins, reader) == values(bins)
    assert (writer.fast, writer.slow) == (reader.fast, reader.slow)


@given(st.integers(0, BYPASS), st.integers(0, 1), st.integers(1, 3000))
@few
def test_long_runs_of_one_value_round_trip_within_the_state_range(context, value, count):
    bins, writer, reader = [(context, value)] * count, ContextSet(INITIAL), ContextSet(INITIAL)
    assert decode(encode(bins, writer), bins, reader) == values(bins)
    assert all(0 <= fast < 1024 for fast in writer.fast)
    assert all(0 <= slow < 16384 for slow in writer.slow)


@given(st.lists(st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, (1 << n) - 1), st.just(n)))))
@few
def test_bypass_bits_round_trip_most_significant_first(fields):
    contexts = ContextSet(INITIAL)
    engine = CabacEncoder(contexts)
    for value, count in fields:
        engine.bypass_bits(value, count)
    reader = CabacDecoder(contexts, engine.finish())
    assert [reader.bypass_bits(count) for _, count in fields] == [value for value, _ in fields]
    reader.finish()


def test_contexts_carry_over_from_codeword_to_codeword():
    bins = [sample_bins(seed, 150) for seed in range(4)]
    writer, reader = ContextSet(INITIAL), ContextSet(INITIAL)
    engine = CabacEncoder(writer)
    codewords = []
    for part in bins:
        for context, value in part:
            engine.bypass(value) if context == BYPASS else engine.encode(context, value)
        codewords.append(engine.finish())
    for part, data in zip(bins, codewords, strict=True):
        assert decode(data, part, reader) == values(part)
    assert (writer.fast, writer.slow) == (reader.fast, reader.slow)
    writer.reset()
    assert (writer.fast, writer.slow) == (ContextSet(INITIAL).fast, ContextSet(INITIAL).slow)


def test_engine_matches_the_literal_vector():
    bins = sample_bins(7, 200)
    assert encode(bins, ContextSet(INITIAL)).hex() == VECTOR
    assert decode(bytes.fromhex(VECTOR), bins, ContextSet(INITIAL)) == values(bins)


def test_the_empty_codeword_is_two_bytes():
    data = encode([], ContextSet(INITIAL))
    assert len(data) == 2
    assert decode(data, [], ContextSet(INITIAL)) == []


def test_a_skewed_source_costs_little_more_than_its_entropy():
    rng = random.Random(3)
    bins = [(2, int(rng.random() < 0.1)) for _ in range(20000)]
    ideal = 0.4690 * len(bins)
    assert len(encode(bins, ContextSet(INITIAL))) * 8 < 1.03 * ideal


@pytest.mark.parametrize("count", [0, 1, 5, 8, 9, 40, 200])
def test_every_cut_of_a_codeword_is_refused(count):
    bins = sample_bins(count, count)
    data = encode(bins, ContextSet(INITIAL))
    for size in range(len(data)):
        with pytest.raises(BitstreamError):
            decode(data[:size], bins, ContextSet(INITIAL))


@pytest.mark.parametrize("count", range(0, 60, 3))
def test_altered_stop_bits_are_refused(count):
    bins = sample_bins(count, count)
    data = encode(bins, ContextSet(INITIAL))
    stop = data[-1] & -data[-1]
    altered = [data[-1] & ~stop] + [data[-1] | bit for bit in (1, 2, 4, 8, 16, 32, 64) if bit < stop]
    for last in altered:
        with pytest.raises(BitstreamError, match=r"stop bit|end_of_unit|last bin"):
            decode(data[:-1] + bytes((last,)), bins, ContextSet(INITIAL))


@pytest.mark.parametrize("more", [b"\0", b"\x80", b"\xff" * 5, bytes(300)])
def test_bytes_after_the_codeword_are_refused(more):
    bins = sample_bins(1, 50)
    with pytest.raises(BitstreamError, match="stop bit"):
        decode(encode(bins, ContextSet(INITIAL)) + more, bins, ContextSet(INITIAL))


@pytest.mark.parametrize("wrong", [-1, 1])
def test_another_number_of_bins_than_written_is_refused(wrong):
    bins = sample_bins(2, 60, contexts=0)
    data = encode(bins, ContextSet(INITIAL))
    with pytest.raises(BitstreamError):
        decode(data, (bins + bins)[: 60 + 12 * wrong], ContextSet(INITIAL))


@given(st.binary(max_size=40))
@few
def test_reading_past_the_end_of_garbage_is_refused(data):
    with pytest.raises(BitstreamError) as caught:
        CabacDecoder(ContextSet(INITIAL), data).bypass_bits(len(data) * 8)
    assert caught.value.clause == "7.3"
    assert caught.value.offset == len(data)
