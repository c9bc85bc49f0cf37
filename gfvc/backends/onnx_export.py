"""The graphs as ONNX files."""

from __future__ import annotations

import io
import warnings

import torch

from ..models.resample import free_size
from .graphs import Graph

# The first with bicubic 2-D grid sampling named as engines expect it is 16; 17 is as old as anything supported.
OPSET = 17


def to_onnx(graph: Graph) -> bytes:
    """One graph as an ONNX model, its batch and picture size free."""
    out = io.BytesIO()
    with warnings.catch_warnings(), free_size():
        # The tracer warns of every size that it takes as constant; which of them are is told by validation.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph.module,
            graph.inputs,
            out,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(graph.input_names),
            output_names=list(graph.output_names),
            dynamic_axes=graph.axes,
        )
    return out.getvalue()
