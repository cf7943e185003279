# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The lit test format; a module of its own, because lit sends it to its worker processes by name."""

import lit.formats


class Tests(lit.formats.ShTest):
    """ShTest that can leave out the files that attn-opt does not read."""

    def __init__(self, only_attn_opt):
        super().__init__(execute_external=False)
        self.only_attn_opt = only_attn_opt

    def getTestsInDirectory(self, suite, path, lit_config, local_config):
        for test in super().getTestsInDirectory(suite, path, lit_config, local_config):
            if self.only_attn_opt:
                with open(test.getSourcePath(), encoding="utf-8", errors="replace") as file:
                    if "RUN: attn-opt" not in file.read():
                        continue
            yield test
