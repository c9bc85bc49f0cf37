"""`gfvc doctor`: what is installed, which device and codecs will be used, what is missing and how to get it."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform

from ..version import __version__
from .common import print_json

# Optional packages, what they serve and the extra that brings them.
OPTIONAL = {
    "face-alignment": ("cropping of raw videos", "datasets"),
    "scikit-image": ("making the demo clip anew", "datasets"),
    "lpips": ("the LPIPS metric", "eval"),
    "piq": ("the DISTS metric", "eval"),
    "scipy": ("evaluation", "eval"),
    "bjontegaard": ("BD-rate", "eval"),
    "matplotlib": ("plots", "eval"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def diagnose() -> tuple[dict[str, object], list[str]]:
    """(what was found, what stands in the way of encoding and decoding with the defaults)."""
    import av
    import torch

    from ..backends.choice import ENGINES, choose_backend, missing
    from ..carriage import DEFAULT_CODEC
    from ..errors import GfvcError
    from ..key_picture import CODECS, decoder_name, encoder_name
    from ..models.registry import DEFAULTS, load_model

    problems = []
    codecs = {name: {"encoder": encoder_name(name), "decoder": decoder_name(name)} for name in CODECS}
    for role in ("encoder", "decoder"):
        if codecs[DEFAULT_CODEC][role] is None:
            problems.append(f"no {role} of the default key codec {DEFAULT_CODEC}: pip install --force-reinstall av")
    models = {}
    for family in DEFAULTS:
        try:
            models[family] = load_model(family).name
        except GfvcError as error:
            models[family] = None
            problems.append(str(error))
    backend, device = choose_backend()
    found = {
        "gfvc": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
        "torch": torch.__version__,
        "device": device,
        "backend": backend,
        "backends": {name: None if missing(name) else _version(name) for name in ENGINES},
        "threads": torch.get_num_threads(),
        "av": av.__version__,
        "ffmpeg_libavcodec": ".".join(map(str, av.library_versions["libavcodec"])),
        "key_codecs": codecs,
        "models": models,
        "optional": {name: _version(name) for name in OPTIONAL},
    }
    return found, problems


def run(args: argparse.Namespace) -> int:
    found, problems = diagnose()
    if args.json:
        print_json(found | {"problems": problems})
        return 1 if problems else 0
    for name in ("gfvc", "python", "machine", "torch", "backend", "device", "threads", "av", "ffmpeg_libavcodec"):
        print(f"{name:18} {found[name]}")
    for name, version in found["backends"].items():
        extra = "" if version or name == "torch" else f": pip install 'gfvc[{name}]'"
        print(f"backend {name:10} {version or 'not installed'}{extra}")
    for name, roles in found["key_codecs"].items():
        hint = ""
        if roles["encoder"] is None:
            hint = (
                "  (encoding needs an FFmpeg with libvvenc, or vvencapp on the PATH)"
                if name == "vvc"
                else "  (pip install av)"
            )
        print(
            f"key codec {name:8} encoder {roles['encoder'] or 'missing'}, decoder {roles['decoder'] or 'missing'}{hint}"
        )
    for family, name in found["models"].items():
        print(f"model {family:12} {name or 'missing'}")
    for name, version in found["optional"].items():
        purpose, extra = OPTIONAL[name]
        print(f"optional {name:15} {version or f'not installed, for {purpose}: pip install gfvc[{extra}]'}")
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print("ready" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0
