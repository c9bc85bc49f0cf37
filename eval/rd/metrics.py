"""Quality of decoded pictures: one function per definition, its variant in its name.

All metrics compare pictures of the original's size, float RGB 0..255 from 8-bit RGB (`gfvc.colour`: BT.601 or BT.709 as
the clip says), one value a picture; a clip's value is the mean over its pictures, and a set's the mean over its clips.
`-y` is luma of BT.601 at full range (0.299 R + 0.587 G + 0.114 B, not rounded), `-rgb` the mean over R, G and B.

Beside the learned metrics stand two that see structure and need no weights: HaarPSI (Reisenhofer et al., 2018), which
follows opinions on blur and blocking best of the hand-made ones and sees chroma, and GMSD (Xue et al., 2014), whose
deviation over the picture grows when only a part, as the mouth, is wrong. Both come from piq, SSIM and MS-SSIM from
pytorch-msssim (piq's agree with it to five digits and take four times as long).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pytorch_msssim.ssim import _fspecial_gauss_1d
from pytorch_msssim.ssim import _ssim as pytorch_msssim_ssim
from torch import Tensor
from torch.nn import functional as F

from datasets import weights
from gfvc.errors import GfvcError
from gfvc.quality import luma

# A PSNR of equal pictures would be infinite.
PSNR_CAP = 100.0
# Of the scales of MS-SSIM, finest first (Wang et al., 2003).
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Rec. ITU-R BT.601 limited range, as OpenCV's RGB2YUV_I420 of the common software: rows Y, Cb, Cr; then offsets.
_YUV = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))

Pair = Callable[[Tensor, Tensor], Tensor]


def yuv420(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """[B, 3, H, W] RGB 0..255 -> Y [B, 1, H, W] and Cb, Cr [B, 2, H/2, W/2], BT.601 limited range, not rounded.

    Chroma is the mean of 2x2 pixels; an odd last row or column is left out of it.
    """
    matrix = pictures.new_tensor(_YUV).view(3, 3, 1, 1) / 255
    planes = F.conv2d(pictures, matrix) + pictures.new_tensor((16.0, 128.0, 128.0)).view(1, 3, 1, 1)
    return planes[:, :1], F.avg_pool2d(planes[:, 1:], 2)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """dB of each picture, peak 255: [B, C, H, W] twice -> [B]."""
    error = ((a - b) ** 2).mean((1, 2, 3))
    return (10 * torch.log10(255**2 / error)).clamp(max=PSNR_CAP)


def psnr_yuv(a: Tensor, b: Tensor) -> Tensor:
    """(4 PSNR-Y + PSNR-U + PSNR-V) / 6 in 4:2:0, the weights of the common software."""
    (y_a, c_a), (y_b, c_b) = yuv420(a), yuv420(b)
    return (4 * psnr(y_a, y_b) + psnr(c_a[:, :1], c_b[:, :1]) + psnr(c_a[:, 1:], c_b[:, 1:])) / 6


def _ssim(scales: int, grey: bool) -> Pair:
    """SSIM (1 scale) or MS-SSIM (5) with the SSIM of pytorch-msssim, whose values piq's have to five digits.

    All planes of all pictures go in as channels of one: the convolutions then take a sixth of the time that one picture
    a batch entry takes, and the numbers stay.
    """
    weights = torch.tensor(_MS_SSIM_WEIGHTS if scales > 1 else (1.0,)).view(-1, 1)
    side = 11
    window = _fspecial_gauss_1d(side, 1.5)

    def measure(a: Tensor, b: Tensor) -> Tensor:
        if grey:
            a, b = luma(a), luma(b)
        least = (side - 1) * 2 ** (scales - 1)
        if min(a.shape[-2:]) <= least:
            raise GfvcError(f"pictures of {a.shape[-1]}x{a.shape[-2]}: (MS-)SSIM needs sides above {least} pixels")
        count, planes = a.shape[:2]
        a, b = (stack.reshape(1, count * planes, *stack.shape[2:]) for stack in (a, b))
        windows = window.repeat(count * planes, 1, 1, 1)
        factors = []
        for scale in range(scales):
            whole, contrast = pytorch_msssim_ssim(a, b, data_range=255, win=windows, size_average=False)
            factors.append((whole if scale == scales - 1 else contrast)[0])
            if scale < scales - 1:
                padding = [edge % 2 for edge in a.shape[2:]]
                a, b = (F.avg_pool2d(stack, 2, padding=padding) for stack in (a, b))
        values = torch.stack(factors)
        if scales > 1:
            values = values.relu()
        return (values**weights).prod(0).view(count, planes).mean(1)

    return measure


def _gmsd(a: Tensor, b: Tensor) -> Tensor:
    # Here, not above: piq takes as long to load as torch does, and only who measures with it should wait.
    import piq

    # Luma of white is a hair above 255 in floats, which piq refuses.
    a, b = luma(a).clamp(0, 255), luma(b).clamp(0, 255)
    return piq.gmsd(a, b, data_range=255, reduction="none").reshape(len(a))


def _haarpsi(a: Tensor, b: Tensor) -> Tensor:
    """piq's HaarPSI with the halving, which is its first step, before its change of colours: the same numbers, as both
    are linear, and a third of the time goes."""
    import piq

    edge = max(side % 2 for side in a.shape[-2:])
    halves = (F.avg_pool2d(F.pad(stack, (0, edge, 0, edge)), 2).clamp(0, 255) for stack in (a, b))
    return piq.haarpsi(*halves, data_range=255, subsample=False, reduction="none").reshape(len(a))


@dataclass(frozen=True)
class Metric:
    """A quality measure.

    label: for axes; unit: empty for none; higher: whether higher is better; note: definition and range; files: weights
    it needs; temporal: it also sees each picture's predecessor.
    """

    name: str
    label: str
    unit: str
    higher: bool
    note: str
    files: tuple[str, ...] = ()
    temporal: bool = False

    @property
    def arrow(self) -> str:
        return "higher is better" if self.higher else "lower is better"


_NET = "RGB 0..1 scaled to -1..1; mean over space as lpips 0.1 does; 0 equal, about 1 at worst"
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "dists",
            "DISTS",
            "",
            False,
            "piq.DISTS on RGB 0..1, reduced to 256 pixels on the short side where larger; 0 equal .. 1",
            ("vgg16-397923af.pth", "dists_weights.pt"),
        ),
        Metric("lpips-vgg", "LPIPS (VGG)", "", False, f"lpips v0.1, VGG-16; {_NET}", ("vgg16-397923af.pth",)),
        Metric("lpips-alex", "LPIPS (Alex)", "", False, f"lpips v0.1, AlexNet; {_NET}", ("alexnet-owt-7be5be79.pth",)),
        Metric("ms-ssim-y", "MS-SSIM (luma)", "", True, "pytorch-msssim, five scales, 11x11 Gaussian windows; up to 1"),
        Metric("ms-ssim-rgb", "MS-SSIM (RGB)", "", True, "as ms-ssim-y, mean over R, G, B; up to 1"),
        Metric("ssim-y", "SSIM (luma)", "", True, "pytorch-msssim, 11x11 Gaussian windows, at full size; up to 1"),
        Metric("ssim-rgb", "SSIM (RGB)", "", True, "as ssim-y, mean over R, G, B; up to 1"),
        Metric("psnr-y", "PSNR-Y", "dB", True, "luma at full range, mean of the pictures' PSNR, at most 100 dB"),
        Metric("psnr-rgb", "PSNR-RGB", "dB", True, "mean square error over R, G and B together, at most 100 dB"),
        Metric("psnr-yuv", "PSNR-YUV", "dB", True, "(4Y + U + V) / 6 in BT.601 4:2:0, limited range, as in the CTC"),
        Metric("haarpsi-rgb", "HaarPSI", "", True, "piq, halved in size as defined, with chroma; 0 .. 1 equal"),
        Metric("gmsd-y", "GMSD (luma)", "", False, "piq, halved in size as defined; 0 equal .. about 0.35"),
        Metric(
            "temporal-error-y",
            "Temporal error",
            "levels",
            False,
            "mean |change of the decoded luma - change of the original's| from picture to picture, 0..255: flicker",
            temporal=True,
        ),
        Metric(
            "landmark-distance",
            "Landmark distance",
            "% of eye distance",
            False,
            "mean distance of 68 points of face-alignment's 2D FAN, both pictures in the original's face box",
            ("2DFAN4-11f355bf06.pth.tar", "blazeface.pth", "anchors.npy"),
        ),
        Metric(
            "identity",
            "Identity similarity",
            "",
            True,
            "cosine of two embeddings of identity.pt (TorchScript, [B, 3, 112, 112] in -1..1), both pictures cut by "
            "the original's face box; -1..1",
            ("identity.pt", "blazeface.pth", "anchors.npy"),
        ),
    )
}

_PLAIN: dict[str, Pair] = {
    "ms-ssim-y": _ssim(5, True),
    "ms-ssim-rgb": _ssim(5, False),
    "ssim-y": _ssim(1, True),
    "ssim-rgb": _ssim(1, False),
    "psnr-y": lambda a, b: psnr(luma(a), luma(b)),
    "psnr-rgb": psnr,
    "psnr-yuv": psnr_yuv,
    "haarpsi-rgb": _haarpsi,
    "gmsd-y": _gmsd,
    "temporal-error-y": lambda a, b: (luma(a) - luma(b)).diff(dim=0).abs().mean((1, 2, 3)),
}


def build(name: str, weights_dir: Path | None) -> Pair:
    """The function of a metric: two [B, 3, H, W] RGB 0..255 -> [B] (temporal: [B - 1]).

    Raises WeightsMissingError if its weights are not here, GfvcError if they are not what they should be.
    """
    if name in _PLAIN:
        return _PLAIN[name]
    files = [weights.find(file, weights_dir) for file in METRICS[name].files]
    if name == "dists":
        from .learned import dists

        return dists(files)
    if name.startswith("lpips-"):
        from .learned import lpips_distance

        return lpips_distance(name.removeprefix("lpips-"), files)
    from . import faces

    return faces.landmark_distance(files) if name == "landmark-distance" else faces.identity(files)
