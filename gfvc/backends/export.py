"""Graphs for others: written to a folder and, before that counts, compared with PyTorch on real pictures."""

from __future__ import annotations

import importlib
import io
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..errors import GfvcError, ModelError
from ..files import replacing
from ..models.families import FaceModel
from ..models.registry import build_model
from ..models.resample import free_size
from ..models.store import Weights
from .graphs import Graph, graphs
from .onnx_export import OPSET, to_onnx

# What may differ from PyTorch: the mean over a picture's samples, of 255, and the largest difference of floats
# relative to the largest value.
PICTURE_TOLERANCE = 0.25
FLOAT_TOLERANCE = 1e-3
Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


class Format(NamedTuple):
    """suffixes: of the files of a graph, the one to open first; module: what it needs; write: a graph to files of these
    suffixes; load: opens the first and runs it."""

    suffixes: tuple[str, ...]
    module: str
    write: Callable[[Graph], list[bytes]]
    load: Callable[[Path, Graph], Run]


def _onnx(graph: Graph) -> list[bytes]:
    return [to_onnx(graph)]


def _load_onnx(path: Path, graph: Graph) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(list(graph.output_names), dict(zip(graph.input_names, inputs, strict=True)))


def _openvino(graph: Graph) -> list[bytes]:
    import openvino

    model = openvino.Core().read_model(to_onnx(graph))
    with tempfile.TemporaryDirectory(prefix="gfvc-") as folder:
        path = Path(folder, "graph.xml")
        openvino.save_model(model, str(path), compress_to_fp16=False)
        return [path.read_bytes(), path.with_suffix(".bin").read_bytes()]


def _load_openvino(path: Path, graph: Graph) -> Run:
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        found = compiled(dict(zip(graph.input_names, inputs, strict=True)))
        return [found[name] for name in graph.output_names]

    return run


def _torchscript(graph: Graph) -> list[bytes]:
    out = io.BytesIO()
    with warnings.catch_warnings(), free_size(), torch.no_grad():
        # The tracer warns of every size that it takes as constant; which of them are is told by validation.
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(graph.module, graph.inputs, check_trace=False), out)
    return [out.getvalue()]


def _load_torchscript(path: Path, graph: Graph) -> Run:
    module = torch.jit.load(str(path))

    @torch.no_grad()
    def run(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        found = module(*(torch.tensor(array) for array in inputs))
        return [tensor.numpy() for tensor in (found if isinstance(found, tuple) else (found,))]

    return run


FORMATS = {
    "onnx": Format((".onnx",), "onnxruntime", _onnx, _load_onnx),
    "openvino": Format((".xml", ".bin"), "openvino", _openvino, _load_openvino),
    "torchscript": Format((".pt",), "torch", _torchscript, _load_torchscript),
}


def export(
    weights: Weights, kind: str, folder: Path, pictures: np.ndarray, *, force: bool = False
) -> dict[str, object]:
    """Write `analyse`, `prepare` and `generate` in a format of `FORMATS`, and `model.json`, which describes them.

    pictures: uint8 [2, H, W, 3] to validate with, at their size and at half of it, alone and both at once. Returns
    what `model.json` holds: names, shapes, and the largest difference of each graph from PyTorch. Raises GfvcError if
    the engine that validates is missing or a file exists and ``force`` is not set, ModelError if a graph differs.
    """
    form = FORMATS[kind]
    try:
        importlib.import_module(form.module)
    except ImportError:
        raise GfvcError(f"--format {kind} is validated in {form.module}: pip install 'gfvc[{form.module}]'") from None
    model = build_model(weights)
    described = graphs(model)
    names = [f"{graph.name}{suffix}" for graph in described for suffix in form.suffixes]
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*names, "model.json"):
        if (folder / name).exists() and not force:
            raise GfvcError(f"{folder / name}: exists; use --force (force=True) to overwrite it")
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as partial:
        differences = {graph.name: _written(form, graph, Path(partial), model, pictures) for graph in described}
        for name in names:
            os.replace(Path(partial, name), folder / name)
    card = {
        "model": weights.name,
        "sha256": weights.sha256,
        "family": weights.family,
        "format": kind,
        "opset": OPSET if kind == "onnx" else None,
        "graphs": {
            graph.name: {
                "file": f"{graph.name}{form.suffixes[0]}",
                "inputs": _describe(graph, graph.input_names),
                "outputs": _describe(graph, graph.output_names),
                "difference": differences[graph.name],
            }
            for graph in described
        },
    }
    with replacing(folder / "model.json", force=force) as partial:
        partial.write_text(json.dumps(card, indent=2) + "\n")
    return card


def _written(form: Format, graph: Graph, folder: Path, model: FaceModel, pictures: np.ndarray) -> float:
    """Write a graph; how far it is from PyTorch."""
    for suffix, data in zip(form.suffixes, form.write(graph), strict=True):
        Path(folder, f"{graph.name}{suffix}").write_bytes(data)
    run = form.load(folder / f"{graph.name}{form.suffixes[0]}", graph)
    return max(_difference(run, graph.name, model, batch) for batch in _batches(pictures))


def _batches(pictures: np.ndarray) -> list[np.ndarray]:
    height, width = (length // 8 * 4 for length in pictures.shape[1:3])
    return [pictures[:1], pictures[:, :height, :width], pictures[:, : height + 4, : width + 20]]


@torch.no_grad()
def _difference(run: Run, name: str, model: FaceModel, pictures: np.ndarray) -> float:
    """The largest difference of a graph's outputs, in units of what is allowed (0..1).

    Raises ModelError above 1.
    """
    analyse, prepare, generate = (graph.module for graph in graphs(model))
    given = torch.tensor(pictures)
    parameters = analyse(given)
    _, *state = prepare(given, parameters)
    # Each picture is driven by another one, and moved by what an analysis leaves at 0.
    driving = parameters.flip(0) if len(parameters) > 1 else parameters * 0.9
    driving = torch.where(driving == 0, torch.ones_like(driving), driving)
    inputs = {
        "analyse": (given,),
        "prepare": (given, parameters),
        "generate": (*state, driving),
    }[name]
    expected = {"analyse": analyse, "prepare": prepare, "generate": generate}[name](*inputs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    worst = 0.0
    for found, wanted in zip(run([tensor.numpy() for tensor in inputs]), expected, strict=True):
        wanted = wanted.numpy()
        if found.shape != wanted.shape:
            raise ModelError(f"{name}: shape {found.shape}, {wanted.shape} expected")
        gap = np.abs(found.astype(np.float64) - wanted)
        allowed = PICTURE_TOLERANCE if wanted.dtype == np.uint8 else FLOAT_TOLERANCE * max(1.0, np.abs(wanted).max())
        worst = max(worst, float((gap.mean() if wanted.dtype == np.uint8 else gap.max()) / allowed))
    if not worst <= 1:
        raise ModelError(f"{name}: differs from PyTorch by {worst:.1f} times what is allowed; the files are not right")
    return round(worst, 6)


def _describe(graph: Graph, names: Sequence[str]) -> dict[str, dict[str, object]]:
    """Shape, with names for what is free, and type of inputs or outputs."""
    with torch.no_grad():
        found = graph.module(*graph.inputs)
    outputs = found if isinstance(found, tuple) else (found,)
    tensors = dict(zip((*graph.input_names, *graph.output_names), (*graph.inputs, *outputs), strict=True))
    return {
        name: {
            "shape": [graph.axes[name].get(axis, length) for axis, length in enumerate(tensors[name].shape)],
            "type": str(tensors[name].dtype).removeprefix("torch."),
        }
        for name in names
    }
