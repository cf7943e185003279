# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One benchmark session: runs each case's contest and turns the outcome into a record.

The record's fields are those that the design names, plus what is needed to tell cases apart and to
explain a gap.
"""

from __future__ import annotations

import math
import pathlib
import sys

from . import contenders
from .cases import Case, all_cases
from .contenders import LIMIT, OURS, Settings
from .contest import Contender, Plan, compete, quiet
from .probe import Probe


def _progress(count: int):
    """Two functions, "one case more" and "now doing this": a progress bar where a person watches, else lines."""
    if not sys.stderr.isatty():
        return lambda: None, lambda text: print(text, file=sys.stderr, flush=True)
    from tqdm import tqdm

    bar = tqdm(total=count, unit="case")
    return bar.update, bar.set_postfix_str


def _entrants(case: Case, options) -> list[str]:
    names = contenders.names(case.kind)
    if options.no_ours:
        names = [name for name in names if name != OURS]
    if not options.limits:
        names = [name for name in names if name != LIMIT]
    if options.only:
        names = [name for name in names if name in options.only.split(",")]
    return names


def _rounded(value: float | None, digits: int = 4) -> float | None:
    """Significant digits; None for what was not measured."""
    if value is None or not math.isfinite(value) or value == 0:
        return None
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


def record(case: Case, field: dict[str, Contender], probe: Probe | None, threads: int, rounds: int) -> dict:
    """The outcome of one contest."""
    times = {name: one.best_ms for name, one in field.items() if not one.failed and one.calls}
    ours, limit = times.get(OURS), times.get(LIMIT)
    peers = {name: time for name, time in times.items() if name not in (OURS, LIMIT)}
    best = min(peers, key=peers.get) if peers else None
    shown = ours or limit  # without ours, the rates are the limit's
    gflops = 1e3 * case.gflop / shown if shown and case.kind != "compile" else None
    peak = probe and (probe.dot_gflops if case.dtype == "bfloat16" and probe.dot_gflops else probe.fma_gflops)
    me = field.get(OURS)
    return {
        "case": case.case, "form": case.form, "n": case.m, "dtype": case.dtype, "threads": threads,
        "ms": _rounded(ours), "gflops": _rounded(gflops),
        "peak_fraction": _rounded(gflops / peak) if gflops and peak else None,
        "peak_rss_mb": me.ready.get("peak_rss_mb") if me else None,
        "peers": {name: _rounded(time) for name, time in peers.items()},
        "best_peer": best, "speedup": _rounded(peers[best] / ours) if best and ours else None,
        "limit_ms": _rounded(limit), "limit_ratio": _rounded(limit / ours) if limit and ours else None,
        "id": case.id, "batch": case.batch, "heads": case.heads, "kv_heads": case.kv_heads, "d": case.d,
        "mask": case.mask, "peak_gflops": _rounded(peak) if peak else None,
        "read_gbs": _rounded(probe.read_gbs) if probe else None,
        "gbs": _rounded(1e-6 * case.key_value_bytes / shown) if shown and case.n == 1 else None,
        "errors": {name: one.ready["error"] for name, one in field.items() if one.ready.get("error") is not None},
        "failures": {name: one.failed for name, one in field.items() if one.failed}, "rounds": rounds,
        "clean_turns": {name: field[name].clean_turns for name in times},
    }


class Contest:
    """One case: its contenders are prepared first and compete later, so that several cases can share a quiet minute."""

    def __init__(self, case: Case, options, say):
        self.case, self.options, self.say = case, options, say
        folder = options.build / "bench"
        limits = options.limits and str(pathlib.Path(options.limits).resolve())
        settings = Settings(options.threads, str(folder), limits, {"build": str(options.build)})
        self.plan = Plan(seconds=options.seconds)
        self.field: dict[str, Contender] = {}
        for name in _entrants(case, options):
            say(f"{case.id}: preparing {name}")
            self.field[name] = Contender(name, case, settings, folder / "log" / f"{case.id}-{name}.txt")
            self.field[name].wait_until_ready(self.plan.prepare_timeout)

    def run(self, probe: Probe) -> dict:
        """The record of the case."""
        case, field, rounds = self.case, self.field, 1
        probe.reset()
        if case.kind in ("compile", "memory"):  # the preparing run was the measurement
            for one in field.values():
                if not one.failed:
                    one.best_ms, one.calls = one.ready["first_ms"], 1
        else:
            def sample() -> None:
                probe.sample(bfloat16=case.dtype == "bfloat16", bandwidth=case.n == 1 or case.kind == "crossover")

            for _ in range(8):  # a case of few rounds would otherwise see too few of them
                sample()
            rounds = compete(list(field.values()), self.plan, sample)
        made = record(case, field, probe, self.options.threads, rounds)
        if case.kind == "crossover" and OURS in field:
            made["predicted"] = self._predict(probe)
        summary = {OURS: made["ms"], LIMIT: made["limit_ms"], **made["peers"]}
        self.say(f"{case.id}: " + ", ".join(f"{name} {time}" for name, time in summary.items() if time))
        return made

    def _predict(self, probe: Probe) -> dict[str, float]:
        """What the compiler says of all forms on this machine, in milliseconds."""
        from .contenders import crossover

        folder = self.options.build
        return crossover.predict(self.case, folder / "bench", str(folder / "bin" / "attn-compile"), probe.fma_gflops,
                                 probe.read_gbs)

    def close(self) -> None:
        for one in self.field.values():
            one.close()


def measure(cases: list[Case], options, keep) -> list[dict]:
    """The records of all cases, in order; `keep` gets those so far after each batch."""
    probe = Probe(options.build / "bench", options.threads)
    advance, say = _progress(len(cases))
    records = []
    for start in range(0, len(cases), options.batch):
        batch: list[Contest] = []
        try:
            for case in cases[start:start + options.batch]:
                batch.append(Contest(case, options, say))
            with quiet(options.quiet):
                for one in batch:
                    records.append(one.run(probe))
                    advance()
        finally:
            for one in batch:
                one.close()
        keep(records)
    return records


def merge(old: list[dict], new: list[dict]) -> list[dict]:
    """Old records with those measured again replaced; the rest follows, all in the order of the table."""
    both = {one["id"]: one for one in (*old, *new)}
    order = {case.id: place for place, case in enumerate(all_cases())}
    return sorted(both.values(), key=lambda one: order.get(one["id"], len(order)))
