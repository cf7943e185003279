# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tells whether other processes used the processor while a contender had its turn.

A minimum is only fair if each contender had undisturbed turns; a build in the next terminal is seen
here as processor time that the contender's process did not use.
"""

from __future__ import annotations

import os
import time

# Share of all cores that others may use in a turn; the driver and the kernel need some.
ALLOWED = 0.08


def _busy_ticks() -> int:
    """Time that all cores spent working, in clock ticks, whoever for; a hypervisor's stolen time counts."""
    with open("/proc/stat") as lines:
        user, nice, system, _, _, interrupt, soft, stolen = map(int, lines.readline().split()[1:9])
    return user + nice + system + interrupt + soft + stolen


def _own_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as lines:
        fields = lines.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Watch:
    """Started before a turn; `disturbed` afterwards."""

    def __init__(self, pid: int):
        self.pid = pid
        self.start = self._now()

    def _now(self) -> tuple[int, int, float] | None:
        try:
            return _busy_ticks(), _own_ticks(self.pid), time.perf_counter()
        except (OSError, ValueError):
            return None  # not Linux, or the process has ended

    def disturbed(self) -> bool:
        """Whether others used more than the allowed share, beyond what the ticks' coarseness explains."""
        end = self._now()
        if self.start is None or end is None:
            return False
        busy, own, wall = (after - before for before, after in zip(self.start, end))
        ticks = wall * os.sysconf("SC_CLK_TCK") * (os.cpu_count() or 1)
        return busy - own > ALLOWED * ticks + 3
