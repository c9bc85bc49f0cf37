"""Parameters of pictures <-> bins: writer and reader agree on values, times and state, for any layout."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import BitstreamError, Group, Layout
from bitstream.cabac import CabacDecoder, CabacEncoder
from bitstream.layout import VALUE_LIMIT
from bitstream.parameters import MAX_TICKS, BinReader, BinWriter, ParameterState, code_ticks, code_values

from .streams import few

TICKS = 1001
EXTREMES = (-VALUE_LIMIT, VALUE_LIMIT)


def code(layout, pictures):
    """Write (ticks, values) of pictures, the first as a key picture, in codewords of three pictures; read them back."""
    writer, reader = ParameterState(layout), ParameterState(layout)
    found = []
    for start in range(0, len(pictures), 3):
        part = pictures[start : start + 3]
        engine = CabacEncoder(writer.contexts)
        bins = BinWriter(engine)
        for number, (ticks, values) in enumerate(part, start):
            code_ticks(bins, ticks, TICKS)
            code_values(bins, writer, list(values), key=not number)
        data = engine.finish()
        engine = CabacDecoder(reader.contexts, data)
        bins = BinReader(engine)
        for number in range(start, start + len(part)):
            ticks = code_ticks(bins, 1, TICKS)
            found.append((ticks, tuple(code_values(bins, reader, [0] * layout.count, key=not number))))
        engine.finish()
        assert state_of(reader) == state_of(writer)
    return found


def state_of(state):
    contexts = state.contexts
    return state.values, state.activity, state.skipped, state.group_zero, contexts.fast, contexts.slow


@st.composite
def layouts(draw, finest=127, coarsest=0):
    """Up to four groups of up to four elements, with any steps between the two indices."""
    steps = st.integers(coarsest, finest)
    groups = []
    for number in range(draw(st.integers(1, 4))):
        components = draw(st.integers(1, 4))
        follows = bool(number) and components == groups[0].components and draw(st.booleans())
        groups.append(Group(components * draw(st.integers(1, 4)), components, draw(steps), follows))
    return Layout(tuple(groups))


@st.composite
def sequences(draw, layout, values, deltas):
    """(ticks, values) of up to eight pictures: new values, small changes, single groups that move, or no change."""
    ticks = st.one_of(st.just(TICKS), st.integers(1, MAX_TICKS), st.sampled_from((1, TICKS - 1, MAX_TICKS)))
    row = st.lists(values, min_size=layout.count, max_size=layout.count)
    change = st.lists(deltas, min_size=layout.count, max_size=layout.count)
    pictures = [(draw(ticks), tuple(draw(row)))]
    for _ in range(draw(st.integers(0, 7))):
        before = pictures[-1][1]
        kind = draw(st.sampled_from(("new", "move", "still")))
        if kind == "new":
            now = draw(row)
        else:
            moves = draw(change) if kind == "move" else [0] * layout.count
            now = [max(-VALUE_LIMIT, min(VALUE_LIMIT, a + b)) for a, b in zip(before, moves, strict=True)]
        pictures.append((draw(ticks), tuple(now)))
    return pictures


@given(st.data())
@few
def test_ordinary_motion_round_trips(data):
    layout = data.draw(layouts(finest=32, coarsest=20))
    pictures = data.draw(sequences(layout, st.integers(-500, 500), st.integers(-20, 20)))
    assert code(layout, pictures) == pictures


@given(st.data())
@few
def test_extreme_values_and_steps_round_trip(data):
    layout = data.draw(layouts())
    values = st.one_of(st.sampled_from((*EXTREMES, 0)), st.integers(*EXTREMES))
    pictures = data.draw(sequences(layout, values, st.integers(-3, 3)))
    assert code(layout, pictures) == pictures


@pytest.mark.parametrize(
    ("groups", "rows"),
    [
        ([Group(2, 1, 0, False)], [(-32767, 32767), (32767, -32767)]),
        ([Group(4, 1, 0, False)], [(32767, -32767, 32767, -32767), (-32767, 32767, -32767, 32767)]),
        ([Group(1, 1, 0, False), Group(1, 1, 127, True)], [(0, 0), (1, 0)]),
        ([Group(1, 1, 4, False), Group(1, 1, 4, True)], [(-32767, 32767), (32767, 32767)]),
        ([Group(1, 1, 127, False), Group(1, 1, 0, True)], [(-32767, 32767), (32767, -32767)]),
    ],
    ids=["crossing", "alternating", "follows with a far finer step", "pushed over the limit", "coarser step"],
)
def test_a_prediction_beyond_the_limits_does_not_keep_legal_values_from_being_coded(groups, rows):
    pictures = [(TICKS, row) for row in rows]
    assert code(Layout(tuple(groups)), pictures) == pictures


@pytest.mark.parametrize("still", [1, 2, 255, 1000])
def test_runs_of_skipped_pictures_round_trip(still):
    layout = Layout((Group(4, 2, 24, False), Group(2, 2, 24, True)))
    pictures = [(TICKS, (1, 2, 3, 4, 5, 6))] * (1 + still) + [(TICKS, (2, 2, 4, 4, 6, 6))] * 2
    assert code(layout, pictures) == pictures


@pytest.mark.parametrize("ticks", [1, TICKS - 1, TICKS + 1, 256, 257, 1 << 20, MAX_TICKS - 1, MAX_TICKS])
def test_a_change_of_ticks_round_trips(ticks):
    pictures = [(TICKS, (0,)), (ticks, (1,)), (TICKS, (1,)), (ticks, (1,)), (ticks, (2,))]
    assert code(Layout((Group(1, 1, 0, False),)), pictures) == pictures


@pytest.mark.parametrize("ticks", [0, -1, -1000, MAX_TICKS + 1, 1 << 40])
def test_ticks_out_of_range_are_refused_and_not_written_as_others(ticks):
    pictures = [(TICKS, (0,)), (ticks, (1,))]
    with pytest.raises(ValueError, match=r"expected|above"):
        code(Layout((Group(1, 1, 0, False),)), pictures)


@pytest.mark.parametrize("value", [-VALUE_LIMIT - 1, VALUE_LIMIT + 1, 1 << 16, -(1 << 40)])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("place", [0, 2])
def test_values_out_of_range_are_refused(value, number, place):
    layout = Layout((Group(2, 2, 0, False), Group(2, 2, 0, False)))
    rows = [[1, 2, 3, 4], [1, 2, 3, 4]]
    rows[number][place] = value
    with pytest.raises(ValueError, match=r"expected|above"):
        code(layout, [(TICKS, tuple(row)) for row in rows])


def test_a_group_that_follows_costs_next_to_nothing_when_it_moves_along():
    def cost(follows):
        layout = Layout((Group(8, 2, 24, False), Group(40, 2, 24, follows)))
        state = ParameterState(layout)
        engine = CabacEncoder(state.contexts)
        for number in range(30):
            code_values(BinWriter(engine), state, [number * number] * layout.count, key=not number)
        return len(engine.finish())

    assert cost(True) < 0.4 * cost(False)


def test_a_key_picture_resets_everything_but_the_layout():
    layout = Layout((Group(4, 2, 24, False), Group(2, 1, 24, False)))
    used = ParameterState(layout)
    engine = CabacEncoder(used.contexts)
    for number in range(20):
        code_values(BinWriter(engine), used, [number % 5] * layout.count, key=not number)
    engine.start()
    fresh = ParameterState(layout)
    other = CabacEncoder(fresh.contexts)
    code_values(BinWriter(engine), used, [9] * layout.count, key=True)
    code_values(BinWriter(other), fresh, [9] * layout.count, key=True)
    assert state_of(used) == state_of(fresh)
    assert engine.finish() == other.finish()


@given(st.binary(min_size=2, max_size=60), layouts())
@few
def test_garbage_gives_values_in_range_or_a_bitstream_error(data, layout):
    state = ParameterState(layout)
    try:
        bins = BinReader(CabacDecoder(state.contexts, data))
        for number in range(4):
            found = code_values(bins, state, [0] * layout.count, key=not number)
            assert all(abs(value) <= VALUE_LIMIT for value in found)
            assert 1 <= code_ticks(bins, 1, TICKS) <= MAX_TICKS
    except BitstreamError:
        return
