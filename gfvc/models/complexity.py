"""Multiply-accumulates of a model's three parts, counted by torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from .families import FaceModel


def _count(work: Callable[[], object]) -> tuple[float, object]:
    with FlopCounterMode(display=False) as counter:
        result = work()
    return counter.get_total_flops() / 2e9, result


@torch.no_grad()
def measure(model: FaceModel, size: int = 256) -> dict[str, float]:
    """GMAC of `analyse`, `prepare` and `generate` for one picture of size x size (convolutions and matrix products),
    and weights."""
    picture = torch.zeros(1, 3, size + -size % 4, size + -size % 4)
    analyse, parameters = _count(lambda: model.analyse(picture))
    prepare, state = _count(lambda: model.prepare(picture, parameters))
    generate, _ = _count(lambda: model.generate(state, parameters))
    return {
        "weights": sum(tensor.numel() for tensor in model.parameters()),
        "analyse_gmac": round(analyse, 4),
        "prepare_gmac": round(prepare, 4),
        "generate_gmac": round(generate, 4),
    }
