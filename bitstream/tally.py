"""What a stream holds and what it costs: the figures of `gfvc info` and `gfvc encode --json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from .header import Header
from .units import Unit, UnitType


@dataclass(frozen=True)
class StreamSummary:
    """Stable fields of the JSON output; rates are kbit/s with 1 kbit = 1000 bit, over the stream's duration.

    The last picture is taken to last as long as the header's usual picture. kbps_key counts key pictures with their
    parameter sets and their own parameters, kbps_parameters all others, kbps_overhead the file header, unit headers and
    checksums.
    """

    pictures: int
    key_pictures: int
    duration_s: float
    size_bytes: int
    kbps_total: float
    kbps_key: float
    kbps_parameters: float
    kbps_overhead: float
    width: int
    height: int
    family: str
    model: str

    def as_dict(self) -> dict[str, int | float | str]:
        return asdict(self)


@dataclass
class StreamTally:
    """Running counts over the units of one stream; bytes of headers, checksums and the file header are overhead."""

    header: Header
    overhead_bytes: int
    key_bytes: int = 0
    parameter_bytes: int = 0
    pictures: int = 0
    key_pictures: int = 0
    ticks: int = 0
    groups: list[dict[str, int]] = field(default_factory=list)

    def add(self, unit: Unit, ticks: Sequence[int]) -> None:
        """Count a unit and the pictures in it, given by their time distances."""
        payload = len(unit.payload)
        if unit.type in (UnitType.KEY_CONFIG, UnitType.KEY_PICTURE):
            self.key_bytes += payload
        elif unit.type == UnitType.PARAMETERS:
            self.parameter_bytes += payload
        else:
            self.overhead_bytes += payload
        self.overhead_bytes += unit.size - payload
        if unit.type == UnitType.KEY_PICTURE:
            self.key_pictures += 1
            self.groups.append(
                {"first_picture": self.pictures, "pictures": 0, "key_bytes": payload, "parameter_bytes": 0}
            )
        if unit.type == UnitType.PARAMETERS:
            self.groups[-1]["parameter_bytes"] += payload
        if ticks:
            self.groups[-1]["pictures"] += len(ticks)
        self.pictures += len(ticks)
        self.ticks += sum(ticks)

    @property
    def size_bytes(self) -> int:
        return self.key_bytes + self.parameter_bytes + self.overhead_bytes

    def summary(self) -> StreamSummary:
        """The cost of what has been counted; an empty stream has zero rates."""
        header = self.header
        ticks = self.ticks + header.picture_ticks if self.pictures else 0
        duration = ticks * header.time_base[0] / header.time_base[1]

        def kbps(size: int) -> float:
            return round(size * 8 / 1000 / duration, 4) if duration else 0.0

        return StreamSummary(
            self.pictures,
            self.key_pictures,
            round(duration, 6),
            self.size_bytes,
            kbps(self.size_bytes),
            kbps(self.key_bytes),
            kbps(self.parameter_bytes),
            kbps(self.overhead_bytes),
            header.width,
            header.height,
            header.family,
            header.model,
        )
