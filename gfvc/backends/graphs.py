"""The networks as graphs: analysis, preparation of a key picture, generation.

Pictures go in and come out as they are outside, uint8 [B, H, W, 3] RGB with H and W multiples of 4, so that nothing is
converted twice. What `prepare` computes once a group is a tuple of float tensors, named by `state_names`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..models.details import DetailedState, ToldState
from ..models.families import FaceModel, KeyPictureState
from ..models.layered import LayeredState
from ..models.portrait import PortraitState
from ..models.synthesis import KeyState

# Sizes of the example that is traced: apart from each other, from the networks' inner sizes and from a batch of one,
# so that nothing is taken for a constant that is not.
TRACED_BATCH, TRACED_HEIGHT, TRACED_WIDTH = 2, 160, 192


# How pictures come in, to [B, 3, H, W] in 0..1, and from that how they go out.
Read = Callable[[Tensor], Tensor]
Show = Callable[[Tensor], Tensor]


def _floats(pictures: Tensor) -> Tensor:
    return pictures.permute(0, 3, 1, 2).float() / 255


def _bytes(pictures: Tensor) -> Tensor:
    return (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def state_type(model: FaceModel) -> type[KeyPictureState]:
    """What `prepare` of a model returns."""
    states = KeyState, LayeredState, PortraitState, DetailedState, ToldState, ToldState
    return states[model.generation - 1]


class AnalyseGraph(nn.Module):
    """Pictures, uint8 [B, H, W, 3] -> parameters [B, n]."""

    def __init__(self, model: FaceModel, read: Read = _floats) -> None:
        super().__init__()
        self.model, self.read = model, read

    def forward(self, picture: Tensor) -> Tensor:
        return self.model.analyse(self.read(picture))


class PrepareGraph(nn.Module):
    """Decoded key pictures, uint8 [B, H, W, 3], and their parameters [B, n] -> what is shown for them, uint8
    [B, H, W, 3], and the state."""

    def __init__(self, model: FaceModel, read: Read = _floats, show: Show = _bytes) -> None:
        super().__init__()
        self.model, self.read, self.show = model, read, show

    def forward(self, picture: Tensor, parameters: Tensor) -> tuple[Tensor, ...]:
        state = self.model.prepare(self.read(picture), parameters)
        return (self.show(state.picture), *state)


class GenerateGraph(nn.Module):
    """The state and driving parameters [B, n] -> generated pictures, uint8 [B, H, W, 3]."""

    def __init__(self, model: FaceModel, show: Show = _bytes) -> None:
        super().__init__()
        self.model, self.show = model, show

    def forward(self, *inputs: Tensor) -> Tensor:
        *state, parameters = inputs
        return self.show(self.model.generate(state_type(self.model)(*state), parameters))


class Graph(NamedTuple):
    """A graph, an example of its inputs, the names of inputs and outputs, and which of their axes are free."""

    name: str
    module: nn.Module
    inputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    axes: dict[str, dict[int, str]]


def state_names(model: FaceModel) -> tuple[str, ...]:
    """Names of the state's tensors, in order: `key_` and what it is."""
    return tuple(f"key_{field}" for field in state_type(model)._fields)


@torch.no_grad()
def graphs(model: FaceModel, size: Sequence[int] = (TRACED_BATCH, TRACED_HEIGHT, TRACED_WIDTH)) -> list[Graph]:
    """The three graphs of a model, with examples of batch, height and width ``size``."""
    batch, height, width = size
    picture = torch.randint(0, 256, (batch, height, width, 3), dtype=torch.uint8, generator=torch.manual_seed(0))
    analyse, prepare, generate = AnalyseGraph(model), PrepareGraph(model), GenerateGraph(model)
    parameters = analyse(picture)
    _, *state = prepare(picture, parameters)
    names = state_names(model)
    whole, rows = {0: "batch", 1: "height", 2: "width"}, {0: "batch"}
    axes = {"picture": whole, "shown": whole, "generated": whole, "parameters": rows}
    axes |= {name: _state_axes(tensor, height) for name, tensor in zip(names, state, strict=True)}
    found = [
        Graph("analyse", analyse, (picture,), ("picture",), ("parameters",), axes),
        Graph("prepare", prepare, (picture, parameters), ("picture", "parameters"), ("shown", *names), axes),
        Graph("generate", generate, (*state, parameters), (*names, "parameters"), ("generated",), axes),
    ]
    return [
        graph._replace(axes={name: axes[name] for name in (*graph.input_names, *graph.output_names)}) for graph in found
    ]


def _state_axes(tensor: Tensor, height: int) -> dict[int, str]:
    """Batch, and height and width where the tensor's follow the picture's: at double, full, half and quarter size."""
    names = {2 * height: "twice_{}", height: "{}", height / 2: "{}_2", height / 4: "{}_4"}
    name = names.get(tensor.shape[2]) if tensor.dim() == 4 else None
    return {0: "batch"} | ({2: name.format("height"), 3: name.format("width")} if name else {})
