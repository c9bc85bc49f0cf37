"""Every metric agrees with its library called by hand, or with its formula in plain NumPy, to four digits or more."""

from __future__ import annotations

import math

import numpy as np
import piq
import pytest
import pytorch_msssim
import torch

from bitstream import Colour
from datasets.faces import Box
from eval.rd import faces, learned, metrics
from gfvc.colour import from_rgb
from gfvc.errors import GfvcError

from ..gfvc.media import DEMO, read_clip


@pytest.fixture(scope="module")
def pictures():
    """Originals of the demo clip, and the same with noise, blur and a cast: uint8 [4, 192, 192, 3] each."""
    originals = np.stack(read_clip(DEMO, 31)[::10])[:, 32:224, 32:224]
    rng = np.random.default_rng(5)
    other = (originals.astype(float) + np.roll(originals, 2, axis=2)) / 2 + rng.normal(0, 6, originals.shape)
    other[1:, :, :, 0] += 9
    return originals, other.round().clip(0, 255).astype(np.uint8)


def tensors(pictures):
    return [torch.from_numpy(stack).permute(0, 3, 1, 2).float() for stack in pictures]


def measured(name, pictures):
    return metrics.build(name, None)(*tensors(pictures)).numpy()


def grey(stack):
    return torch.from_numpy(stack.astype(np.float64) @ [0.299, 0.587, 0.114]).float()[:, None]


def ssim(*pair, **options):
    return piq.ssim(*pair, downsample=False, **options)


@pytest.mark.parametrize(
    ("name", "function", "rel"),
    [
        ("ms-ssim-y", piq.multi_scale_ssim, 1e-5),
        ("ssim-y", ssim, 1e-5),
        ("gmsd-y", piq.gmsd, 1e-5),
        ("ms-ssim-rgb", piq.multi_scale_ssim, 1e-4),
        ("ssim-rgb", ssim, 1e-4),
        ("haarpsi-rgb", piq.haarpsi, 1e-4),
    ],
)
def test_metrics_of_piq(name, function, rel, pictures):
    if name.endswith("-y"):
        pairs, peak = map(grey, pictures), 255
    else:
        # The range must not matter: piq is given 0..1 here.
        pairs, peak = (stack / 255 for stack in tensors(pictures)), 1.0
    by_hand = [float(function(a[None], b[None], data_range=peak)) for a, b in zip(*pairs, strict=True)]
    assert measured(name, pictures) == pytest.approx(by_hand, rel=rel)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("ms-ssim-rgb", pytorch_msssim.ms_ssim),
        ("ssim-y", pytorch_msssim.ssim),
        ("haarpsi-rgb", piq.haarpsi),
        ("gmsd-y", piq.gmsd),
    ],
)
def test_odd_sizes_are_padded_as_in_the_library(name, function, pictures):
    """On which pytorch-msssim and piq differ."""
    odd = [stack[:2, :179, :184] for stack in pictures]
    pairs = map(grey, odd) if name.endswith("-y") else tensors(odd)
    by_hand = [float(function(a[None], b[None], data_range=255)) for a, b in zip(*pairs, strict=True)]
    assert measured(name, odd) == pytest.approx(by_hand, rel=1e-4)


def test_pictures_too_small_for_a_metric_are_an_error(pictures):
    with pytest.raises(GfvcError, match="160x192.*above 160"):
        measured("ms-ssim-y", [stack[:, :, :160] for stack in pictures])


def decibel(error):
    return 10 * np.log10(255**2 / error)


def test_psnr_by_formula(pictures):
    a, b = (stack.astype(float) for stack in pictures)
    assert measured("psnr-rgb", pictures) == pytest.approx(decibel(((a - b) ** 2).mean((1, 2, 3))), rel=1e-5)
    luma = (a - b) @ [0.299, 0.587, 0.114]
    assert measured("psnr-y", pictures) == pytest.approx(decibel((luma**2).mean((1, 2))), rel=1e-5)


