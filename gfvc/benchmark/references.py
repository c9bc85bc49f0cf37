"""Networks to compare with, with seeded weights, run in the engine that is measured.

ResNet-18 (He et al., CVPR 2016; torchvision's) is a yardstick between machines. The generator of the first order
motion model (Siarohin et al., NeurIPS 2019; arXiv 2003.00196) and that of compact feature coding (Chen et al., Beyond
keypoint coding: temporal evolution inference with compact feature representation for talking face video compression,
DCC 2022) are what decoders of published generative face codecs run for each picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional as F

from ..errors import GfvcError


class _Block(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.BatchNorm2d(outputs), nn.ReLU())


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))


# Channels at full size, and at most in a generator.
_WIDTH, _MOST = 64, 512


class _Hourglass(nn.Module):
    """[B, n, 64, 64] -> [B, 64 + n, 64, 64]."""

    def __init__(self, inputs: int, depth: int, most: int) -> None:
        """depth: how often it halves the size; most: channels."""
        super().__init__()
        wide = [inputs, *(min(most, _WIDTH << (i + 1)) for i in range(depth))]
        self.narrow = nn.ModuleList(_Block(a, b) for a, b in itertools.pairwise(wide))
        self.widen = nn.ModuleList(
            _Block((1 if i == depth - 1 else 2) * wide[i + 1], min(most, _WIDTH << i)) for i in reversed(range(depth))
        )
        self.outputs = _WIDTH + inputs

    def forward(self, x: Tensor) -> Tensor:
        skips = [x]
        for block in self.narrow:
            skips.append(F.avg_pool2d(block(skips[-1]), 2))
        x = skips.pop()
        for block in self.widen:
            x = torch.cat((block(F.interpolate(x, scale_factor=2.0)), skips.pop()), dim=1)
        return x


class _Warper(nn.Module):
    """A picture [B, 3, H, W] -> features, moved -> a picture, as Johnson et al. (ECCV 2016) transfer styles."""

    def __init__(self, down: int, residual: int) -> None:
        """down: how often it halves the size; residual: blocks there."""
        super().__init__()
        sizes = [min(_MOST, _WIDTH << i) for i in range(down + 1)]
        self.first = _Block(3, _WIDTH, 7)
        self.down = nn.ModuleList(_Block(a, b) for a, b in itertools.pairwise(sizes))
        self.bottleneck = nn.Sequential(*(_Residual(sizes[-1]) for _ in range(residual)))
        self.up = nn.ModuleList(_Block(b, a) for a, b in reversed(list(itertools.pairwise(sizes))))
        self.final = nn.Conv2d(_WIDTH, 3, 7, padding=3)

    def forward(self, picture: Tensor, positions: Tensor, occlusion: Tensor | None = None) -> Tensor:
        """positions [B, 2, h, w], occlusion [B, 1, h, w]: in the size of the features."""
        x = self.first(picture)
        for block in self.down:
            x = F.avg_pool2d(block(x), 2)
        x = F.grid_sample(x, positions.permute(0, 2, 3, 1), align_corners=False)
        x = self.bottleneck(x if occlusion is None else x * occlusion)
        for block in self.up:
            x = block(F.interpolate(x, scale_factor=2.0))
        return self.final(x)


class FirstOrderGenerator(nn.Module):
    """Dense motion and occlusion-aware generator with the published sizes for 256x256 and 10 key points.

    The key points' heat maps and the 11 warped thumbnails, which the original computes for each picture, are inputs
    here: the comparison is in its favour by so much.
    """

    KEY_POINTS = 10

    def __init__(self) -> None:
        super().__init__()
        candidates = self.KEY_POINTS + 1
        self.hourglass = _Hourglass(candidates * 4, 5, 1024)
        self.mask = nn.Conv2d(self.hourglass.outputs, candidates, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.outputs, 1, 7, padding=3)
        self.warper = _Warper(2, 6)

    def forward(self, source: Tensor, seen: Tensor, motions: Tensor) -> Tensor:
        """source [1, 3, 256, 256], seen [1, 44, 64, 64], motions [1, 22, 64, 64] (x of each, then y of each) ->
        [1, 3, 256, 256]."""
        x = self.hourglass(seen)
        mask = torch.softmax(self.mask(x), dim=1)
        half = motions.shape[1] // 2
        flow = torch.cat([(mask * part).sum(1, keepdim=True) for part in (motions[:, :half], motions[:, half:])], 1)
        return torch.sigmoid(self.warper(source, flow, torch.sigmoid(self.occlusion(x))))


class CompactFeatureGenerator(nn.Module):
    """Generator of compact feature coding with the sizes of JVET's software for 256x256 and a feature of 4x4.

    The optical flow between the features of key picture and picture, and the thumbnail of the key picture, which the
    original computes for each picture, are inputs here: the comparison is in its favour by so much.
    """

    DOWN = 4

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.ModuleList(_Block(1, 1) for _ in range(self.DOWN))
        self.thumbnail = _Warper(self.DOWN, 4)
        self.hourglass = _Hourglass(4, 4, 512)
        self.flow = nn.Conv2d(self.hourglass.outputs, 2, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.outputs, 1, 7, padding=3)
        self.warper = _Warper(2, 6)

    def forward(self, source: Tensor, small: Tensor, change: Tensor, sparse: Tensor, still: Tensor) -> Tensor:
        """source [1, 3, 256, 256], small [1, 3, 64, 64], change [1, 1, 4, 4] of the feature, sparse [1, 2, 4, 4]
        positions, still [1, 2, 64, 64] those of no motion -> [1, 3, 256, 256]."""
        for block in self.widen:
            change = block(F.interpolate(change, scale_factor=2.0))
        x = self.hourglass(torch.cat((change, self.thumbnail(small, sparse)), dim=1))
        occlusion = torch.sigmoid(self.occlusion(x))
        return torch.sigmoid(self.warper(source, still + self.flow(x), occlusion))


def resnet18() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """ResNet-18 and its input.

    Raises GfvcError without torchvision.
    """
    try:
        from torchvision.models import resnet18 as build
    except ImportError:
        raise GfvcError("the reference workload needs torchvision: pip install 'gfvc[bench]'") from None
    return build(weights=None), (torch.rand(1, 3, 224, 224),)


def first_order_generator() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The generator and inputs of its sizes."""
    inputs = torch.rand(1, 3, 256, 256), torch.rand(1, 44, 64, 64), torch.rand(1, 22, 64, 64) * 2 - 1
    return FirstOrderGenerator(), inputs


