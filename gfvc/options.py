"""Options of encoder and decoder, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .backends.choice import AUTO, BACKENDS, DEVICES, choose_device
from .errors import GfvcError
from .models.store import DEFAULT_FAMILY

__all__ = ["AUTO", "BACKENDS", "DEVICES", "EncoderOptions", "choose_device"]


@dataclass(frozen=True)
class EncoderOptions:
    """How to encode.

    family: `keypoints2d` or `compact`; weights: a safetensors file instead of the family's default model;
    key_codec: `av1`, `hevc`, `avc` or `vvc`, `auto` for what the carriage needs (`av1` in `.gfv`);
    key_qp: on that codec's own scale, None for its default;
    chroma: of key pictures, "420" or "444";
    quantiser: steps finer (positive) or coarser (negative) than the family's by so many quarter octaves, -12..12;
    dead_zone: in steps, None for each parameter group's own; smoothing: of small changes over time, 0 (none) to 0.95;
    registration: `auto` fits the parameters to the key picture where the model allows (`gfvc.registration`), `off` does
    not;
    rest: with registration, how much a change of what is shown weighs where the picture rests (but for mouth and eyes),
    against errors of that size, 0 (none) to 100;
    lagrangian: with registration, the square error of luma (0..1, mean over the picture, sum over the pictures in which
    a value stays) that a bit is worth; 0, and families whose groups follow each other, have the dead zones instead;
    lookahead: with a lagrangian, pictures that are decided together, with as many after them in sight, 0..64; 0 decides
    each as it comes, and takes a value to stay for four;
    key_interval: a new key picture after so many pictures, None for never by count;
    key_refresh: `auto` starts a new group where it pays off (see `refresh_*`) and at scene cuts, `off` does not;
    refresh_threshold: structural similarity of the generated picture under which a new key picture is tried;
    refresh_gain: by how much the new key picture must be better; refresh_wait_s: seconds between two tries;
    run: pictures per unit, 1..256: more cost less and delay more; device: `auto`, `cpu`, `cuda`;
    backend: what runs the networks: `auto`, `ncnn`, `openvino`, `onnxruntime`, `torch`.
    """

    family: str = DEFAULT_FAMILY
    weights: Path | None = None
    key_codec: str = "auto"
    key_qp: int | None = None
    chroma: str = "420"
    quantiser: int = 0
    dead_zone: float | None = None
    smoothing: float = 0.0
    registration: str = "auto"
    rest: float = 4.0
    lagrangian: float = 4e-5
    lookahead: int = 16
    key_interval: int | None = None
    key_refresh: str = "auto"
    refresh_threshold: float = 0.6
    refresh_gain: float = 0.15
    refresh_wait_s: float = 3.0
    run: int = 16
    device: str = "auto"
    backend: str = AUTO

    def __post_init__(self) -> None:
        for name, low, high in (
            ("quantiser", -12, 12),
            ("dead_zone", 0, 8),
            ("smoothing", 0, 0.95),
            ("rest", 0, 100),
            ("lagrangian", 0, 1),
            ("lookahead", 0, 64),
            ("refresh_threshold", -1, 1),
            ("refresh_gain", 0, 2),
            ("refresh_wait_s", 0, 3600),
            ("run", 1, 256),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise GfvcError(f"--{name.replace('_', '-')} {value}, {low}..{high} expected")
        if self.key_interval is not None and self.key_interval < 1:
            raise GfvcError(f"--key-interval {self.key_interval}, at least 1 expected")
        for name, known in (("backend", BACKENDS), ("device", DEVICES)):
            if getattr(self, name) not in known:
                raise GfvcError(f"--{name} {getattr(self, name)!r}, one of {', '.join(known)} expected")
        for name in ("key_refresh", "registration"):
            value = getattr(self, name)
            if value not in ("auto", "off"):
                raise GfvcError(f"--{name.replace('_', '-')} {value!r}, auto or off expected")
