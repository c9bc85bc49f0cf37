"""Which of the two forms of the GFV syntax a stream follows (SPEC.md clause C.4.1)."""

from __future__ import annotations

from collections.abc import Sequence

from .messages import SYNTAXES, GfvMessage
from .parser import GfvParser, Parsed
from .payload import SeiMessage
from .uri import TAG_URI, stated_syntax

# What is looked at before the choice is made: a stream need not fit the memory.
MAX_MESSAGES = 256
MAX_BYTES = 1 << 20


def choose_syntax(messages: Sequence[SeiMessage]) -> str:
    """ "am0334" or "aj0207": the one under which the messages, the first of a stream, fit best.

    A message fits if it has no violation and ends where its payload ends. Extension data counts against a form unless
    it is the network payload of the base message, which the reference writers append to every message. Streams that
    fit both alike are read as am0334; their values are then the same, but for the name of the fusion flag.
    """
    scores = []
    for syntax in SYNTAXES:
        parser, score = GfvParser(syntax), [0, 0, 0]
        for message in messages:
            found = parser.parse(message.type, message.payload)
            stated = _stated(found)
            if stated:
                return stated
            score[0] += len(found.violations)
            score[1] += bool(found.unexplained)
            score[2] += _implausible(found)
        scores.append(score)
    return SYNTAXES[scores.index(min(scores))]


def _stated(parsed: Parsed) -> str | None:
    """A stream of ours says which form it has; its first message is the same in both."""
    m = parsed.message
    if isinstance(m, GfvMessage) and m.nn is not None and m.nn.tag_uri == TAG_URI:
        return stated_syntax(m.nn.uri)
    return None


def _implausible(parsed: Parsed) -> int:
    """Coordinates outside of the picture."""
    points = parsed.points
    if points is None:
        return 0
    limit = max(points.z_max or 1, 1) << points.shift
    return sum(abs(value) > limit for point in points.values for value in point)
