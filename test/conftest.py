# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What all Python tests share: where the build is, and what a skip means.

When CI=true, a skip is a failure unless its reason starts with "hardware:", because anything else can be installed.
"""

import os
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("ATTN_BUILD", ROOT / "build")).resolve()

sys.path.insert(0, str(ROOT / "python"))
os.environ.setdefault("ATTN_BUILD", str(BUILD))
os.environ["PATH"] = os.pathsep.join([str(BUILD / "bin"), "/usr/lib/llvm-22/bin", os.environ["PATH"]])


def pytest_configure(config):
    """A folder for the libraries that tests compile, of one session and all of its processes."""
    if "ATTN_TEST_LIBRARIES" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="attn-test-")
        os.environ["ATTN_TEST_LIBRARIES"] = folder.name
        config.add_cleanup(folder.cleanup)


@pytest.fixture(scope="session")
def build():
    """The build folder, with the tools in bin/."""
    return BUILD


@pytest.fixture(scope="session")
def root():
    """The source folder."""
    return ROOT


def _forbid_skip(report):
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith("hardware:"):
        report.outcome = "failed"
        report.longrepr = f"CI=true forbids to skip what can be installed: {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    _forbid_skip((yield).get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    _forbid_skip((yield).get_result())
