"""The code of family `compact`: key points in 16 values, and back."""

from __future__ import annotations

from torch import Tensor, nn

from .points import POINT_COUNT

FEATURE = 16


class Code(nn.Module):
    """A linear map plus a small network: [B, inputs] -> [B, outputs].

    Where a head is and how large enters linearly, and so stays right beyond what training has seen.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 192) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + self.layers(x)


class CompactDecoder(nn.Module):
    """Turn a compact feature [B, 16] into the key points [B, K, 2] that drive the motion network."""

    def __init__(self, points: int = POINT_COUNT) -> None:
        super().__init__()
        self.code = Code(FEATURE, points * 2)

    def forward(self, feature: Tensor) -> Tensor:
        return self.code(feature).unflatten(1, (-1, 2))
