"""Exported graphs are validated, and enough to decode a group without gfvc."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from gfvc import GfvcError, ModelError
from gfvc.backends import export as module
from gfvc.backends.choice import missing, open_backend
from gfvc.cli import main
from gfvc.models.resample import free_size, reduce_picture
from gfvc.models.store import find_weights

from .media import ROOT, scaled

needs_onnxruntime = pytest.mark.skipif(bool(missing("onnxruntime")), reason="onnxruntime is not installed")
needs_openvino = pytest.mark.skipif(bool(missing("openvino")), reason="openvino is not installed")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    assert main(["export", "--format", "onnx", "--out", str(folder), "-q"]) == 0
    return folder


@needs_onnxruntime
def test_card_describes_the_graphs(exported):
    card = json.loads((exported / "model.json").read_text())
    assert set(card["graphs"]) == {"analyse", "prepare", "generate"}
    generate = card["graphs"]["generate"]
    assert generate["outputs"]["generated"] == {"shape": ["batch", "height", "width", 3], "type": "uint8"}
    assert generate["inputs"]["parameters"]["shape"] == ["batch", 42]
    assert 0 <= max(graph["difference"] for graph in card["graphs"].values()) <= 1
    assert {path.name for path in exported.iterdir()} == {
        "analyse.onnx",
        "prepare.onnx",
        "generate.onnx",
        "model.json",
    }


@needs_onnxruntime
def test_example_decodes_a_group_without_gfvc(exported, demo, tmp_path):
    """Of another size and length than anything the export saw."""
    backend = open_backend(find_weights(), "torch", "cpu")
    pictures = [scaled(picture, 160, 96) for picture in demo[:30:10]]
    parameters = [backend.analyse(picture) for picture in pictures]
    np.savez(tmp_path / "group.npz", key=pictures[0], key_parameters=parameters[0], parameters=np.stack(parameters[1:]))
    example = ROOT / "examples" / "decode_group.py"
    assert "import gfvc" not in example.read_text()
    command = [sys.executable, str(example), str(exported), str(tmp_path / "group.npz"), str(tmp_path / "out.npy")]
    subprocess.run(command, check=True, cwd=tmp_path, env={"PATH": ""}, capture_output=True)
    key = backend.prepare(pictures[0], parameters[0])
    wanted = [key.shown, *(backend.generate(key, row) for row in parameters[1:])]
    found = np.load(tmp_path / "out.npy")
    assert found.shape == (3, 96, 160, 3)
    assert np.abs(found.astype(int) - np.stack(wanted)).mean() < 0.1


@pytest.mark.parametrize("kind", ["torchscript", pytest.param("openvino", marks=needs_openvino)])
def test_other_formats_are_validated(tmp_path, kind, demo):
    pictures = np.stack([scaled(picture, 96, 80) for picture in (demo[0], demo[30])])
    card = module.export(find_weights("keypoints2d"), kind, tmp_path, pictures)
    assert card["format"] == kind
    assert all((tmp_path / graph["file"]).exists() for graph in card["graphs"].values())


def test_graph_that_differs_is_not_left(tmp_path, monkeypatch, demo):
    """Graphs whose pictures are a level brighter than those of PyTorch."""

    def load(path, graph):
        @torch.no_grad()
        def run(inputs):
            found = graph.module(*(torch.tensor(array) for array in inputs))
            arrays = [tensor.numpy() for tensor in (found if isinstance(found, tuple) else (found,))]
            return [array + (array.dtype == np.uint8) for array in arrays]

        return run

    brighter = module.FORMATS["torchscript"]._replace(write=lambda graph: [b"graph"], load=load)
    monkeypatch.setitem(module.FORMATS, "torchscript", brighter)
    pictures = np.stack([scaled(picture, 64, 64) for picture in (demo[0], demo[30])])
    with pytest.raises(ModelError, match="prepare: differs from PyTorch by"):
        module.export(find_weights(), "torchscript", tmp_path, pictures)
    assert list(tmp_path.iterdir()) == []


@needs_onnxruntime
def test_existing_files_are_kept_without_force(exported, capsys):
    before = (exported / "generate.onnx").read_bytes()
    assert main(["export", "--out", str(exported), "-q"]) == 2
    assert "exists; use --force" in capsys.readouterr().err
    assert (exported / "generate.onnx").read_bytes() == before


def test_missing_validator_is_named(tmp_path, monkeypatch, demo):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(GfvcError, match=r"pip install 'gfvc\[openvino\]'"):
        module.export(find_weights(), "openvino", tmp_path, np.stack(demo[:2]))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 128), (256, 128), (100, 300), (512, 200), (64, 500)])
@pytest.mark.parametrize("size", [64, 128, 256])
def test_reduction_by_matrices_is_that_of_torch(height, width, size):
    picture = torch.rand(2, 3, height, width, generator=torch.manual_seed(1))
    wanted = reduce_picture(picture, size)
    with free_size():
        found = reduce_picture(picture, size)
    assert torch.allclose(found, wanted, atol=1e-5)
