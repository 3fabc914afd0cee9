#!/usr/bin/env python3
"""The ptxas gate notices what it is there for: spills, refused code, a missing wait, more registers than in the table."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import cuda_gate  # noqa: E402

HEAD = ".version 8.0\n.target sm_90a\n.address_size 64\n"


def spilling():
    """32 values alive at once in 24 registers."""
    loads = "".join(f"  ld.volatile.global.f32 %f{i}, [%rd1+{4 * i}];\n" for i in range(64))
    stores = "".join(f"  st.volatile.global.f32 [%rd1+{4 * i}], %f{63 - i};\n" for i in range(64))
    return (HEAD + ".visible .entry k(.param .u64 p) .maxnreg 24 {\n  .reg .b64 %rd<2>;\n  .reg .f32 %f<64>;\n"
            "  ld.param.u64 %rd1, [p];\n" + loads + stores + "  ret;\n}\n")


def without_wait():
    """The accumulators of a wgmma are read before wgmma.wait_group: ptxas adds the wait (C7517)."""
    registers = ", ".join(f"%f{i}" for i in range(4))
    return (HEAD + ".visible .entry k(.param .u64 p) .maxntid 128 {\n  .reg .b64 %rd<4>;\n  .reg .f32 %f<4>;\n"
            "  ld.param.u64 %rd1, [p];\n  mov.u64 %rd2, 0;\n"
            + "".join(f"  mov.f32 %f{i}, 0f00000000;\n" for i in range(4)) +
            "  wgmma.fence.sync.aligned;\n"
            f"  wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {{{registers}}}, %rd2, %rd2, 1, 1, 1, 0, 0;\n"
            "  wgmma.commit_group.sync.aligned;\n"
            "  st.global.f32 [%rd1], %f0;\n  wgmma.wait_group.sync.aligned 0;\n  ret;\n}\n")


def main():
    ptxas = cuda_gate.find_ptxas(None)
    failures = []

    def expect(what, ptx, word):
        with tempfile.TemporaryDirectory() as folder:
            gate = cuda_gate.Gate("", ptxas, pathlib.Path(folder))
            kernels = gate.assemble("test", ptx, "sm_90a")
            if not any(word in e for e in gate.errors):
                failures.append(f"{what}: not noticed; errors: {gate.errors}, kernels: {kernels}")

    expect("spills", spilling(), "spills")
    expect("refused code", HEAD + ".visible .entry k() { bogus; }\n", "refuses")
    expect("a missing wait", without_wait(), "C75")
    old = ["m", "sm_80", 3, 64, 120, 0, 16, 0]
    if list(cuda_gate.compare(old, old)):
        failures.append("equal rows differ")
    if not list(cuda_gate.compare(old, ["m", "sm_80", 3, 90, 150, 0, 16, 0])):
        failures.append("90 registers instead of 64 are not noticed")
    if not list(cuda_gate.compare(old, ["m", "sm_80", 3, 64, 120, 0, 0, 0])):
        failures.append("lost matrix instructions are not noticed")
    print("\n".join(failures) or "ok")
    sys.exit(1 if failures else 0)


main()
