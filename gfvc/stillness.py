"""Stillness of decoded pictures: what changes by less than can be seen does not change at all."""

from __future__ import annotations

import numpy as np

from .similarity import SCENE_CUT, picture_change

# In levels of 255. What is shown is as near to the original with it as without: the error that it allows is small
# against that of the networks.
DEFAULT_SLACK = 8


class Settler:
    """Lets each sample follow the generated one on a leash of ``slack`` levels.

    Trembling within twice that comes to rest, and nothing that is shown is further than that from what was generated.
    That holds for key pictures too: where nothing moves, a new one would flash. Only those of another scene start anew.
    """

    def __init__(self, slack: int = DEFAULT_SLACK) -> None:
        """slack: 0 passes everything."""
        if not 0 <= slack <= 127:
            raise ValueError(f"slack {slack}, 0..127 expected")
        self._slack = np.uint8(slack)
        self._shown: np.ndarray | None = None

    def __call__(self, picture: np.ndarray, *, is_key: bool) -> np.ndarray:
        """The picture to show for a generated one, or for a key picture, uint8 [H, W, 3]."""
        if self._slack and not self._starts_anew(picture, is_key):
            # In bytes, without wrapping: several times faster than in a wider type.
            lowest = np.maximum(picture, self._slack) - self._slack
            highest = np.minimum(picture, np.uint8(255) - self._slack) + self._slack
            picture = np.clip(self._shown, lowest, highest)
        self._shown = picture
        return picture

    def _starts_anew(self, picture: np.ndarray, is_key: bool) -> bool:
        return self._shown is None or (is_key and picture_change(picture, self._shown) > SCENE_CUT)
