"""Streams that `eval.conformance_faults` breaks rules with."""

from __future__ import annotations

from collections.abc import Callable

from bitstream.sei.messages import Coordinates, GfvMessage, Matrices, MatrixGroup, NeuralNetwork
from bitstream.sei.parser import GfvWriter
from bitstream.sei.payload import GFV, GFVE
from bitstream.sei.uri import TAG_URI

from .conformance_build import StreamBuilder, fields, group


def one(*items: int | tuple[int, int], kind: int = GFV, codec: str = "hevc") -> Callable[[], StreamBuilder]:
    """A stream with one message of these fields; an enhancement follows a message that it enhances."""

    def build() -> StreamBuilder:
        stream = StreamBuilder(codec)
        stream = stream.picture() if codec != "avc" else stream
        if kind == GFVE:
            stream.messages(GfvMessage(1, 0, 1, coordinates=Coordinates(0, 8, None, [[1, 2]])))
        stream.payloads([(kind, fields(*items))])
        return stream.picture() if codec == "avc" else stream

    return build


def network(stream_payload: Callable[[bytes], bytes]) -> Callable[[], StreamBuilder]:
    """A base message with a network URI, its payload changed."""

    def build() -> StreamBuilder:
        message = GfvMessage(1, 0, 1, NeuralNetwork(1, "tag:a,2026:b", "c:d"))
        message.coordinates = Coordinates(0, 8, None, [[1, 2]])
        return StreamBuilder("hevc").picture().payloads([(GFV, stream_payload(GfvWriter().write(message)))])

    return build


def plain(uri: str = "", change: Callable[[StreamBuilder], StreamBuilder] | None = None) -> Callable[[], StreamBuilder]:
    """A conforming message, with a URI of ours where one is given, and something after it."""

    def build() -> StreamBuilder:
        message = GfvMessage(1, 0, 1, NeuralNetwork(1, TAG_URI, uri) if uri else None)
        message.coordinates = Coordinates(0, 8, None, [[1, 2]])
        stream = group("hevc", message)
        return change(stream) if change else stream

    return build


def shape() -> StreamBuilder:
    """A driven message with fewer points, then one that is predicted from it."""
    stream = group(
        "vvc",
        GfvMessage(1, 0, 1, coordinates=Coordinates(0, 8, None, [[1, 2], [3, 4]])),
        GfvMessage(1, 1, coordinates=Coordinates(0, 8, None, [[1, 2]])),
    )
    return stream.payloads([(GFV, fields(1, 2, (0, 1), (1, 1), (1, 1), 0, 0, 0, 0, (0, 1)))])


def geometry() -> StreamBuilder:
    """As `shape`, with matrices."""
    stream = group(
        "vvc",
        GfvMessage(1, 0, 1, matrices=Matrices(0, 8, [MatrixGroup(7, 1, 1, 2, [1, 2])])),
        GfvMessage(1, 1, matrices=Matrices(0, 8, [MatrixGroup(7, 1, 1, 1, [1])])),
    )
    return stream.payloads([(GFV, fields(1, 2, (0, 1), (0, 1), (1, 1), (1, 1), 0, 0, 0, 0))])


def own(*rest: GfvMessage, end: bool = True) -> Callable[[], StreamBuilder]:
    """A stream of gfvc by hand: a base message of two points, of steps 8/512 and 7/512, then these."""

    def build() -> StreamBuilder:
        uri = "gfvc:1/conformance/0001020304050607?f=keypoints2d&s=64x64&t=1/25&g=2.2.24,2.2.25"
        first = GfvMessage(0, 0, 1, NeuralNetwork(1, TAG_URI, uri))
        first.coordinates = Coordinates(1, 9, None, [[80, 16], [-10, 5]])
        stream = group("hevc", first, *rest)
        return stream.raw(b"\x4a\x01") if end else stream

    return build


def moved(cnt: int, x: int) -> GfvMessage:
    """A driven message of such a stream, in which the first point moves by x / 512."""
    return GfvMessage(0, cnt, coordinates=Coordinates(1, 9, None, [[x, 0], [0, 7]]))
