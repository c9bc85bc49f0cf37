"""Decode mutated streams: does anything but a BitstreamError come out, is a picture before the damage lost?

    python -m eval.attack STREAM.gfv [STREAM.gfv ...] [--count 10000] [--seed 0] [--json]

Half of the streams have bits flipped, bytes cut out or put in, ends cut off, or go on as another one of the streams
does. The other half have the same done to one unit's payload and checksums that fit again, so that the damage reaches
the parameters and the key codec. Exits with 1 if a rule was broken. Short streams of small pictures are the quickest.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import random
import resource
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

import tqdm

from bitstream import BitstreamError, StreamReader, UnitType
from bitstream.units import MAX_PAYLOAD, write_unit
from gfvc.decoder import Decoder


@dataclass(frozen=True)
class Sample:
    """An undamaged stream: header, (type, payload) of each unit, where each unit ends and how many pictures were shown
    by then, and the pictures."""

    data: bytes
    header: bytes
    units: tuple[tuple[UnitType, bytes], ...]
    ends: tuple[tuple[int, int], ...]
    pictures: tuple[bytes, ...]


def show(data: bytes, found: list[bytes]) -> None:
    """Decode ``data``, appending the samples of each picture to ``found``."""
    reader = StreamReader(io.BytesIO(data))
    decoder = Decoder(reader.header, device="cpu")
    for unit, pictures in reader.units():
        for picture in pictures:
            try:
                found.append(decoder.push(picture).rgb.tobytes())
            except BitstreamError as error:
                raise error.at(unit.payload_offset) from None


def load_sample(path: Path) -> Sample:
    data = path.read_bytes()
    pictures: list[bytes] = []
    show(data, pictures)
    units, ends, count = [], [], 0
    for unit, shown in StreamReader(io.BytesIO(data)).units():
        count += len(shown)
        units.append((unit.type, unit.payload))
        ends.append((unit.offset + unit.size, count))
    return Sample(data, data[: 9 + data[4]], tuple(units), tuple(ends), tuple(pictures))


def damage(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Flip, cut out, put in, cut off or splice."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at, size = rng.randrange(len(out) + 1), rng.randint(1, 16)
        match rng.randrange(5):
            case 0:
                for _ in range(rng.randint(1, 8) if out else 0):
                    out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
            case 1:
                del out[at : at + size]
            case 2:
                out[at:at] = rng.randbytes(size)
            case 3:
                del out[at:]
            case 4:
                other = rng.choice(others)
                out[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(out)


def mutant(sample: Sample, samples: list[Sample], rng: random.Random) -> tuple[bytes, int]:
    """A damaged stream, and how many pictures its undamaged beginning has."""
    if rng.random() < 0.5:
        data = damage(sample.data, [other.data for other in samples], rng)
        pairs = enumerate(zip(data, sample.data, strict=False))
        same = next((at for at, (a, b) in pairs if a != b), min(len(data), len(sample.data)))
        return data, max((count for end, count in sample.ends if end <= same), default=0)
    number = rng.randrange(len(sample.units))
    kind, payload = sample.units[number]
    others = [other for one in samples for other_kind, other in one.units if other_kind == kind]
    units = list(sample.units)
    units[number] = kind, damage(payload, others, rng)[: MAX_PAYLOAD[kind]]
    crc = int.from_bytes(sample.header[-4:], "big")
    sealed = (write_unit(kind, payload, crc, index) for index, (kind, payload) in enumerate(units))
    return sample.header + b"".join(sealed), sample.ends[number - 1][1] if number else 0


def judge(data: bytes, sample: Sample, intact: int) -> str:
    """The outcome in a word or two; those that begin with "broken" break a rule."""
    found: list[bytes] = []
    try:
        show(data, found)
        outcome = "decoded"
    except BitstreamError as error:
        outcome = f"clause {error.clause}" if error.offset is not None else "broken: no offset"
    except Exception as error:
        traceback.print_exc()
        outcome = f"broken: {type(error).__name__}"
    if tuple(found[:intact]) != sample.pictures[:intact]:
        outcome = f"broken: pictures before the damage lost ({outcome})"
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m eval.attack", description=__doc__.splitlines()[0])
    parser.add_argument("streams", type=Path, nargs="+", help="undamaged streams")
    parser.add_argument("--count", type=int, default=10000, help="mutated streams to decode")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    samples = [load_sample(path) for path in args.streams]
    outcomes: collections.Counter[str] = collections.Counter()
    for _ in tqdm.trange(args.count, unit="stream", disable=not sys.stderr.isatty()):
        sample = rng.choice(samples)
        data, intact = mutant(sample, samples, rng)
        outcomes[judge(data, sample, intact)] += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    broken = sum(count for outcome, count in outcomes.items() if outcome.startswith("broken"))
    if args.json:
        print(json.dumps({"outcomes": dict(sorted(outcomes.items())), "broken": broken, "peak_mib": round(peak)}))
    else:
        for outcome, count in outcomes.most_common():
            print(f"{count:7} {outcome}")
        print(f"{broken} broke a rule; peak memory {peak:.0f} MiB")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
