# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The process of one contender: prepares it, checks its result, then times it on command.

Commands come as JSON lines on standard input and answers go to the descriptor that was standard
output; whatever libraries print goes to standard error, which the driver keeps as a log.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import traceback

from . import contenders, memory, tensors
from .cases import Case
from .contenders import Settings, Unsupported


def _describe(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    kind = type(error).__name__
    return f"{kind}: {' '.join(text)[:300]}" if text else kind


class Worker:
    """One contender on one case."""

    def __init__(self, job: dict):
        self.case = Case(**job["case"])
        self.name = job["contender"]
        self.settings = Settings(**job["settings"])

    def prepare(self) -> dict:
        """Builds the contender, runs it once and compares the result with f64."""
        case = self.case
        if case.kind in ("model", "compile") or case.hidden:
            inputs = None
        else:
            inputs = tensors.make_inputs(case)
        self.inputs = inputs  # contenders may keep no more than their addresses
        start = time.perf_counter()
        self.prepared = contenders.load(case.kind, self.name)(case, inputs, self.settings)
        prepare_s = time.perf_counter() - start
        with memory.peak() as peak:
            self.prepared.run()
        first_ms = 1e3 * (time.perf_counter() - start - prepare_s)
        error = self._error(inputs)
        answer = {"first_ms": first_ms, "prepare_s": prepare_s, "error": error,
                  "peak_rss_mb": peak.megabytes, **self.prepared.notes.get("after", dict)()}
        tolerance = self.prepared.notes.get("tolerance", tensors.TOLERANCE.get(case.dtype))
        if error is not None and not error <= tolerance:
            answer["failed"] = f"wrong result: largest error {error:.2g}, expected at most {tolerance:.0e}"
        return answer

    def _error(self, inputs) -> float | None:
        if "error" in self.prepared.notes:  # models bring their own reference
            return self.prepared.notes["error"]()
        if inputs is None:
            return None
        return tensors.worst_error(self.case, inputs, self.prepared.output())

    def turn(self, budget_ms: float, warm: bool) -> dict:
        """An untimed call, unless `warm` says that one call is long enough not to need it, then timed ones."""
        run = self.prepared.run
        if not warm:
            run()
        times = []
        spent = 0.0
        while not times or spent + min(times) / 2 < budget_ms:
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
            spent += times[-1]
        return {"ms": min(times), "calls": len(times)}


def main() -> int:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    worker = Worker(json.loads(sys.stdin.readline()))

    def answer(content: dict) -> None:
        answers.write(json.dumps(content) + "\n")

    try:
        answer(worker.prepare())
        for line in sys.stdin:
            command = json.loads(line)
            answer(worker.turn(command["budget_ms"], command["warm"]))
    except Unsupported as error:
        answer({"failed": str(error)})
    except BaseException as error:  # reported by name in the record, with the trace in the log
        traceback.print_exc()
        answer({"failed": _describe(error)})
    return 0


if __name__ == "__main__":
    # leave without running the exit handlers of half a dozen runtimes
    code = main()
    sys.stderr.flush()
    os._exit(code)
