// RUN: attn-compile %s --target=nvptx --sm=80 --emit=ptx --remarks -o %t.ptx 2>&1 | FileCheck %s
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What runs without a kernel of its own says why: which operand, region or limit.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
#x = affine_map<(b, h, i, d, e) -> (h, i, d)>
#xv = affine_map<(b, h, i, d, e) -> (h, i, e)>

// CHECK-DAG: NoKernel{{.*}}Function=wide_key |{{.*}}attn.attention has no kernel for GPUs: columns of key are 320, kernels take at most 256; it runs as linear algebra
func.func @wide_key(%q: tensor<1x8x320xf16>, %v: tensor<1x8x16xf16>, %o: tensor<1x8x16xf16>) -> tensor<1x8x16xf16> {
  %0 = attn.attention ins(%q, %q, %v : tensor<1x8x320xf16>, tensor<1x8x320xf16>, tensor<1x8x16xf16>)
      outs(%o : tensor<1x8x16xf16>) maps [#q, #k, #v, #o] -> tensor<1x8x16xf16>
  return %0 : tensor<1x8x16xf16>
}

// CHECK-DAG: Function=wide_value |{{.*}}columns of value are 272, kernels take at most 256
func.func @wide_value(%q: tensor<1x8x16xf16>, %v: tensor<1x8x272xf16>, %o: tensor<1x8x272xf16>) -> tensor<1x8x272xf16> {
  %0 = attn.attention ins(%q, %q, %v : tensor<1x8x16xf16>, tensor<1x8x16xf16>, tensor<1x8x272xf16>)
      outs(%o : tensor<1x8x272xf16>) maps [#q, #k, #v, #o] -> tensor<1x8x272xf16>
  return %0 : tensor<1x8x272xf16>
}

// CHECK-DAG: Function=double |{{.*}}key has elements of f64, kernels take f16, bf16 and f32
func.func @double(%q: tensor<1x8x16xf64>, %o: tensor<1x8x16xf64>) -> tensor<1x8x16xf64> {
  %0 = attn.linear_attention relu ins(%q, %q, %q : tensor<1x8x16xf64>, tensor<1x8x16xf64>, tensor<1x8x16xf64>)
      outs(%o : tensor<1x8x16xf64>) maps [#q, #k, #v, #o] -> tensor<1x8x16xf64>
  return %0 : tensor<1x8x16xf64>
}

// CHECK-DAG: Function=loop |{{.*}}score_mod has 'scf.for', kernels take arithmetic alone
func.func @loop(%q: tensor<1x8x16xf16>, %o: tensor<1x8x16xf16>) -> tensor<1x8x16xf16> {
  %0 = attn.attention ins(%q, %q, %q : tensor<1x8x16xf16>, tensor<1x8x16xf16>, tensor<1x8x16xf16>)
      outs(%o : tensor<1x8x16xf16>) maps [#q, #k, #v, #o] score_mod {
      ^bb0(%score: f32, %b: index, %h: index, %i: index, %j: index):
        %c0 = arith.constant 0 : index
        %c1 = arith.constant 1 : index
        %s = scf.for %n = %c0 to %i step %c1 iter_args(%x = %score) -> f32 {
          %y = arith.addf %x, %score : f32
          scf.yield %y : f32
        }
        attn.yield %s : f32
      } -> tensor<1x8x16xf16>
  return %0 : tensor<1x8x16xf16>
}

// CHECK-DAG: Function=features |{{.*}}attn.linear_attention has no kernel for GPUs: features are 600, kernels take at most 512
func.func @features(%q: tensor<1x8x600xf16>, %v: tensor<1x8x16xf16>, %o: tensor<1x8x16xf16>) -> tensor<1x8x16xf16> {
  %0 = attn.linear_attention elu_plus_one ins(%q, %q, %v : tensor<1x8x600xf16>, tensor<1x8x600xf16>, tensor<1x8x16xf16>)
      outs(%o : tensor<1x8x16xf16>) maps [#q, #k, #v, #o] -> tensor<1x8x16xf16>
  return %0 : tensor<1x8x16xf16>
}

// CHECK-DAG: Function=wide_tokens |{{.*}}attn.lsh_attention has no kernel for GPUs: columns of a head are 272, kernels take at most 256
func.func @wide_tokens(%x: tensor<2x64x272xf16>, %v: tensor<2x64x16xf16>, %g: tensor<2x272x4x4xf32>, %o: tensor<2x64x16xf16>)
    -> tensor<2x64x16xf16> {
  %0 = attn.lsh_attention ins(%x, %v : tensor<2x64x272xf16>, tensor<2x64x16xf16>) rotations(%g : tensor<2x272x4x4xf32>)
      outs(%o : tensor<2x64x16xf16>) maps [#x, #xv, #xv] rounds 4 chunk 16 buckets [8] causal -> tensor<2x64x16xf16>
  return %0 : tensor<2x64x16xf16>
}

// CHECK-DAG: NoTensorCores{{.*}}Function=double_product |{{.*}}its elements are neither of f16 nor of bf16 nor of f32
func.func @double_product(%a: tensor<64x64xf64>, %o: tensor<64x64xf64>) -> tensor<64x64xf64> {
  %0 = linalg.matmul ins(%a, %a : tensor<64x64xf64>, tensor<64x64xf64>) outs(%o : tensor<64x64xf64>) -> tensor<64x64xf64>
  return %0 : tensor<64x64xf64>
}

// CHECK-DAG: NoTensorCores{{.*}}Function=distances |{{.*}}linalg.generic runs with 16 elements a thread: it does not add up products of two inputs
func.func @distances(%a: tensor<64x32xf32>, %b: tensor<64x32xf32>, %o: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %0 = linalg.generic {indexing_maps = [affine_map<(i, j, d) -> (i, d)>, affine_map<(i, j, d) -> (j, d)>,
                                        affine_map<(i, j, d) -> (i, j)>],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : tensor<64x32xf32>, tensor<64x32xf32>) outs(%o : tensor<64x64xf32>) {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %d = arith.subf %x, %y : f32
    %q = arith.mulf %d, %d : f32
    %t = arith.addf %s, %q : f32
    linalg.yield %t : f32
  } -> tensor<64x64xf32>
  return %0 : tensor<64x64xf32>
}

// CHECK-DAG: Missed] ThreadPerElement{{.*}}Function=columns |{{.*}}no input has the elements of reduced dimension d1 side by side
func.func @columns(%a: tensor<64x32xf32>, %o: tensor<32xf32>) -> tensor<32xf32> {
  %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i)>],
                       iterator_types = ["parallel", "reduction"]} ins(%a : tensor<64x32xf32>) outs(%o : tensor<32xf32>) {
  ^bb0(%x: f32, %s: f32):
    %t = arith.addf %s, %x : f32
    linalg.yield %t : f32
  } -> tensor<32xf32>
  return %0 : tensor<32xf32>
}

// CHECK-DAG: Missed] ThreadPerElement{{.*}}Function=few |{{.*}}31 elements are reduced, fewer than a warp has lanes
func.func @few(%a: tensor<64x31xf32>, %o: tensor<64xf32>) -> tensor<64xf32> {
  %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                       iterator_types = ["parallel", "reduction"]} ins(%a : tensor<64x31xf32>) outs(%o : tensor<64xf32>) {
  ^bb0(%x: f32, %s: f32):
    %t = arith.addf %s, %x : f32
    linalg.yield %t : f32
  } -> tensor<64xf32>
  return %0 : tensor<64xf32>
}

// CHECK-DAG: Missed] ThreadPerElement{{.*}}Function=decay |{{.*}}result 0 is not combined by one operation of f32, f64 or i32 that has a neutral element
func.func @decay(%a: tensor<64x40xf32>, %o: tensor<64xf32>) -> tensor<64xf32> {
  %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                       iterator_types = ["parallel", "reduction"]} ins(%a : tensor<64x40xf32>) outs(%o : tensor<64xf32>) {
  ^bb0(%x: f32, %s: f32):
    %h = arith.constant 0.5 : f32
    %u = arith.mulf %s, %h : f32
    %t = arith.addf %u, %x : f32
    linalg.yield %t : f32
  } -> tensor<64xf32>
  return %0 : tensor<64xf32>
}

// CHECK-DAG: Analysis] ThreadPerElement{{.*}}Function=negated |{{.*}}linalg.generic runs with one thread an element: nothing is reduced
func.func @negated(%a: tensor<64x40xf32>, %o: tensor<64x40xf32>) -> tensor<64x40xf32> {
  %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]} ins(%a : tensor<64x40xf32>) outs(%o : tensor<64x40xf32>) {
  ^bb0(%x: f32, %s: f32):
    %t = arith.negf %x : f32
    linalg.yield %t : f32
  } -> tensor<64x40xf32>
  return %0 : tensor<64x40xf32>
}
