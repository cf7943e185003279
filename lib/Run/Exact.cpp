// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What --compare=exact compares with: the IR that was compiled, evaluated in
// f64 on the same inputs. The only file here that knows of MLIR.

#include "Reference.h"

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Reference/Reference.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"

namespace attn::run {

namespace reference = mlir::attn::reference;

static reference::Array toReference(const Array &array) {
  reference::Array copy(array.shape());
  for (size_t i = 0; i < copy.values.size(); ++i)
    copy.values[i] =
        readElement(array.type(), array.bytes().data(), int64_t(i));
  return copy;
}

llvm::Expected<std::vector<std::vector<double>>>
evaluateExactly(llvm::StringRef path, llvm::StringRef entry,
                llvm::ArrayRef<Array> inputs) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  registry.insert<mlir::attn::AttnDialect>();
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(path, &context);
  if (!module)
    return makeError("--compare=exact: expected IR that parses, got '" + path +
                     "'");
  std::vector<reference::Array> arrays;
  for (const Array &input : inputs)
    arrays.push_back(toReference(input));
  auto results = reference::evaluateExact(*module, entry, arrays);
  if (mlir::failed(results))
    return makeError("--compare=exact: the reference could not evaluate @" +
                     entry);
  std::vector<std::vector<double>> numbers;
  for (reference::Array &result : *results)
    numbers.push_back(std::move(result.values));
  return numbers;
}

} // namespace attn::run
