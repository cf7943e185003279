// What a front end writes, with a scan that only the phase import knows, and an attention with as many keys as it gets.

#q = affine_map<(b, h, i, j, d, e) -> (i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (i, e)>
func.func @cross(%x: tensor<8x4xf32>, %y: tensor<6x4xf32>) -> tensor<8x4xf32> {
  %zero = arith.constant 0.0 : f32
  %row = tensor.empty() : tensor<4xf32>
  %acc = linalg.fill ins(%zero : f32) outs(%row : tensor<4xf32>) -> tensor<4xf32>
  %rows = tensor.empty() : tensor<6x4xf32>
  %init = linalg.fill ins(%zero : f32) outs(%rows : tensor<6x4xf32>) -> tensor<6x4xf32>
  %sum:2 = tm_tensor.scan dimension(0) inclusive(true) ins(%y : tensor<6x4xf32>)
      outs(%init, %acc : tensor<6x4xf32>, tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %b : f32
    tm_tensor.yield %s : f32
  } -> tensor<6x4xf32>, tensor<4xf32>
  %empty = tensor.empty() : tensor<8x4xf32>
  %o = attn.attention ins(%x, %sum#0, %y : tensor<8x4xf32>, tensor<6x4xf32>, tensor<6x4xf32>)
      outs(%empty : tensor<8x4xf32>) maps [#q, #k, #v, #o] -> tensor<8x4xf32>
  return %o : tensor<8x4xf32>
}

func.func @long(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %o = attn.attention ins(%x, %x, %x : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
      outs(%x : tensor<?x64xf32>) maps [#q, #k, #v, #o] -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}
