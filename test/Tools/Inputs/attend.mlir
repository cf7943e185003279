// Two attentions, one after the other, for the tests of the tools.

#q = affine_map<(b, h, i, j, d, e) -> (h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (h, j, d)>
#v = affine_map<(b, h, i, j, d, e) -> (h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (h, i, e)>
func.func @main(%x: tensor<2x20x8xf32>) -> tensor<2x20x8xf32> {
  %empty = tensor.empty() : tensor<2x20x8xf32>
  %0 = attn.attention ins(%x, %x, %x : tensor<2x20x8xf32>, tensor<2x20x8xf32>, tensor<2x20x8xf32>)
      outs(%empty : tensor<2x20x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x20x8xf32>
  %1 = attn.attention ins(%0, %x, %x : tensor<2x20x8xf32>, tensor<2x20x8xf32>, tensor<2x20x8xf32>)
      outs(%empty : tensor<2x20x8xf32>) maps [#q, #k, #v, #o] -> tensor<2x20x8xf32>
  return %1 : tensor<2x20x8xf32>
}
