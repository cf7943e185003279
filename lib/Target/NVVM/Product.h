//===- Product.h - products of matrices as kernels --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a contraction is as a product of matrices, how it is cut into tiles,
// and what is computed from its sums before they leave registers.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TARGET_NVVM_PRODUCT_H
#define ATTN_LIB_TARGET_NVVM_PRODUCT_H

#include "attn/Target/NVVM/FragmentBuilder.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::attn::nvvm {

/// One of the factors: a buffer, and where its elements lie in the domain.
struct Factor {
  Value memref;
  AffineMap map;

  Type element() const {
    return cast<MemRefType>(memref.getType()).getElementType();
  }
};

/// out[batch, rows, columns] = sum over depth of left[batch, rows, depth] *
/// right[batch, columns, depth]. Each is a list of dimensions of the domain,
/// the last of which runs fastest; dimensions of extent 1 are in none.
struct Product {
  linalg::LinalgOp op;
  Factor left, right, out;
  SmallVector<unsigned> batch, rows, columns, depth;
  SmallVector<int64_t> extents; ///< of the domain, where they are known

  /// The type of the operands of instructions: that of the factors, or f32 if
  /// they differ.
  Type compute() const;

  /// The product of the extents of `dims`, or kDynamic.
  int64_t count(ArrayRef<unsigned> dims) const;
};

/// The product that `op` is; nothing if it is none. Where it is one that the
/// kernel cannot do, `reason` says why.
std::optional<Product> matchProduct(linalg::LinalgOp op, std::string &reason);

/// The tile of a block and of each of its warps. Warps of different slices have
/// the same rows and columns, and each a part of every step of the depth.
struct ProductTile {
  int64_t rows, columns, warpRows, warpColumns;
  int64_t slices = 1;
  int64_t depth = 0, stages = 0; ///< of a step; steps in shared memory

  int64_t warpsAcross() const { return columns / warpColumns; }
  int64_t warpsOfSlice() const { return rows / warpRows * warpsAcross(); }
  int64_t warps() const { return slices * warpsOfSlice(); }
  int64_t sliceDepth() const { return depth / slices; }
};

/// The tile for which a model expects the shortest time; `isTwofold`: of two
/// products of the same left factor.
ProductTile chooseTile(const Product &product, bool isTwofold);

/// An element-wise operation on what a product, or the one before it, gives.
struct EpilogueStep {
  linalg::LinalgOp op;
  OpOperand *carried; ///< which of its inputs that is
  /// Reshapes of the buffer on the way there, first to last.
  SmallVector<Operation *> views;
};

/// The product and the steps that follow in registers.
struct ProductGroup {
  Product product;
  SmallVector<EpilogueStep> steps;
  /// Another product of the same left factor, which the first step reads at the
  /// same places, such as a gate; and what its sums start from.
  std::optional<Product> second;
  double secondInitial = 0;
  /// What the sums start from; nothing: what is in the output's buffer.
  std::optional<double> initial;
  SmallVector<Operation *> replaced; ///< fills and copies that nobody needs
  /// Fills of buffers that were copied, which may have other readers.
  SmallVector<Operation *> perhapsDead;

  /// Where the last result goes.
  Value destination() const {
    if (steps.empty())
      return product.out.memref;
    linalg::LinalgOp last = steps.back().op;
    return last.getDpsInits()[0];
  }
};

/// Finds what follows and what comes before the product. What a group has
/// already, which is in `taken`, is no other's.
ProductGroup gatherGroup(const Product &product,
                         llvm::SmallPtrSetImpl<Operation *> &taken);

/// The group as a launch in front of its last operation.
void launchProduct(const ProductGroup &group, F32Products products);

} // namespace mlir::attn::nvvm

#endif // ATTN_LIB_TARGET_NVVM_PRODUCT_H
