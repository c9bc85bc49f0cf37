"""Names -> models: the weights that ship with the package, their cards, and weights from files."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from ..errors import ModelError
from .families import FAMILIES, GENERATION, GENERATIONS, FaceModel

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
# The model of each family that encoders use unless told otherwise.
DEFAULTS = {"keypoints2d": "keypoints2d-2", "compact": "compact-2"}
DEFAULT_FAMILY = "compact"
MAX_WEIGHT_BYTES = 256 << 20


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use; its weights' name and the first 8 bytes of their SHA-256 go into the stream."""

    model: FaceModel
    name: str
    sha256: str

    @property
    def stream_hash(self) -> bytes:
        return bytes.fromhex(self.sha256)[:8]


def cards() -> list[dict[str, Any]]:
    """The cards of all shipped weights, by name."""
    return [json.loads(path.read_text()) for path in sorted(WEIGHTS_FOLDER.glob("*.json"))]


def weights_path(name: str) -> Path:
    """The file of shipped weights.

    Raises ModelError if there are none of that name.
    """
    known = [card["name"] for card in cards()]
    if name not in known:
        raise ModelError(
            f"model {name!r} is not installed; here are {', '.join(known) or 'none'}. "
            "Give its weights file with --weights, or see `gfvc models`"
        )
    return WEIGHTS_FOLDER / f"{name}.safetensors"


def load_model(
    family: str = DEFAULT_FAMILY, weights: Path | None = None, device: torch.device | None = None
) -> LoadedModel:
    """The default model of a family, or the one in ``weights``.

    Raises ModelError.
    """
    if family not in FAMILIES:
        raise ModelError(f"family {family!r}, one of {', '.join(FAMILIES)} expected")
    return _load(weights or weights_path(DEFAULTS[family]), family, device)


def load_for_stream(
    name: str, stream_hash: bytes, family: str, weights: Path | None = None, device: torch.device | None = None
) -> LoadedModel:
    """The model a stream was made with.

    Raises ModelError if it is not here, or has other weights under the same name.
    """
    if family not in FAMILIES:
        raise ModelError(f"the stream needs family {family!r}, which this version does not know")
    try:
        path = weights or weights_path(name)
    except ModelError:
        raise ModelError(
            f"the stream needs model {name!r} (SHA-256 begins {stream_hash.hex()}), which is not installed; "
            "give its file with --weights"
        ) from None
    loaded = _load(path, family, device)
    if loaded.stream_hash != stream_hash:
        raise ModelError(
            f"{path}: SHA-256 begins {loaded.stream_hash.hex()}, the stream needs {stream_hash.hex()} ({name}); "
            "other weights would show another face"
        )
    return loaded


def _load(path: Path, family: str, device: torch.device | None) -> LoadedModel:
    try:
        if path.stat().st_size > MAX_WEIGHT_BYTES:
            raise ModelError(f"{path}: {path.stat().st_size} bytes, at most {MAX_WEIGHT_BYTES} expected")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; give a weights file with --weights") from None
    sha256 = hashlib.sha256(data).hexdigest()
    card = path.with_suffix(".json")
    if path.parent == WEIGHTS_FOLDER and card.exists() and json.loads(card.read_text())["sha256"] != sha256:
        raise ModelError(f"{path}: SHA-256 {sha256} is not that of its card: the file is damaged; install gfvc again")
    try:
        with safe_open(str(path), framework="pt") as handle:
            metadata = handle.metadata() or {}
        # Weights of the first generation state their family alone.
        metadata = dict(json.loads(metadata["gfvc"])) if "gfvc" in metadata else metadata
        tensors = load(data)
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a safetensors file of a model: {error}") from None
    stored, generation = metadata.get("family", family), metadata.get("generation", 1)
    if stored != family:
        raise ModelError(f"{path}: weights of family {stored}, {family} expected")
    if generation not in GENERATIONS:
        raise ModelError(f"{path}: weights of generation {generation!r}, which this version does not know")
    model = FAMILIES[family](generation)
    try:
        model.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        raise ModelError(f"{path}: does not fit family {family}: {str(error).splitlines()[-1].strip()}") from None
    model.eval().requires_grad_(False)
    return LoadedModel(model.to(device or torch.device("cpu")), stream_name(path), sha256)


def stream_name(path: Path) -> str:
    """The name of weights in a stream: that of their file, as far as a header can hold it (SPEC.md clause 6.2)."""
    return re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("._-")[:32] or "model"


def save_weights(weights: dict[str, torch.Tensor], family: str, path: Path, generation: int = GENERATION) -> str:
    """Write weights as half-precision safetensors; returns their SHA-256."""
    # One entry: safetensors writes several in any order, and the same weights have to be the same bytes.
    metadata = {"gfvc": json.dumps({"family": family, "generation": generation})}
    data = save({name: value.half().contiguous().cpu() for name, value in weights.items()}, metadata)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
