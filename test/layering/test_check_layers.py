#!/usr/bin/env python3
"""check_layers.py must find what it is there to find."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).parent / "check_layers.py"
SOUND = {f"compiler/f{i}.cpp": '#include "dialects/graph/GraphDialect.h"\n' for i in range(60)}


def offences(extra):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**SOUND, **extra}.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True)
    return done.returncode, done.stdout


class CheckLayers(unittest.TestCase):
    def test_sound_tree_passes(self):
        self.assertEqual(offences({})[0], 0)

    def test_every_wall(self):
        for name, text in {
            "dialects/a.h": '#include "compiler/support/Status.h"\n',
            "dialects/a.td": 'include "targets/cpu/X.td"\n',
            "compiler/a.cpp": '#include "targets/cpu/CpuTarget.h"\n',
            "compiler/b.cpp": '#include "tools/adze/Flags.h"\n',
            "targets/cpu/a.cpp": '#include "tools/adze/Flags.h"\n',
            "runtime/src/a.cpp": '#include "llvm/ADT/StringRef.h"\n',
            "runtime/src/b.cpp": '#include "compiler/support/Status.h"\n',
            "compiler/c.cpp": "int x; // for CUDA only\n",
            "runtime/src/c.cpp": "bool isAmdgpu;\n",
        }.items():
            with self.subTest(name=name):
                code, out = offences({name: text})
                self.assertEqual(code, 1, out)
                self.assertIn(name, out)

    def test_empty_tree_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(subprocess.run([sys.executable, SCRIPT, folder], capture_output=True).returncode, 1)


if __name__ == "__main__":
    unittest.main()
