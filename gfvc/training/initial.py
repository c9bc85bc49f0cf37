"""What a run starts from: weights of earlier runs, of the same kind of model or of an earlier one."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import GfvcError, ModelError
from ..models.families import FAMILIES, FaceModel
from ..models.registry import load_model

log = logging.getLogger(__name__)


def widened(value: Tensor, like: Tensor) -> Tensor | None:
    """A convolution's weights or biases for more channels than it has, the new ones 0; None if they do not fit so."""
    if value.shape == like.shape:
        return value
    if value.ndim != like.ndim or value.shape[2:] != like.shape[2:]:
        return None
    if any(ours < theirs for ours, theirs in zip(like.shape, value.shape, strict=True)):
        return None
    wide = torch.zeros_like(like)
    wide[tuple(slice(length) for length in value.shape)] = value
    return wide


def load_matching(model: FaceModel, path: Path, part: str = "") -> None:
    """Load the tensors of a safetensors file whose names begin with ``part`` and which fit; the synthesis' may be
    narrower than ours (`widened`), so that weights of an earlier kind can be built on.

    Raises GfvcError if none does.
    """
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise GfvcError(f"{path}: cannot be read as weights: {error}") from None
    own = model.state_dict()
    fitting = {}
    for name, value in weights.items():
        if not name.startswith(part) or name not in own:
            continue
        fitted = widened(value.float(), own[name]) if name.startswith("synthesis.") else value.float()
        if fitted is not None and fitted.shape == own[name].shape:
            fitting[name] = fitted
    if not fitting:
        raise GfvcError(f"{path}: holds no tensor that fits family {model.family}")
    model.load_state_dict(fitting, strict=False)
    log.info("%s: %d of %d tensors taken over", path, len(fitting), len(own))


def load_teacher(path: Path) -> FaceModel:
    """A whole model from its weights file, of whichever family fits.

    Raises GfvcError.
    """
    errors = []
    for family in FAMILIES:
        try:
            return load_model(family, path).model
        except ModelError as error:
            errors.append(str(error))
    raise GfvcError(f"{path}: fits none of the families {', '.join(FAMILIES)}: {errors[0]}")
