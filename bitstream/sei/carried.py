"""The rules of a stream of gfvc, message by message (SPEC.md clause C.6), for its reader and for the checker."""

from __future__ import annotations

from ..errors import BitstreamError, CarriageError
from ..header import Header
from .facial import FacialMessages
from .messages import GfvMessage
from .parser import Parsed
from .uri import TAG_URI, parse_uri

CLAUSE = "C.6.1"


def has_our_uri(parsed: Parsed) -> bool:
    """A message that names a network of gfvc."""
    m = parsed.message
    return isinstance(m, GfvMessage) and m.nn is not None and m.nn.tag_uri == TAG_URI


class CarriedStream:
    """What the first message of a stream says, and the quantised values of all."""

    def __init__(self, first: Parsed, codec: str) -> None:
        """Raises BitstreamError if the first message has no URI of ours, or not a well-formed one."""
        if not has_our_uri(first):
            raise BitstreamError(
                f"the first GFV message has no gfv_nn_tag_uri {TAG_URI}: a stream for a network that is not known here",
                offset=0,
                clause=CLAUSE,
            )
        self.uri = first.message.nn.uri
        self.header: Header
        self.header, self.syntax = parse_uri(self.uri, codec)
        try:
            self._facial = FacialMessages(self.header, self.syntax)
        except CarriageError as error:
            raise BitstreamError(str(error), offset=0, clause="C.6.2") from None
        self._count = 0

    def accept(self, parsed: Parsed) -> tuple[int, ...]:
        """The quantised values of the next message, which was read without violation.

        Raises BitstreamError with offsets in the payload; the next message is then expected after this one.
        """
        m = parsed.message
        if not isinstance(m, GfvMessage):
            raise self._fault(parsed, "gfv_id", "unreadable", "a GFV message")
        expected = 0 if m.base else self._count
        self._count = m.cnt + 1
        if m.id != self._facial.identifier:
            raise self._fault(parsed, "gfv_id", m.id, str(self._facial.identifier))
        if m.nn is not None and (m.nn.tag_uri, m.nn.uri) != (TAG_URI, self.uri):
            raise self._fault(parsed, "gfv_nn_uri", m.nn.uri[:80], "that of the first message")
        if m.cnt != expected or not (m.base or m.cnt):
            raise self._fault(parsed, "gfv_cnt", m.cnt, str(expected))
        return self._facial.values(parsed)

    def _fault(self, parsed: Parsed, element: str, found: int | str, allowed: str) -> BitstreamError:
        position = next(
            (start for (name, _), start in zip(parsed.elements, parsed.positions, strict=True) if name == element), 0
        )
        return BitstreamError(
            f"{element} is {found}, {allowed} expected",
            offset=position // 8,
            bit=position % 8,
            clause=CLAUSE,
            element=element,
            found=found,
            allowed=allowed,
        )
