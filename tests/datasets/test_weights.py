"""Weights of other people's networks: fetched from a local server, hash checked, or reported as missing."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading

import pytest
import torch

from datasets import weights
from gfvc.errors import GfvcError

DATA = b"weights of a network" * 1000
NAME = "vgg16-397923af.pth"


@pytest.fixture
def server(tmp_path):
    """A web server of this machine with one file; yields (its address, folder, names asked for)."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / NAME).write_bytes(DATA)
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, text, *values):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/{NAME}", asked
        running.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GFVC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def expect(monkeypatch, url, sha256):
    monkeypatch.setitem(weights.FILES, NAME, weights.WeightFile(url, sha256))


def test_fetched_once_and_kept(server, cache, monkeypatch):
    url, asked = server
    expect(monkeypatch, url, hashlib.sha256(DATA).hexdigest()[:8])
    for _ in range(2):
        assert weights.find(NAME, None, fetch=True) == cache / NAME
    assert (cache / NAME).read_bytes() == DATA
    assert len(asked) == 1


def test_a_wrong_file_never_gets_its_name(server, cache, monkeypatch):
    expect(monkeypatch, server[0], "00000000")
    with pytest.raises(weights.WeightsMissingError, match="failed.*by hand"):
        weights.find(NAME, None, fetch=True)
    assert not any(cache.iterdir())


def test_no_server_is_said(cache, monkeypatch):
    expect(monkeypatch, f"http://127.0.0.1:9/{NAME}", "397923af")
    with pytest.raises(weights.WeightsMissingError, match="--weights-dir"):
        weights.find(NAME, None, fetch=True)


def test_missing_says_what_and_where(tmp_path):
    with pytest.raises(weights.WeightsMissingError, match=f"vgg16-397923af.pth into|{tmp_path}"):
        weights.find(NAME, tmp_path)
    with pytest.raises(weights.WeightsMissingError, match="of your own"):
        weights.find("identity.pt", tmp_path)


def test_a_file_of_the_folder_is_checked_and_never_fetched(tmp_path, server, monkeypatch):
    expect(monkeypatch, server[0], hashlib.sha256(DATA).hexdigest()[:8])
    with pytest.raises(weights.WeightsMissingError):
        weights.find(NAME, tmp_path / "empty", fetch=True)
    (tmp_path / NAME).write_bytes(DATA[1:])
    with pytest.raises(GfvcError, match="not the official file"):
        weights.find(NAME, tmp_path)
    assert not server[1]


def test_libraries_see_the_files_and_then_their_own_folder_again(tmp_path):
    before = torch.hub.get_dir()
    path = tmp_path / "dists_weights.pt"
    torch.save({"a": torch.ones(2)}, path)
    with weights.as_torch_hub([path]):
        found = torch.hub.load_state_dict_from_url("https://nowhere.invalid/dists_weights.pt", progress=False)
    assert torch.equal(found["a"], torch.ones(2))
    assert torch.hub.get_dir() == before
