# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs of one attention, compiled with steps, and what these need between them."""

import functools

import numpy as np

LENGTH, CAPACITY, PAGE, POOL = 50, 64, 16, 13
# batch, query heads, key heads, head size, value size, features; keys as [B, N, H, D]
SHAPE = (2, 4, 2, 16, 24, 12)
DOMAIN = "(b, h, i, j, d, e)"
ATTENTION = "attn.attention ins(%q, %k, %v : {q}, {k}, {v}) outs(%init : {o}) maps [#q, #k, #v, #o] mask {mask}{end}"
LINEAR = ("attn.linear_attention {map} ins(%q, %k, %v : {q}, {k}, {v}){extra} outs(%init : {o}) "
          "maps [#q, #k, #v, #o] causal top_left")
CAUSAL = "#attn.causal<top_left>"
ALIBI = """ score_mod {
  ^bb0(%score: f32, %b: index, %h: index, %i: index, %j: index):
    %distance = arith.subi %j, %i : index
    %int = arith.index_cast %distance : index to i32
    %float = arith.sitofp %int : i32 to f32
    %slope = arith.constant 0.25 : f32
    %bias = arith.mulf %float, %slope : f32
    %new = arith.addf %score, %bias : f32
    attn.yield %new : f32
  }"""


def window(count):
    return f"#attn.window<before = {count - 1}, after = 0, top_left>"


def text(operation, **names):
    batch, heads, kv_heads, d, e, features = SHAPE
    types = {"q": f"tensor<{batch}x?x{heads}x{d}xf32>", "k": f"tensor<{batch}x?x{kv_heads}x{d}xf32>",
             "v": f"tensor<{batch}x?x{kv_heads}x{e}xf32>", "o": f"tensor<{batch}x?x{heads}x{e}xf32>"}
    body = operation.format(**types, **names)
    rows = np.random.default_rng(3).standard_normal((features, d)).round(3).tolist()
    return f"""\
#q = affine_map<{DOMAIN} -> (b, i, h, d)>
#k = affine_map<{DOMAIN} -> (b, j, h floordiv {heads // kv_heads}, d)>
#v = affine_map<{DOMAIN} -> (b, j, h floordiv {heads // kv_heads}, e)>
#o = affine_map<{DOMAIN} -> (b, i, h, e)>
func.func @main(%q: {types["q"]}, %k: {types["k"]}, %v: {types["v"]}) -> {types["o"]} {{
  %c1 = arith.constant 1 : index
  %n = tensor.dim %q, %c1 : {types["q"]}
  %w = arith.constant dense<{rows}> : tensor<{features}x{d}xf32>
  %init = tensor.empty(%n) : {types["o"]}
  %r = {body} -> {types["o"]}
  return %r : {types["o"]}
}}
"""


# name: program, options
PROGRAMS = {
    "softmax": (text(ATTENTION, mask=CAUSAL, end=""), {}),
    "alibi": (text(ATTENTION, mask=CAUSAL, end=ALIBI), {}),
    "paged": (text(ATTENTION, mask=CAUSAL, end=""), {"page_size": PAGE}),
    "ring 1": (text(ATTENTION, mask=window(1), end=""), {}),
    "ring 12": (text(ATTENTION, mask=window(12), end=""), {"page_size": PAGE}),
    "ring 40": (text(ATTENTION, mask=f"#attn.all_of<[{CAUSAL}, {window(40)}]>", end=""), {}),
    "wide window": (text(ATTENTION, mask=window(CAPACITY + 1), end=""), {}),
    "elu": (text(LINEAR, map="elu_plus_one", extra=""), {}),
    "relu": (text(LINEAR, map="relu", extra=""), {}),
    "favor": (text(LINEAR, map="softmax_positive", extra=" projection(%w : tensor<12x16xf32>)"), {}),
}


@functools.lru_cache
def compiled(name):
    import attn_compiler

    program, options = PROGRAMS[name]
    return attn_compiler.compile(program, steps=CAPACITY, **options)


def arrays(seed=0, length=LENGTH):
    batch, heads, kv_heads, d, e, _ = SHAPE
    rng = np.random.default_rng(seed)
    shapes = [(batch, length, heads, d), (batch, length, kv_heads, d), (batch, length, kv_heads, e)]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def buffers(module, fill):
    """Keys and values may hold anything; sums begin as zero, pages lie anywhere in a pool that is larger than needed."""
    made = []
    for spec in module.main_step.args[4:]:
        shape = [extent if isinstance(extent, int) else POOL for extent in spec["shape"]]
        start = fill if "_state" not in spec["name"] else -1e30 if "reference" in spec["name"] else 0
        made.append(np.full(shape, start, spec["dtype"]) if spec["name"] != "pages" else
                    np.random.default_rng(1).permutation(POOL)[: np.prod(shape)].reshape(shape).astype(np.int32))
    return made


def step(module, inputs, first, count, state):
    entry = module.main_token if count == 1 else module.main_step
    part = [np.ascontiguousarray(array[:, first : first + count]) for array in inputs]
    return entry(*part, np.array(first, np.int64), *state)
