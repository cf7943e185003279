//===- AttnLshTileOps.td - hash, sort, gathered chunks ----------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What LSH attention lowers to. All of them work on all heads at once: which of heads and chunks threads share is decided by
// their emitters, from lengths that are known when the program runs.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LSH_TILE_OPS
#define ATTN_LSH_TILE_OPS

include "attn/Dialect/Attn/IR/AttnLsh.td"
include "attn/Dialect/Attn/IR/AttnTileOps.td"

def Attn_HashOp : Attn_TileOp<"hash", [AttrSizedOperandSegments]> {
  let summary = "buckets of tokens, and the lengths of their vectors";
  let description = [{
    `unit[b, h, i] = (|x|^2 + epsilon)^(-1/2)`, 0 where that is infinite, and for every round the bucket of a token as
    `attn.lsh_attention` defines it. `map` is that of x over (b, h, i, d, e). Rotations are [H or 1, R, S, D], so that the
    vectors that a token is multiplied with are contiguous.

    ```mlir
    func.func @buckets(%x: tensor<1x2x?x16xf32>, %g: tensor<2x4x4x16xf32>, %u: tensor<1x2x?xf32>, %b: tensor<1x2x4x?xi32>)
        -> (tensor<1x2x?xf32>, tensor<1x2x4x?xi32>) {
      %r:2 = attn.hash ins(%x : tensor<1x2x?x16xf32>) rotations(%g : tensor<2x4x4x16xf32>)
          outs(%u, %b : tensor<1x2x?xf32>, tensor<1x2x4x?xi32>) map affine_map<(b, h, i, d, e) -> (b, h, i, d)>
          buckets [8] epsilon 1.6e-05 -> tensor<1x2x?xf32>, tensor<1x2x4x?xi32>
      return %r#0, %r#1 : tensor<1x2x?xf32>, tensor<1x2x4x?xi32>
    }
    ```

    Constraints:
    * C1: x is f16, bf16, f32 or f64 with d as its last dimension, a static multiple of 8; unit is [B, H, N] of the type of
      its sums, f64 or else f32.
    * C2: rotations and bucket go together: rotations are of the type of unit, bucket is [B, H, R, N] of i32.
    * C3: result types equal the types of the destinations, on tensors; on memrefs there are no results.
  }];
  let arguments = (ins Attn_Shaped:$x, Optional<Attn_Shaped>:$rotations, Attn_Shaped:$unit, Optional<Attn_Shaped>:$bucket,
                       AffineMapAttr:$map, DenseI64ArrayAttr:$buckets, F64Attr:$epsilon);
  let assemblyFormat = [{
    `ins` `(` $x `:` type($x) `)` (`rotations` `(` $rotations^ `:` type($rotations) `)`)?
    `outs` `(` $unit (`,` $bucket^)? `:` type($unit) (`,` type($bucket)^)? `)` `map` $map `buckets` $buckets
    `epsilon` $epsilon attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getUnitMutable().getOperandNumber(), getBucket() ? 2 : 1);
    }
  }];
}

def Attn_BucketSortOp : Attn_TileOp<"bucket_sort", [AttrSizedOperandSegments]> {
  let summary = "tokens in the order of (bucket, position)";
  let description = [{
    For every batch, head and round: `order[rank]` is the position of a token, and `first[rank]` and `end[rank]` are the
    ranks where its bucket starts and ends. `code[position, round] = rank / chunk + stride * bucket`: with a stride beyond the
    window, codes that differ by less than the window say that two tokens meet in that round. Buckets are clamped to
    [0, num_buckets]; a token that is not valid is in the bucket num_buckets. The sort is stable and counts.

    ```mlir
    func.func @order(%b: tensor<1x2x4x?xi32>, %o: tensor<1x2x4x?xi32>) -> tensor<1x2x4x?xi32> {
      %r = attn.bucket_sort ins(%b : tensor<1x2x4x?xi32>) outs(%o : tensor<1x2x4x?xi32>) num_buckets 8 chunk 16 stride 2
          -> tensor<1x2x4x?xi32>
      return %r : tensor<1x2x4x?xi32>
    }
    ```

    Constraints:
    * C1: bucket is [B or 1, H or 1, R, N] of integers; order, first and end are [B, H, R, N] of i32; code is
      [B, H, N, R] of i16 or i32; valid is [N] or [B, N] of i1.
    * C2: result types equal the types of the destinations, on tensors; on memrefs there are no results.
  }];
  let arguments = (ins Attn_Shaped:$bucket, Optional<Attn_Shaped>:$valid, Attn_Shaped:$order,
                       Optional<Attn_Shaped>:$first, Optional<Attn_Shaped>:$end, Optional<Attn_Shaped>:$code,
                       I64Attr:$num_buckets, I64Attr:$chunk, I64Attr:$stride);
  let assemblyFormat = [{
    `ins` `(` $bucket `:` type($bucket) `)` (`valid` `(` $valid^ `:` type($valid) `)`)?
    `outs` `(` $order `:` type($order) `)` (`first` `(` $first^ `:` type($first) `)`)?
    (`end` `(` $end^ `:` type($end) `)`)? (`code` `(` $code^ `:` type($code) `)`)?
    `num_buckets` $num_buckets `chunk` $chunk `stride` $stride attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      unsigned first = getOrderMutable().getOperandNumber();
      return MutableOperandRange(getOperation(), first, getOperation()->getNumOperands() - first);
    }
  }];
}

