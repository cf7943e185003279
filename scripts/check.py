#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs every test runner and prints the sum over all of them as its last line: `N passed, N failed, N skipped`.

A runner that crashes, or that finds no test, counts as a failure: a check that checks nothing must not look green.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIT = "/usr/lib/llvm-22/bin/lit"


@dataclasses.dataclass
class Count:
    """What one runner reported; `failures` holds the names to repeat at the end."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list = dataclasses.field(default_factory=list)

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        return self

    @property
    def total(self):
        return self.passed + self.failed + self.skipped

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)


def run(command, environment=None):
    """Runs a command with its output going straight to ours; no input, so that nothing can wait for a person."""
    sys.stdout.flush()
    return subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, **(environment or {})}
    ).returncode


def run_gtest(build, results):
    """Every executable in build/unittests is a GoogleTest program."""
    count = Count()
    for program in sorted((build / "unittests").glob("*")):
        if not (program.is_file() and os.access(program, os.X_OK)):
            continue
        report = results / f"gtest-{program.name}.json"
        report.unlink(missing_ok=True)
        code = run([program, "--gtest_brief=1", f"--gtest_output=json:{report}"])
        one = Count()
        if report.exists():
            for suite in json.loads(report.read_text())["testsuites"]:
                for test in suite["testsuite"]:
                    if test.get("failures"):
                        one.fail(f"{program.name}: {suite['name']}.{test['name']}")
                    elif test["result"] == "SKIPPED" or test["status"] == "NOTRUN":
                        one.skipped += 1
                    else:
                        one.passed += 1
        if code != 0 and not one.failed:
            one.fail(f"{program.name}: exit status {code}")
        count += one
    return count


def run_lit(build, results, name, parameters):
    """One pass over test/ with lit; `parameters` choose the variant (see test/lit.cfg.py)."""
    report = results / f"{name}.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, LIT, "-v", "--timeout=300", f"--output={report}", build / "test"]
    code = run(command + [f"--param={key}={value}" for key, value in parameters.items()])
    count = Count()
    if report.exists():
        for test in json.loads(report.read_text())["tests"]:
            if test["code"] in ("PASS", "XFAIL", "FLAKYPASS"):
                count.passed += 1
            elif test["code"] in ("UNSUPPORTED", "SKIPPED", "EXCLUDED"):
                count.skipped += 1
            else:
                count.fail(f"{name}: {test['name']}")
    if code != 0 and not count.failed:
        count.fail(f"{name}: exit status {code}")
    return count


def run_pytest(build, results, workers):
    """All test_*.py below test/; test/conftest.py decides what a skip means."""
    report = results / "pytest.xml"
    report.unlink(missing_ok=True)
    parallel = ["-n", str(workers), "--dist=loadgroup"] if workers > 1 else []
    command = [sys.executable, "-m", "pytest", "test", "-q", "-ra", "--durations=10", f"--junitxml={report}", *parallel]
    code = run(command, {"ATTN_BUILD": str(build)})
    count = Count()
    if report.exists():
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                count.fail(f"pytest: {case.get('classname')}.{case.get('name')}")
            elif case.find("skipped") is not None and case.find("skipped").get("type") != "pytest.xfail":
                count.skipped += 1
            else:
                count.passed += 1
    if code != 0 and not count.failed:
        count.fail(f"pytest: exit status {code}")
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="the build folder")
    parser.add_argument("--only", help="comma-separated runners: gtest, lit, lit-variant, pytest")
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 8), help="pytest processes")
    options = parser.parse_args()

    build = options.build.resolve()
    results = build / "check"
    results.mkdir(parents=True, exist_ok=True)
    runners = {
        "gtest": lambda: run_gtest(build, results),
        "lit": lambda: run_lit(build, results, "lit", {}),
        "lit-variant": lambda: run_lit(build, results, "lit-variant", {"variant": "1"}),
        "pytest": lambda: run_pytest(build, results, options.workers),
    }
    chosen = options.only.split(",") if options.only else list(runners)
    unknown = [name for name in chosen if name not in runners]
    if unknown:
        parser.error(f"expected runners out of {', '.join(runners)}, got {', '.join(unknown)}")

    total, summary = Count(), []
    for name in chosen:
        print(f"== {name} ==", flush=True)
        start = time.monotonic()
        count = runners[name]()
        if count.total == 0:
            count.fail(f"{name}: expected tests, found none")
        seconds = time.monotonic() - start
        summary.append(f"{name}: {count.passed} passed, {count.failed} failed, {count.skipped} skipped ({seconds:.0f} s)")
        print(summary[-1], flush=True)
        total += count

    print("== sum ==")
    print("\n".join(summary))
    for failure in total.failures:
        print(f"FAILED {failure}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
