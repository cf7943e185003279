//===- Precompiled.cpp - the holder of the precompiled header -------------===//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// CMake builds a precompiled header with a target; this one has nothing else.
// Every library reuses it.
//
//===----------------------------------------------------------------------===//
