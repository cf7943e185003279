//===- TilingInterfaceImpl.h - attention in upstream's tilers ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Makes attn.attention known to upstream's tiling: TilingInterface and
// PartialReductionOpInterface as external models.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_TRANSFORMS_TILINGINTERFACEIMPL_H
#define ATTN_DIALECT_ATTN_TRANSFORMS_TILINGINTERFACEIMPL_H

namespace mlir {
class DialectRegistry;

namespace attn {
void registerTilingInterfaceExternalModels(DialectRegistry &registry);
} // namespace attn
} // namespace mlir

#endif // ATTN_DIALECT_ATTN_TRANSFORMS_TILINGINTERFACEIMPL_H
