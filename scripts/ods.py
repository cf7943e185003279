# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Reads the project's TableGen records: which ops and passes there are, and what their descriptions show.

The generated pages and the convention tests both start from here, so that neither keeps a list of its own.
"""

import dataclasses
import functools
import json
import re
import subprocess
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LLVM = Path("/usr/lib/llvm-22")
INCLUDE = ROOT / "include"


@dataclasses.dataclass
class Record:
    """An op or a pass: its TableGen name, what it is called in IR or on the command line, and where it stands."""

    definition: str
    name: str
    summary: str
    description: str
    file: Path
    statistics: int = 0

    def examples(self):
        """The ```mlir blocks of the description, dedented."""
        return [textwrap.dedent(block) for block in re.findall(r"```mlir\n(.*?)```", self.description, re.S)]


def tblgen(tool, files, *arguments):
    """Runs a TableGen tool on some .td files at once; returns what it prints."""
    command = [LLVM / "bin" / tool, "-I", INCLUDE, "-I", LLVM / "include", *arguments, "-"]
    text = "".join(f'include "{file.relative_to(INCLUDE)}"\n' for file in files)
    return subprocess.run(
        [str(part) for part in command], input=text, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


@functools.cache
def records(*files):
    """All records of some .td files, by definition name."""
    return json.loads(tblgen("llvm-tblgen", files, "--dump-json"))


def dialect_files():
    """The .td files that include all of a dialect."""
    return sorted(INCLUDE.glob("attn/Dialect/*/IR/*All.td"))


def pass_files():
    return sorted(INCLUDE.rglob("Passes.td"))


def _defined_in(definition, files):
    """The file that spells `def NAME`."""
    return next((file for file in files if re.search(rf"\bdef\s+{definition}\b", file.read_text())), None)


def _dialect_records(base, name_field):
    """The instances of a TableGen class that our dialect's files define."""
    if not dialect_files():
        return []
    table, files = records(*dialect_files()), sorted(INCLUDE.glob("attn/Dialect/*/IR/*.td"))
    found = []
    for definition in table["!instanceof"].get(base, []):
        where = _defined_in(definition, files)
        if where is not None:
            one = table[definition]
            found.append(Record(definition, f"attn.{one[name_field]}", one["summary"], one["description"], where))
    return found


def ops():
    """Every op of our dialect."""
    return _dialect_records("Op", "opName")


def attributes():
    """Every attribute of our dialect that has a spelling of its own."""
    return _dialect_records("AttrDef", "mnemonic")


def forms():
    """Every form of attention: its record, the name on the command line, and (key, default) of its parameters."""
    if not dialect_files():
        return []
    table, found = records(*dialect_files()), []
    for one in attributes():
        if one.definition in table["!instanceof"].get("Attn_FormAttr", []):
            keys = [(name, table[kind["def"]]["defaultValue"]) for kind, name in table[one.definition]["parameters"]["args"]]
            found.append((one, one.name.removeprefix("attn.").removesuffix("_form").replace("_", "-"), keys))
    return found


def passes():
    """Every pass."""
    found = []
    for file in pass_files():
        table = records(file)
        for definition in table["!instanceof"].get("PassBase", []):
            one = table[definition]
            counted = len(one["statistics"])
            found.append(Record(definition, one["argument"], one["summary"], one["description"], file, counted))
    return found
