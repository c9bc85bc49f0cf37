"""Weights that are missing, damaged or not what they should be are told apart, and named."""

from __future__ import annotations

import shutil
from fractions import Fraction

import pytest
import torch
from safetensors.torch import load_file, save_file

from bitstream import Colour
from gfvc import Encoder, EncoderOptions, GfvcError, ModelError, VideoInfo
from gfvc.models import store
from gfvc.models.families import FAMILIES
from gfvc.models.registry import cards, load_for_stream, load_model, save_weights

NAME = store.DEFAULTS["keypoints2d"]


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A copy of the folder of shipped weights, used in place of it."""
    folder = tmp_path / "weights"
    shutil.copytree(store.WEIGHTS_FOLDER, folder)
    monkeypatch.setattr(store, "WEIGHTS_FOLDER", folder)
    return folder


def test_unknown_family_names_the_known_ones():
    with pytest.raises(ModelError, match="'faces', one of keypoints2d, compact"):
        load_model("faces")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"none\.safetensors: No such file.*--weights"):
        load_model(weights=tmp_path / "none.safetensors")


def test_folder_instead_of_a_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="directory"):
        load_model(weights=tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", bytes(100), b"\xff" * 100], ids=["empty", "text", "zeros", "ones"])
def test_file_that_is_not_safetensors(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.safetensors: not a safetensors file"):
        load_model(weights=path)


def test_truncated_weights_are_not_safetensors(tmp_path, shipped):
    path = tmp_path / "cut.safetensors"
    path.write_bytes((shipped / f"{NAME}.safetensors").read_bytes()[:-1000])
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_model(weights=path)


def test_weights_of_another_family_are_refused(shipped):
    other = shipped / f"{store.DEFAULTS['compact']}.safetensors"
    with pytest.raises(ModelError, match="weights of family compact, keypoints2d expected"):
        load_model("keypoints2d", weights=other)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match="does not fit family compact"):
        load_model("compact", weights=tmp_path / "a.safetensors")


def test_missing_tensor_is_refused(tmp_path, shipped):
    tensors = load_file(shipped / f"{NAME}.safetensors")
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match="does not fit family keypoints2d"):
        load_model("keypoints2d", weights=tmp_path / "a.safetensors")


def test_large_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MAX_WEIGHT_BYTES", 1000)
    (tmp_path / "a.safetensors").write_bytes(bytes(1001))
    with pytest.raises(ModelError, match="1001 bytes, at most 1000"):
        load_model("keypoints2d", weights=tmp_path / "a.safetensors")


def test_damaged_shipped_file_is_noticed(shipped):
    path = shipped / f"{NAME}.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="not that of its card"):
        load_model("keypoints2d")


def test_lost_shipped_file_is_named(shipped):
    (shipped / f"{NAME}.safetensors").unlink()
    with pytest.raises(ModelError, match=f"{NAME}.safetensors"):
        load_model("keypoints2d")


def test_family_without_shipped_weights_says_so(shipped):
    for path in shipped.iterdir():
        path.unlink()
    assert cards() == []
    with pytest.raises(ModelError, match=f"'{NAME}' is not installed; here are none"):
        load_model("keypoints2d")


def test_stream_finds_its_model():
    loaded = load_model("keypoints2d")
    found = load_for_stream(loaded.name, loaded.stream_hash, "keypoints2d")
    assert (found.name, found.sha256) == (loaded.name, loaded.sha256)
    assert len(loaded.stream_hash) == 8


def test_stream_with_other_weights_of_the_same_name_is_refused():
    with pytest.raises(ModelError, match="the stream needs 0102030405060708"):
        load_for_stream(NAME, bytes(range(1, 9)), "keypoints2d")


def test_stream_of_an_unknown_model_names_it_and_its_hash():
    with pytest.raises(ModelError, match=r"'future-9' \(SHA-256 begins 0102030405060708\).*--weights"):
        load_for_stream("future-9", bytes(range(1, 9)), "keypoints2d")


def test_stream_of_an_unknown_family_names_it():
    with pytest.raises(ModelError, match="family 'landmarks'"):
        load_for_stream(NAME, bytes(8), "landmarks")


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_saved_weights_load_again(tmp_path, family):
    torch.manual_seed(0)
    model = FAMILIES[family]()
    path = tmp_path / "mine.safetensors"
    sha256 = save_weights(model.state_dict(), family, path)
    loaded = load_model(family, weights=path)
    assert (loaded.sha256, loaded.name) == (sha256, "mine")
    for name, value in model.state_dict().items():
        assert torch.allclose(loaded.model.state_dict()[name], value, atol=1e-3)
    assert load_for_stream("mine", loaded.stream_hash, family, weights=path).sha256 == sha256


@pytest.mark.parametrize("name", ["Run 7.safetensors", "ä.safetensors", f"{'long' * 12}.safetensors", "-.safetensors"])
def test_weights_whose_file_name_no_stream_can_hold_are_an_error_of_the_package(tmp_path, shipped, name):
    """Or they work: a header that cannot be written must not surface as a bare ValueError."""
    path = tmp_path / name
    shutil.copy(shipped / f"{NAME}.safetensors", path)
    said = ""
    try:
        Encoder(VideoInfo(64, 64, Fraction(1, 25), 1, Colour()), EncoderOptions(weights=path)).header_bytes()
    except GfvcError as error:
        said = str(error)
    assert not said or path.name in said
