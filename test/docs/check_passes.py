#!/usr/bin/env python3
"""Every pass has a description with an example, and every op and type of a dialect has a summary.

usage: check_passes.py [ROOT]      lists every offence; status 1 when there is one

Reads the .td files as text: `def NAME : Pass<"flag", ...> { ... }` up to the next `def`. An example is a fenced block in
the description. The file's name must be the pass's name, and the flag the same name in kebab case.
"""
import pathlib
import re
import sys

PASS = re.compile(r'^def\s+(\w+)\s*:\s*Pass<\s*"([^"]+)"', re.M)
DEF = re.compile(r"^(?:def|class)\s+\w+", re.M)
DESCRIPTION = re.compile(r"let\s+description\s*=\s*\[\{(.*?)\}\]", re.S)
SUMMARY = re.compile(r'let\s+summary\s*=\s*"([^"]*)"')
# What a dialect declares: ops by their class (`X_Op`, `X_Unary`, ...), types and attributes by TypeDef and AttrDef.
DECLARED = re.compile(r"^def\s+(\w+)\s*:\s*([A-Z]\w*_\w+|TypeDef|AttrDef)<", re.M)
CLASS = re.compile(r"^class\s+(\w+)", re.M)


def body(text, start):
    """From a `def` to the next one."""
    after = DEF.search(text, start + 3)
    return text[start:after.start() if after else len(text)]


def check_pass(name, flag, text, path, offences):
    where = f"{path}: pass {name}"
    if not SUMMARY.search(text):
        offences.append(f"{where} has no summary")
    description = DESCRIPTION.search(text)
    if not description or len(description.group(1).split()) < 10:
        offences.append(f"{where} has no description")
    elif description.group(1).count("```") < 2:
        offences.append(f"{where} has no example (a fenced block in its description)")
    if pathlib.PurePath(path).stem != name:
        offences.append(f"{where} must be declared in {name}.td")
    kebab = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
    if flag != kebab:
        offences.append(f"{where} has the flag {flag}, which must be {kebab}")


def check_text(text, path, offences):
    """Checks one .td file; returns how many passes it declares."""
    count = 0
    for match in PASS.finditer(text):
        count += 1
        check_pass(match.group(1), match.group(2), body(text, match.start()), path, offences)
    # A class may set the summary of its defs, as Graph_Unary does from an argument.
    set_by = {m.group(1) for m in CLASS.finditer(text) if re.search(r"let\s+summary", body(text, m.start()))}
    for match in DECLARED.finditer(text):
        if match.group(2).endswith(("Enum", "EnumAttr")) or match.group(2) in set_by:
            continue
        if not SUMMARY.search(body(text, match.start())):
            offences.append(f"{path}: {match.group(1)} has no summary")
    return count


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])
    offences, passes = [], 0
    for folder in ("compiler", "dialects", "targets"):
        for path in sorted((root / folder).rglob("*.td")):
            passes += check_text(path.read_text(), path.relative_to(root).as_posix(), offences)
    if passes == 0:
        offences.append("no pass found: the pattern of this test no longer fits the .td files")
    print("\n".join(offences) or f"{passes} passes, each with a description and an example")
    return bool(offences)


if __name__ == "__main__":
    sys.exit(main())
