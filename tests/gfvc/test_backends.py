"""Every engine shows what PyTorch shows, at sizes of every kind."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

from gfvc import GfvcError, decode
from gfvc.backends import cache, choice
from gfvc.backends.base import Key
from gfvc.backends.choice import ENGINES, choose_backend, missing, open_backend
from gfvc.models.store import WEIGHTS_FOLDER, find_weights

from .command import environment
from .media import scaled
from .streams import decode_stream, encode_stream

OTHERS = [
    pytest.param(name, marks=pytest.mark.skipif(bool(missing(name)), reason=f"{name} is not installed"))
    for name in ENGINES
    if name != "torch"
]
# Mean absolute difference of 8-bit samples.
TOLERANCE = 1.0


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Graphs are made in a folder of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GFVC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.fixture(scope="module")
def torch_backend():
    return open_backend(find_weights("compact"), "torch", "cpu")


# All graphs at the usual size, and those that are made for each size at one that they see padded too.
@pytest.mark.parametrize(
    ("name", "width", "height"),
    [
        pytest.param(*entry.values, *size, marks=entry.marks)
        for entry, sizes in zip(OTHERS, (((256, 256), (101, 66)), ((256, 256),), ((256, 256),)), strict=True)
        for size in sizes
    ],
)
def test_engine_agrees_with_torch(torch_backend, demo, name, width, height):
    """On pictures of the demo clip; the pictures differ from each other by more than what is allowed."""
    engine = open_backend(torch_backend.weights, name)
    assert engine.groups == torch_backend.groups
    first, other = (scaled(picture, width, height) for picture in (demo[0], demo[30]))
    parameters = [torch_backend.analyse(picture) for picture in (first, other)]
    for picture, wanted in zip((first, other), parameters, strict=True):
        assert np.abs(engine.analyse(picture) - wanted).max() < 1e-3
    key, wanted_key = (backend.prepare(first, parameters[0]) for backend in (engine, torch_backend))
    assert key.shown.shape == first.shape
    assert difference(key.shown, wanted_key.shown) < TOLERANCE
    assert np.abs(engine.person(key) - torch_backend.person(wanted_key)).max() < 1e-3
    # What an analysis leaves at 0, the modes, moves too.
    driving = np.where(parameters[1] == 0, np.float32(1), parameters[1])
    wanted = torch_backend.generate(wanted_key, driving)
    found = engine.generate(key, driving)
    assert difference(wanted, torch_backend.generate(wanted_key, parameters[1])) > TOLERANCE
    assert found.shape == wanted.shape
    assert found.dtype == np.uint8
    assert difference(found, wanted) < TOLERANCE / 10
    assert difference(found, key.shown) > TOLERANCE


def test_person_is_where_the_networks_see_it(torch_backend, demo):
    """In the demo clip, a portrait: the middle is the person, the upper corners are not."""
    key = torch_backend.prepare(demo[0], torch_backend.analyse(demo[0]))
    mask = torch_backend.person(key)
    assert mask.shape == (128, 128)
    assert mask[56:72, 56:72].min() > 0.9
    assert mask[:8, :8].max() < 0.1


@pytest.mark.parametrize("name", OTHERS[::2])
def test_engine_runs_the_first_generation(demo, name):
    weights = find_weights("keypoints2d", WEIGHTS_FOLDER / "keypoints2d-1.safetensors")
    picture, other = (scaled(demo[index], 64, 64) for index in (0, 30))
    shown = []
    for backend in (open_backend(weights, "torch", "cpu"), open_backend(weights, name)):
        key = backend.prepare(picture, backend.analyse(picture))
        shown.append(backend.generate(key, backend.analyse(other)))
    assert difference(*shown) < TOLERANCE / 10


@pytest.mark.parametrize("name", OTHERS[:1])
def test_stream_does_not_depend_on_the_backend(small, name):
    assert encode_stream(small[:4], backend=name) == encode_stream(small[:4], backend="torch")


@pytest.mark.parametrize("name", OTHERS)
def test_same_backend_shows_the_same_from_run_to_run(demo, torch_backend, name):
    picture = scaled(demo[0], 64, 64)
    parameters = torch_backend.analyse(picture)
    shown = []
    for _ in range(2):
        engine = open_backend(torch_backend.weights, name)
        shown.append(engine.generate(engine.prepare(picture, parameters), parameters * 0.9))
    assert np.array_equal(*shown)


@pytest.mark.parametrize("name", OTHERS)
def test_second_start_needs_no_torch(small_stream, name, tmp_path):
    """The graphs are kept, so the start of a decoder need not wait for torch's."""
    stream = tmp_path / "a.gfv"
    stream.write_bytes(small_stream)
    code = (
        "import sys; from gfvc.decoder import decode;"
        f"decode({str(stream)!r}, {str(tmp_path / 'a.rgb')!r}, backend={name!r}, force=True);"
        "print('torch' in sys.modules)"
    )
    settings = environment() | {"GFVC_CACHE": str(cache.cache_folder())}
    # The first start.
    decode(stream, tmp_path / "a.rgb", backend=name)
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_batch_is_its_pictures(torch_backend, small):
    parameters = [torch_backend.analyse(picture) for picture in small[:3]]
    keys = [torch_backend.prepare(small[0], parameters[0]), torch_backend.prepare(small[5], parameters[1])]
    rows = parameters[1:3]
    for found, key, row in zip(torch_backend.generate_many(keys, rows), keys, rows, strict=True):
        assert np.array_equal(found, torch_backend.generate(key, row))