def test_psnr_yuv_by_formula(pictures):
    """The matrix of BT.601 from its luma coefficients, chroma as means of 2x2 pixels, weights 4, 1, 1."""
    planes = []
    for stack in pictures:
        red, green, blue = np.moveaxis(stack.astype(float) / 255, 3, 0)
        y = 0.299 * red + 0.587 * green + 0.114 * blue
        small = [
            (224 * (colour - y) / (2 * (1 - weight))).reshape(4, 96, 2, 96, 2).mean((2, 4))
            for colour, weight in ((blue, 0.114), (red, 0.299))
        ]
        planes.append([219 * y, *small])
    by_plane = [decibel(((a - b) ** 2).mean((1, 2))) for a, b in zip(*planes, strict=True)]
    expected = (4 * by_plane[0] + by_plane[1] + by_plane[2]) / 6
    assert measured("psnr-yuv", pictures) == pytest.approx(expected, rel=1e-4)


def test_yuv_is_the_one_that_codecs_see():
    colours = np.zeros((16, 16, 3), np.uint8)
    for place, colour in ((0, (255, 0, 0)), (8, (20, 200, 90))):
        colours[:, place : place + 8] = colour
    frame = from_rgb(colours, Colour(), "yuv420p")
    y, chroma = metrics.yuv420(tensors([colours[None]])[0])
    stored = frame.to_ndarray()
    assert np.abs(stored[:16] - y[0, 0].numpy()).max() <= 1
    rows = stored[16:].reshape(2, 8, 8)
    assert np.abs(rows[:, :, [0, 1, 6, 7]] - chroma[0][:, :, [0, 1, 6, 7]].numpy()).max() <= 1


def test_temporal_error_sees_flicker_and_no_constant_error(pictures):
    originals = pictures[0]
    shifted = (originals.astype(int) // 2 + 40).astype(np.uint8)
    still = np.repeat(originals[:1], 4, axis=0)
    assert measured("temporal-error-y", (still, shifted[:1].repeat(4, axis=0))) == pytest.approx(0)
    luma = [stack.astype(float) @ [0.299, 0.587, 0.114] for stack in pictures]
    expected = np.abs(np.diff(luma[1], axis=0) - np.diff(luma[0], axis=0)).mean((1, 2))
    assert measured("temporal-error-y", pictures) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", [name for name, entry in metrics.METRICS.items() if not entry.files])
def test_direction_and_best_value(name, pictures):
    """Equal pictures get the best value, and less error is never worse."""
    originals, other = pictures
    nearer = ((originals.astype(int) + other) // 2).astype(np.uint8)
    sign = 1 if metrics.METRICS[name].higher else -1
    best, near, far = (sign * measured(name, (originals, stack)).mean() for stack in (originals, nearer, other))
    assert best > near > far
    if sign < 0:
        assert best == pytest.approx(0, abs=1e-5)
    elif name.startswith("psnr"):
        assert best == metrics.PSNR_CAP
    else:
        assert best == pytest.approx(1, abs=1e-4)


# The learned metrics: seeded networks in the file format of the official weights. Their values are good for nothing but
# comparing two ways to load and call them.


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    """A weights folder as a user's, of seeded networks; classifiers, which no metric uses, are one repeated number."""
    import torchvision

    folder = tmp_path_factory.mktemp("weights")
    generator = torch.Generator().manual_seed(11)
    for name, network in (
        ("vgg16-397923af.pth", torchvision.models.vgg16),
        ("alexnet-owt-7be5be79.pth", torchvision.models.alexnet),
    ):
        with torch.device("meta"):
            shapes = {key: value.shape for key, value in network(weights=None).state_dict().items()}
        weights = {
            key: torch.zeros(1).expand(shape)
            if key.startswith("classifier")
            else torch.randn(shape, generator=generator) * math.sqrt(2 / max(1, math.prod(shape[1:])))
            for key, shape in shapes.items()
        }
        torch.save(weights, folder / name)
    parts = {key: torch.rand(1, 1475, 1, 1, generator=generator) for key in ("alpha", "beta")}
    total = sum(float(value.sum()) for value in parts.values())
    torch.save({key: value / total for key, value in parts.items()}, folder / "dists_weights.pt")
    return folder


@pytest.fixture(scope="module")
def crops(pictures):
    """Two pictures of 64x64 and their others: VGG-16 takes long for larger ones."""
    return [stack[:2, 60:124, 64:128] for stack in pictures]


@pytest.fixture
def expected(seeded, monkeypatch):
    """The table of hashes with those of the seeded files; and networks are not filled at random before they are loaded,
    which takes longer than all else."""
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda layer: None)
    for name in ("vgg16-397923af.pth", "alexnet-owt-7be5be79.pth"):
        entry = metrics.weights.WeightFile("", metrics.weights.sha256_of(seeded / name)[:8])
        monkeypatch.setitem(metrics.weights.FILES, name, entry)
    return seeded


@pytest.mark.parametrize("trunk", ["vgg", "alex"])
def test_lpips_is_that_of_the_package(trunk, expected, crops, monkeypatch):
    import lpips

    found = metrics.build(f"lpips-{trunk}", expected)(*tensors(crops))
    (expected / "checkpoints").mkdir(exist_ok=True)
    for path in expected.glob("*.pth"):
        link = expected / "checkpoints" / path.name
        if not link.exists():
            link.symlink_to(path)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(expected))
    with pytest.warns(UserWarning, match="pretrained"):
        network = lpips.LPIPS(net=trunk, verbose=False)
    with torch.no_grad():
        by_hand = [
            float(network(2 * a[None] / 255 - 1, 2 * b[None] / 255 - 1)) for a, b in zip(*tensors(crops), strict=True)
        ]
    assert found.tolist() == pytest.approx(by_hand, rel=1e-4)
    assert min(by_hand) > 0


