"""Checks libadze_rt.so as a user gets it: what it needs, exports and weighs; that an installed copy is found by
find_package and pkg-config from C; and the Python binding.

usage: LibraryTest.py BUILD_DIR SOURCE_DIR PACKAGE C_COMPILER CMAKE SANITIZED
"""

import os
import subprocess
import sys
import tempfile
import unittest

BUILD, SOURCE, PACKAGE, CC, CMAKE, SANITIZED = sys.argv[1:7]
LIBRARY = os.path.join(BUILD, "lib", "libadze_rt.so")
plain = unittest.skipIf(SANITIZED, "a sanitizer's runtime is part of this build")


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Library(unittest.TestCase):
    @plain
    def test_needs_only_the_c_and_cxx_runtime(self):
        needed = {line.split("[")[1].rstrip("]") for line in run("readelf", "-dW", LIBRARY).splitlines()
                  if "(NEEDED)" in line}
        self.assertLessEqual(needed, {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1"})

    def test_exports_only_the_interface(self):
        symbols = {line.split()[-1].split("@")[0] for line in run("nm", "-D", "--defined-only", LIBRARY).splitlines()}
        symbols.discard("ADZE_1")
        with open(os.path.join(SOURCE, "runtime/include/adze/adze.h")) as header:
            text = header.read()
        declared = {word.split("(")[0].lstrip("*") for line in text.splitlines() if line.startswith("ADZE_API")
                    for word in line.split() if "(" in word and word.lstrip("*").startswith("adze_")}
        self.assertEqual(symbols, declared)

    @plain
    def test_is_smaller_than_a_megabyte(self):
        with tempfile.TemporaryDirectory() as folder:
            stripped = os.path.join(folder, "stripped.so")
            run("strip", "-o", stripped, LIBRARY)
            self.assertLess(os.path.getsize(stripped), 1000000)

    @plain
    def test_installs_for_cmake_and_pkg_config(self):
        with tempfile.TemporaryDirectory() as folder:
            prefix, project = os.path.join(folder, "prefix"), os.path.join(folder, "project")
            run(CMAKE, "--install", BUILD, "--prefix", prefix, "--component", "runtime")
            os.mkdir(project)
            with open(os.path.join(project, "CMakeLists.txt"), "w") as text:
                text.write("cmake_minimum_required(VERSION 3.25)\nproject(user C)\nfind_package(adze 0.1 REQUIRED)\n"
                           f"add_executable(run_model {SOURCE}/docs/examples/run_model.c)\n"
                           "target_link_libraries(run_model PRIVATE adze::runtime)\n")
            run(CMAKE, "-S", project, "-B", project + "/b", "-DCMAKE_PREFIX_PATH=" + prefix, "-DCMAKE_C_COMPILER=" + CC)
            run(CMAKE, "--build", project + "/b")
            expected = "x: float32 [1, 4] 0 0.125 0.25 0.375\ny: float32 [1, 4] 1 2.25 3.5 4.75\n"
            self.assertEqual(run(project + "/b/run_model", PACKAGE), expected)
            # pkg-config's file says the same.
            with open(self.find(prefix, "adze.pc")) as text:
                flags = [line for line in text if line.startswith("Libs:")]
            self.assertIn("-ladze_rt", flags[0])

    @staticmethod
    def find(root, name):
        for folder, _, files in os.walk(root):
            if name in files:
                return os.path.join(folder, name)
        raise AssertionError(f"{name} is not installed")


@plain
class Python(unittest.TestCase):
    def setUp(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        os.environ["ADZE_RT_LIBRARY"] = LIBRARY
        sys.path.insert(0, os.path.join(SOURCE, "runtime", "python"))
        import adze_rt
        self.np, self.rt = numpy, adze_rt

    def test_runs(self):
        package = self.rt.Package(PACKAGE)
        self.assertEqual((package.inputs[0].name, package.inputs[0].dims), ("x", [None, 4]))
        self.assertEqual(package.inputs[0].ranges[0], (1, 1000))
        session = package.session(threads=1)
        for n in (3, 1, 20):
            x = self.np.arange(4 * n, dtype=self.np.float32).reshape(n, 4)
            y = session.run({"x": x})["y"]
            self.np.testing.assert_array_equal(y, 2 * x + self.np.array([1, 2, 3, 4], self.np.float32))
            self.assertEqual(session.output_shapes([x]), {"y": (n, 4)})
        session.set_profiling(True)
        session.run([x])
        self.assertEqual([event[0] for event in session.events()], ["scale", "add_row"])

    def test_reports_errors(self):
        session = self.rt.Package(PACKAGE).session()
        for inputs, status in (({"z": 1}, 2), ([self.np.zeros((2, 5), self.np.float32)], 3),
                               ([self.np.zeros((2, 4), self.np.float64)], 3), ([], 2)):
            with self.assertRaises(self.rt.Error) as caught:
                session.run(inputs)
            self.assertEqual(caught.exception.status, status)
        with self.assertRaises(self.rt.Error) as caught:
            self.rt.Package("/nonexistent")
        self.assertIn("/nonexistent", str(caught.exception))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
