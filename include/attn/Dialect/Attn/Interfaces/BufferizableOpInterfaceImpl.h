//===- BufferizableOpInterfaceImpl.h - from tensors to memrefs --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Registration of the bufferisation of the tile-level operations, which is kept
// out of the dialect's own library so that reading IR needs no bufferisation.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_INTERFACES_BUFFERIZABLEOPINTERFACEIMPL_H
#define ATTN_DIALECT_ATTN_INTERFACES_BUFFERIZABLEOPINTERFACEIMPL_H

namespace mlir {
class DialectRegistry;
}

namespace mlir::attn {
/// Lets one-shot bufferisation turn the tile-level operations of attn into the
/// same operations on memrefs. attn.attention has no such model: it is tiled or
/// decomposed first.
void registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry);
} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_INTERFACES_BUFFERIZABLEOPINTERFACEIMPL_H
