"""DISTS of piq and LPIPS of lpips with weights from checked files; nothing is fetched here."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from datasets.weights import as_torch_hub
from gfvc.errors import GfvcError, MissingPackageError

from .metrics import Pair

# piq: 3 + 64 + 128 + 256 + 512 + 512 channels of the input and of five layers of VGG-16.
_DISTS_SHAPE = (1, 1475, 1, 1)


def _installed(package: str):
    try:
        return __import__(package)
    except ModuleNotFoundError:
        raise MissingPackageError(f"{package} is not installed: pip install gfvc[eval]") from None


def dists(files: list[Path]) -> Pair:
    """Structure and texture similarity (Ding et al., arXiv 2004.07728): 0 for equal pictures.

    files: VGG-16 and the DISTS weights. Raises GfvcError if they do not fit.
    """
    piq = _installed("piq")
    try:
        shapes = {name: tuple(value.shape) for name, value in torch.load(files[1], weights_only=True).items()}
    except Exception as error:
        raise GfvcError(f"{files[1]}: not weights of DISTS: {error}") from None
    if shapes != {"alpha": _DISTS_SHAPE, "beta": _DISTS_SHAPE}:
        raise GfvcError(f"{files[1]}: {shapes} found, alpha and beta of {_DISTS_SHAPE} expected")
    with as_torch_hub(files), _fitting(files):
        network = piq.DISTS(reduction="none").eval()

    @torch.inference_mode()
    def measure(a: Tensor, b: Tensor) -> Tensor:
        return network(a / 255, b / 255).reshape(len(a))

    return measure


def lpips_distance(trunk: str, files: list[Path]) -> Pair:
    """Learned distance (Zhang et al., arXiv 1801.03924), version 0.1; trunk: `vgg` or `alex`.

    files: the trunk's weights; the linear layers ship with lpips. Raises GfvcError if they do not fit.
    """
    lpips = _installed("lpips")
    with as_torch_hub(files), _fitting(files):
        network = lpips.LPIPS(net=trunk, version="0.1", verbose=False).eval()

    @torch.inference_mode()
    def measure(a: Tensor, b: Tensor) -> Tensor:
        return network(a / 127.5 - 1, b / 127.5 - 1).reshape(len(a))

    return measure


@contextlib.contextmanager
def _fitting(files: list[Path]) -> Iterator[None]:
    """Loading errors name the files; torchvision's notes on arguments of its callers are not ours to show."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (RuntimeError, KeyError, OSError) as error:
        names = ", ".join(map(str, files))
        raise GfvcError(f"{names}: not the weights expected: {str(error).splitlines()[0]}") from None
