"""Graphs for the engines, made once and kept in the user's cache folder.

Making them needs PyTorch; with them kept, an engine starts without it. A graph's file is named by the SHA-256 of its
weights and a fingerprint of the code that made it, so neither new weights nor a new version meets an old graph.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..files import replacing
from ..models.groups import ParameterGroup
from ..models.store import Weights

log = logging.getLogger(__name__)
_PACKAGE = Path(__file__).parents[1]


def cache_folder() -> Path:
    """`GFVC_CACHE`, or gfvc's folder where the system keeps caches."""
    if "GFVC_CACHE" in os.environ:
        return Path(os.environ["GFVC_CACHE"])
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "gfvc"


@functools.cache
def fingerprint() -> str:
    """Of all code that decides what a graph computes."""
    digest = hashlib.sha256()
    for folder, pattern in (("models", "*.py"), ("backends", "*.py")):
        for path in sorted((_PACKAGE / folder).glob(pattern)):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@functools.cache
def _private_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="gfvc-")


def graph_folder(weights: Weights) -> Path:
    """Where the graphs of ``weights`` are: in the cache, or for this process alone where that cannot be written."""
    name = f"{weights.sha256[:16]}-{fingerprint()}"
    folder = cache_folder() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
        reason = "not writable"
    except OSError as error:
        reason = error.strerror or str(error)
    log.warning("%s: %s; graphs are made anew each time (GFVC_CACHE names another folder)", folder, reason)
    folder = Path(_private_folder().name, name)
    folder.mkdir(exist_ok=True)
    return folder


def graph_files(weights: Weights, names: tuple[str, ...], make: Callable[[], dict[str, bytes]]) -> list[Path]:
    """The files ``names`` of the weights' folder; ``make`` is called for the content of all if one is missing."""
    folder = graph_folder(weights)
    paths = [folder / name for name in names]
    if not all(path.exists() for path in paths):
        log.info("making graphs of %s, once", weights.name)
        for name, data in make().items():
            with replacing(folder / name, force=True) as partial:
                partial.write_bytes(data)
    return paths


def dump_groups(groups: tuple[ParameterGroup, ...]) -> bytes:
    """Parameter groups as JSON."""
    return json.dumps([group._asdict() for group in groups]).encode()


def load_groups(path: Path) -> tuple[ParameterGroup, ...]:
    """The converse."""
    return tuple(ParameterGroup(**group) for group in json.loads(path.read_text()))
