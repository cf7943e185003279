//===- TensorMaps.cpp - copies by the tensor memory accelerator -----------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A map has all dimensions of the tensor, columns innermost: of the others a
// tile has rows of one, a group of another, and one index each of the rest.
//
//===----------------------------------------------------------------------===//

#include "TensorMaps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/NVGPU/IR/NVGPUDialect.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::attn::nvvm;

TensorPart TensorPart::find(Value memref) {
  TensorPart part;
  int64_t rank = cast<MemRefType>(memref.getType()).getRank();
  part.dims = llvm::to_vector(llvm::seq<unsigned>(0, unsigned(rank)));
  part.first.resize(size_t(rank));
  while (auto view = memref.getDefiningOp<memref::SubViewOp>()) {
    memref = view.getSource();
    llvm::SmallBitVector dropped = view.getDroppedDims();
    SmallVector<unsigned> kept;
    SmallVector<SmallVector<OpFoldResult, 2>> first;
    for (unsigned dim = 0; dim < dropped.size(); ++dim) {
      first.push_back({view.getMixedOffsets()[dim]});
      if (dropped[dim])
        continue;
      llvm::append_range(first.back(), part.first[kept.size()]);
      kept.push_back(dim);
      part.isDense &= isConstantIntValue(view.getMixedStrides()[dim], 1) ||
                      isConstantIntValue(view.getMixedSizes()[dim], 1);
    }
    for (unsigned &dim : part.dims)
      dim = kept[dim];
    part.first = std::move(first);
  }
  part.tensor = memref;
  return part;
}

/// Where columns begin, if that is known; in terms of the tensor.
static std::optional<int64_t> firstColumn(const TensorPart &part,
                                          unsigned column) {
  int64_t sum = 0;
  for (OpFoldResult offset : part.first[column]) {
    std::optional<int64_t> value = getConstantIntValue(offset);
    if (!value)
      return std::nullopt;
    sum += *value;
  }
  return sum;
}

bool TensorPart::hasMapOf(const TensorPart &other,
                          unsigned columnPosition) const {
  unsigned column = dims[columnPosition];
  return tensor == other.tensor && dims == other.dims &&
         firstColumn(*this, column) == firstColumn(other, column);
}

static int64_t countColumns(Value operand, const TileShape &shape) {
  return cast<MemRefType>(operand.getType()).getDimSize(shape.columnPosition);
}

std::string attn::nvvm::findMapObstacle(Value operand, const TileShape &shape,
                                        Operation *kernel) {
  constexpr int64_t mostDims = 5, mostRows = 256;
  TensorPart part = TensorPart::find(operand);
  auto type = cast<MemRefType>(part.tensor.getType());
  if (kernel->isAncestor(part.tensor.getParentBlock()->getParentOp()))
    return "it is no part of a tensor outside of the kernel";
  if (type.getRank() > mostDims)
    return llvm::formatv("its tensor has {0} dimensions", type.getRank());
  if (!part.isDense)
    return "its rows are not neighbours in its tensor";
  unsigned column = part.dims[shape.columnPosition];
  if (!hasWideRows(part.tensor, column))
    return "strides of its tensor are not known to be multiples of 16 bytes";
  if (countColumns(operand, shape) % SwizzledTile::blockColumns != 0 &&
      !firstColumn(part, column))
    return "its columns begin where only the kernel knows";
  if (shape.rows > mostRows || shape.groups > mostRows)
    return llvm::formatv("tiles of {0} groups of {1} rows", shape.groups,
                         shape.rows);
  return "";
}

/// The tensor's dimensions as the map has them, the innermost last: in their
/// own order but for columns, and rows that would be outside of their groups.
static SmallVector<unsigned> orderDims(const TensorPart &part,
                                       const TileShape &shape) {
  unsigned row = part.dims[shape.rowPosition],
           column = part.dims[shape.columnPosition];
  bool moveRow = shape.groupPosition && part.dims[*shape.groupPosition] > row;
  SmallVector<unsigned> order;
  for (unsigned dim = 0; dim < part.first.size(); ++dim)
    if (dim != column && !(moveRow && dim == row))
      order.push_back(dim);
  if (moveRow)
    order.push_back(row);
  order.push_back(column);
  return order;
}

/// Cuts off what stands behind the operand's columns, so that it reads as zero.
static Value cutColumns(OpBuilder &host, Location loc, Value operand,
                        const TensorPart &part, const TileShape &shape) {
  auto type = cast<MemRefType>(part.tensor.getType());
  unsigned column = part.dims[shape.columnPosition];
  std::optional<int64_t> first = firstColumn(part, column);
  if (!first)
    return part.tensor;
  int64_t end = *first + countColumns(operand, shape);
  if (end == type.getDimSize(column))
    return part.tensor;
  OpFoldResult zero = host.getIndexAttr(0), one = host.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets(type.getRank(), zero), sizes,
      strides(type.getRank(), one);
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    sizes.push_back(memref::getMixedSize(host, loc, part.tensor, dim));
  sizes[column] = host.getIndexAttr(end);
  return memref::SubViewOp::create(host, loc, part.tensor, offsets, sizes,
                                   strides);
}

