"""The fuzz targets run on their seed corpus without atheris, and on damaged seeds."""

from __future__ import annotations

import random

import pytest

from .seeds import CORPUS, seeds
from .targets import TARGETS

MAX_CORPUS_BYTES = 100_000


def test_the_corpus_is_what_the_seeds_give_and_small():
    stored = {
        target: {path.name: path.read_bytes() for path in (CORPUS / target).iterdir()} for target in sorted(TARGETS)
    }
    assert stored == seeds()
    assert sum(len(data) for files in stored.values() for data in files.values()) < MAX_CORPUS_BYTES


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_seeds_and_damaged_seeds_break_nothing(name):
    rng = random.Random(name)
    for path in sorted((CORPUS / name).iterdir()):
        data = bytearray(path.read_bytes())
        TARGETS[name](bytes(data))
        for _ in range(4):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            TARGETS[name](bytes(data))
