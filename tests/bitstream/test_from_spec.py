"""The package against a second parser that was written from SPEC.md alone, and both against the vectors of its Annex
A."""

from __future__ import annotations

import io
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, strategies

from bitstream import BitstreamError, Group, KeyPicture, Layout, Picture, StreamReader
from bitstream.cabac import CabacDecoder, ContextSet
from bitstream.nal import hevc_vps

from .from_spec import Engine, SpecError, parse
from .streams import build, few, header, motion, payloads, read_until_fault, seal, small_stream

SPEC = (Path(__file__).parents[2] / "bitstream" / "SPEC.md").read_text()
GOLDEN = sorted((Path(__file__).parents[1]).glob("*/golden/*.gfv"))


def annex(number: str) -> str:
    """The text of a clause of Annex A."""
    return re.search(rf"^### {re.escape(number)} .*?(?=^##)", SPEC, re.S | re.M).group()


def vector(number: str) -> bytes:
    """The stream that an annex shows."""
    block = annex(number).split("```")[1]
    return bytes.fromhex("".join(line.split(":")[1] for line in block.strip().splitlines()))


def plain(picture: Picture) -> tuple[int, list[int], tuple[bytes, bytes] | None]:
    coded = (picture.config, picture.payload) if isinstance(picture, KeyPicture) else None
    return picture.ticks, list(picture.values), coded


def compare(data: bytes) -> tuple[str | None, str | None]:
    """Both parsers give the same pictures; the clauses of their faults."""
    found, fault = read_until_fault(data, BitstreamError)
    ours = parse(data)
    assert ours.pictures == [plain(picture) for picture in found]
    return fault and fault.clause, ours.fault and ours.fault.clause


@pytest.mark.parametrize(
    ("number", "values"),
    [
        ("A.2", [[10, -20, 30, 5, -3, 40, 0, 7], [12, -21, 32, 4, 0, 38, 0, 7]]),
        ("A.3", [[-11, -10, -7, -2, 5, -9, 2, -8, 7, 1, -3, -5, -5, -3, 1, 7]]),
    ],
)
def test_vector_streams_have_the_values_stated(number, values):
    data = vector(number)
    assert compare(data) == (None, None)
    stream = parse(data)
    assert [picture[1] for picture in stream.pictures[: len(values)]] == values
    shown = annex(number)
    for ticks, picture, _ in stream.pictures:
        # The rows of the table, with the separators between groups and the repetition of zeros left out.
        first = ",? ".join(map(str, picture[:4]))
        assert re.search(rf"\| {ticks} \| {first}", shown), (ticks, picture)
    for name in ("picture_width", "picture_height"):
        assert str(stream.header[name]) in re.search(r"picture_width, picture_height \| (.*) \|", shown).group(1)


@pytest.mark.parametrize("number", ["A.2", "A.3"])
def test_package_writes_the_vector_streams(number):
    data = vector(number)
    reader = StreamReader(io.BytesIO(data))
    units = [pictures for _, pictures in reader.units() if pictures]
    runs = [unit[0] if isinstance(unit[0], KeyPicture) else list(unit) for unit in units]
    assert build(reader.header, runs).data == data


def test_engine_decodes_the_bins_of_the_annex():
    text = annex("A.1")
    codeword = bytes.fromhex(re.search(r"codeword is `([0-9A-F ]+)`", text).group(1))
    rows = re.findall(r"^\| (c0|c1|bypass|terminate) \| (\d) \| (\d+) \| (\d+) \| (.*?) ?\| (\d+) \|$", text, re.M)
    assert len(rows) == 13
    engine = Engine(codeword, [40 << 3, 90 << 3], [40 << 7, 90 << 7])
    for name, value, range_after, offset_after, estimates, read in rows:
        if name == "terminate":
            engine.end()
        else:
            assert (engine.bypass() if name == "bypass" else engine.bin(int(name[1]))) == int(value)
        assert (engine.range, engine.offset, engine.read) == (int(range_after), int(offset_after), int(read))
        if name.startswith("c"):
            context = int(name[1])
            assert estimates == f"{engine.fast[context]}, {engine.slow[context]}"
    decoder = CabacDecoder(ContextSet((40, 90)), codeword)
    bins = [decoder.bypass() if name == "bypass" else decoder.decode(int(name[1])) for name, *_ in rows[:-1]]
    assert bins == [int(value) for _, value, *_ in rows[:-1]]
    decoder.finish()


def test_vps_of_the_annex():
    sps, vps = (bytes.fromhex(found) for found in re.findall(r"\| ([0-9A-F]{2}(?: [0-9A-F]{2})+) \|", annex("A.4")))
    assert hevc_vps(sps) == vps


shapes = strategies.lists(
    strategies.tuples(strategies.integers(1, 4), strategies.integers(0, 60), strategies.booleans()),
    min_size=1,
    max_size=4,
)


@few
@given(shapes, strategies.integers(1, 4), strategies.integers(0, 1 << 20))
def test_random_streams_parse_alike(shape, components, seed):
    layout = Layout(
        tuple(
            Group(count * components, components, step, follows and index > 0)
            for index, (count, step, follows) in enumerate(shape)
        )
    )
    rng = random.Random(seed)
    values = motion(layout, 12, seed)
    values[5] = tuple(rng.choice((-32767, 0, 32767)) for _ in values[5])
    ticks = [rng.choice((1001, 1001, 1, 2**31 - 1)) for _ in values]
    run = [Picture(t, v) for t, v in zip(ticks, values, strict=True)]
    keys = [KeyPicture(0, values[0], b"c", b"first"), KeyPicture(ticks[6], values[6], b"d", b"second")]
    data = build(header(layout), [keys[0], run[1:4], run[4:6], keys[1], run[7:]]).data
    assert compare(data) == (None, None)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.parent.name)
def test_golden_streams_parse_alike(path):
    assert compare(path.read_bytes()) == (None, None)


def test_damaged_streams_fail_alike():
    data = small_stream().data
    rng = random.Random(3)
    for _ in range(300):
        damaged = bytearray(data)
        at = rng.randrange(len(data))
        if rng.random() < 0.3:
            del damaged[at:]
        else:
            damaged[at] ^= 1 << rng.randrange(8)
        theirs, ours = compare(bytes(damaged))
        assert theirs == ours is not None, damaged.hex()


def test_damage_behind_good_checksums_fails_alike():
    """Here the two may disagree on which of several broken rules they meet first, but not on whether one is broken."""
    stream = small_stream()
    units = payloads(stream.data)
    rng = random.Random(4)
    clauses = set()
    for _ in range(400):
        number = rng.randrange(len(units))
        kind, payload = units[number]
        damaged = bytearray(payload)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        changed = [*units[:number], (kind, bytes(damaged)), *units[number + 1 :]]
        theirs, ours = compare(seal(stream.parts[0], changed))
        assert (theirs is None) == (ours is None)
        assert theirs == ours
        clauses.add(theirs)
    assert {None, "7.3"} <= clauses


def test_damaged_headers_fail_alike():
    fields, *rest = small_stream().parts
    rng = random.Random(5)
    for _ in range(300):
        damaged = bytearray(fields)
        damaged[rng.randrange(len(fields))] ^= 1 << rng.randrange(8)
        assert compare(bytes(damaged) + b"".join(rest))[1] is not None


def test_the_second_parser_names_its_clause():
    with pytest.raises(SpecError, match=r"clause 7\.3"):
        Engine(b"\0", [], [])
