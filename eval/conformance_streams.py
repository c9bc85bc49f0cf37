"""The conforming streams of the conformance suite, drawn from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from bitstream.sei.messages import (
    AJ0207,
    SYNTAXES,
    ChromaKey,
    Coordinates,
    GfveMessage,
    GfvMessage,
    Matrices,
    MatrixGroup,
    NeuralNetwork,
    Pupils,
)
from bitstream.sei.payload import GFV

from .conformance_build import StreamBuilder, add_group, fields, group, product_stream

URI = NeuralNetwork(1, "tag:example.com,2026:translator", "https://example.com/t.nnr")
rng = random.Random(2026)


class Vector(NamedTuple):
    """A conforming stream."""

    name: str
    what: str
    stream: StreamBuilder


def numbers(count: int, limit: int = 200) -> list[int]:
    return [rng.choice((0, rng.randint(-limit, limit), rng.randint(-limit, limit))) for _ in range(count)]


def points(count: int, pred: int = 0, precision: int = 8, z_max: int | None = None, limit: int = 200) -> Coordinates:
    axes = 2 if z_max is None else 3
    return Coordinates(pred, precision, z_max, [numbers(axes, limit) for _ in range(count)])


def matrices(*geometry: tuple[int, int, int, int], pred: int = 0, precision: int = 8, limit: int = 700) -> Matrices:
    groups = [MatrixGroup(*g, elements=numbers(g[1] * g[2] * g[3], limit)) for g in geometry]
    return Matrices(pred, precision, groups)


def base(coordinates: Coordinates | None = None, block: Matrices | None = None, **changes: Any) -> GfvMessage:
    return GfvMessage(**({"id": 1, "base": 1, "coordinates": coordinates, "matrices": block} | changes))


def driven(
    cnt: int, coordinates: Coordinates | None = None, block: Matrices | None = None, **changes: Any
) -> GfvMessage:
    return GfvMessage(**({"id": 1, "cnt": cnt, "coordinates": coordinates, "matrices": block} | changes))


def both_forms() -> Iterator[Vector]:
    """What the two forms of the syntax code differently."""
    for syntax, codec in zip(SYNTAXES, ("hevc", "avc"), strict=True):
        old = syntax == AJ0207
        fusion = 1 if old else None
        yield Vector(
            f"fusion_{syntax}",
            "driven messages, the coded picture first not and then itself driven",
            add_group(
                group(codec, base(points(4)), driven(1, points(4, 1), fusion=fusion), syntax=syntax),
                driven(0, points(4, 1), fusion=1),
                driven(1, points(4, 1), fusion=0 if old else None, low_confidence=1),
            ),
        )
        keys = [ChromaKey(0 if old else 1, [22, 144, 255], 21, 44), ChromaKey(0, [None, 0, None]), ChromaKey()]
        keys.append(ChromaKey(0 if old else 2, [None] * 3, *((7, None) if old else (0, 1))))
        stream = StreamBuilder(codec, syntax)
        for key in keys:
            add_group(stream, base(points(2), chroma_key=key), driven(1, points(2, 1), fusion=0 if old else None))
        yield Vector(f"chroma_key_{syntax}", "chroma keys with all, some and none of their parts", stream)
        yield Vector(
            f"network_{syntax}",
            "network by URI, then by payload, whose bytes need emulation prevention",
            add_group(
                group(codec, base(points(3), nn=URI), driven(1, points(3, 1), fusion=fusion), syntax=syntax),
                base(points(3, 1), nn=NeuralNetwork(0, payload=bytes(5) + b"\x01\0\0\3\0\0\2" + rng.randbytes(300))),
            ),
        )


def coordinates() -> Iterator[Vector]:
    yield Vector("points_2d", "2-D points, unpredicted, more than 255 bytes", group("hevc", base(points(70, 0, 10))))
    yield Vector(
        "points_2d_pred",
        "2-D points, predicted from the point before and the message before",
        group("avc", base(points(10, 1)), *(driven(n, points(10, 1, limit=9)) for n in range(1, 5))),
    )
    yield Vector(
        "points_3d",
        "3-D points, z up to 2; a driven message with points of its own precision and dimension",
        group("vvc", base(points(5, 1, z_max=2)), driven(1, points(5, 1, z_max=2)), driven(2, points(3, 0, 3))),
    )
    yield Vector(
        "points_z_limits",
        "largest and smallest z limit, largest precision that every reader has",
        add_group(group("hevc", base(points(2, 0, 30, 65536))), base(points(2, 0, 1, 1))),
    )
    yield Vector(
        "points_base_reference",
        "three access units: the coded picture predicted from the last base message, then a base of another shape",
        add_group(
            add_group(
                group("hevc", base(points(4)), driven(1, points(4, 1)), driven(2, points(4, 1))),
                driven(0, points(4, 1), fusion=0),
                driven(1, points(4, 1)),
            ),
            base(points(6, 1, 5, 3)),
            driven(1, points(6, 1, 5, 3)),
        ),
    )


def matrix_types() -> Iterator[Vector]:
    yield Vector(
        "affine_2d",
        "affine and covariance matrices, as many as points, predicted",
        group(
            "hevc",
            base(points(3, 1), matrices((0, 3, 2, 2), (1, 3, 2, 2))),
            driven(1, points(3, 1), matrices((0, 3, 2, 2), (1, 3, 2, 2), pred=1)),
        ),
    )
    yield Vector(
        "affine_counts",
        "fewer and more matrices than points, 3-D",
        add_group(
            group("avc", base(points(4, z_max=1), matrices((0, 2, 3, 3), (1, 2, 3, 3)))),
            base(points(4, z_max=1), matrices((0, 6, 3, 3), (1, 1, 3, 3))),
        ),
    )
    for side in (2, 3):
        pose = ((4, 1, side, side), (5, 1, side, 1), (6, 1, side, 1))
        yield Vector(
            f"pose_{side}d",
            f"rotation, translation, location, mouth and eyes, {side}-D, without points; predicted",
            group(
                "vvc" if side == 2 else "hevc",
                base(None, matrices(*pose, (2, 1, 6, 1), (3, 1, 1, 2))),
                driven(1, None, matrices(*pose, (2, 1, 6, 1), (3, 1, 1, 2), pred=1)),
            ),
        )
    yield Vector(
        "pose_with_points",
        "rotation and translation beside 3-D points, whose flag they share",
        group("avc", base(points(3, z_max=2), matrices((4, 1, 3, 3), (5, 1, 3, 1)))),
    )
    yield Vector(
        "other_types",
        "compact feature, application defined and reserved types, several matrices each",
        group(
            "vvc",
            base(None, matrices((7, 1, 4, 4), (8, 3, 2, 5), (31, 1, 1, 3), (40, 2, 1, 1))),
            driven(
                1, None, matrices((7, 1, 4, 4), (8, 3, 2, 5), (31, 1, 1, 3), (40, 2, 1, 1), pred=1), low_confidence=1
            ),
            driven(2, None, matrices((7, 1, 1, 1), precision=30)),
        ),
    )
    yield Vector(
        "quirk_type_order",
        "matrix types in an order that the reference readers do not follow (warning c)",
        group("hevc", base(None, matrices((2, 1, 1, 2), (4, 1, 3, 3), (5, 1, 2, 1)))),
    )
    feature = (7, 1, 2, 2)
    yield Vector(
        "quirk_base_reference",
        "matrices of a coded picture predicted from the base message, others between (warning b)",
        add_group(
            group("vvc", base(None, matrices(feature)), driven(1, None, matrices(feature, pred=1))),
            driven(0, None, matrices(feature, pred=1), fusion=1),
        ),
    )


def enhancement() -> Iterator[Vector]:
    shapes = ((0, 1, 2, 3), (0, 1, 3, 2))

    def gfve(cnt: int, pred: int | None, pupils: Pupils | None, **changes: Any) -> GfveMessage:
        block = None if pred is None else matrices(*shapes, pred=pred)
        return GfveMessage(4, 1, cnt, matrices=block, pupils=pupils, **changes)

    yield Vector(
        "gfve_all",
        "matrices that are not square and pupils: both eyes, left, right, none",
        group(
            "hevc",
            base(points(2)),
            gfve(0, 0, Pupils(8, [3, -2], [1, 1]), base=1),
            *(m for n in range(1, 4) for m in (driven(n, points(2, 1)), gfve(n, n != 2, eyes(n)))),
            driven(4, points(2, 1)),
            gfve(4, None, None),
        ),
    )
    yield Vector(
        "gfve_left_only",
        "base message with one eye: the other is inferred; then the coded picture itself is driven",
        add_group(
            group(
                "avc",
                base(points(2)),
                gfve(0, None, Pupils(2, [8, -8], None), base=1, nn=URI),
                driven(1, points(2, 1)),
                gfve(1, None, Pupils(2, None, [0, 1])),
            ),
            driven(0, points(2, 1), fusion=0),
            gfve(0, 0, Pupils(2, [0, 0], None)),
        ),
    )
    yield Vector(
        "gfve_network_payload",
        "network in the enhancement message",
        group(
            "vvc",
            base(points(2)),
            GfveMessage(4, 1, 0, 1, NeuralNetwork(0, payload=b"network"), matrices((0, 1, 2, 1))),
        ),
    )
    yield Vector(
        "gfve_right_only",
        "base message with the right eye alone",
        group("vvc", base(points(2)), gfve(0, None, Pupils(6, None, [5, -3]), base=1)),
    )


def eyes(number: int) -> Pupils:
    """Pupils of driven messages."""
    return {1: Pupils(8, [1, 0], None), 2: Pupils(8, None, [0, -4]), 3: Pupils(8, [-1, 2], [-2, 0])}[number]


def carriage() -> Iterator[Vector]:
    yield Vector(
        "together",
        "all messages of a picture in one SEI NAL unit, an unknown message among them",
        group("vvc", base(points(2)), driven(1, points(2, 1)), together=True).payloads([(1000, b"unknown")]),
    )
    yield Vector("prefix", "messages in prefix SEI NAL units (warning j)", group("hevc", base(points(2)), suffix=False))
    yield Vector(
        "two_identifiers",
        "two faces, each with its own references (warning a)",
        group(
            "hevc",
            base(points(2)),
            base(points(3), id=2),
            driven(1, points(2, 1)),
            driven(1, points(3, 1), id=2),
        ),
    )
    payload = base(points(2), nn=NeuralNetwork(0, payload=b"net"))
    yield Vector("extension", "extension data after a message, to be ignored (warning h)", _extended(payload))
    yield Vector(
        "uncarried",
        "a fraction of 1 in a predicted element, as the reference writers have it (warning f)",
        group("hevc", base(None, matrices((7, 1, 1, 1), precision=2))).payloads(
            [(GFV, fields(1, 1, (0, 1), (0, 1), (1, 1), (1, 1), 0, 4, (0, 1)))]
        ),
    )
    yield Vector("identifier_limits", "large identifiers", group("avc", base(points(1), id=(1 << 31) - 1)))
    for codec, family in (("hevc", "keypoints2d"), ("avc", "compact")):
        yield Vector(
            f"gfvc_{family}",
            f"a stream of gfvc, family {family}, with irregular times",
            product_stream(codec, family, numbers),
        )


def _extended(message: GfvMessage) -> StreamBuilder:
    stream = group("hevc", message)
    # gfv_id 1, gfv_cnt 1, confident, one unpredicted point, no matrices, then bits of no meaning.
    head = (1, 1, (0, 1), (1, 1), (0, 1), 7, 0, (0, 1), 5, (0, 1), 0, (0, 1))
    return stream.payloads([(GFV, fields(*head, (0xABC, 12)))])


def conforming() -> list[Vector]:
    """All conforming streams, in the order in which they are drawn."""
    rng.seed(2026)
    return [*both_forms(), *coordinates(), *matrix_types(), *enhancement(), *carriage()]
