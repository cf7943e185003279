# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every attention of every model of the zoo is raised, whatever torch-mlir made of it.

The models are exported here, so the test needs PyTorch, transformers and torch-mlir. Static shapes only: that keeps the
time modest; test_run_models.py raises them with a dynamic batch and length.
"""

import os
import re
import subprocess

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
for name in ("torch", "transformers", "torch_mlir"):
    pytest.importorskip(name, reason=f"needs the Python package {name}")

import export_models  # noqa: E402
import zoo  # noqa: E402

STATIC = [(case, implementation, "static") for case in zoo.CASES for implementation in case.implementations]


def raised(path):
    """The IR after the raise phase."""
    flags = ["--attn-import-pipeline", "--attn-raise-pipeline", "--mlir-elide-resource-strings-if-larger=16"]
    result = subprocess.run(["attn-opt", *flags, str(path)], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


def check_attentions(case, path):
    """Every attention of the model is raised, its mask to an attribute, its shared heads to a map."""
    text = raised(path)
    attentions = re.findall(r"attn\.attention .*", text)
    assert len(attentions) == case.attentions
    causal = [line for line in attentions if "mask #attn" in line]
    assert len(causal) == case.masked, "expected masks of positions as attributes"
    grouped = re.search(r"d1 floordiv 2", text) is not None
    assert grouped == case.grouped, "expected shared key heads to stay shared"


@pytest.mark.parametrize("case, implementation, variant", STATIC, ids=lambda value: getattr(value, "name", value))
def test_every_attention_is_raised(case, implementation, variant, tmp_path):
    check_attentions(case, export_models.export_case(case, implementation, variant, tmp_path))
