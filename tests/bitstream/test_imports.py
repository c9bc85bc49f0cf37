"""The package stands alone: reading a stream needs neither networks nor video libraries."""

import subprocess
import sys
from pathlib import Path

import bitstream

FORBIDDEN = ("torch", "av", "numpy")


def test_no_module_imports_torch_av_or_numpy():
    folder = Path(bitstream.__file__).parent
    paths = [*folder.glob("*.py"), *folder.glob("sei/*.py")]
    names = (".".join(path.relative_to(folder.parent).with_suffix("").parts) for path in paths)
    modules = [name.removesuffix(".__init__") for name in names]
    code = f"import sys, {', '.join(modules)}; sys.exit(sum(name in sys.modules for name in {FORBIDDEN}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True, timeout=60)
    assert not done.stderr
    assert done.returncode == 0, f"{done.returncode} of {FORBIDDEN} imported"


def test_the_public_names_are_there():
    assert all(hasattr(bitstream, name) for name in bitstream.__all__)
    assert bitstream.__all__ == sorted(bitstream.__all__)
