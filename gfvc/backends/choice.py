"""Which backend runs: the one asked for, or the fastest that is installed."""

from __future__ import annotations

import importlib.util
import logging
import os
from typing import TYPE_CHECKING

from ..errors import GfvcError

if TYPE_CHECKING:
    import torch

    from ..models.store import Weights
    from .base import Backend

log = logging.getLogger(__name__)
# By speed on CPUs, fastest first (docs/performance.md), and the modules each needs.
ENGINES: dict[str, tuple[str, ...]] = {
    "ncnn": ("ncnn", "pnnx"),
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime",),
    "torch": ("torch",),
}
AUTO = "auto"
BACKENDS = (AUTO, *ENGINES)
DEVICES = ("auto", "cpu", "cuda")


def missing(name: str) -> tuple[str, ...]:
    """Modules that backend ``name`` lacks here."""
    return tuple(module for module in ENGINES[name] if importlib.util.find_spec(module) is None)


def installed() -> list[str]:
    """The backends that can run on the CPU here, fastest first."""
    return [name for name in ENGINES if not missing(name)]


def choose_backend(name: str = AUTO, device: str = "auto") -> tuple[str, str]:
    """(backend, device: `cpu` or `cuda`) for what was asked.

    `auto` is torch on CUDA where there is a CUDA device, else the fastest installed backend, or what the environment's
    GFVC_BACKEND names. Raises GfvcError for what is unknown, not installed, or not to be had together.
    """
    if name == AUTO:
        name = os.environ.get("GFVC_BACKEND", AUTO)
    for option, value, known in (("backend", name, BACKENDS), ("device", device, DEVICES)):
        if value not in known:
            raise GfvcError(f"{option} {value!r}, one of {', '.join(known)} expected")
    if name != AUTO and missing(name):
        extra = "" if name == "torch" else f": pip install 'gfvc[{name}]'"
        raise GfvcError(f"backend {name}: not installed ({', '.join(missing(name))} missing){extra}")
    if device == "cuda":
        if name not in (AUTO, "torch"):
            raise GfvcError(f"backend {name} has no device cuda; use --backend torch or --device cpu")
        if not _cuda():
            raise GfvcError("device cuda: this machine has no usable CUDA device; use --device cpu")
        return "torch", "cuda"
    if device == "auto" and name in (AUTO, "torch") and _cuda():
        return "torch", "cuda"
    return (installed()[0] if name == AUTO else name), "cpu"


def _cuda() -> bool:
    # The driver's file tells a machine without one at once; importing torch to ask takes longer than a short decode.
    if os.name == "posix" and not os.path.exists("/dev/nvidiactl") and not os.path.exists("/dev/dxg"):
        return False
    import torch

    return torch.cuda.is_available()


def choose_device(name: str) -> torch.device:
    """The torch device for `auto`, `cpu` or `cuda`; `auto` is CUDA where there is one.

    Raises GfvcError if CUDA is asked for and missing.
    """
    import torch

    return torch.device(choose_backend("torch", name)[1])


def open_backend(weights: Weights, name: str = AUTO, device: str = "auto", *, threads: int = 1) -> Backend:
    """The networks of ``weights``, ready to run; ``threads`` of each call in an engine.

    Raises GfvcError as `choose_backend`, and ModelError for weights that do not fit.
    """
    name, device = choose_backend(name, device)
    log.info("backend %s (%s)", name, device)
    if name == "torch":
        import torch

        from .torch_backend import TorchBackend

        return TorchBackend(weights, torch.device(device))
    if name == "ncnn":
        from .ncnn_backend import NcnnBackend

        return NcnnBackend(weights, threads)
    from .onnx_backends import OnnxRuntimeBackend, OpenVinoBackend

    return {"openvino": OpenVinoBackend, "onnxruntime": OnnxRuntimeBackend}[name](weights, threads)
