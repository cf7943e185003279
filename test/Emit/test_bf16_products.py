# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which instructions multiply bf16: dot products of pairs where a CPU is faster with them than in f32, AMX where it is there."""

import subprocess

import pytest

MODEL = """
#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
func.func @main(%q: tensor<1x2x96x64xbf16>, %o: tensor<1x2x96x64xbf16>) -> tensor<1x2x96x64xbf16> {
  %r = attn.attention ins(%q, %q, %q : tensor<1x2x96x64xbf16>, tensor<1x2x96x64xbf16>, tensor<1x2x96x64xbf16>)
      outs(%o : tensor<1x2x96x64xbf16>) maps [#q, #k, #v, #o] -> tensor<1x2x96x64xbf16>
  return %r : tensor<1x2x96x64xbf16>
}
"""


@pytest.mark.parametrize(
    "cpu, wanted, unwanted",
    [
        ("znver4", "vdpbf16ps", "tdpbf16ps"),
        ("sapphirerapids", "tdpbf16ps", None),
        ("cooperlake", "vfmadd231ps", "vdpbf16ps"),
        ("x86-64-v4", "vfmadd231ps", "vdpbf16ps"),
    ],
)
def test_instruction(tmp_path, cpu, wanted, unwanted):
    (tmp_path / "model.mlir").write_text(MODEL)
    command = ["attn-compile", tmp_path / "model.mlir", f"--cpu={cpu}", "--emit=asm", "-o", tmp_path / "model.s"]
    subprocess.run(command, check=True)
    text = (tmp_path / "model.s").read_text()
    assert wanted in text
    assert not unwanted or unwanted not in text
