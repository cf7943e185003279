# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Timing by turns: contenders of a case run alternately in one session, and minima are compared.

A contender's process is stopped (SIGSTOP) whenever it is not its turn, because the worker threads of
OpenMP, TBB and ONNX Runtime spin for a while after a call and would take the next one's cores.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time

from .cases import Case
from .contenders import LIMIT, OURS, Settings
from .interference import Watch

ROOT = pathlib.Path(__file__).resolve().parents[2]
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


@dataclasses.dataclass
class Plan:
    """How long to measure."""

    seconds: float = 8.0  # of turns, per case
    turn_ms: float = 40.0
    min_rounds: int = 3  # undisturbed ones, for whoever still matters
    patience: float = 3.0  # at most this many times `seconds` while turns are disturbed
    max_rounds: int = 60
    hopeless: float = 1.3  # peers slower than this many times the best one get no further rounds
    prepare_timeout: float = 900.0
    turn_timeout: float = 300.0


class Contender:
    """The driver's side of one worker process; `failed` holds the reason once it is out."""

    def __init__(self, name: str, case: Case, settings: Settings, log: pathlib.Path):
        self.name = name
        self.failed: str | None = None
        self.ready: dict = {}
        self.best_ms = float("inf")
        self.calls = self.clean_turns = 0
        self.log = log
        threads = str(settings.threads)
        environment = {
            **os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false",
            "ATTN_BUILD": settings.options.get("build", ""),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT / "python"),
                                           os.environ.get("PYTHONPATH", "")])}
        log.parent.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "attnbench.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(log, "w"), env=environment, text=True, bufsize=1,
            preexec_fn=lambda: _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
        self._send({"case": dataclasses.asdict(case), "contender": name,
                    "settings": dataclasses.asdict(settings)})

    def _send(self, message: dict) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(message) + "\n")

    def _receive(self, timeout: float) -> dict | None:
        """The next answer; on none, sets `failed` and ends the process."""
        if not select.select([self.process.stdout], [], [], timeout)[0]:
            return self._fail(f"no answer within {timeout:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            cause = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            return self._fail(f"process ended with {cause}" + "".join(f": {text[:200]}" for text in last))
        answer = json.loads(line)
        if "failed" in answer:
            self.ready = self.ready or answer
            return self._fail(answer["failed"])
        return answer

    def _fail(self, reason: str) -> None:
        self.failed = reason
        self.close()

    def wait_until_ready(self, timeout: float) -> None:
        answer = self._receive(timeout)
        if answer is not None:
            self.ready = answer
            self.stop()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def turn(self, plan: Plan) -> None:
        """Wakes the process for one turn."""
        self.process.send_signal(signal.SIGCONT)
        watch = Watch(self.process.pid)
        known = min(self.best_ms, self.ready["first_ms"])
        self._send({"budget_ms": plan.turn_ms, "warm": known > 6 * plan.turn_ms})
        answer = self._receive(plan.turn_timeout)
        if answer is not None:
            self.best_ms = min(self.best_ms, answer["ms"])
            self.calls += answer["calls"]
            self.stop()
            self.clean_turns += not watch.disturbed()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


@contextlib.contextmanager
def quiet(command: str | None):
    """Keeps a command of the user's running, if there is one, that keeps the rest of the machine quiet.

    It gets the driver's process id, prints a line when all is quiet and ends when its input closes.
    """
    if not command:
        yield
        return
    with subprocess.Popen([command, str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        keeper.stdout.readline()
        yield


def _contending(contenders: list[Contender], plan: Plan, rounds: int) -> list[Contender]:
    """Who still matters: peers far behind the best one only cost time, sooner the further behind they are."""
    running = [one for one in contenders if not one.failed]
    factor = plan.hopeless if rounds >= plan.min_rounds else plan.hopeless**4 if rounds else float("inf")
    best = min((one.best_ms for one in running if one.name not in (OURS, LIMIT)), default=0.0)
    return [one for one in running if one.name in (OURS, LIMIT) or rounds == 0 or one.best_ms <= factor * best]


def compete(contenders: list[Contender], plan: Plan, between=lambda: None) -> int:
    """Rounds of one turn each until the time is spent; returns the number of rounds.

    `between` is called before each turn, for measurements that belong to the same minute.
    """
    start = time.perf_counter()
    rounds = 0
    while rounds < plan.max_rounds:
        turns = _contending(contenders, plan, rounds)
        expected = 1e-3 * sum(max(one.best_ms, plan.turn_ms) for one in turns)
        needed = plan.min_rounds if plan.min_rounds * expected < plan.patience * plan.seconds else 2
        settled = all(one.clean_turns >= needed for one in turns)
        limit = plan.seconds if settled else plan.seconds * plan.patience
        if rounds >= needed and time.perf_counter() - start + expected / 2 > limit:
            break
        for contender in turns:
            between()
            contender.turn(plan)
        rounds += 1
    return rounds
