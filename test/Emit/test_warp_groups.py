# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What sm_90a gets for exact attention: products of warp groups that ptxas does not make wait for each other, no spills,
and the launch in the PTX; other architectures get none of it."""

import re
import subprocess

import pytest
from test_kernels import find

PROGRAM = """
#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h floordiv {group}, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h floordiv {group}, j, e)>
#b = affine_map<(b, h, i, j, d, e) -> (b, h, i, j)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
!q = tensor<?x8x?x{d}x{type}>
!k = tensor<?x{heads}x?x{d}x{type}>
func.func @main(%q: !q, %k: !k, %v: !k, %o: !q{parameters}) -> !q {{
  %r = attn.attention ins(%q, %k, %v : !q, !k, !k) {extra} outs(%o : !q) maps [#q, #k, #v{maps}, #o] {mask} -> !q
  return %r : !q
}}
"""
MASKS = {"full": "", "causal": "mask #attn.causal<bottom_right>", "window": "mask #attn.window<before = 255, after = 0, bottom_right>"}


GLOBAL = (
    "mask #attn.any_of<[#attn.window<before = 511, after = 511, top_left>, "
    "#attn.global<tokens = [0 to 64], both, top_left>]>"
)
BIAS = {"extra": "bias(%b : tensor<?x8x?x?xf16>)", "parameters": ", %b: tensor<?x8x?x?xf16>", "maps": ", #b"}


@pytest.fixture(scope="module")
def ptxas():
    return find("ptxas") or pytest.skip("ptxas is missing: install nvidia-cuda-nvcc")


def compile(folder, sm="90a", **parameters):
    fields = {"type": "f16", "d": 64, "group": 1, "extra": "", "parameters": "", "maps": "", "mask": "", **parameters}
    (folder / "program.mlir").write_text(PROGRAM.format(heads=8 // fields["group"], **fields), encoding="utf-8")
    command = ["attn-compile", folder / "program.mlir", "--target=nvptx", f"--sm={sm}", "--emit=ptx", "-o", folder / "out.ptx"]
    subprocess.run(command, check=True)
    return (folder / "out.ptx").read_text()


def check(ptxas, folder, text):
    done = subprocess.run([ptxas, "-v", "-arch=sm_90a", folder / "out.ptx", "-o", folder / "out.cubin"], capture_output=True, text=True)
    report = done.stdout + done.stderr
    assert done.returncode == 0 and "warning" not in report and "C75" not in report, report
    assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in report, report
    assert ".local" not in text and ".extern .func" not in text


@pytest.mark.parametrize("type", ["f16", "bf16"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("d", [64, 128, 256])
def test_assembles(ptxas, tmp_path, d, mask, type):
    text = compile(tmp_path, d=d, type=type, mask=MASKS[mask])
    check(ptxas, tmp_path, text)
    found = re.findall(rf"wgmma\.mma_async\.sync\.aligned\.m64n(\d+)k16\.f32\.{type}\.{type}", text)
    keys = next((int(n) for n in found if int(n) != d), d)
    # Scores before the loop and in it, values in it and after it.
    assert keys in (64, 128) and len(found) == 2 * (d // 16 + keys // 16)
    assert "mma.sync" not in text and "ldmatrix" not in text and "wgmma.wait_group.sync.aligned 1" in text
    assert re.search(r"\.reqntid (256|384), 1, 1", text) and "cp.async.cg" not in text
    # Three maps among the parameters; queries, keys and values by as many copies as they have blocks of 64 columns.
    assert len(re.findall(r"\.param \.align 64 \.b8 main_0_param_\d+\[128\]", text)) == 3
    copies = "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
    assert text.count(copies) == 3 * d // 64 and text.count("mbarrier.arrive.expect_tx") == 3
    registers = {"256": 232, "384": 240}[re.search(r"\.reqntid (\d+)", text)[1]]
    if "setmaxnreg" in text:  # the only consumer of the only block has all from the start
        assert f"setmaxnreg.inc.sync.aligned.u32 \t{registers}" in text and "setmaxnreg.dec.sync.aligned.u32 \t24" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"group": 4, "mask": MASKS["causal"]},
        BIAS,
        {**BIAS, "group": 4, "mask": MASKS["causal"]},
        {"mask": GLOBAL},
        {"mask": GLOBAL, **BIAS},
    ],
    ids=["grouped", "bias", "grouped-bias", "global", "global-bias"],
)
@pytest.mark.parametrize("d", [64, 128])
def test_variants(ptxas, tmp_path, changes, d):
    text = compile(tmp_path, d=d, **changes)
    check(ptxas, tmp_path, text)
    assert "wgmma.mma_async" in text and "mma.sync" not in text and "cp.async.cg" not in text


@pytest.mark.parametrize("sm", ["80", "90", "100a", "120"])
def test_other_architectures(tmp_path, sm):
    text = compile(tmp_path, sm=sm)
    assert "mma.sync" in text and "wgmma" not in text and "setmaxnreg" not in text
