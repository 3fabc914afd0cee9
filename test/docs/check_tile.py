#!/usr/bin/env python3
"""docs/tile.md describes every op of the tile dialect, and no other.

usage: check_tile.py [ROOT]      lists every offence; status 1 when there is one
"""
import pathlib
import re
import sys

OP = re.compile(r'^def\s+\w+\s*:\s*Tile_(?:Pure)?Op<"([a-z_]+)"', re.M)
NAMED = re.compile(r"`tile\.([a-z_]+)`")
ATTRIBUTES = {"loop", "unit", "stage", "in_place"}  # `tile.loop` and the like are attributes, not ops


def compare(td, page):
    ops, named = set(OP.findall(td)), set(NAMED.findall(page)) - ATTRIBUTES
    if not ops:
        return ["no op found: the pattern of this test no longer fits the .td files"]
    return ([f"docs/tile.md does not mention tile.{op}" for op in sorted(ops - named)] +
            [f"docs/tile.md mentions tile.{op}, which does not exist" for op in sorted(named - ops)])


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])
    td = "".join((root / "dialects" / "tile" / name).read_text() for name in ("TileOps.td", "StagedOps.td"))
    offences = compare(td, (root / "docs" / "tile.md").read_text())
    print("\n".join(offences) or "docs/tile.md and the dialect agree")
    return bool(offences)


if __name__ == "__main__":
    sys.exit(main())
