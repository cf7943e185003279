# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmark of the attention compiler: cases, contenders and the alternating measurement.

Every contender (our library, each peer, the hand-scheduled programs) lives in a process of its own,
so that thread pools of different runtimes never share the cores while one of them is timed.
"""
