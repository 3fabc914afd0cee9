# lit configuration; test/lit/CMakeLists.txt passes adze_bin (the built tools) and llvm_bin (FileCheck, not).
import os

import lit.formats

config.name = "adze"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)

source_root = os.path.dirname(os.path.dirname(config.test_source_root))
adze_bin = lit_config.params.get("adze_bin", os.path.join(source_root, "build", "release", "bin"))
llvm_bin = lit_config.params.get("llvm_bin", "/usr/lib/llvm-22/bin")
config.test_exec_root = os.path.join(os.path.dirname(adze_bin), "test", "lit")
config.environment["PATH"] = os.pathsep.join([adze_bin, llvm_bin, os.environ["PATH"]])
for tool in ("adze", "adze-opt", "adze-tile-run"):
    if os.path.exists(os.path.join(adze_bin, tool)):
        config.available_features.add(tool)
