#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Stands in for attn-compile: IN -o OUT --emit=so [flags], with the library in FAKE_LIBRARY. It prints the flags.
[ "$2 $4" = "-o --emit=so" ] || { echo "wrong arguments: $*" >&2; exit 2; }
out=$3
grep -qx broken "$1" && { echo "$1:1:1: error: broken" >&2; echo partial > "$out"; exit 1; }
shift 4
echo "flags: $*"
exec cp "$FAKE_LIBRARY" "$out"