def Attn_RankSortOp : Attn_TileOp<"rank_sort", [AttrSizedOperandSegments]> {
  let summary = "tokens in the order of a number";
  let description = [{
    For every batch, head and round: `order[rank]` is the position of the token with that rank by (value, position), tokens
    that are not valid coming last, and `code[position, round] = rank / chunk`. A radix sort between `order` and `workspace`,
    which holds nothing afterwards. NaN has a place of its own at either end, so that every position has a rank.

    ```mlir
    func.func @ranks(%v: tensor<1x2x4x?xf32>, %o: tensor<1x2x4x?xi32>, %w: tensor<1x2x4x?xi32>) -> tensor<1x2x4x?xi32> {
      %r:2 = attn.rank_sort ins(%v : tensor<1x2x4x?xf32>) outs(%o, %w : tensor<1x2x4x?xi32>, tensor<1x2x4x?xi32>) chunk 16
          -> tensor<1x2x4x?xi32>, tensor<1x2x4x?xi32>
      return %r#0 : tensor<1x2x4x?xi32>
    }
    ```

    Constraints:
    * C1: value is [B, H, R, N] of f32 or f64; order and workspace are [B, H, R, N] of i32; code is [B, H, N, R] of i16 or
      i32; valid is [N] or [B, N] of i1.
    * C2: chunk is positive.
    * C3: result types equal the types of the destinations, on tensors; on memrefs there are no results.
  }];
  let arguments = (ins Attn_Shaped:$value, Optional<Attn_Shaped>:$valid, Attn_Shaped:$order, Attn_Shaped:$workspace,
                       Optional<Attn_Shaped>:$code, I64Attr:$chunk);
  let assemblyFormat = [{
    `ins` `(` $value `:` type($value) `)` (`valid` `(` $valid^ `:` type($valid) `)`)?
    `outs` `(` $order `,` $workspace `:` type($order) `,` type($workspace) `)` (`code` `(` $code^ `:` type($code) `)`)?
    `chunk` $chunk attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getOrderMutable().getOperandNumber(), getCode() ? 3 : 2);
    }
  }];
}

