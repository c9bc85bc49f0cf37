"""Adversarial loss with feature matching, on patches.

A least-squares critic (Mao et al., arXiv 1611.04076) of small patches (Isola et al., arXiv 1611.07004) with spectral
normalisation; features are matched as in Wang et al., arXiv 1711.11585.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class PatchCritic(nn.Module):
    """Pictures [B, 3, H, W] in 0..1 -> the features of each layer, and last a score per patch, near 1 for originals.

    With maps of what the pictures should show besides, [B, M, H, W] in 0..1, ``inputs`` is 3 + M.
    """

    def __init__(self, width: int = 32, layers: int = 3, inputs: int = 3) -> None:
        super().__init__()
        widths = [inputs, *(width << index for index in range(layers))]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in itertools.pairwise(widths)
        )
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        x, outputs = pictures * 2 - 1, []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            outputs.append(x)
        return [*outputs, self.score(x)]


def adversarial_losses(critic: PatchCritic, generated: Tensor, original: Tensor) -> dict[str, Tensor]:
    """Losses `adversarial` and `features` of the generator, `critic` of the critic, all with the same pictures.

    One backward pass serves both: the critic sees the generated pictures detached, and the generator sees a critic with
    detached weights.
    """
    fixed = {name: value.detach() for name, value in critic.named_parameters()}
    judged = functional_call(critic, fixed, (generated,))
    real = critic(original)
    false = critic(generated.detach())[-1]
    features = [(a - b.detach()).abs().mean() for a, b in zip(judged[:-1], real[:-1], strict=True)]
    return {
        "adversarial": (judged[-1] - 1).square().mean(),
        "features": torch.stack(features).mean(),
        "critic": 0.5 * ((real[-1] - 1).square().mean() + false.square().mean()),
    }
