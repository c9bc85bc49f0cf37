"""What a run starts from: weights of earlier runs, of the same kind of model or of an earlier one."""

from __future__ import annotations

import logging
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from ..errors import GfvcError, ModelError
from ..models.families import FAMILIES, FaceModel
from ..models.registry import build_model, load_model, save_weights
from ..models.store import Weights, find_weights

log = logging.getLogger(__name__)


def load_matching(model: FaceModel, path: Path, part: str = "") -> None:
    """Load the layers of a safetensors file whose names begin with ``part`` and all of whose tensors fit.

    Raises GfvcError if there is none.
    """
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise GfvcError(f"{path}: cannot be read as weights: {error}") from None
    own = model.state_dict()
    named = {name: value.float() for name, value in weights.items() if name.startswith(part)}
    # A layer's bias without its weights would be of no use, and may do harm.
    other = {_layer(name) for name, value in named.items() if name not in own or value.shape != own[name].shape}
    fitting = {name: value for name, value in named.items() if _layer(name) not in other}
    if not fitting:
        raise GfvcError(f"{path}: holds no tensor that fits family {model.family}")
    model.load_state_dict(fitting, strict=False)
    log.info("%s: %d of %d tensors taken over", path, len(fitting), len(own))


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def unpainted(weights: Weights, folder: Path) -> Weights:
    """The same weights with painters of mouth and eyes that leave all as it is, in a file in ``folder``; those of
    generation 3 have none.

    Raises GfvcError for earlier ones, which do not know the person.
    """
    if weights.generation < 3:
        raise GfvcError(f"{weights.path}: weights of generation {weights.generation}, 3 or later expected")
    if weights.generation == 3:
        return weights
    model = build_model(weights)
    model.synthesis.details.rest()
    path = folder / f"unpainted-{weights.sha256[:12]}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(model.state_dict(), weights.family, path, weights.generation)
    return find_weights(weights.family, path)


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