def compact_feature_generator() -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The generator and inputs of its sizes."""
    inputs = (
        torch.rand(1, 3, 256, 256),
        torch.rand(1, 3, 64, 64),
        torch.rand(1, 1, 4, 4),
        *(torch.rand(1, 2, side, side) * 2 - 1 for side in (4, 64)),
    )
    return CompactFeatureGenerator(), inputs


NETWORKS = {
    "resnet18": resnet18,
    "first_order_generator": first_order_generator,
    "compact_feature_generator": compact_feature_generator,
}


def open_reference(name: str, backend: str, device: str, folder: Path) -> Callable[[], object]:
    """A call that runs a network of `NETWORKS` once in an engine, on one thread there.

    ``folder``: for files. Batch normalisation is folded into the convolutions in all of them.
    """
    torch.manual_seed(0)
    module, inputs = NETWORKS[name]()
    module = fuse(module.eval())
    if backend == "torch":
        module, inputs = module.to(device), tuple(tensor.to(device) for tensor in inputs)
        return lambda: _run_torch(module, inputs, device)
    if backend == "ncnn":
        from ..backends.ncnn_backend import load_net, ncnn, run_net
        from ..backends.ncnn_export import convert

        paths = folder / f"{name}.param", folder / f"{name}.bin"
        for path, data in zip(paths, convert(module, inputs), strict=True):
            path.write_bytes(data)
        net = load_net(*map(str, paths), 1)
        given = [ncnn.Mat(tensor.numpy(), batch_index=0).clone() for tensor in inputs]
        return lambda: run_net(net, given, [np.array])
    path = folder / f"{name}.onnx"
    torch.onnx.export(module, inputs, str(path), dynamo=False, opset_version=17)
    arrays = [tensor.numpy() for tensor in inputs]
    if backend == "openvino":
        import openvino

        settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        request = openvino.Core().compile_model(str(path), "CPU", settings).create_infer_request()
        return lambda: request.infer(arrays, share_inputs=True)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = dict(zip([entry.name for entry in session.get_inputs()], arrays, strict=True))
    return lambda: session.run(None, feed)


@torch.inference_mode()
def _run_torch(module: nn.Module, inputs: tuple[Tensor, ...], device: str) -> None:
    module(*inputs)
    if device == "cuda":
        torch.cuda.synchronize()
