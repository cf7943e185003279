//===- AttnAll.td - everything of the dialect -------------------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one list of files from which the C++ of the dialect is generated.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_ALL
#define ATTN_ALL

include "attn/Dialect/Attn/IR/AttnFeedForward.td"
include "attn/Dialect/Attn/IR/AttnAsymmetricLsh.td"
include "attn/Dialect/Attn/IR/AttnForms.td"
include "attn/Dialect/Attn/IR/AttnLinearAttention.td"
include "attn/Dialect/Attn/IR/AttnLinearForms.td"
include "attn/Dialect/Attn/IR/AttnLinearOps.td"
include "attn/Dialect/Attn/IR/AttnLinearStep.td"
include "attn/Dialect/Attn/IR/AttnLinearTiles.td"
include "attn/Dialect/Attn/IR/AttnLowRankOps.td"
include "attn/Dialect/Attn/IR/AttnLsh.td"
include "attn/Dialect/Attn/IR/AttnLshTileOps.td"
include "attn/Dialect/Attn/IR/AttnMachine.td"
include "attn/Dialect/Attn/IR/AttnMemoryOps.td"
include "attn/Dialect/Attn/IR/AttnOps.td"
include "attn/Dialect/Attn/IR/AttnPackedOps.td"
include "attn/Dialect/Attn/IR/AttnPages.td"
include "attn/Dialect/Attn/IR/AttnPositionOps.td"
include "attn/Dialect/Attn/IR/AttnProjectionOps.td"
include "attn/Dialect/Attn/IR/AttnTileOps.td"

#endif // ATTN_ALL
