"""Output files appear when they are whole, and not before."""

from __future__ import annotations

import io
import os
import stat

import pytest

from gfvc import GfvcError
from gfvc.files import open_source, open_target, replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_at_the_end(tmp_path):
    target = tmp_path / "a.gfv"
    with replacing(target, force=False) as partial:
        partial.write_bytes(b"whole")
        assert not target.exists()
        assert partial.parent == tmp_path
    assert target.read_bytes() == b"whole"
    assert names(tmp_path) == ["a.gfv"]


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, OSError, GeneratorExit])
def test_nothing_is_left_when_writing_stops(tmp_path, fault):
    with pytest.raises(fault), replacing(tmp_path / "a.gfv", force=False) as partial:
        partial.write_bytes(b"half")
        raise fault
    assert names(tmp_path) == []


def test_existing_file_is_kept_without_force(tmp_path):
    target = tmp_path / "a.gfv"
    target.write_bytes(b"old")
    with pytest.raises(GfvcError, match="exists.*force"), replacing(target, force=False):
        pytest.fail("the body ran")
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a.gfv"]


def test_force_replaces_the_file(tmp_path):
    target = tmp_path / "a.gfv"
    target.write_bytes(b"old")
    with replacing(target, force=True) as partial:
        assert target.read_bytes() == b"old"
        partial.write_bytes(b"new")
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_force_keeps_the_old_file_when_writing_stops(tmp_path, fault):
    target = tmp_path / "a.gfv"
    target.write_bytes(b"old")
    with pytest.raises(fault), replacing(target, force=True) as partial:
        partial.write_bytes(b"half")
        raise fault
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["a.gfv"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with replacing(tmp_path / "a.gfv", force=False) as partial:
            partial.write_bytes(b"x")
    finally:
        after = os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.gfv").stat().st_mode) == mode
    assert after == mask


def test_missing_folder_is_named(tmp_path):
    with (
        pytest.raises(GfvcError, match=r"nowhere: no such folder"),
        replacing(tmp_path / "nowhere" / "a.gfv", force=False),
    ):
        pytest.fail("the body ran")


@pytest.mark.parametrize("force", [False, True])
def test_folder_as_target_is_refused(tmp_path, force):
    with pytest.raises(GfvcError, match="is a folder"), replacing(tmp_path, force=force):
        pytest.fail("the body ran")


def test_force_writes_through_a_link_to_the_file_it_names(tmp_path):
    real = tmp_path / "real.gfv"
    real.write_bytes(b"old")
    link = tmp_path / "link.gfv"
    link.symlink_to(real)
    with replacing(link, force=True) as partial:
        partial.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.parametrize("force", [False, True])
def test_special_file_is_never_replaced_by_a_plain_one(tmp_path, force):
    """As /dev/null and /dev/stdout are; it may be refused or written to."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_target(pipe, force=force) as out:
            out.write(b"x")
    except GfvcError:
        pass
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_open_source_takes_paths_and_file_objects(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"data")
    for source in (path, str(path), io.BytesIO(b"data")):
        with open_source(source) as handle:
            assert handle.read() == b"data"


def test_open_source_leaves_a_given_file_object_open():
    source = io.BytesIO(b"data")
    with open_source(source):
        pass
    assert not source.closed


def test_open_source_names_the_missing_file(tmp_path):
    with pytest.raises(GfvcError, match="missing.gfv: No such file"), open_source(tmp_path / "missing.gfv"):
        pytest.fail("the body ran")


def test_open_target_leaves_a_given_file_object_open():
    out = io.BytesIO()
    with open_target(out, force=False) as handle:
        handle.write(b"x")
    assert out.getvalue() == b"x"
