"""Random GFV and GFVE messages that a writer accepts: every branch of the syntax comes up."""

from __future__ import annotations

import random

from bitstream.sei.messages import (
    AM0334,
    ChromaKey,
    Coordinates,
    GfveMessage,
    GfvMessage,
    Matrices,
    MatrixGroup,
    NeuralNetwork,
    Pupils,
)


def _numbers(rng: random.Random, count: int, limit: int = 300) -> list[int]:
    return [rng.choice((0, rng.randint(-limit, limit))) for _ in range(count)]


def network(rng: random.Random) -> NeuralNetwork | None:
    return rng.choice(
        (
            None,
            NeuralNetwork(1, "tag:example.com,2026:x", "https://example.com/é"),
            NeuralNetwork(0, payload=rng.randbytes(rng.randint(0, 9))),
        )
    )


def chroma_key(rng: random.Random, syntax: str) -> ChromaKey | None:
    if rng.random() < 0.4:
        return None
    key = ChromaKey(values=[rng.choice((None, rng.randint(0, 255))) for _ in range(3)])
    if syntax == AM0334:
        key.purpose = rng.randint(0, 2)
        if rng.random() < 0.5:
            key.lower = rng.randint(0, 255)
            key.upper = key.lower + rng.randint(1, 256)
    else:
        key.lower, key.upper = (rng.choice((None, rng.randint(0, 300))) for _ in range(2))
    return key


def points(rng: random.Random, count: int, z_max: int | None, precision: int, pred: int) -> Coordinates:
    axes = 2 if z_max is None else 3
    return Coordinates(pred, precision, z_max, [_numbers(rng, axes) for _ in range(count)])


def matrix_groups(rng: random.Random, coordinates: Coordinates | None) -> list[MatrixGroup]:
    groups = []
    for _ in range(rng.randint(1, 3)):
        kinds = [2, 3, 4, 5, 6, 7, 8, 31, 40] + ([0, 1] if coordinates else [])
        kind = rng.choice(kinds)
        side = 3 if (rng.random() < 0.5 if coordinates is None else coordinates.z_max is not None) else 2
        count, rows, columns = 1, rng.randint(1, 4), rng.randint(1, 4)
        if kind < 2:
            number = len(coordinates.values)
            count, rows, columns = rng.choice((number, number + rng.randint(1, 3), max(1, number - 1))), side, side
        elif kind in (4, 5, 6):
            rows, columns = side, side if kind == 4 else 1
        elif kind >= 7:
            count = rng.randint(1, 3)
        groups.append(MatrixGroup(kind, count, rows, columns))
    return groups


def filled(rng: random.Random, groups: list[MatrixGroup]) -> list[MatrixGroup]:
    """The same geometry with new elements."""
    return [
        MatrixGroup(g.type, g.count, g.rows, g.columns, _numbers(rng, g.count * g.rows * g.columns, 2000))
        for g in groups
    ]


def gfv_messages(seed: int, syntax: str) -> list[GfvMessage]:
    """A base message and some driven ones of one identifier."""
    rng = random.Random(seed)
    identifier = rng.choice((0, 1, 700, (1 << 31) - 1))
    z_max = rng.choice((None, 1, 65536))
    count, precision = rng.randint(1, 6), rng.randint(1, 32)
    base = GfvMessage(identifier, 0, 1, network(rng), chroma_key(rng, syntax), low_confidence=rng.randint(0, 1))
    with_points, with_matrices = rng.choice(((True, False), (False, True), (True, True)))
    if with_points:
        base.coordinates = points(rng, count, z_max, precision, rng.randint(0, 1))
    groups = matrix_groups(rng, base.coordinates) if with_matrices else []
    if with_matrices:
        base.matrices = Matrices(0, precision, filled(rng, groups))
    messages = [base]
    for number in range(1, rng.randint(2, 5)):
        m = GfvMessage(identifier, rng.choice((0, number)), low_confidence=rng.randint(0, 1))
        if syntax != AM0334 or m.cnt == 0:
            m.fusion = rng.randint(0, 1)
        if with_points and rng.random() < 0.8:
            m.coordinates = points(rng, count, z_max, precision, 1)
            if rng.random() < 0.3:
                m.coordinates.pred = 0
                m.coordinates.precision = rng.randint(1, 32)
        if with_matrices and (m.coordinates is None or rng.random() < 0.8):
            pred = int(m.coordinates is not None or not with_points)
            m.matrices = Matrices(pred, precision, filled(rng, groups))
            if not pred:
                m.matrices.groups = filled(rng, matrix_groups(rng, None))
        if m.coordinates is None and m.matrices is None:
            m.coordinates = points(rng, count, z_max, precision, 1)
        messages.append(m)
        if m.matrices and not m.matrices.pred:
            # A message of another geometry cannot be predicted from.
            break
    return messages


def gfve_messages(seed: int) -> list[GfveMessage]:
    """A base message with pupils and matrices, and some driven ones."""
    rng = random.Random(seed)
    precision, pupil_precision = rng.randint(1, 32), rng.randint(1, 32)
    groups = [MatrixGroup(0, 1, rng.randint(1, 4), rng.randint(1, 4)) for _ in range(rng.randint(1, 3))]

    def pupils() -> Pupils | None:
        eyes = [rng.choice((None, _numbers(rng, 2, 4))) for _ in range(2)]
        return Pupils(pupil_precision, *eyes) if any(eyes) else None

    base = GfveMessage(5, 1, 0, 1, network(rng), Matrices(0, precision, filled(rng, groups)))
    base.pupils = Pupils(pupil_precision, *rng.choice((([1, -2], None), (None, [0, 3]), ([0, 0], [4, 4]))))
    messages = [base]
    for number in range(1, rng.randint(1, 4)):
        m = GfveMessage(5, 1, rng.choice((0, number)), pupils=pupils())
        if rng.random() < 0.8:
            m.matrices = Matrices(rng.randint(0, 1), precision, filled(rng, groups))
        messages.append(m)
    return messages