def test_dists_is_that_of_piq(expected, crops, monkeypatch):
    found = metrics.build("dists", expected)(*tensors(crops))

    def local(url, **options):
        return torch.load(expected / url.rsplit("/", 1)[1], weights_only=True)

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", local)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", local)
    with pytest.warns(UserWarning, match="pretrained"):
        network = piq.DISTS()
    by_hand = [float(network(a[None] / 255, b[None] / 255)) for a, b in zip(*tensors(crops), strict=True)]
    assert found.tolist() == pytest.approx(by_hand, rel=1e-4)
    assert min(by_hand) > 0


def test_the_official_hash_is_checked(seeded):
    with pytest.raises(GfvcError, match="397923af expected: not the official file"):
        metrics.build("lpips-vgg", seeded)


def test_weights_of_another_shape_are_refused(expected, tmp_path):
    torch.save({"alpha": torch.zeros(1, 10, 1, 1)}, tmp_path / "dists_weights.pt")
    (tmp_path / "vgg16-397923af.pth").symlink_to(expected / "vgg16-397923af.pth")
    with pytest.raises(GfvcError, match="alpha and beta of"):
        metrics.build("dists", tmp_path)
    (tmp_path / "dists_weights.pt").write_bytes(b"<html>404</html>")
    with pytest.raises(GfvcError, match="not weights of DISTS"):
        metrics.build("dists", tmp_path)


def test_a_damaged_trunk_is_named(tmp_path, monkeypatch):
    path = tmp_path / "alexnet-owt-7be5be79.pth"
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    entry = metrics.weights.WeightFile("", metrics.weights.sha256_of(path)[:8])
    monkeypatch.setitem(metrics.weights.FILES, path.name, entry)
    with pytest.raises(GfvcError, match="alexnet-owt-7be5be79.pth: not the weights expected"):
        learned.lpips_distance("alex", [path])


def test_faces_are_compared_in_the_box_of_the_original_and_no_face_is_no_value():
    """With a detector that sees a face in the bright pictures alone, as wide as they are bright."""

    class Bright:
        def detect(self, picture):
            assert picture.dtype == np.uint8
            assert picture.shape == (8, 8, 3)
            return [Box(0, 0, float(picture.max()), 8, 1)] if picture.max() > 100 else []

    originals = torch.tensor([200.0, 20.0, 150.0]).view(3, 1, 1, 1).expand(3, 3, 8, 8)
    decoded = torch.tensor([10.0, 250.0, 249.0]).view(3, 1, 1, 1).expand(3, 3, 8, 8)
    measure = faces._per_face(Bright(), lambda a, b, box: float(a.max() - b.max() + 1000 * box.side))
    assert measure(originals, decoded).tolist() == pytest.approx([200190, math.nan, 149901], nan_ok=True)
