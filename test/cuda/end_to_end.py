"""What the tests of whole models for CUDA share: compile, read the PTX, assemble it where there is a ptxas (nothing may
spill), verify against the interpreter in the simulator."""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import onnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import cuda_gate  # noqa: E402

ARCHS = ("sm_80", "sm_90a")


class Cases:
    """Failures are collected. A subclass has check(name, arch, *variant)."""
    timeout = 600  # seconds, of one command
    variants = {"": ()}  # what is printed behind a case: further arguments of check

    def __init__(self, adze, work, ptxas):
        self.adze, self.work, self.ptxas, self.failures = adze, work, ptxas, []
        self.package = work / "model.adze"

    def run(self, where, *command):
        result = subprocess.run([self.adze, *map(str, command)], capture_output=True, text=True, timeout=self.timeout)
        if result.returncode:
            self.failures.append(f"{where}: {command[0]} ends with {result.returncode}: "
                                 f"{(result.stdout + result.stderr).strip()[-1500:]}")
        return result.returncode == 0

    def compile(self, where, graph, arch, *flags):
        """The PTX texts of self.package; None if it does not compile."""
        source = self.work / "model.onnx"
        onnx.save(graph, source)
        if not self.run(where, "compile", source, "-o", self.package, f"--target=cuda:{arch}", *flags):
            return None
        section = subprocess.run([self.adze, "inspect", self.package, "--section=code.0"], capture_output=True).stdout
        return list(cuda_gate.ptx_of(section))

    def assemble(self, where, texts, arch):
        if self.ptxas:
            gate = cuda_gate.Gate(self.adze, self.ptxas, self.work)
            for text in texts:
                gate.assemble(where, text, arch)
            self.failures += gate.errors

    def verify(self, where, arch):
        self.run(where, "verify", self.package, "--device=cuda", "--sim", f"--sim-arch={arch}", "--against=oracle")

    @classmethod
    def main(cls, doc, names):
        parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--adze", required=True)
        parser.add_argument("--work", type=pathlib.Path)
        parser.add_argument("--only")
        args = parser.parse_args()
        try:
            ptxas = cuda_gate.find_ptxas(None)
        except SystemExit:
            ptxas = None
        with tempfile.TemporaryDirectory() as folder:
            cases = cls(args.adze, args.work or pathlib.Path(folder), ptxas)
            for name in args.only.split(",") if args.only else names:
                for arch in ARCHS:
                    for label, variant in cls.variants.items():
                        before = len(cases.failures)
                        cases.check(name, arch, *variant)
                        state = "ok" if len(cases.failures) == before else "FAILED"
                        print(f"{name} on {arch}{label}: {state}", flush=True)
        print("\n".join(cases.failures))
        sys.exit(1 if cases.failures else 0)
