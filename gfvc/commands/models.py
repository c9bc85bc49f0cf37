"""`gfvc models`: families, sizes, complexity, and the weights with their cards."""

from __future__ import annotations

import argparse

from ..models.complexity import measure
from ..models.families import FAMILIES
from ..models.registry import DEFAULTS, cards
from .common import print_json, whole_number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=whole_number(64, 1024), default=256, help="picture side for the complexity")
    parser.add_argument("--json", action="store_true", help="print the cards as JSON")


def run(args: argparse.Namespace) -> int:
    families = [
        {
            "family": name,
            "default_model": DEFAULTS[name],
            "parameters_per_picture": sum(g.count for g in family.groups),
            **measure(family(), args.size),
        }
        for name, family in FAMILIES.items()
    ]
    if args.json:
        print_json({"size": args.size, "families": families, "models": cards()})
        return 0
    for row in families:
        print(
            f"{row['family']}: {row['parameters_per_picture']} values a picture, {row['weights'] / 1e6:.2f} M weights; "
            f"at {args.size}x{args.size}: analyse {row['analyse_gmac']:.2f} GMAC, prepare {row['prepare_gmac']:.2f}, "
            f"generate {row['generate_gmac']:.2f}"
        )
    for card in cards():
        star = "*" if card["name"] in DEFAULTS.values() else " "
        print(
            f"{star} {card['name']}: {card['family']}, {card['size_bytes'] / 1e6:.1f} MB, SHA-256 {card['sha256']}, "
            f"{card['licence']}"
        )
    return 0
