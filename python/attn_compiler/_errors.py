# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What can go wrong, as exceptions. Each is also the built-in exception that a caller would look for."""

from __future__ import annotations


class AttnError(RuntimeError):
    """Anything that this package reports."""


class ArgumentError(AttnError, ValueError):
    """A call with arguments that the entry does not accept; the message names the argument and what was expected."""


class LibraryError(AttnError):
    """A file that is missing, damaged, not a compiled library, or not for this machine."""


class OutOfMemoryError(AttnError, MemoryError):
    """No memory for a result or for a thread's scratch."""


class DeviceError(AttnError):
    """No driver, no GPU, or none that the library has code for."""
