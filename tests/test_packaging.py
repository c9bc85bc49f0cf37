"""What an installed package needs besides its modules is part of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_data_files_of_the_package_are_installed():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["gfvc"]
    folder = ROOT / "gfvc"
    installed = {path for pattern in patterns for path in folder.glob(pattern)}
    needed = {p for p in folder.rglob("*") if p.is_file() and p.suffix != ".py" and "__pycache__" not in p.parts}
    assert needed
    assert needed - installed == set()


def test_every_package_is_installed():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    for top in ("gfvc", "bitstream"):
        for module in (ROOT / top).rglob("__init__.py"):
            assert ".".join(module.parent.relative_to(ROOT).parts) in packages
