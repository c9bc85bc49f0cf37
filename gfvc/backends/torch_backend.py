"""The networks in PyTorch, on the CPU or on CUDA."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..models.registry import build_model
from ..models.store import Weights
from .base import Backend, Key, cropped
from .graphs import AnalyseGraph, GenerateGraph, PrepareGraph

State = tuple[Tensor, ...]


class TorchBackend(Backend):
    """PyTorch; its own threads share the work of one call."""

    name = "torch"

    def __init__(self, weights: Weights, device: torch.device) -> None:
        """Raises ModelError if the weights do not fit their networks."""
        model = build_model(weights, device)
        cpus = os.cpu_count() or 1
        workers = max(1, cpus // torch.get_num_threads()) if device.type == "cpu" else 1
        super().__init__(weights, model.groups, device.type, workers)
        self.model, self._device = model, device
        self._graphs = AnalyseGraph(model), PrepareGraph(model), GenerateGraph(model)

    def _tensor(self, values: np.ndarray) -> Tensor:
        # A copy, for arrays that may not be written to; torch warns of those.
        return torch.tensor(values)[None].to(self._device)

    @torch.inference_mode()
    def _analyse(self, rgb: np.ndarray) -> np.ndarray:
        return self._graphs[0](self._tensor(rgb))[0].cpu().numpy()

    @torch.inference_mode()
    def _prepare(self, rgb: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, State]:
        shown, *state = self._graphs[1](self._tensor(rgb), self._tensor(parameters))
        return shown[0].cpu().numpy(), tuple(state)

    def _part(self, state: State, index: int) -> np.ndarray:
        return state[index].cpu().numpy()

    @torch.inference_mode()
    def _generate(self, state: State, parameters: np.ndarray) -> np.ndarray:
        return self._graphs[2](*state, self._tensor(parameters))[0].cpu().numpy()

    @torch.inference_mode()
    def generate_many(self, keys: Sequence[Key], parameters: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self.device == "cpu":
            return super().generate_many(keys, parameters)
        state = [torch.cat(tensors) for tensors in zip(*(key.state for key in keys), strict=True)]
        found = self._graphs[2](*state, torch.tensor(np.stack(parameters)).to(self._device)).cpu().numpy()
        return [cropped(picture, key.shown) for picture, key in zip(found, keys, strict=True)]
