"""The benchmark measures every stage; how fast they are is not tested."""

from __future__ import annotations

import json

import pytest
import torch

from gfvc.benchmark.references import NETWORKS
from gfvc.cli import main
from gfvc.commands.bench import REFERENCES
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
        *("read", "analyse", "register", "quantise", "look_ahead", "code", "key_encode", "key_decode"),
        *("parse", "prepare", "generate", "write_rgb", "write_y4m", "write_mp4"),
    }
    assert all(value >= 0 for value in row["stages_ms"].values())
    for name in ("decode", "encode_open_loop", "encode_closed_loop"):
        assert row[f"{name}_pictures_per_s"] > 0
    assert row["latency_ms"]["median"] >= row["stages_ms"]["generate"] / 4
    assert row["peak_memory_mib"] > 50
    assert report["machine"]["cores"] >= 1
    assert report["clip"] == DEMO.name


@pytest.mark.parametrize(("name", "gmac"), [("first_order_generator", 53.6), ("compact_feature_generator", 54.8)])
def test_generators_of_other_codecs_cost_what_their_layers_do(name, gmac):
    """Multiply-accumulates, in billions, for a picture of 256x256."""
    module, inputs = NETWORKS[name]()
    with torch.no_grad():
        cost, picture = _count(lambda: module.eval()(*inputs))
    assert picture.shape == (1, 3, 256, 256)
    assert cost == pytest.approx(gmac, abs=0.1)


def test_bench_knows_the_networks_that_it_compares_with():
    assert set(REFERENCES) == set(NETWORKS)
