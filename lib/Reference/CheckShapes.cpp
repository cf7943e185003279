//===- CheckShapes.cpp - assertions about extents and indices -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The reference runs whatever it is given in its own process, so extents that
// do not fit must be found before memory is touched. Upstream's verification
// serves for most; it misjudges linalg with constants in its maps and leaves
// out reshapes.
//
//===----------------------------------------------------------------------===//

#include "ExactPipeline.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/RuntimeVerifiableOpInterface.h"

using namespace mlir;

namespace {
/// Emits assertions in front of one operation.
struct Checker {
  OpBuilder builder;
  Operation *op;

  explicit Checker(Operation *op) : builder(op), op(op) {}

  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(builder, op->getLoc(), value);
  }
  Value extent(Value tensor, int64_t position) {
    return tensor::DimOp::create(builder, op->getLoc(), tensor, position);
  }
  Value times(Value left, Value right) {
    return arith::MulIOp::create(builder, op->getLoc(), left, right);
  }
  void require(arith::CmpIPredicate predicate, Value left, Value right) {
    Value holds =
        arith::CmpIOp::create(builder, op->getLoc(), predicate, left, right);
    std::string text =
        ("extents that do not fit in " + op->getName().getStringRef()).str();
    cf::AssertOp::create(builder, op->getLoc(), holds, text);
  }

  void checkStructured(linalg::LinalgOp structured);
  void checkReshape(tensor::ReshapeOp reshape);
};

/// Every operand gives a loop the same extent, and constants lie inside.
void Checker::checkStructured(linalg::LinalgOp structured) {
  llvm::SmallDenseMap<unsigned, Value> ranges;
  for (bool isFirstRound : {true, false})
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<RankedTensorType>(operand.get().getType()))
        continue;
      AffineMap map = structured.getMatchingIndexingMap(&operand);
      for (auto [position, expr] : llvm::enumerate(map.getResults())) {
        if (auto dim = dyn_cast<AffineDimExpr>(expr); dim && isFirstRound) {
          Value own = extent(operand.get(), position);
          auto [known, isNew] = ranges.try_emplace(dim.getPosition(), own);
          if (!isNew)
            require(arith::CmpIPredicate::eq, known->second, own);
        }
        if (auto index = dyn_cast<AffineConstantExpr>(expr);
            index && isFirstRound)
          require(arith::CmpIPredicate::sgt, extent(operand.get(), position),
                  constant(index.getValue()));
        auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
        if (!binary || isFirstRound ||
            binary.getKind() != AffineExprKind::FloorDiv)
          continue;
        auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
        auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
        if (dim && divisor && ranges.contains(dim.getPosition()))
          require(arith::CmpIPredicate::eq, ranges[dim.getPosition()],
                  times(extent(operand.get(), position),
                        constant(divisor.getValue())));
      }
    }
}

/// As many elements afterwards as before.
void Checker::checkReshape(tensor::ReshapeOp reshape) {
  auto source = dyn_cast<RankedTensorType>(reshape.getSource().getType());
  auto result = dyn_cast<RankedTensorType>(reshape.getResult().getType());
  if (!source || !result)
    return;
  Value before = constant(1), after = constant(1);
  for (int64_t i = 0; i < source.getRank(); ++i)
    before = times(before, extent(reshape.getSource(), i));
  for (int64_t i = 0; i < result.getRank(); ++i) {
    Value size = tensor::ExtractOp::create(builder, op->getLoc(),
                                           reshape.getShape(), constant(i));
    if (!size.getType().isIndex())
      size = arith::IndexCastOp::create(builder, op->getLoc(),
                                        builder.getIndexType(), size);
    require(arith::CmpIPredicate::sge, size, constant(0));
    after = times(after, size);
  }
  require(arith::CmpIPredicate::eq, before, after);
}

struct CheckShapes : PassWrapper<CheckShapes, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CheckShapes)
  StringRef getName() const override { return "CheckShapes"; }
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) { ops.push_back(op); });
    for (Operation *op : ops) {
      Checker checker(op);
      if (auto structured = dyn_cast<linalg::LinalgOp>(op))
        checker.checkStructured(structured);
      else if (auto reshape = dyn_cast<tensor::ReshapeOp>(op))
        checker.checkReshape(reshape);
      else if (auto verifiable = dyn_cast<RuntimeVerifiableOpInterface>(op))
        verifiable.generateRuntimeVerification(
            checker.builder, op->getLoc(),
            [](Operation *failed, StringRef text) {
              return (text + " in " + failed->getName().getStringRef()).str();
            });
    }
  }
};
} // namespace

std::unique_ptr<Pass> mlir::attn::reference::createCheckShapes() {
  return std::make_unique<CheckShapes>();
}
