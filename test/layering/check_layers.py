#!/usr/bin/env python3
"""The walls between the folders: who may include whom, and where no vendor may be named.

usage: check_layers.py [ROOT]      lists every offence; status 1 when there is one
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2])

# Folder -> what its files may include of this project. Order: dialects <- compiler <- targets <- tools.
MAY_INCLUDE = {
    "dialects": ["dialects"],
    "compiler": ["compiler", "dialects", "adze", "runtime/src/package/Format.h", "runtime/schema"],
    "targets": ["targets", "compiler", "dialects", "adze"],
    "runtime": ["runtime", "adze"],
    "tools": ["tools", "targets", "compiler", "dialects", "runtime", "adze"],
}
# Single files that need more, each with its reason.
EXCEPTIONS = {
    "compiler/pipeline/DebugGraph.cpp": ("runtime/src/package/", "reads the debug section back through the runtime's checks"),
}
FOREIGN_TO_RUNTIME = re.compile(r"^(llvm|mlir|lld|clang|onnx|google/protobuf)/")
VENDORS = re.compile(r"\b(cuda|nvidia|rocm|amdgpu|ascend|huawei|nvvm|rocdl|ptx|hsaco)\b|cuda|nvidia|amdgpu|huawei|hsaco",
                     re.IGNORECASE)
NEUTRAL = ("dialects", "compiler", "runtime")
SOURCES = {".h", ".cpp", ".c", ".td", ".inc", ".fbs", ".proto"}
INCLUDE = re.compile(r'^\s*#?\s*include\s*[<"]([^">]+)[">]')


def files(folder):
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix in SOURCES or path.name == "CMakeLists.txt":
            yield path


def check_includes(offences):
    for folder, allowed in MAY_INCLUDE.items():
        for path in files(folder):
            name = path.relative_to(ROOT).as_posix()
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                target = match.group(1)
                if folder == "runtime" and FOREIGN_TO_RUNTIME.match(target):
                    offences.append(f"{name}:{number}: the runtime includes {target}")
                top = target.split("/")[0]
                if "/" not in target or top not in (*MAY_INCLUDE, "adze"):
                    continue
                exception = EXCEPTIONS.get(name)
                if exception and target.startswith(exception[0]):
                    continue
                if not any(target == a or target.startswith(a.rstrip("/") + "/") for a in allowed):
                    offences.append(f"{name}:{number}: {folder}/ must not include {target}")


def check_vendors(offences):
    for folder in NEUTRAL:
        for path in files(folder):
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                match = VENDORS.search(line)
                if match:
                    offences.append(f"{path.relative_to(ROOT)}:{number}: names a vendor: {match.group(0)}")


def main():
    offences = []
    check_includes(offences)
    check_vendors(offences)
    for offence in offences:
        print(offence)
    seen = sum(1 for folder in MAY_INCLUDE for _ in files(folder))
    print(f"{seen} files, {len(offences)} offences")
    sys.exit(1 if offences or seen < 50 else 0)


if __name__ == "__main__":
    main()
