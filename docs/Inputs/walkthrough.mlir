// Attention as a model's exporter writes it: two products, and the softmax between them in five steps.

#row = affine_map<(h, i, j) -> (h, i, j)>
#column = affine_map<(h, i, j) -> (h, i, 0)>

func.func @main(%q: tensor<8x1024x64xf32>, %k: tensor<8x1024x64xf32>, %v: tensor<8x1024x64xf32>)
    -> tensor<8x1024x64xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %scale = arith.constant 0.125 : f32
  %scores = tensor.empty() : tensor<8x1024x1024xf32>
  %rows = tensor.empty() : tensor<8x1024x1xf32>
  %output = tensor.empty() : tensor<8x1024x64xf32>
  %keys = tensor.empty() : tensor<8x64x1024xf32>
  %kt = linalg.transpose ins(%k : tensor<8x1024x64xf32>) outs(%keys : tensor<8x64x1024xf32>) permutation = [0, 2, 1]
  %none = linalg.fill ins(%zero : f32) outs(%scores : tensor<8x1024x1024xf32>) -> tensor<8x1024x1024xf32>
  %qk = linalg.batch_matmul ins(%q, %kt : tensor<8x1024x64xf32>, tensor<8x64x1024xf32>)
      outs(%none : tensor<8x1024x1024xf32>) -> tensor<8x1024x1024xf32>
  %s = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%qk : tensor<8x1024x1024xf32>) outs(%scores : tensor<8x1024x1024xf32>) {
  ^bb0(%x: f32, %out: f32):
    %y = arith.mulf %x, %scale : f32
    linalg.yield %y : f32
  } -> tensor<8x1024x1024xf32>
  %low = linalg.fill ins(%lowest : f32) outs(%rows : tensor<8x1024x1xf32>) -> tensor<8x1024x1xf32>
  %max = linalg.generic {indexing_maps = [#row, #column], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%s : tensor<8x1024x1024xf32>) outs(%low : tensor<8x1024x1xf32>) {
  ^bb0(%x: f32, %m: f32):
    %y = arith.maximumf %x, %m : f32
    linalg.yield %y : f32
  } -> tensor<8x1024x1xf32>
  %p = linalg.generic {indexing_maps = [#row, #column, #row], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s, %max : tensor<8x1024x1024xf32>, tensor<8x1024x1xf32>) outs(%scores : tensor<8x1024x1024xf32>) {
  ^bb0(%x: f32, %m: f32, %out: f32):
    %d = arith.subf %x, %m : f32
    %y = math.exp %d : f32
    linalg.yield %y : f32
  } -> tensor<8x1024x1024xf32>
  %empty = linalg.fill ins(%zero : f32) outs(%rows : tensor<8x1024x1xf32>) -> tensor<8x1024x1xf32>
  %sum = linalg.generic {indexing_maps = [#row, #column], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%p : tensor<8x1024x1024xf32>) outs(%empty : tensor<8x1024x1xf32>) {
  ^bb0(%x: f32, %a: f32):
    %y = arith.addf %x, %a : f32
    linalg.yield %y : f32
  } -> tensor<8x1024x1xf32>
  %w = linalg.generic {indexing_maps = [#row, #column, #row], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%p, %sum : tensor<8x1024x1024xf32>, tensor<8x1024x1xf32>) outs(%scores : tensor<8x1024x1024xf32>) {
  ^bb0(%x: f32, %a: f32, %out: f32):
    %y = arith.divf %x, %a : f32
    linalg.yield %y : f32
  } -> tensor<8x1024x1024xf32>
  %start = linalg.fill ins(%zero : f32) outs(%output : tensor<8x1024x64xf32>) -> tensor<8x1024x64xf32>
  %o = linalg.batch_matmul ins(%w, %v : tensor<8x1024x1024xf32>, tensor<8x1024x64xf32>)
      outs(%start : tensor<8x1024x64xf32>) -> tensor<8x1024x64xf32>
  return %o : tensor<8x1024x64xf32>
}
