# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What is built here and measured on a machine with a GPU: one list for both sides."""

from __future__ import annotations

import dataclasses

HEADS = 16
TEMPLATE = """#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>
func.func @main(%q: {type}, %k: {type}, %v: {type}) -> {type} {{
  %c2 = arith.constant 2 : index
  %n = tensor.dim %q, %c2 : {type}
  %init = tensor.empty(%n) : {type}
  %0 = attn.attention ins(%q, %k, %v : {type}, {type}, {type})
      outs(%init : {type}) maps [#q, #k, #v, #o]{mask} -> {type}
  return %0 : {type}
}}
"""
MASKS = {
    "full": "",
    "causal": " mask #attn.causal<top_left>",
    "window": " mask #attn.window<before = 255, after = 0, top_left>",
}
LSH = "lsh,rounds=4,chunk=64,shared_qk=true,same_bucket=false,buckets=1024"
NAMES = {"f16": "float16", "bf16": "bfloat16", "f32": "float32"}


@dataclasses.dataclass(frozen=True)
class Case:
    """One library: the length is dynamic, everything else is not."""

    dtype: str
    d: int
    mask: str
    form: str = ""

    @property
    def name(self) -> str:
        form = f"-{self.form.split(',')[0]}" if self.form else ""
        return f"attention-{self.dtype}-d{self.d}-{self.mask}{form}"

    @property
    def torch_dtype(self) -> str:
        return NAMES[self.dtype]

    def ir(self, heads: int = HEADS) -> str:
        tensor = f"tensor<1x{heads}x?x{self.d}x{self.dtype}>"
        return TEMPLATE.format(type=tensor, mask=MASKS[self.mask])

    def dims(self, n: int) -> list[str]:
        """The length, for attn-run: the compiler calls that of queries N0 and that of keys N1."""
        return [f"--dim=N0={n}", f"--dim=N1={n}"]

    def flops(self, n: int) -> float:
        """Of the two products of exact attention, as FlashAttention counts them, whatever the form."""
        pairs = {"full": n * n, "causal": n * n / 2, "window": n * min(n, 256)}[self.mask]
        return 4.0 * HEADS * pairs * self.d


CASES = [
    *(Case(dtype, d, mask) for dtype in ("f16", "bf16") for d in (64, 128) for mask in ("full", "causal")),
    Case("f16", 64, "window"),
    Case("f32", 64, "full"),
    Case("f32", 64, "causal"),
    *(Case(dtype, 64, mask, "linear") for dtype in ("f16", "bf16", "f32") for mask in ("full", "causal")),
    *(Case("f16", 64, mask, "favor,features=256") for mask in ("full", "causal")),
    Case("f16", 64, "full", "low-rank,k=256,length=16384"),
    Case("f16", 64, "full", "bigbird,block=64"),
    Case("f16", 64, "full", "local,chunk=128"),
    Case("f16", 64, "full", "window,before=256,after=256"),
    # As reformer-pytorch has it: chunks of 64 see the one before, whatever the buckets.
    *(Case("f16", 64, mask, LSH) for mask in ("full", "causal")),
]
LENGTHS = (1024, 4096, 16384)
# Forms take a time that is proportional to the length.
FORM_LENGTHS = (4096, 16384, 65536)


def lengths(case: Case) -> tuple[int, ...]:
    return FORM_LENGTHS if case.form else LENGTHS


# Small enough for the simulator, and no multiple of a tile.
CHECKED = 150
