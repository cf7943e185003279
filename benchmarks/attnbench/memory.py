# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Peak memory of a block of code beyond what the process already held.

Linux resets its high-water mark on request, which makes the peak of one call visible; elsewhere the
figure is unknown rather than wrong.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import mmap


@dataclasses.dataclass
class Peak:
    megabytes: float | None = None


def _status(field: str) -> int:
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field))


@contextlib.contextmanager
def peak():
    """Yields a Peak that holds the rise of the resident size within the block, in MiB."""
    result = Peak()
    try:
        with open("/proc/self/clear_refs", "w") as control:
            control.write("5")
        before = _status("VmRSS:")
    except (OSError, StopIteration):
        yield result
        return
    yield result
    result.megabytes = round(max(_status("VmHWM:") - before, 0) / 1024, 2)


def populate(name: str) -> None:
    """Brings the pages of mapped files whose path contains `name` into memory: constants are no intermediate values."""
    with open("/proc/self/maps") as lines:
        mapped = [line.split() for line in lines if name in line]
    for area, access, *_ in mapped:
        if access.startswith("r"):
            first, last = (int(part, 16) for part in area.split("-"))
            for page in range(first, last, mmap.PAGESIZE):
                ctypes.c_ubyte.from_address(page).value