def Attn_LshChunksOp : Attn_TileOp<"lsh_chunks", [AttrSizedOperandSegments]> {
  let summary = "softmax attention of sorted chunks, read and written where the tokens lie";
  let description = [{
    All rounds of `attn.lsh_attention`: every chunk of an order meets the chunks around it. Keys are gathered while they are
    packed, once a round; queries and values are read, and outputs written, through the order. Rounds add up in the output
    itself with the state of every token, its maximum `state[0]` and sum `state[1]`, and the last one divides. `first` and `end` bound the ranks that a
    query sees; `code` finds the rounds that meet a pair, by whose number its weight is divided; `count` is the number of
    valid tokens, which come first in every order. What the destinations held before is not read.

    With `keys(key, key_order)`, those of `attn.asymmetric_lsh_attention`: x holds queries, which have an order of their own
    and see themselves, and keys are read as they are; the window is over chunks of `key_chunk` ranks of keys.
    `key_code` and `key_count` are code and count of the keys, and `unit` is what makes a query's product with every key at
    most 1. A query that sees nothing gives 0.

    Maps are over (b, h, i, d, e), i being a token, for x, value, output, lse and key.

    ```mlir
    #x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
    #v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>
    func.func @chunks(%x: tensor<1x2x?x16xf32>, %u: tensor<1x2x?xf32>, %order: tensor<1x2x4x?xi32>,
                      %first: tensor<1x2x4x?xi32>, %o: tensor<1x2x?x16xf32>, %s: tensor<2x1x2x?xf32>)
        -> tensor<1x2x?x16xf32> {
      %r:2 = attn.lsh_chunks ins(%x, %x, %u, %order : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>, tensor<1x2x?xf32>,
          tensor<1x2x4x?xi32>) first(%first : tensor<1x2x4x?xi32>)
          outs(%o, %s : tensor<1x2x?x16xf32>, tensor<2x1x2x?xf32>) maps [#x, #v, #v]
          chunk 16 window(1, 0) scale 1.0 {causal} -> tensor<1x2x?x16xf32>, tensor<2x1x2x?xf32>
      return %r#0 : tensor<1x2x?x16xf32>
    }
    ```

    Constraints:
    * C1: x and value are f16, bf16, f32 or f64 with d or e as their last dimension, static multiples of 8; output is like
      them, unit [B, H, N] and state [2, B, H, N], all of the type of sums of x, f64 or else f32; order is [B, H, R, N] of
      i32.
    * C2: there is one map for each of x, value, output, lse, key that is there.
    * C3: result types equal the types of the destinations, on tensors; on memrefs there are no results.
    * C4: key, key_order and a positive key_chunk go together; key_code and key_count only with them, and with code and
      count; first and end only without them. key is like x, key_order like order.
  }];
  let arguments = (ins Attn_Shaped:$x, Attn_Shaped:$value, Attn_Shaped:$unit, Attn_Shaped:$order,
                       Optional<Attn_Shaped>:$first, Optional<Attn_Shaped>:$end, Optional<Attn_Shaped>:$code,
                       Optional<Attn_Shaped>:$count, Optional<Attn_Shaped>:$key, Optional<Attn_Shaped>:$key_order,
                       Optional<Attn_Shaped>:$key_code, Optional<Attn_Shaped>:$key_count, Attn_Shaped:$output,
                       Attn_Shaped:$state, Optional<Attn_Shaped>:$lse, AffineMapArrayAttr:$indexing_maps,
                       I64Attr:$chunk, I64Attr:$look_back, I64Attr:$look_ahead, F64Attr:$scale, UnitAttr:$causal,
                       OptionalAttr<I64Attr>:$key_chunk);
  let regions = (region MaxSizedRegion<1>:$score_mod);
  let assemblyFormat = [{
    `ins` `(` $x `,` $value `,` $unit `,` $order `:` type($x) `,` type($value) `,` type($unit) `,` type($order) `)`
    (`first` `(` $first^ `:` type($first) `)`)? (`end` `(` $end^ `:` type($end) `)`)?
    (`code` `(` $code^ `:` type($code) `)`)? (`count` `(` $count^ `:` type($count) `)`)?
    (`keys` `(` $key^ `,` $key_order `:` type($key) `,` type($key_order) `)`)?
    (`key_code` `(` $key_code^ `:` type($key_code) `)`)? (`key_count` `(` $key_count^ `:` type($key_count) `)`)?
    `outs` `(` $output `,` $state `:` type($output) `,` type($state) `)`
    (`lse` `(` $lse^ `:` type($lse) `)`)? `maps` $indexing_maps
    `chunk` $chunk `window` `(` $look_back `,` $look_ahead `)` (`key_chunk` $key_chunk^)? `scale` $scale attr-dict (`score_mod` $score_mod^)?
    (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    MutableOperandRange getDpsInitsMutable() {
      return MutableOperandRange(getOperation(), getOutputMutable().getOperandNumber(), getLse() ? 3 : 2);
    }
    /// The map of key, which comes last.
    AffineMap getKeyMap() { return getMap(getIndexingMaps().size() - 1); }
    AffineMap getMap(unsigned index) { return cast<AffineMapAttr>(getIndexingMaps()[index]).getValue(); }
  }];
}

#endif // ATTN_LSH_TILE_OPS