Value attn::nvvm::createMap(OpBuilder &host, Value operand,
                            const TileShape &shape) {
  TensorPart part = TensorPart::find(operand);
  Location loc = operand.getLoc();
  SmallVector<unsigned> order = orderDims(part, shape);
  Value tensor = cutColumns(host, loc, operand, part, shape);
  auto type = cast<MemRefType>(tensor.getType());
  if (!llvm::is_sorted(order))
    tensor = memref::TransposeOp::create(
        host, loc, tensor,
        AffineMapAttr::get(
            AffineMap::getPermutationMap(order, host.getContext())));
  SmallVector<int64_t> box;
  for (unsigned dim : order)
    box.push_back(
        dim == part.dims[shape.columnPosition] ? SwizzledTile::blockColumns
        : dim == part.dims[shape.rowPosition]  ? shape.rows
        : shape.groupPosition && dim == part.dims[*shape.groupPosition]
            ? shape.groups
            : 1);
  SmallVector<Value> extents;
  for (int64_t extent : box)
    extents.push_back(arith::ConstantIndexOp::create(host, loc, extent));
  auto shared = gpu::AddressSpaceAttr::get(host.getContext(),
                                           gpu::AddressSpace::Workgroup);
  auto map = nvgpu::TensorMapDescriptorType::get(
      host.getContext(),
      MemRefType::get(box, type.getElementType(), MemRefLayoutAttrInterface(),
                      shared),
      nvgpu::TensorMapSwizzleKind::SWIZZLE_128B,
      nvgpu::TensorMapL2PromoKind::L2PROMO_128B,
      nvgpu::TensorMapOOBKind::OOB_ZERO,
      nvgpu::TensorMapInterleaveKind::INTERLEAVE_NONE);
  auto unranked =
      UnrankedMemRefType::get(type.getElementType(), type.getMemorySpace());
  Value any = memref::CastOp::create(host, loc, unranked, tensor);
  return nvgpu::TmaCreateDescriptorOp::create(host, loc, map, any, extents);
}

TensorCopier::TensorCopier(FragmentBuilder &f, Value map, Value operand,
                           const TileShape &shape)
    : f(f) {
  auto pointerType = LLVM::LLVMPointerType::get(f.b.getContext());
  pointer = UnrealizedConversionCastOp::create(f.b, f.loc, pointerType, map)
                .getResult(0);
  TensorPart part = TensorPart::find(operand);
  SmallVector<unsigned> order = orderDims(part, shape);
  for (unsigned dim : llvm::reverse(order)) {
    if (dim == part.dims[shape.rowPosition])
      rowAt = first.size();
    Value sum = f.index(0);
    for (OpFoldResult offset : part.first[dim])
      sum = f.add(sum, getValueOrCreateConstantIndexOp(f.b, f.loc, offset));
    first.push_back(f.toI32(sum));
  }
}

void TensorCopier::prefetchMap() {
  NVVM::PrefetchOp::create(f.b, f.loc, /*cacheLevel=*/nullptr,
                           /*evictPriority=*/nullptr, pointer,
                           /*predicate=*/Value(), /*tensormap=*/true,
                           /*uniform=*/false, /*in_param_space=*/false);
}

void TensorCopier::copy(const SwizzledTile &tile, Value firstRow,
                        Value barrier) {
  NVVM::MBarrierArriveExpectTxOp::create(f.b, f.loc, /*res=*/Type(), barrier,
                                         f.i32(tile.bytes()),
                                         NVVM::MemScopeKind::CTA,
                                         /*relaxed=*/false,
                                         /*predicate=*/Value());
  auto cluster = LLVM::LLVMPointerType::get(
      f.b.getContext(), unsigned(NVVM::NVVMMemorySpace::SharedCluster));
  SmallVector<Value> at = first;
  at[rowAt] = arith::AddIOp::create(f.b, f.loc, at[rowAt], f.toI32(firstRow));
  int64_t blocks = tile.bytes() / tile.blockBytes();
  for (int64_t block = 0; block < blocks; ++block) {
    if (block > 0)
      at[0] = arith::AddIOp::create(f.b, f.loc, first[0],
                                    f.i32(block * SwizzledTile::blockColumns));
    Value to = LLVM::AddrSpaceCastOp::create(
        f.b, f.loc, cluster, f.offset(tile.base, block * tile.blockBytes()));
    NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
        f.b, f.loc, to, pointer, at, barrier, /*im2colOffsets=*/ValueRange(),
        /*multicastMask=*/Value(), /*l2CacheHint=*/Value(),
        NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false, NVVM::CTAGroupKindAttr(),
        /*predicate=*/Value());
  }
}