def test_auto_takes_the_fastest_that_is_installed(monkeypatch):
    monkeypatch.delenv("GFVC_BACKEND")
    monkeypatch.setattr(choice, "_cuda", lambda: False)
    for absent, expected in (
        ((), "ncnn"),
        (("pnnx",), "openvino"),
        (("ncnn", "openvino"), "onnxruntime"),
        (("ncnn", "openvino", "onnxruntime"), "torch"),
    ):
        monkeypatch.setattr(
            choice.importlib.util, "find_spec", lambda module, absent=absent: None if module in absent else object()
        )
        assert choose_backend() == (expected, "cpu")
    monkeypatch.setattr(choice, "_cuda", lambda: True)
    assert choose_backend() == ("torch", "cuda")
    assert choose_backend("auto", "cpu") == ("torch", "cpu")


@pytest.mark.parametrize(
    ("name", "device", "words"),
    [
        ("tensorflow", "cpu", "one of auto, ncnn"),
        ("auto", "tpu", "one of auto, cpu"),
        ("openvino", "cuda", "has no device cuda"),
        ("torch", "cuda", "no usable CUDA device"),
    ],
)
def test_choices_that_do_not_work_say_so(monkeypatch, name, device, words):
    monkeypatch.setattr(choice, "_cuda", lambda: False)
    monkeypatch.setattr(choice, "missing", lambda name: ())
    with pytest.raises(GfvcError, match=words):
        choose_backend(name, device)


def test_missing_engine_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda module: None)
    with pytest.raises(GfvcError, match=r"ncnn, pnnx missing.*pip install 'gfvc\[ncnn\]'"):
        choose_backend("ncnn")


def test_new_code_or_weights_do_not_meet_old_graphs(tmp_path, monkeypatch):
    monkeypatch.setenv("GFVC_CACHE", str(tmp_path))
    folders = [cache.graph_folder(find_weights(family)) for family in ("compact", "keypoints2d")]
    monkeypatch.setattr(cache, "fingerprint", lambda: "another")
    folders.append(cache.graph_folder(find_weights("compact")))
    assert len(set(folders)) == 3
    assert {folder.parent for folder in folders} == {tmp_path}


def test_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("GFVC_CACHE", str(tmp_path / "file"))
    folder = cache.graph_folder(find_weights("compact"))
    assert folder.is_dir()
    assert tmp_path not in folder.parents
    assert "GFVC_CACHE" in caplog.text


def test_decoded_pictures_are_the_same_one_by_one_and_several_at_once(small_stream, tmp_path):
    """With as many workers as the backend asks for, and with one picture at a time."""
    decode(io.BytesIO(small_stream), tmp_path / "out.rgb")
    raw = np.fromfile(tmp_path / "out.rgb", np.uint8).reshape(-1, 64, 64, 3)
    assert np.array_equal(raw, np.stack([picture.rgb for picture in decode_stream(small_stream)]))


def test_key_is_shown_as_prepared(torch_backend, small):
    key = torch_backend.prepare(small[0], torch_backend.analyse(small[0]))
    assert isinstance(key, Key)
    assert key.shown.flags.c_contiguous
    assert 0 < difference(key.shown, small[0]) < 12
