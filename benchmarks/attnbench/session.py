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
from .cases import Case
from .contenders import LIMIT, OURS, Settings
from .contest import Contender, Plan, compete, exclusive
from .probe import Probe


def _progress(cases: list[Case]):
    """The cases, under a progress bar where a person watches."""
    if not sys.stderr.isatty():
        return cases, lambda text: print(text, file=sys.stderr, flush=True)
    from tqdm import tqdm

    bar = tqdm(cases, unit="case")
    return bar, bar.set_postfix_str


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


def contest(case: Case, options, probe: Probe, say) -> dict:
    """Prepares every contender in turn, then lets them compete."""
    folder = options.build / "bench"
    settings = Settings(options.threads, str(folder), options.limits and str(pathlib.Path(options.limits).resolve()),
                        {"build": str(options.build)})
    plan = Plan(seconds=options.seconds)
    field: dict[str, Contender] = {}
    rounds = 0
    probe.reset()
    try:
        for name in _entrants(case, options):
            say(f"{case.id}: preparing {name}")
            field[name] = Contender(name, case, settings, folder / "log" / f"{case.id}-{name}.txt")
            field[name].wait_until_ready(plan.prepare_timeout)
        if case.kind in ("compile", "memory"):  # the preparing run was the measurement
            for one in field.values():
                if not one.failed:
                    one.best_ms, one.calls = one.ready["first_ms"], 1
            rounds = 1
        else:
            with exclusive(options.lock):
                say(f"{case.id}: timing")
                rounds = compete(list(field.values()), plan, lambda: probe.sample(
                    bfloat16=case.dtype == "bfloat16", bandwidth=case.n == 1))
        return record(case, field, probe, options.threads, rounds)
    finally:
        for one in field.values():
            one.close()


def measure(cases: list[Case], options) -> list[dict]:
    """The records of all cases, in order."""
    probe = Probe(options.build / "bench", options.threads)
    bar, say = _progress(cases)
    records = []
    for case in bar:
        records.append(contest(case, options, probe, say))
        summary = {OURS: records[-1]["ms"], LIMIT: records[-1]["limit_ms"], **records[-1]["peers"]}
        say(f"{case.id}: " + ", ".join(f"{name} {time}" for name, time in summary.items() if time))
    return records


def merge(old: list[dict], new: list[dict]) -> list[dict]:
    """Old records with those measured again replaced, in the order of the old ones."""
    fresh = {one["id"]: one for one in new}
    kept = [fresh.pop(one["id"], one) for one in old]
    return kept + [one for one in new if one["id"] in fresh]
