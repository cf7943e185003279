//===- TmTensor.h - operations of torch-mlir beyond stock MLIR --*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Declarations for TmTensor.td. Register the dialect before parsing what
// torch-mlir wrote.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_IMPORT_TMTENSOR_H
#define ATTN_IMPORT_TMTENSOR_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "attn/Import/TmTensorDialect.h.inc"

#define GET_OP_CLASSES
#include "attn/Import/TmTensorOps.h.inc"

#endif // ATTN_IMPORT_TMTENSOR_H
