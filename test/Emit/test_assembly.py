# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The inner loops of matrix products keep their accumulators in registers, whatever surrounds them.

A spilled accumulator halves the speed of a product and changes no result, so only the assembly shows it.
"""

import subprocess
import sys

import pytest

LAYER = """
func.func @main(%x: tensor<128x384xf32>) -> tensor<128x384xf32> {
  %zero = arith.constant 0.0 : f32
  %up = arith.constant dense<0.5> : tensor<384x1536xf32>
  %down = arith.constant dense<0.25> : tensor<1536x384xf32>
  %wide = tensor.empty() : tensor<128x1536xf32>
  %narrow = tensor.empty() : tensor<128x384xf32>
  %wide0 = linalg.fill ins(%zero : f32) outs(%wide : tensor<128x1536xf32>) -> tensor<128x1536xf32>
  %narrow0 = linalg.fill ins(%zero : f32) outs(%narrow : tensor<128x384xf32>) -> tensor<128x384xf32>
  %h = linalg.matmul ins(%x, %up : tensor<128x384xf32>, tensor<384x1536xf32>)
      outs(%wide0 : tensor<128x1536xf32>) -> tensor<128x1536xf32>
  %y = linalg.matmul ins(%h, %down : tensor<128x1536xf32>, tensor<1536x384xf32>)
      outs(%narrow0 : tensor<128x384xf32>) -> tensor<128x384xf32>
  return %y : tensor<128x384xf32>
}
"""

ATTENTION = """
func.func @main(%q: tensor<1x8x1024x{d}xf32>, %k: tensor<1x8x1024x{d}xf32>, %v: tensor<1x8x1024x{d}xf32>)
    -> tensor<1x8x1024x{d}xf32> {{
  %init = tensor.empty() : tensor<1x8x1024x{d}xf32>
  %r = attn.attention ins(%q, %k, %v : tensor<1x8x1024x{d}xf32>, tensor<1x8x1024x{d}xf32>, tensor<1x8x1024x{d}xf32>)
      outs(%init : tensor<1x8x1024x{d}xf32>)
      maps [affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>, affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>,
            affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>, affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>]
      scale 0.125 -> tensor<1x8x1024x{d}xf32>
  return %r : tensor<1x8x1024x{d}xf32>
}}
"""


@pytest.mark.parametrize("cpu", ["x86-64-v3", "x86-64-v4", "znver4"])
@pytest.mark.parametrize("text", [LAYER, ATTENTION.format(d=64), ATTENTION.format(d=128)], ids=["layer", "d64", "d128"])
def test_accumulators_stay_in_registers(root, tmp_path, cpu, text):
    sys.path.insert(0, str(root / "scripts"))
    import inner_loops

    source, output = tmp_path / "input.mlir", tmp_path / "output.s"
    source.write_text(text)
    command = ["attn-compile", source, "-o", output, "--emit=asm", f"--cpu={cpu}"]
    subprocess.run(command, check=True, timeout=100)
    found = inner_loops.products(output.read_text())
    tile = 12 if cpu == "x86-64-v3" else 24
    assert any(inner_loops.count(loop, "^vfmadd") >= tile for loop in found), "no loop of a whole register tile"
    for loop in found:
        assert not inner_loops.count(loop, r"%[xyz]mm\d+, [-\d]*\(%rsp"), "\n".join(loop)
