"""Weights -> models: those that ship with the package, and those from files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..errors import ModelError
from .families import FAMILIES, FaceModel
from .store import DEFAULT_FAMILY, DEFAULTS, Weights, cards, find_for_stream, find_weights, stream_name, weights_path

__all__ = [
    "DEFAULTS",
    "DEFAULT_FAMILY",
    "LoadedModel",
    "build_model",
    "cards",
    "load_for_stream",
    "load_model",
    "save_weights",
    "stream_name",
    "weights_path",
]


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use; its weights' name and the first 8 bytes of their SHA-256 go into the stream."""

    model: FaceModel
    name: str
    sha256: str

    @property
    def stream_hash(self) -> bytes:
        return bytes.fromhex(self.sha256)[:8]


def load_model(
    family: str = DEFAULT_FAMILY, weights: Path | None = None, device: torch.device | None = None
) -> LoadedModel:
    """The default model of a family, or the one in ``weights``.

    Raises ModelError.
    """
    return _loaded(find_weights(family, weights), device)


def load_for_stream(
    name: str, stream_hash: bytes, family: str, weights: Path | None = None, device: torch.device | None = None
) -> LoadedModel:
    """The model a stream was made with.

    Raises ModelError if it is not here, or has other weights under the same name.
    """
    return _loaded(find_for_stream(name, stream_hash, family, weights), device)


def _loaded(weights: Weights, device: torch.device | None) -> LoadedModel:
    return LoadedModel(build_model(weights, device), weights.name, weights.sha256)


def build_model(weights: Weights, device: torch.device | None = None) -> FaceModel:
    """The networks of ``weights``, for inference.

    Raises ModelError if the weights do not fit them.
    """
    path = weights.path
    try:
        tensors = load(weights.data)
    except (SafetensorError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a safetensors file of a model: {error}") from None
    model = FAMILIES[weights.family](weights.generation)
    try:
        model.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        raise ModelError(
            f"{path}: does not fit family {weights.family}: {str(error).splitlines()[-1].strip()}"
        ) from None
    model.eval().requires_grad_(False)
    return model.to(device or torch.device("cpu"))


def save_weights(weights: dict[str, torch.Tensor], family: str, path: Path, generation: int | None = None) -> str:
    """Write weights, of the family's newest generation unless told otherwise, as half-precision safetensors; returns
    their SHA-256."""
    generation = FAMILIES[family].newest if generation is None else generation
    # One entry: safetensors writes several in any order, and the same weights have to be the same bytes.
    metadata = {"gfvc": json.dumps({"family": family, "generation": generation})}
    data = save({name: value.half().contiguous().cpu() for name, value in weights.items()}, metadata)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
