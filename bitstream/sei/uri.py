"""The URI by which a base message of ours names its network and says what else a decoder needs (SPEC.md clause C.6).

Example: ``gfvc:1/keypoints2d-1/0123456789abcdef?f=keypoints2d&s=256x256&t=1/25&g=10.2.24,8.2.25f,16.2.25f,10.2.19``.
"""

from __future__ import annotations

import re
from fractions import Fraction

from ..errors import BitstreamError
from ..header import CHROMA_FORMATS, FAMILIES, Colour, Header
from ..layout import Group, Layout
from .messages import AM0334, SYNTAXES

CLAUSE = "C.6"
TAG_URI = "tag:gfvc,2026:stream"
MAX_URI_BYTES = 1024
_URI = re.compile(r"gfvc:1/([a-z0-9._-]{1,32})/([0-9a-f]{16})\?([a-z0-9=&./,x]*)")
_NUMBER = r"(0|[1-9][0-9]{0,9})"
_GROUP = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(f?)")
# Keys in their order: their form, and what is meant where the key is left out.
_FIELDS = {
    "f": (re.compile("|".join(FAMILIES)), None),
    "s": (re.compile(rf"{_NUMBER}x{_NUMBER}"), None),
    "t": (re.compile(rf"{_NUMBER}/{_NUMBER}"), None),
    "d": (re.compile(_NUMBER), "1"),
    "c": (re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}\.([01])"), "2.2.6.0"),
    "m": (re.compile("|".join(CHROMA_FORMATS.values())), "420"),
    "y": (re.compile("|".join(SYNTAXES)), AM0334),
    "g": (re.compile(r"[0-9.,f]+"), None),
}


def format_uri(header: Header, syntax: str) -> str:
    """The URI of a stream with this header; key codec excepted, the URI holds all of it."""
    colour = header.colour
    groups = (f"{g.count}.{g.components}.{g.step_index}{'f' if g.follows else ''}" for g in header.layout.groups)
    fields = {
        "f": header.family,
        "s": f"{header.width}x{header.height}",
        "t": f"{header.time_base[0]}/{header.time_base[1]}",
        "d": str(header.picture_ticks),
        "c": f"{colour.primaries}.{colour.transfer}.{colour.matrix}.{int(colour.full_range)}",
        "m": header.chroma_format,
        "y": syntax,
        "g": ",".join(groups),
    }
    query = "&".join(f"{key}={value}" for key, value in fields.items() if value != _FIELDS[key][1])
    return f"gfvc:1/{header.model}/{header.model_hash.hex()}?{query}"


def parse_uri(uri: str, codec: str) -> tuple[Header, str]:
    """(header, syntax) of a URI; codec: of the stream that it was found in.

    Raises BitstreamError.
    """
    model, model_hash, fields = _split(uri)
    groups = []
    for text in fields["g"].split(","):
        match = _GROUP.fullmatch(text)
        if not match:
            raise _fault(f"group {text[:40]!r}, COUNT.COMPONENTS.STEP or COUNT.COMPONENTS.STEPf expected")
        groups.append(Group(*map(int, match.groups()[:3]), match[4] == "f"))
    colour = [int(code) for code in fields["c"].split(".")]
    try:
        header = Header(
            *map(int, fields["s"].split("x")),
            (int(fields["t"].split("/")[0]), int(fields["t"].split("/")[1])),
            int(fields["d"]),
            Colour(colour[0], colour[1], colour[2], bool(colour[3])),
            codec,
            fields["m"],
            fields["f"],
            Layout(tuple(groups)),
            model,
            bytes.fromhex(model_hash),
        )
    except ValueError as error:
        raise _fault(str(error)) from None
    return header, fields["y"]


def stated_syntax(uri: str) -> str | None:
    """The form of the syntax that a URI of ours names; None if it is not well-formed."""
    try:
        return _split(uri)[2]["y"]
    except BitstreamError:
        return None


def _split(uri: str) -> tuple[str, str, dict[str, str]]:
    """Model, hash, and the value of every field."""
    match = _URI.fullmatch(uri) if len(uri) <= MAX_URI_BYTES else None
    if not match:
        raise _fault(f"gfv_nn_uri {uri[:60]!r}, gfvc:1/MODEL/HASH?f=...&s=...&t=...&g=... expected")
    found: dict[str, str] = {}
    for part in match[3].split("&"):
        key, _, value = part.partition("=")
        if key not in _FIELDS or key in found or not _FIELDS[key][0].fullmatch(value):
            raise _fault(f"field {part[:40]!r} of gfv_nn_uri, one of each {', '.join(_FIELDS)} in its form expected")
        found[key] = value
    for key, (_, default) in _FIELDS.items():
        if key not in found:
            if default is None:
                raise _fault(f"gfv_nn_uri without the field {key}")
            found[key] = default
    return match[1], match[2], found


def _fault(message: str) -> BitstreamError:
    return BitstreamError(message, offset=0, clause=CLAUSE, element="gfv_nn_uri")


def fraction_bits(step: Fraction) -> int:
    """Fractional bits of a quantiser step, which is a binary fraction."""
    return step.denominator.bit_length() - 1
