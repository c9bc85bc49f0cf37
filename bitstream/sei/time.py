"""Irregular times of pictures as user data SEI messages (SPEC.md clause C.6.3)."""

from __future__ import annotations

from ..errors import BitstreamError
from ..parameters import MAX_TICKS

CLAUSE = "C.6.3"
USER_DATA_UNREGISTERED = 5
# uuid_iso_iec_11578 of our user data, drawn at random.
UUID = bytes.fromhex("7c1f0e5a2b9d4c6e8a3356d1b04f97e2")


def write_ticks(ticks: int) -> tuple[int, bytes]:
    """(payloadType, payload) of a message that gives the ticks since the picture before, 1..2^31 - 1."""
    return USER_DATA_UNREGISTERED, UUID + ticks.to_bytes((ticks.bit_length() + 7) // 8, "big")


def parse_ticks(payload_type: int, payload: bytes) -> int | None:
    """The ticks of such a message; None for any other message.

    Raises BitstreamError with offsets in the payload.
    """
    if payload_type != USER_DATA_UNREGISTERED or not payload.startswith(UUID):
        return None
    data = payload[len(UUID) :]
    ticks = int.from_bytes(data[:5], "big")
    if len(data) > 4 or not 1 <= ticks <= MAX_TICKS or data[:1] == b"\0":
        raise BitstreamError(
            f"picture_ticks {data[:8].hex() or 'missing'}, 1..{MAX_TICKS} in 1 to 4 bytes expected",
            offset=len(UUID),
            clause=CLAUSE,
        )
    return ticks
