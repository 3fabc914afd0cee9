#!/usr/bin/env python3
"""cuda devices on the command line, in the simulator. usage: test_cli_cuda.py --adze=FILE [unittest args]"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ADZE = None
SIMULATED = ("--device=cuda", "--sim")


def adze(*args, env=None, timeout=300):
    return subprocess.run([ADZE, *map(str, args)], capture_output=True, timeout=timeout, env={**os.environ, **(env or {})})


def small_model(path):
    """y = softmax(relu(x w + b)), x [n, 16]: a product, a row-wise kernel, a dynamic dim."""
    rng = np.random.default_rng(0)
    weights = [numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
               for name, shape in (("w", (16, 24)), ("b", (24,)))]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"], "product"), helper.make_node("Add", ["p", "b"], ["s"], "bias"),
             helper.make_node("Relu", ["s"], ["r"], "relu"), helper.make_node("Softmax", ["r"], ["y"], "softmax")]
    graph = helper.make_graph(nodes, "test", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 16])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 24])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


class CudaCli(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        cls.base = pathlib.Path(cls.shared.name)
        cls.onnx = small_model(cls.base / "m.onnx")
        cls.package = cls.base / "m.adze"
        done = adze("compile", cls.onnx, "-o", cls.package, "--target=cpu,cuda:sm_80,cuda:sm_90a", "--dim=n=1..64")
        assert done.returncode == 0, done.stderr.decode()
        np.save(cls.base / "x.npy", np.random.default_rng(1).normal(size=(5, 16)).astype(np.float32))

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    def expect(self, done, code, *texts):
        err = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, code, f"stdout {done.stdout[:800]!r}\nstderr {err[:3000]}")
        for text in texts:
            self.assertIn(text, err)
        if code:
            for part in ("error: ", "where: ", "why: ", "remedy: "):
                self.assertIn(part, err)
        return done

    def outputs(self, *flags, package=None, env=None):
        with tempfile.TemporaryDirectory() as folder:
            self.expect(adze("run", package or self.package, "--input", f"x={self.base}/x.npy", f"--output-dir={folder}",
                             *flags, env=env), 0)
            return np.load(folder + "/y.npy")

    def test_one_package_on_all_devices(self):
        cpu = self.outputs("--device=cpu")
        for arch in ("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100", "sm_120"):
            np.testing.assert_allclose(self.outputs(*SIMULATED, f"--sim-arch={arch}"), cpu, rtol=1e-5, err_msg=arch)

    def test_bits_depend_neither_on_the_seed_nor_on_the_run(self):
        for arch in ("sm_80", "sm_90a"):
            first = self.outputs(*SIMULATED, f"--sim-arch={arch}", "--sim-seed=1")
            for seed in (1, 2, 3):
                again = self.outputs(*SIMULATED, f"--sim-arch={arch}", f"--sim-seed={seed}")
                self.assertEqual(first.tobytes(), again.tobytes())

    def test_verify(self):
        done = self.expect(adze("verify", self.package, "--device=cpu,cuda", "--sim", "--per-op", "--format=json"), 0)
        self.assertEqual(json.loads(done.stdout)["devices"], [{"device": d, "ok": True} for d in ("cpu", "cuda")])
        # A model is compiled for what is simulated.
        done = self.expect(adze("verify", self.onnx, *SIMULATED, "--sim-arch=sm_80", "--dim=n=3"), 0)
        self.assertIn("ok", done.stdout.decode())

    def test_profile(self):
        trace = self.base / "trace.json"
        self.expect(adze("run", self.package, "--random-seed=1", *SIMULATED, f"--profile={trace}"), 0)
        events = json.loads(trace.read_text())["traceEvents"]
        self.assertTrue(any("product (MatMul)" in e["args"]["nodes"] for e in events), events)

    def test_what_goes_wrong(self):
        run = ("run", self.package, "--random-seed=1")
        nowhere = {"ADZE_CUDA_LIBRARY": "/nowhere/libcuda.so.1"}
        self.expect(adze(*run, "--device=cuda", env=nowhere), 6, "/nowhere/libcuda.so.1", "ADZE_CUDA_LIBRARY")
        self.expect(adze(*run, "--device=cuda:1", "--sim"), 6, "no such device")
        only = self.base / "only.adze"
        self.expect(adze("compile", self.onnx, "-o", only, "--target=cuda:sm_90a", "--dim=n=4"), 0)
        self.expect(adze("run", only, "--random-seed=1", *SIMULATED, "--sim-arch=sm_80"), 6, "sm_90a", "sm_80")
        self.expect(adze("run", only, "--random-seed=1"), 6, "compiled for: cuda")
        self.expect(adze("compile", self.onnx, "-o", only, "--dim=n=4"), 0)
        self.expect(adze("run", only, "--random-seed=1", *SIMULATED), 6, "no code for device 'cuda'")
        for flags, text in ((("--sim",), "--device=cuda"), (("--sim-seed=1",), "--sim"),
                            ((*SIMULATED, "--sim-arch=sm_91"), "did you mean"), ((*SIMULATED, "--sim-seed=x"), "--sim-seed")):
            self.expect(adze(*run, *flags), 2, text)
        self.expect(adze("bench", self.package, *SIMULATED), 2, "bench")

    def test_memory_that_runs_out_at_every_allocation(self):
        run = ("run", self.package, "--random-seed=1", *SIMULATED)
        codes = []
        while len(codes) < 100 and codes[-3:] != [0, 0, 0]:
            done = adze(*run, env={"ADZE_SIM_OOM_AT": str(len(codes) + 1)})
            codes.append(done.returncode)
            self.assertIn(done.returncode, (0, 8))
            self.expect(done, done.returncode)
        # The context, streams, the pool, code, weights, the arena, the input, the output.
        self.assertGreaterEqual(codes.count(8), 7, codes)
        self.assertEqual(codes[-3:], [0, 0, 0], codes)
        self.expect(adze(*run, env={"ADZE_SIM_MEMORY": "1000"}), 8, "out of device memory")


if __name__ == "__main__":
    names = [a for a in sys.argv[1:] if a.startswith("--adze=")]
    if len(names) != 1:
        sys.exit(__doc__)
    ADZE = names[0].split("=", 1)[1]
    unittest.main(argv=[a for a in sys.argv if a not in names])
