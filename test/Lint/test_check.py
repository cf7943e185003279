# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""scripts/check.py itself: it must count what ran, and must not be green when nothing did.

Fake GoogleTest programs stand in for real ones.
"""

import json
import re
import subprocess
import sys

import pytest
from sources import ROOT

REPORT = {
    "testsuites": [
        {
            "name": "Suite",
            "testsuite": [
                {"name": "good", "status": "RUN", "result": "COMPLETED"},
                {"name": "left_out", "status": "RUN", "result": "SKIPPED"},
                {"name": "bad", "status": "RUN", "result": "COMPLETED", "failures": [{"failure": "x"}]},
            ],
        }
    ]
}


def program(folder, name, text):
    path = folder / "unittests" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def check(folder, only="gtest"):
    command = [sys.executable, ROOT / "scripts" / "check.py", "--build", folder, "--only", only]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return result.returncode, result.stdout.strip().splitlines()


def test_last_line_is_the_sum(tmp_path):
    report = json.dumps(REPORT)
    program(tmp_path, "ATests", f"echo '{report}' > ${{2#--gtest_output=json:}}; exit 1")
    code, lines = check(tmp_path)
    assert code == 1
    assert lines[-1] == "1 passed, 1 failed, 1 skipped"
    assert "FAILED ATests: Suite.bad" in lines


def test_the_sum_is_over_all_runners(tmp_path):
    report = json.dumps(REPORT)
    program(tmp_path, "ATests", f"echo '{report}' > ${{2#--gtest_output=json:}}; exit 1")
    code, lines = check(tmp_path, "gtest,lit")  # there is nothing for lit
    assert code == 1 and lines[-1] == "1 passed, 2 failed, 1 skipped"
    assert any(re.fullmatch(r"gtest: 1 passed, 1 failed, 1 skipped \(\d+ s\)", line) for line in lines)


@pytest.mark.parametrize("text", ["exit 3", "kill -SEGV $$", "exit 0"])
def test_a_program_without_a_report_fails(tmp_path, text):
    program(tmp_path, "BTests", text)
    code, lines = check(tmp_path)
    assert code == 1 and re.fullmatch(r"0 passed, 1 failed, 0 skipped", lines[-1])


def test_no_tests_is_a_failure(tmp_path):
    code, lines = check(tmp_path)
    assert code == 1 and "FAILED gtest: expected tests, found none" in lines


def test_unknown_runner_is_an_error(tmp_path):
    code, _ = check(tmp_path, "nosuch")
    assert code == 2
