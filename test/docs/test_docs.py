#!/usr/bin/env python3
"""That the tests of the documentation can fail: each check finds an offence made for it."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import check_passes
import check_tile
import op_table
import run_tour

HERE = pathlib.Path(__file__).resolve().parent
GOOD_PASS = '''def DoIt : Pass<"do-it", "::mlir::ModuleOp"> {
  let summary = "does it";
  let description = [{ What it does, at a length of more than ten words, so that it says something.
    ```mlir
    x
    ```
  }];
}
'''


class Passes(unittest.TestCase):
    def offences(self, text, name="a/DoIt.td"):
        found = []
        check_passes.check_text(text, name, found)
        return found

    def test_good(self):
        self.assertEqual(self.offences(GOOD_PASS), [])

    def test_bad(self):
        self.assertIn("example", self.offences(GOOD_PASS.replace("```", ""))[0])
        self.assertIn("description", self.offences('def DoIt : Pass<"do-it"> { let summary = "s"; }')[0])
        self.assertIn("summary", self.offences(GOOD_PASS.replace("summary", "other"))[0])
        self.assertIn("flag", self.offences(GOOD_PASS.replace("do-it", "doit"))[0])
        self.assertIn("DoIt.td", self.offences(GOOD_PASS, "a/Other.td")[0])
        self.assertIn("X_AddOp", self.offences('def X_AddOp : X_Op<"add"> { let assemblyFormat = "$a"; }')[0])

    def test_summary_of_class(self):
        text = 'class X_Unary<string m, string what> : Op<m> {\n let summary = what;\n}\ndef X_Exp : X_Unary<"exp", "e"> {}'
        self.assertEqual(self.offences(text), [])


class Tour(unittest.TestCase):
    def check(self, page):
        with tempfile.TemporaryDirectory() as work:
            return run_tour.check_page(page, "page", pathlib.Path(work))[0]

    def test_numbers_and_names_may_differ(self):
        self.assertEqual(self.check("```sh\necho '%12 = f %3 : 4x8  #map7'\n```\n```text\n%1 = f %2 : 40x80 #map\n```\n"), [])
        self.assertEqual(self.check("```sh\necho a b c; echo d; echo e\n```\n```mlir\na ... c\n...\ne\n```\n"), [])

    def test_words_and_order_may_not(self):
        self.assertEqual(len(self.check("```sh\necho '%12 = f %3'\n```\n```text\n%1 = g %2\n```\n")), 1)
        self.assertEqual(len(self.check("```sh\necho a; echo b\n```\n```text\nb\na\n```\n")), 1)

    def test_failing_command(self):
        self.assertIn("exit status 3", self.check("```sh\necho a; exit 3\n```\n```text\na\n```\n")[0])

    def test_page_without_commands(self):
        self.assertEqual(len(self.check("nothing\n")), 1)


class Links(unittest.TestCase):
    def run_on(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            done = subprocess.run([sys.executable, HERE / "check_links.py", root], capture_output=True, text=True)
            return done.returncode, done.stdout

    def test_good(self):
        files = {"docs/start-here.md": "# Top\n[a](a.md#second-part) `compiler/x.h`", "docs/" + "a.md": "# A\n## Second part\n",
                 "compiler/x.h": "// docs/" + "a.md\n"}
        self.assertEqual(self.run_on(files)[0], 0, self.run_on(files)[1])

    def test_bad(self):
        for text in ("[a](gone.md)", "[a](#gone)", "`compiler/gone.h`"):
            self.assertEqual(self.run_on({"docs/start-here.md": text})[0], 1, text)
        self.assertIn("not reached", self.run_on({"docs/start-here.md": "", "docs/" + "a.md": ""})[1])
        self.assertIn("names docs", self.run_on({"docs/start-here.md": "", "a.h": "// docs/" + "b.md"})[1])


class TileOps(unittest.TestCase):
    def test_both_ways(self):
        td = 'def Tile_AddOp : Tile_PureOp<"add"> {\ndef Tile_SubOp : Tile_Op<"sub", [Pure]> {\n'
        self.assertEqual(check_tile.compare(td, "`tile.add` `tile.sub` `tile.loop`"), [])
        self.assertEqual(len(check_tile.compare(td, "`tile.add` `tile.mul`")), 2)
        self.assertEqual(len(check_tile.compare("", "`tile.add`")), 1)


class Ops(unittest.TestCase):
    def test_page(self):
        text = op_table.page({("ai.onnx", "Relu"): [(6, "1..1", "1")], ("com.microsoft", "Gelu"): [(1, "1..1", "1")]})
        self.assertRegex(text, r"\| ai.onnx \| Relu \| 6 \| \d+ \| 1 \| 1 \|")
        self.assertRegex(text, r"\| com.microsoft \| Gelu \| 1 \| - \| 1 \| 1 \| not in the ONNX standard")
        self.assertRegex(text, r"Refused with exit status 4 .*\bConv\b")


if __name__ == "__main__":
    unittest.main()
