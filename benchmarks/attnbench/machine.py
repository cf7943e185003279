# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a result was measured on: processor, caches, memory, system and commit."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess

PACKAGES = ("torch", "openvino", "onnxruntime", "numpy", "transformers")


def _cpuinfo(field: str) -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    found = re.search(rf"^{field}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def _llvm_cpu() -> str:
    """The processor's name as LLVM knows it (a virtual machine often hides the marketing name)."""
    for tool in ("clang-22", "clang"):
        try:
            made = subprocess.run([tool, "-###", "-march=native", "-x", "c", "-E", "/dev/null"],
                                  capture_output=True, text=True)
        except OSError:
            continue
        if found := re.search(r'"-target-cpu" "([^"]+)"', made.stderr):
            return found[1]
    return platform.machine()


def _cache(index: int) -> str:
    try:
        return pathlib.Path(f"/sys/devices/system/cpu/cpu0/cache/index{index}/size").read_text().strip()
    except OSError:
        return "?"


def commit(root: pathlib.Path) -> str:
    """The commit measured, marked where the tree differs from it."""
    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True).stdout.strip()

    name = git("rev-parse", "--short=12", "HEAD") or "unknown"
    return name + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")


def describe(root: pathlib.Path, threads: int) -> dict:
    """Everything a reader needs to judge or repeat a result."""
    flags = _cpuinfo("flags").split()
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "cpu": _llvm_cpu(), "model": _cpuinfo("model name"), "cores": os.cpu_count(), "threads": threads,
        "features": [flag for flag in flags if flag.startswith(("avx", "amx", "fma"))],
        "l1d": _cache(0), "l2": _cache(2), "l3": _cache(3),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}", "python": platform.python_version(),
        "packages": versions, "commit": commit(root), "date": datetime.date.today().isoformat(),
    }
