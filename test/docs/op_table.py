#!/usr/bin/env python3
"""Writes docs/ops.md, the table of ONNX operators, from the import handlers and from ONNX's own list of operators.

usage: op_table.py --handlers=adze_op_table --write FILE      writes the page
       op_table.py --handlers=adze_op_table --check FILE      status 1 when FILE is not what --write would write

`adze_op_table` prints the handlers (OpTable.cpp); the onnx package of tools/requirements.txt says what exists.
"""
import argparse
import collections
import difflib
import pathlib
import subprocess
import sys

from onnx import defs

HEAD = """\
# ONNX operators

Written by `test/docs/op_table.py` from the import handlers (`compiler/import/handlers`); do not edit. The test `docs.ops`
fails when this page and the code differ; it then prints the command that writes the page again.

An operator's row means that the importer reads it. Whether a given node compiles also depends on its types and attributes:
`adze compile MODEL.onnx --check` lists every node of a model that does not, with the reason. Functions that a model defines
itself are expanded, whatever their domain and name.

- *since*: the versions from which a handler reads the operator. A handler serves all versions up to the next one's; where
  ONNX changed only types or added attributes, one handler reads both.
- *newest*: the version of the newest definition in ONNX {version} (opset {opset}).
- *inputs*, *outputs*: how many the handlers take; `*` is no upper bound.
"""
DOMAINS = ["ai.onnx", "com.microsoft", "ai.onnx.ml"]


def handlers(binary):
    """{(domain, op): [(since, inputs, outputs)]} in the order of the printed lines."""
    table = collections.defaultdict(list)
    done = subprocess.run([binary], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        domain, op, since, inputs, outputs = line.split()
        table[domain, op].append((int(since), inputs, outputs))
    return table


def widest(ranges):
    """The range that covers MIN..MAX ranges, written shortly."""
    ends = [r.split("..") for r in ranges]
    low = str(min(int(a) for a, _ in ends))
    high = "*" if any(b == "*" for _, b in ends) else str(max(int(b) for _, b in ends))
    return low if low == high else f"{low}..{high}"


def schemas(domain):
    """{op: newest schema} of a domain, as ONNX defines it."""
    name = "" if domain == "ai.onnx" else domain
    newest = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == name and schema.since_version >= newest.get(schema.name, schema).since_version:
            newest[schema.name] = schema
    return newest


def notes(op, versions, schema):
    said = []
    if schema is None:
        said.append("not in the ONNX standard")
    elif schema.deprecated:
        said.append("deprecated in ONNX")
    if len({v[1:] for v in versions}) > 1:
        said.append("operands differ between versions")
    return ", ".join(said)


def page(table):
    import onnx
    lines = [HEAD.format(version=".".join(onnx.__version__.split(".")[:2]), opset=defs.onnx_opset_version())]
    for domain in DOMAINS + sorted({d for d, _ in table} - set(DOMAINS)):
        ops = {op: versions for (d, op), versions in table.items() if d == domain}
        if not ops:
            continue
        known = schemas(domain)
        lines += [f"## {domain}", "", f"{len(ops)} operator{'s' * (len(ops) != 1)}.", "",
                  "| domain | op | since | newest | inputs | outputs | notes |", "|---|---|---|---|---|---|---|"]
        for op in sorted(ops):
            versions, schema = ops[op], known.get(op)
            lines.append("| " + " | ".join([
                domain, op, ", ".join(str(v[0]) for v in versions), str(schema.since_version) if schema else "-",
                widest([v[1] for v in versions]), widest([f"1..{v[2]}" for v in versions]),
                notes(op, versions, schema)]).rstrip() + " |")
        missing = sorted(op for op, s in known.items() if op not in ops and not s.deprecated)
        if missing and domain == "ai.onnx":
            lines += ["", f"Refused with exit status 4 ({len(missing)}): {', '.join(missing)}."]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--handlers", required=True)
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--check", type=pathlib.Path)
    args = parser.parse_args()
    text = page(handlers(args.handlers))
    if args.write:
        args.write.write_text(text)
        return 0
    have = args.check.read_text() if args.check.exists() else ""
    if have == text:
        return 0
    sys.stdout.writelines(difflib.unified_diff(have.splitlines(True), text.splitlines(True), str(args.check), "generated"))
    print(f"\n{args.check} is out of date. Write it again with\n"
          f"  {sys.executable} {sys.argv[0]} --handlers={args.handlers} --write {args.check}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
