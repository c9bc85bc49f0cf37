"""Weights of other people's networks (metrics, face detectors): fetched once with their hash checked, or taken from a
folder of the user's.

torchvision names its files by the first 8 hex digits of their SHA-256, and so does face-alignment with 10; those are
checked. piq publishes no hash of its DISTS weights, nor do the authors of BlazeFace: shapes are checked when they are
loaded, and the hash of what was used goes into the results' keys.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from gfvc.errors import GfvcError


@dataclass(frozen=True)
class WeightFile:
    """url: where it is published; sha256: its first hex digits, empty where none are published."""

    url: str
    sha256: str


FILES: dict[str, WeightFile] = {
    "vgg16-397923af.pth": WeightFile("https://download.pytorch.org/models/vgg16-397923af.pth", "397923af"),
    "alexnet-owt-7be5be79.pth": WeightFile("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "7be5be79"),
    "dists_weights.pt": WeightFile(
        "https://github.com/photosynthesis-team/piq/releases/download/v0.4.1/dists_weights.pt", ""
    ),
    "2DFAN4-11f355bf06.pth.tar": WeightFile(
        "https://www.adrianbulat.com/downloads/python-fan/2DFAN4-11f355bf06.pth.tar", "11f355bf06"
    ),
    # Face detectors; their authors give no hashes.
    "blazeface.pth": WeightFile("https://github.com/hollance/BlazeFace-PyTorch/raw/master/blazeface.pth", ""),
    "anchors.npy": WeightFile("https://github.com/hollance/BlazeFace-PyTorch/raw/master/anchors.npy", ""),
    "blazefaceback.pth": WeightFile("https://github.com/hollance/BlazeFace-PyTorch/raw/master/blazefaceback.pth", ""),
    "anchorsback.npy": WeightFile("https://github.com/hollance/BlazeFace-PyTorch/raw/master/anchorsback.npy", ""),
    # A face recogniser of the user's choice; there is none that is free for every use.
    "identity.pt": WeightFile("", ""),
}


class WeightsMissingError(GfvcError):
    """A metric's weights are not here; the message says what to fetch and where to put it."""


def cache_folder() -> Path:
    """`$GFVC_CACHE`, else `gfvc` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("GFVC_CACHE") or Path(base) / "gfvc") / "weights"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(name: str, folder: Path | None, *, fetch: bool = False) -> Path:
    """The checked file ``name``: of ``folder`` if that is given, else of the cache, fetched if ``fetch``.

    Raises WeightsMissingError if it is not there or cannot be fetched, GfvcError if its hash is wrong.
    """
    entry = FILES[name]
    path = (folder or cache_folder()) / name
    if not path.is_file() and fetch and folder is None and entry.url:
        _download(entry, path)
    if not path.is_file():
        source = f"fetch {entry.url}" if entry.url else "a TorchScript file of a face recogniser of your own"
        raise WeightsMissingError(f"{name} not available: {source} and put it into {path.parent}")
    found = sha256_of(path)
    if not found.startswith(entry.sha256):
        raise GfvcError(
            f"{path}: SHA-256 begins {found[:10]}, {entry.sha256} expected: not the official file, or damaged; "
            "delete it and fetch it again"
        )
    return path


def _download(entry: WeightFile, path: Path) -> None:
    """torch's own downloader: progress bar, partial file beside the target, hash checked before the rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(entry.url, str(path), hash_prefix=entry.sha256 or None, progress=True)
    except (OSError, urllib.error.URLError, RuntimeError) as error:
        raise WeightsMissingError(
            f"{path.name} not available: fetching {entry.url} failed ({error}); fetch it by hand and put it into "
            f"{path.parent}, or name its folder with --weights-dir"
        ) from None


@contextlib.contextmanager
def as_torch_hub(paths: list[Path]) -> Iterator[None]:
    """Inside, libraries that load weights through torch.hub find these files, and nothing else."""
    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory(prefix="gfvc-hub-") as folder:
        checkpoints = Path(folder, "checkpoints")
        checkpoints.mkdir()
        for path in paths:
            (checkpoints / path.name).symlink_to(path.resolve())
        torch.hub.set_dir(folder)
        try:
            yield
        finally:
            torch.hub.set_dir(before)
