"""Errors of the codec that a user can cause.

`bitstream.BitstreamError` is the other one.
"""

from __future__ import annotations


class GfvcError(ValueError):
    """Base: the message names the file or option, what was found, what was expected and what to do."""


class VideoError(GfvcError):
    """A video that cannot be read or written."""


class KeyCodecError(GfvcError):
    """A key-picture codec that this environment lacks, or that refuses its options."""


class ModelError(GfvcError):
    """A family or weights that are not here, or weights that are not what their name says."""


class MissingPackageError(GfvcError):
    """A package of an extra that is not installed; the message says how to get it."""
