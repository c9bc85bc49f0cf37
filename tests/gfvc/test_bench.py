"""The benchmark measures every stage; how fast they are is not tested."""

from __future__ import annotations

import json

import torch

from gfvc.benchmark.references import FirstOrderGenerator, first_order_generator
from gfvc.cli import main
from gfvc.models.complexity import _count

from .media import DEMO


def test_bench_measures_every_stage(capsys):
    arguments = [
        "bench",
        "--backend",
        "torch",
        "--size",
        "64",
        "--pictures",
        "60",
        "--seconds",
        "0.05",
        "--no-reference",
        "--json",
        "-q",
    ]
    assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    (row,) = report["results"]
    assert (row["backend"], row["device"], row["size"]) == ("torch", "cpu", 64)
    assert set(row["stages_ms"]) == {
        *("read", "analyse", "register", "quantise", "code", "key_encode", "key_decode"),
        *("parse", "prepare", "generate", "write_rgb", "write_y4m", "write_mp4"),
    }
    assert all(value >= 0 for value in row["stages_ms"].values())
    for name in ("decode", "encode_open_loop", "encode_closed_loop"):
        assert row[f"{name}_pictures_per_s"] > 0
    assert row["latency_ms"]["median"] >= row["stages_ms"]["generate"] / 4
    assert row["peak_memory_mib"] > 50
    assert report["machine"]["cores"] >= 1
    assert report["clip"] == DEMO.name


def test_first_order_generator_costs_what_is_published():
    """About 54 GMAC a picture of 256x256."""
    module, inputs = first_order_generator()
    assert isinstance(module, FirstOrderGenerator)
    with torch.no_grad():
        cost, picture = _count(lambda: module.eval()(*inputs))
    assert picture.shape == (1, 3, 256, 256)
    assert 50 < cost < 58
