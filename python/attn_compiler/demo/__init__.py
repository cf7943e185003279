# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`make demo`: a real pretrained sentence encoder, compiled and compared with the original."""
