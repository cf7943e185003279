// Sorted attention as kernels for GPUs: the widths and types that take the most registers.

#x = affine_map<(b, h, i, d, e) -> (b, h, i, d)>
#v = affine_map<(b, h, i, d, e) -> (b, h, i, e)>
#q = affine_map<(b, h, i, j, d, e) -> (b, h, i, d)>
#k = affine_map<(b, h, i, j, d, e) -> (b, h, j, d)>
#w = affine_map<(b, h, i, j, d, e) -> (b, h, j, e)>
#o = affine_map<(b, h, i, j, d, e) -> (b, h, i, e)>

func.func @half(%x: tensor<1x8x65536x64xf16>, %g: tensor<8x64x4x48xf32>, %init: tensor<1x8x65536x64xf16>)
    -> tensor<1x8x65536x64xf16> {
  %o = attn.lsh_attention ins(%x, %x : tensor<1x8x65536x64xf16>, tensor<1x8x65536x64xf16>)
      rotations(%g : tensor<8x64x4x48xf32>) outs(%init : tensor<1x8x65536x64xf16>) maps [#x, #v, #v]
      rounds 4 chunk 64 buckets [64, 32] causal -> tensor<1x8x65536x64xf16>
  return %o : tensor<1x8x65536x64xf16>
}

func.func @single(%x: tensor<1x8x?x128xf32>, %g: tensor<8x128x20x64xf32>, %init: tensor<1x8x?x128xf32>)
    -> tensor<1x8x?x128xf32> {
  %o = attn.lsh_attention ins(%x, %x : tensor<1x8x?x128xf32>, tensor<1x8x?x128xf32>)
      rotations(%g : tensor<8x128x20x64xf32>) outs(%init : tensor<1x8x?x128xf32>) maps [#x, #v, #v]
      rounds 20 chunk 64 buckets [128] -> tensor<1x8x?x128xf32>
  return %o : tensor<1x8x?x128xf32>
}

func.func @wide(%x: tensor<1x8x?x256xf16>, %g: tensor<8x256x4x64xf32>, %init: tensor<1x8x?x256xf16>)
    -> tensor<1x8x?x256xf16> {
  %o = attn.lsh_attention ins(%x, %x : tensor<1x8x?x256xf16>, tensor<1x8x?x256xf16>)
      rotations(%g : tensor<8x256x4x64xf32>) outs(%init : tensor<1x8x?x256xf16>) maps [#x, #v, #v]
      rounds 4 chunk 64 buckets [128] causal -> tensor<1x8x?x256xf16>
  return %o : tensor<1x8x?x256xf16>
}

func.func @own_keys(%q: tensor<1x8x?x128xbf16>, %k: tensor<1x8x?x128xbf16>, %a: tensor<8x4x130xf32>,
                    %init: tensor<1x8x?x128xbf16>) -> tensor<1x8x?x128xbf16> {
  %o = attn.asymmetric_lsh_attention ins(%q, %k, %k : tensor<1x8x?x128xbf16>, tensor<1x8x?x128xbf16>, tensor<1x8x?x128xbf16>)
      directions(%a : tensor<8x4x130xf32>) outs(%init : tensor<1x8x?x128xbf16>) maps [#q, #k, #w, #o]
      rounds 4 chunk 64 causal -> tensor<1x8x?x128xbf16>
  return %o : tensor<1x8x?x128xbf16>
}
