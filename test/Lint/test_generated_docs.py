# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The generated pages under docs/ are what `make docs` would write, and the README's commands exist.

A committed page that nobody rebuilt is worse than none.
"""

import re
import subprocess
import sys

from sources import ROOT


def test_pages_are_current(build):
    command = [sys.executable, ROOT / "scripts" / "gen_docs.py", "--check", "--build", build]
    result = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, f"run `make docs`:\n{result.stdout}{result.stderr}"


def test_readme_commands_exist():
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for target in re.findall(r"`make ([a-z]+)", readme):
        assert target in targets, f"README.md names `make {target}`, which the Makefile lacks"


def test_links_lead_somewhere():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    problems = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert not problems, "\n".join(problems)
