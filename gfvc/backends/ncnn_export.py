"""The graphs for ncnn: one picture, one size, floats as ncnn converts them.

ncnn runs 3x3 convolutions by Winograd's method, which takes a half of the time of direct ones.
"""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..models.families import FaceModel
from .graphs import AnalyseGraph, GenerateGraph, PrepareGraph


def _floats(picture: Tensor) -> Tensor:
    return picture / 255


def _shown(picture: Tensor) -> Tensor:
    """0..1 -> 0.5..255.5, [1, H, W, 3]: what is left is to cut off the fraction."""
    return (picture * 255 + 0.5).permute(0, 2, 3, 1)


@torch.no_grad()
def to_ncnn(model: FaceModel, graph: str, height: int, width: int) -> tuple[bytes, bytes]:
    """`analyse`, `prepare` or `generate` for pictures of one size -> ncnn's structure and weights.

    Raises ModelError if the converter fails.
    """
    picture = torch.rand(1, 3, height, width, generator=torch.manual_seed(0)) * 255
    parameters = model.analyse(picture / 255)
    inputs: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
        "analyse": (AnalyseGraph(model, _floats), (picture,)),
        "prepare": (PrepareGraph(model, _floats, _shown), (picture, parameters)),
    }
    if graph == "generate":
        inputs["generate"] = (GenerateGraph(model, _shown), (*model.prepare(picture / 255, parameters), parameters))
    return convert(*inputs[graph])


@torch.no_grad()
def convert(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[bytes, bytes]:
    """Any network with an example of its inputs -> ncnn's structure and weights.

    Raises ModelError if the converter fails.
    """
    with tempfile.TemporaryDirectory(prefix="gfvc-") as folder, warnings.catch_warnings():
        # The tracer warns of sizes that it takes as constant, as is meant here.
        warnings.simplefilter("ignore")
        path = Path(folder, "graph.pt")
        torch.jit.trace(module.eval(), inputs, check_trace=False).save(str(path))
        shapes = ",".join(f"[{','.join(map(str, tensor.shape))}]f32" for tensor in inputs)
        command = [str(_converter()), str(path), f"inputshape={shapes}", "fp16=0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        structure, weights = Path(folder, "graph.ncnn.param"), Path(folder, "graph.ncnn.bin")
        if done.returncode or not structure.exists():
            raise ModelError(f"pnnx: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")
        return structure.read_bytes(), weights.read_bytes()


def _converter() -> Path:
    spec = importlib.util.find_spec("pnnx")
    if spec is None or spec.origin is None:
        raise ModelError("backend ncnn: its converter is missing: pip install 'gfvc[ncnn]'")
    folder = Path(spec.origin).parent
    return next((path for name in ("pnnx", "pnnx.exe") if (path := folder / name).exists()), folder / "pnnx")
