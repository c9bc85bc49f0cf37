"""Test conditions: one TOML file, checked whole before anything is coded."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from bitstream.carriage import CARRIAGES
from gfvc.errors import GfvcError
from gfvc.models.families import FAMILIES

from .anchors import ANCHORS
from .metrics import METRICS

FOLDER = Path(__file__).resolve().parent.parent / "conditions"
METHODS = ("pchip", "akima")


@dataclass(frozen=True)
class GfvcConditions:
    """Our points: every family in every carriage at every quantiser of the key pictures.

    key_qps: carriage -> quantisers on the scale of its key codec; reference_qp: the one that bars and pictures of the
    report stand for (the nearest where a carriage lacks it).
    """

    families: tuple[str, ...] = ("compact",)
    carriages: tuple[str, ...] = ("gfv",)
    key_qps: dict[str, tuple[int, ...]] = field(default_factory=lambda: {"gfv": (42,)})
    reference_qp: int = 42
    quantiser: int = 0
    key_refresh: str = "auto"


@dataclass(frozen=True)
class AnchorConditions:
    """Quantisers of an anchor at full size, and at half size scaled back up."""

    qps: tuple[int, ...] = ()
    half_qps: tuple[int, ...] = ()


@dataclass(frozen=True)
class BdConditions:
    """method: `pchip` or `akima`; overlaps: share of the joint quality range that both curves cover, 0..1."""

    method: str = "pchip"
    minimum_overlap: float = 0.25
    full_overlap: float = 0.75


@dataclass(frozen=True)
class Conditions:
    """All of a conditions file; see eval/conditions/default.toml for the meaning of each entry."""

    name: str
    frames: int
    gfvc: GfvcConditions
    anchors: dict[str, AnchorConditions]
    metrics: tuple[str, ...]
    bd: BdConditions


def _fail(where: str, found: object, expected: str) -> GfvcError:
    return GfvcError(f"{where}: {found!r} found, {expected} expected")


def _section(kind: type, where: str, table: Any) -> Any:
    """A dataclass of ``kind`` from a TOML table; lists become tuples."""
    if not isinstance(table, dict):
        raise _fail(where, table, "a table")
    known = {entry.name for entry in fields(kind)}
    for name in table:
        if name not in known:
            raise _fail(where, name, f"one of {', '.join(sorted(known))}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in table.items()})


def _check_names(where: str, names: Any, known: Any) -> None:
    if not isinstance(names, tuple) or not all(isinstance(name, str) and name in known for name in names):
        raise _fail(where, names, f"a list of {', '.join(known)}")


def _check_qps(where: str, qps: Any, top: int) -> None:
    if not isinstance(qps, tuple | list) or not all(type(qp) is int and 0 <= qp <= top for qp in qps):
        raise _fail(where, qps, f"a list of whole numbers from 0 to {top}")


def check(conditions: Conditions, where: str) -> Conditions:
    """``conditions`` themselves.

    Raises GfvcError that names ``where`` and the entry for anything that cannot be run.
    """
    ours = conditions.gfvc
    if type(conditions.frames) is not int or conditions.frames < 1:
        raise _fail(f"{where}: frames", conditions.frames, "a whole number from 1 on")
    _check_names(f"{where}: gfvc.families", ours.families, FAMILIES)
    _check_names(f"{where}: gfvc.carriages", ours.carriages, CARRIAGES)
    for carriage in ours.carriages:
        if carriage not in ours.key_qps:
            raise _fail(f"{where}: gfvc.key_qps", sorted(ours.key_qps), f"an entry for carriage {carriage}")
        _check_qps(f"{where}: gfvc.key_qps.{carriage}", ours.key_qps[carriage], 63)
    if ours.key_refresh not in ("auto", "off"):
        raise _fail(f"{where}: gfvc.key_refresh", ours.key_refresh, "auto or off")
    for name, anchor in conditions.anchors.items():
        if name not in ANCHORS:
            raise _fail(f"{where}: anchors", name, f"one of {', '.join(ANCHORS)}")
        for entry in ("qps", "half_qps"):
            _check_qps(f"{where}: anchors.{name}.{entry}", getattr(anchor, entry), ANCHORS[name].max_qp)
    _check_names(f"{where}: metrics.names", conditions.metrics, METRICS)
    if conditions.bd.method not in METHODS:
        raise _fail(f"{where}: bd.method", conditions.bd.method, f"one of {', '.join(METHODS)}")
    return conditions


def load(source: Path | str) -> Conditions:
    """Read a conditions file: a path, or the name of one in eval/conditions.

    Raises GfvcError if it is missing, not TOML, or has an entry that cannot be run.
    """
    path = Path(source)
    if not path.suffix:
        path = FOLDER / f"{source}.toml"
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        names = ", ".join(sorted(entry.stem for entry in FOLDER.glob("*.toml")))
        raise GfvcError(f"{path}: {error.strerror}; a TOML file or one of {names} expected") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GfvcError(f"{path}: not TOML: {error}") from None
    where = str(path)
    for name in table:
        if name not in ("name", "frames", "gfvc", "anchors", "metrics", "bd"):
            raise _fail(where, name, "one of name, frames, gfvc, anchors, metrics, bd")
    if not isinstance(table.get("metrics", {}), dict) or set(table.get("metrics", {})) - {"names"}:
        raise _fail(f"{where}: metrics", table["metrics"], "a table with the entry names")
    anchors = table.get("anchors", {})
    return check(
        Conditions(
            name=str(table.get("name", path.stem)),
            frames=table.get("frames", 250),
            gfvc=_section(GfvcConditions, f"{where}: gfvc", table.get("gfvc", {})),
            anchors={
                name: _section(AnchorConditions, f"{where}: anchors.{name}", anchor) for name, anchor in anchors.items()
            },
            metrics=tuple(table.get("metrics", {}).get("names", METRICS)),
            bd=_section(BdConditions, f"{where}: bd", table.get("bd", {})),
        ),
        where,
    )


def narrow(
    conditions: Conditions,
    *,
    families: list[str] | None = None,
    carriages: list[str] | None = None,
    anchors: list[str] | None = None,
    metrics: list[str] | None = None,
    frames: int | None = None,
) -> Conditions:
    """Conditions with what the command line overrides; None leaves the file's.

    Raises GfvcError for unknown names, and for anchors of which the file has no points.
    """
    ours = replace(
        conditions.gfvc,
        families=conditions.gfvc.families if families is None else tuple(families),
        carriages=conditions.gfvc.carriages if carriages is None else tuple(carriages),
    )
    for name in anchors or ():
        if name not in conditions.anchors:
            raise _fail("--anchors", name, f"one of {', '.join(conditions.anchors)}")
    chosen = conditions.anchors if anchors is None else {name: conditions.anchors[name] for name in anchors}
    return check(
        replace(
            conditions,
            gfvc=ours,
            anchors=chosen,
            metrics=conditions.metrics if metrics is None else tuple(metrics),
            frames=conditions.frames if frames is None else frames,
        ),
        "options",
    )
