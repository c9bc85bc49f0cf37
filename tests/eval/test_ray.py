"""The Ray scheduler on a cluster of two nodes that the test starts on this machine."""

from __future__ import annotations

import os
import time

import pytest

from eval.rd import schedule, work
from eval.rd.points import Point
from gfvc.errors import GfvcError

from ..gfvc.media import DEMO, read_clip, write_clip

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install gfvc[ray]")


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    running = Cluster(initialize_head=True, head_node_args=options)
    running.add_node(num_cpus=1, object_store_memory=100 << 20)
    yield running.address
    running.shutdown()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", read_clip(DEMO, 3))
    return path.read_bytes()


def place_and_run(task):
    """The work, and where it was done; long enough that both nodes get some."""
    time.sleep(1)
    outcome = work.run(task)
    outcome.coded |= {"node": ray.get_runtime_context().get_node_id(), "pid": os.getpid()}
    return outcome


def test_both_nodes_work_and_points_are_those_of_this_machine(cluster, clip):
    point = Point("x264", "anchor", "x264", 45)
    task = work.Task("a", clip, point, 2, ("psnr-y",))
    tasks = [(number, task) for number in range(4)] + [("bad", work.Task("b", b"no video", point, 2, ("psnr-y",)))]
    found = dict(schedule.ray_cluster(cluster, tasks, do=place_and_run))
    assert type(found.pop("bad")).__name__ == "VideoError"
    here = work.run(task)
    for outcome in found.values():
        assert outcome.values == here.values
        assert outcome.files[".264"] == here.files[".264"]
        assert outcome.coded["pid"] != os.getpid()
    assert len({outcome.coded["node"] for outcome in found.values()}) == 2


def test_no_cluster_is_one_line():
    with pytest.raises(GfvcError, match="--ray 127.0.0.1:9: no cluster there"):
        list(schedule.ray_cluster("127.0.0.1:9", []))
