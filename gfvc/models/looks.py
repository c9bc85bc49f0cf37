"""Looks of mouth and eyes: what their points do not say.

Four points of a mouth tell how far it is open, not whether teeth show or the lips are rounded; an eye's do not say
where it looks. A small network sees the same squares as the painters (`details`), in the original, and says in a few
values what these have to paint. They are learned together, so only the weights give the values a meaning.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .blocks import Down
from .groups import EYES_LOOK, MOUTH_LOOK
from .local import REGIONS, SOURCE_SIZE, LocalPoints, LocalRefinement, cut, region_frame
from .resample import reduce_picture

_TOLD = 32


class SquareLook(nn.Module):
    """What a square shows: [B, 3, 64, 64] in 0..1 -> [B, outputs]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, 24, 3, padding=1)
        self.down1, self.down2, self.down3 = Down(24, 48), Down(48, 96), Down(96, 64)
        # Not their mean: it matters where in the square something is.
        self.told = nn.Linear(64 * 4 * 4, outputs)

    def forward(self, squares: Tensor) -> Tensor:
        # As `local.LocalPoints` sees them: light and skin differ.
        mean = squares.mean((1, 2, 3), keepdim=True)
        deviation = (squares - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
        at32 = F.relu(self.stem(F.pixel_unshuffle((squares - mean) / (deviation + 0.05), 2)))
        at8 = self.down2(self.down1(at32))
        return self.told(torch.flatten(self.down3(at8), 1))

    @torch.no_grad()
    def begin(self, finder: LocalPoints) -> None:
        """Take over the first layers of what finds points in the same squares."""
        for layer in ("stem", "down1", "down2"):
            getattr(self, layer).load_state_dict(getattr(finder, layer).state_dict())


class Looks(nn.Module):
    """One network sees both eyes, the left one mirrored; one set of values stands for the pair, which moves as one."""

    def __init__(self) -> None:
        super().__init__()
        self.mouth, self.eye = SquareLook(_TOLD), SquareLook(_TOLD)
        self.mouth_values, self.eyes_values = nn.Linear(_TOLD, MOUTH_LOOK), nn.Linear(2 * _TOLD, EYES_LOOK)
        # Large against the quantiser's steps from the start: values that drown in them are never listened to.
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def begin(self, refinement: LocalRefinement) -> None:
        """Start from what mouth and eyes are found by: a few thousand steps are too few to learn to see."""
        self.mouth.begin(refinement.mouth)
        self.eye.begin(refinement.eye)

    def forward(self, pictures: Tensor, points: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in 0..1 and their points [B, K, 2] -> looks [B, 10], those of the mouth first."""
        source = reduce_picture(pictures, SOURCE_SIZE)
        mouth, *eyes = (cut(source, region_frame(points, region)) for region in REGIONS)
        return torch.cat((self.of_mouth(mouth), self.of_eyes(*eyes)), dim=1)

    def of_mouth(self, mouth: Tensor) -> Tensor:
        """From its square, [B, 3, 64, 64]: [B, 6]."""
        return self.mouth_values(F.relu(self.mouth(mouth)))

    def of_eyes(self, right: Tensor, left: Tensor) -> Tensor:
        """From their squares, [B, 3, 64, 64]: [B, 4]."""
        return self.eyes_values(F.relu(torch.cat((self.eye(right), self.eye(left)), dim=1)))
