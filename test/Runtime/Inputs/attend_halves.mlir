// Attention on halves behind the signature of layer.mlir: on sm_90a it has a launch of its own.

#id = affine_map<(i, j) -> (i, j)>
#bias = affine_map<(i, j) -> (j)>
#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
func.func @layer(%x: tensor<?x8xf32>, %b: tensor<4xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %eh = tensor.empty(%n) : tensor<?x8xf16>
  %h = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x8xf32>) outs(%eh : tensor<?x8xf16>) {
  ^bb0(%a: f32, %o: f16):
    %t = arith.truncf %a : f32 to f16
    linalg.yield %t : f16
  } -> tensor<?x8xf16>
  %y = attn.attention ins(%h, %h, %h : tensor<?x8xf16>, tensor<?x8xf16>, tensor<?x8xf16>) outs(%eh : tensor<?x8xf16>)
      maps [#q, #k, #v, #o] -> tensor<?x8xf16>
  %s = tensor.extract_slice %y[0, 0] [%n, 4] [1, 1] : tensor<?x8xf16> to tensor<?x4xf16>
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %z = linalg.generic {indexing_maps = [#id, #bias, #id], iterator_types = ["parallel", "parallel"]}
      ins(%s, %b : tensor<?x4xf16>, tensor<4xf32>) outs(%e : tensor<?x4xf32>) {
  ^bb0(%a: f16, %c: f32, %o: f32):
    %t = arith.extf %a : f16 to f32
    %u = arith.addf %t, %c : f32
    linalg.yield %u : f32
  } -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
