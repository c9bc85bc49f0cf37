"""The one error that reading a stream can raise."""

from __future__ import annotations


class BitstreamError(ValueError):
    """A stream that does not follow SPEC.md, or ends early.

    offset: byte position in the stream where the fault was noticed; clause: the clause of SPEC.md that is violated.
    """

    def __init__(self, message: str, *, offset: int, clause: str) -> None:
        super().__init__(f"byte {offset}: {message} (SPEC.md {clause})")
        self.message = message
        self.offset = offset
        self.clause = clause

    def at(self, base: int) -> BitstreamError:
        """The same fault seen from a stream in which ours begins at byte ``base``."""
        return BitstreamError(self.message, offset=self.offset + base, clause=self.clause)
