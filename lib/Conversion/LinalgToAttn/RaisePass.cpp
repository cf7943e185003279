//===- RaisePass.cpp - what raising passes share --------------------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The steps before and after a match.
//
//===----------------------------------------------------------------------===//

#include "RaisePass.h"

#include "mlir/IR/Remarks.h"

using namespace mlir;
using namespace mlir::attn;

Operation *raise::findLastScalarOp(linalg::LinalgOp op) {
  if (op->getNumResults() != 1 || !op.hasPureTensorSemantics() ||
      !isa<RankedTensorType>(op->getResult(0).getType()))
    return nullptr;
  return op.getBlock()->getTerminator()->getOperand(0).getDefiningOp();
}

void raise::eraseDeadOps(Operation *root) {
  SmallVector<Operation *> ops;
  root->walk<WalkOrder::PreOrder>([&](Operation *op) { ops.push_back(op); });
  for (Operation *op : llvm::reverse(ops))
    if (op != root && isOpTriviallyDead(op))
      op->erase();
}

void raise::reportMissed(linalg::LinalgOp op, const Mismatch &mismatch,
                         StringRef pass, StringRef name, StringRef target,
                         bool asDiagnostic) {
  remark::missed(op->getLoc(), remark::RemarkOpts::name(name).category(pass))
      << mismatch.reason;
  if (!asDiagnostic)
    return;
  InFlightDiagnostic diagnostic = op->emitRemark("not raised to ")
                                  << target << ": " << mismatch.reason;
  if (mismatch.culprit)
    diagnostic.attachNote(mismatch.culprit.getLoc())
        << "this value broke the match";
}
