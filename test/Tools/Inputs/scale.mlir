// Twice the argument, in parallel, with an assertion on the length.
func.func @main(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %c100 = arith.constant 100 : index
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  %ok = arith.cmpi ult, %n, %c100 : index
  cf.assert %ok, "expected fewer than 100 rows"
  %init = tensor.empty(%n) : tensor<?x64xf32>
  %r = scf.forall (%i) in (%n) shared_outs(%out = %init) -> (tensor<?x64xf32>) {
    %row = tensor.extract_slice %x[%i, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
    %e = tensor.empty() : tensor<1x64xf32>
    %twice = linalg.add ins(%row, %row : tensor<1x64xf32>, tensor<1x64xf32>)
                        outs(%e : tensor<1x64xf32>) -> tensor<1x64xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %twice into %out[%i, 0] [1, 64] [1, 1]
          : tensor<1x64xf32> into tensor<?x64xf32>
    }
  }
  return %r : tensor<?x64xf32>
}
