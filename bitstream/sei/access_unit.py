"""Access units: which NAL units belong to one coded picture (H.264 7.4.1.2.3, H.265 and H.266 7.4.2.4)."""

from __future__ import annotations

from ..annexb import END_OF_STREAM, SUFFIX_SEI, NalUnit

# nal_unit_types that follow the slices of their access unit: end of sequence and of stream, filler data, suffix SEI and
# parameter sets, and reserved ones of the same place.
_TRAILING = {
    "avc": {*END_OF_STREAM["avc"], 12, 19},
    "hevc": {*END_OF_STREAM["hevc"], SUFFIX_SEI["hevc"], 38, 45, 46, 47},
    "vvc": {*END_OF_STREAM["vvc"], SUFFIX_SEI["vvc"], 18, 25},
}


class AccessUnits:
    """Numbers the access units of a stream; number: of the current one, from 0; pictures: how many have begun."""

    def __init__(self) -> None:
        self.number = 0
        self.pictures = 0
        self._has_slices = False

    def enter(self, nal: NalUnit) -> int:
        """The number of the access unit that ``nal``, the next NAL unit of the stream, belongs to."""
        if nal.is_slice:
            starts = not self._has_slices
            if self._has_slices and nal.starts_picture:
                self.number += 1
                starts = True
            self.pictures += starts
            self._has_slices = True
        elif self._has_slices and nal.type not in _TRAILING[nal.codec]:
            self.number += 1
            self._has_slices = False
        return self.number
