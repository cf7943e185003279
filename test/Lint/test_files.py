# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What every file must look like: its head, its length, its ends of lines, its formatting.

The limits keep files readable in one sitting; a file at its limit should be split by concept.
"""

import re
import subprocess

import pytest
from sources import ROOT, files, lines

LICENCE = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
LIMITS = {".cpp": 500, ".c": 500, ".py": 500, ".h": 150, ".td": 200, ".mlir": 150, ".test": 150}
FUNCTION_LIMIT = 60
SOURCES = (".cpp", ".h", ".c", ".td", ".py", ".def", ".sh", ".py.in")
GENERATED = ("benchmarks/results/",)
WAIVER = "lint(function-length):"


def complain(problems):
    assert not problems, "\n" + "\n".join(problems)


def test_licence_and_header_comment():
    problems = []
    for file in files(*SOURCES):
        head = lines(file)[:6]
        if not head:
            continue
        at = next((i for i, line in enumerate(head) if LICENCE in line), None)
        if at is None:
            problems.append(f"{file}: expected '{LICENCE}' in the first lines")
        elif not any(re.match(r'\s*(//|#|/\*|"""|;)\s*\S|^"""\S', line) for line in head[at + 1 :]):
            problems.append(f"{file}: expected a comment after the licence that says what the file is and why")
    complain(problems)


def test_length():
    problems = []
    for file in files(*LIMITS):
        limit = 100 if file.parts[0] == "tools" else LIMITS[file.suffix]
        count = len(lines(file))
        if count > limit and "Inputs" not in file.parts:
            problems.append(f"{file}: expected at most {limit} lines, got {count}")
    if len(lines("README.md")) > 150:
        problems.append("README.md: expected at most 150 lines")
    complain(problems)


def long_functions(text):
    """(line, length) of every function body that is too long; a body is what clang-format leaves at columns 0 or 2."""
    for indent in ("", "  "):
        start, waived = None, False
        for number, line in enumerate(text, 1):
            opens = re.match(rf"{indent}\S.*[)tse] \{{$|{indent}\{{$", line)  # ) const override noexcept
            skipped = re.match(rf"{indent}(namespace|class|struct|enum|union|extern|template .*(class|struct))\b", line)
            if start is None and opens and not skipped and not line.rstrip().endswith("= {"):
                start, waived = number, False
            elif start is not None and WAIVER in line:
                waived = True
            elif start is not None and re.match(rf"{indent}\}}", line):
                if number - start - 1 > FUNCTION_LIMIT and not waived:
                    yield start, number - start - 1
                start = None


def test_function_length():
    problems = []
    for file in files(".cpp", ".h"):
        text = lines(file)
        top = list(long_functions(text))
        problems += [f"{file}:{at}: expected at most {FUNCTION_LIMIT} lines in a function, got {n}" for at, n in set(top)]
    complain(problems)


def test_blanks():
    problems = []
    for file in files(*SOURCES, ".mlir", ".md", ".txt", ".cmake", "Makefile", ".test"):
        if str(file).startswith(GENERATED):
            continue
        text = (ROOT / file).read_text(encoding="utf-8")
        problems += [f"{file}:{i}: trailing blank" for i, line in enumerate(text.split("\n"), 1) if line != line.rstrip()]
        if file.name != "Makefile":
            problems += [f"{file}:{i}: tab" for i, line in enumerate(text.split("\n"), 1) if "\t" in line]
        if text and not text.endswith("\n"):
            problems.append(f"{file}: expected a newline at the end")
    complain(problems)


def test_clang_format():
    sources = [str(file) for file in files(".cpp", ".h", ".c")]
    if not sources:
        pytest.skip("hardware: no C++ file yet")
    command = ["/usr/lib/llvm-22/bin/clang-format", "--dry-run", "--Werror", *sources]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    bad = sorted({line.split(":")[0] for line in result.stderr.splitlines() if "-Wclang-format-violations" in line})
    assert result.returncode == 0, "run `make format` for:\n" + "\n".join(bad or [result.stderr])


def test_no_command_line_options_in_libraries():
    pattern = re.compile(r"\bcl::(opt|list|bits|alias)\s*<")
    problems = [
        f"{file}:{number}: expected pass or pipeline options, got a global command-line option"
        for file in files(".cpp", ".h")
        if file.parts[0] in ("lib", "include")
        for number, line in enumerate(lines(file), 1)
        if pattern.search(line)
    ]
    complain(problems)


def test_todo_names_an_issue():
    problems = [
        f"{file}:{number}: expected TODO(#issue)"
        for file in files(*SOURCES, ".mlir")
        if file.parts[:2] != ("test", "Lint")
        for number, line in enumerate(lines(file), 1)
        if re.search(r"\b(TODO|FIXME|XXX)\b", line) and not re.search(r"TODO\(#\d+\)", line)
    ]
    complain(problems)
