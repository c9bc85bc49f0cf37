"""Settings of all tests: repeatable property tests, and one thread a process, so that times mean something."""

import os

from hypothesis import settings

# Before anything imports torch; children of the tests inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests of the engines name them; all others run what every installation has.
os.environ["GFVC_BACKEND"] = "torch"

settings.register_profile("gfvc", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("gfvc")
