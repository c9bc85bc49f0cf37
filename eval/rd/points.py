"""Operating points: what is coded how, and how each point and curve is called."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gfvc.key_picture import CODECS, encoder_name

from . import anchors
from .conditions import Conditions

OURS = "gfvc"


@dataclass(frozen=True)
class Point:
    """One way to code a clip.

    curve: the curve it belongs to; kind: `gfvc` or `anchor`; codec: family of gfvc, or name of the anchor; qp: of the
    key pictures, or of all; carriage, quantiser, key_refresh: of gfvc; half_size: of an anchor.
    """

    curve: str
    kind: str
    codec: str
    qp: int
    carriage: str = ""
    quantiser: int = 0
    key_refresh: str = ""
    half_size: bool = False

    @property
    def name(self) -> str:
        """Unique in a run, fit for a file name."""
        return f"{self.curve}{'-half' if self.half_size else ''}-qp{self.qp}"

    @property
    def ours(self) -> bool:
        return self.kind == OURS

    @property
    def suffix(self) -> str:
        """Of the file."""
        if self.ours:
            return {"gfv": ".gfv", "avc": ".264", "hevc": ".265", "vvc": ".266"}[self.carriage]
        return anchors.ANCHORS[self.codec].suffix

    @property
    def description(self) -> str:
        """All settings in one line."""
        if self.ours:
            return (
                f"gfvc encode --family {self.codec} --carriage {self.carriage} --key-qp {self.qp} "
                f"--quantiser {self.quantiser} --key-refresh {self.key_refresh}"
            )
        size = "half size, Lanczos both ways: " if self.half_size else ""
        return size + anchors.describe(anchors.ANCHORS[self.codec], self.qp)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def curve_name(family: str, carriage: str) -> str:
    """`gfvc-FAMILY`, with the carriage where it is not `.gfv`."""
    return f"{OURS}-{family}" + ("" if carriage == "gfv" else f"-{carriage}")


def plan(conditions: Conditions) -> tuple[list[Point], dict[str, str]]:
    """(points of the conditions, codecs left out with the reason): the order is that of the file."""
    found: list[Point] = []
    absent: dict[str, str] = {}
    ours = conditions.gfvc
    for family in ours.families:
        for carriage in ours.carriages:
            curve = curve_name(family, carriage)
            codec = "av1" if carriage == "gfv" else carriage
            if encoder_name(codec) is None:
                absent[curve] = f"no encoder of {codec} key pictures here; see gfvc doctor"
                continue
            found += [
                Point(curve, OURS, family, qp, carriage, ours.quantiser, ours.key_refresh)
                for qp in ours.key_qps[carriage]
                if qp <= CODECS[codec].max_qp
            ]
    for name, anchor in conditions.anchors.items():
        reason = anchors.missing(name)
        if reason:
            absent[name] = reason
            continue
        found += [Point(name, "anchor", name, qp) for qp in anchor.qps]
        found += [Point(name, "anchor", name, qp, half_size=True) for qp in anchor.half_qps]
    return found, absent
