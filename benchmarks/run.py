#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmark: every case against its peers and, if given, the hand-scheduled limit programs.

Writes a list of records as JSON and prints a table; a contender that cannot run is named with its
reason. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", help="comma-separated cases or ids (default: all)")
    parser.add_argument("--limits", metavar="DIR", help="folder of hand-scheduled programs to compare with")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", "--output", type=pathlib.Path, help="default: bench.json in the build folder")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="folder of the built compiler")
    parser.add_argument("--seconds", type=float, default=8.0, help="measuring time per case")
    parser.add_argument("--only", metavar="NAMES", help="comma-separated contenders instead of all")
    parser.add_argument("--no-ours", action="store_true", help="measure peers and limits only")
    parser.add_argument("--no-install", action="store_true", help="use the packages that are there")
    parser.add_argument("--keep", action="store_true", help="merge into the records already in --out")
    parser.add_argument("--batch", type=int, default=1, help="cases prepared before any of them is timed")
    parser.add_argument("--quiet", metavar="COMMAND", help="runs while timing, to keep other work off the machine; it gets "
                        "this process's id, prints a line when all is quiet and ends when its input closes")
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.out = options.out or options.build / "bench.json"
    return options


def main() -> int:
    options = arguments()
    if not options.no_install:
        from attnbench import bootstrap

        bootstrap.ensure(ROOT, options.build)
    from attnbench import cases, machine, session

    try:
        selected = cases.select(options.cases)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(case.id for case in selected))
        return 0
    if options.limits and not pathlib.Path(options.limits).is_dir():
        print(f"error: --limits: expected a folder, got '{options.limits}'", file=sys.stderr)
        return 2
    options.out.parent.mkdir(parents=True, exist_ok=True)
    about = machine.describe(ROOT, options.threads)
    old = json.loads(options.out.read_text()) if options.keep and options.out.exists() else []

    def keep(records: list[dict]) -> None:
        options.out.write_text(json.dumps(session.merge(old, records), indent=1) + "\n")
        options.out.with_suffix(".machine.json").write_text(json.dumps(about, indent=1) + "\n")

    records = session.measure(selected, options, keep)
    import report

    print(report.text_table(records))
    for line in report.notes(records):
        print(line)
    report.plot(records, options.out.parent)
    print(f"wrote {options.out}")
    return 0 if all(record["ms"] is not None for record in records) or options.no_ours else 1


if __name__ == "__main__":
    sys.exit(main())
