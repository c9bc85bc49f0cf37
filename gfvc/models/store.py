"""Where weights are and what they are for, read without importing the networks."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, deserialize

from ..errors import ModelError

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
# The model of each family that encoders use unless told otherwise.
DEFAULTS = {"keypoints2d": "keypoints2d-2", "compact": "compact-6"}
DEFAULT_FAMILY = "compact"
# Weights state which generation of networks they are for; those that do not are of the first.
GENERATIONS = {"keypoints2d": (1, 2, 3, 4), "compact": (1, 2, 3, 4, 5, 6)}
MAX_WEIGHT_BYTES = 256 << 20


@dataclass(frozen=True)
class Weights:
    """A weights file, read and checked; its name and the first 8 bytes of its SHA-256 go into the stream."""

    path: Path
    family: str
    generation: int
    data: bytes
    sha256: str

    @property
    def name(self) -> str:
        return stream_name(self.path)

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


def find_weights(family: str = DEFAULT_FAMILY, weights: Path | None = None) -> Weights:
    """The default weights of a family, or those in ``weights``.

    Raises ModelError.
    """
    if family not in DEFAULTS:
        raise ModelError(f"family {family!r}, one of {', '.join(DEFAULTS)} expected")
    return _read(weights or weights_path(DEFAULTS[family]), family)


def find_for_stream(name: str, stream_hash: bytes, family: str, weights: Path | None = None) -> Weights:
    """The weights a stream was made with.

    Raises ModelError if they are not here, or are others under the same name.
    """
    if family not in DEFAULTS:
        raise ModelError(f"the stream needs family {family!r}, which this version does not know")
    try:
        path = weights or weights_path(name)
    except ModelError:
        raise ModelError(
            f"the stream needs model {name!r} (SHA-256 begins {stream_hash.hex()}), which is not installed; "
            "give its file with --weights"
        ) from None
    found = _read(path, family)
    if found.stream_hash != stream_hash:
        raise ModelError(
            f"{path}: SHA-256 begins {found.stream_hash.hex()}, the stream needs {stream_hash.hex()} ({name}); "
            "other weights would show another face"
        )
    return found


def _read(path: Path, family: str) -> Weights:
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
        metadata = _metadata(data)
        # Weights of the first generation state their family alone.
        metadata = dict(json.loads(metadata["gfvc"])) if "gfvc" in metadata else metadata
    except (SafetensorError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path}: not a safetensors file of a model: {error}") from None
    stored, generation = metadata.get("family", family), metadata.get("generation", 1)
    if stored != family:
        raise ModelError(f"{path}: weights of family {stored}, {family} expected")
    if generation not in GENERATIONS[family]:
        raise ModelError(f"{path}: weights of generation {generation!r}, which this version does not know")
    return Weights(path, family, generation, data, sha256)


def _metadata(data: bytes) -> dict[str, str]:
    """What a safetensors file says of itself, from bytes that have been read and are whole.

    The format: the length of a JSON header in 8 bytes, little endian, and that header, with the metadata under one key.
    """
    # Checks all that the format asks for.
    deserialize(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header.get("__metadata__") or {}


def stream_name(path: Path) -> str:
    """The name of weights in a stream: that of their file, as far as a header can hold it (SPEC.md clause 6.2)."""
    return re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("._-")[:32] or "model"
