# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a small .safetensors file by hand, so that its reader is not tested against the package that wrote it."""

import json
import struct
import sys

values = struct.pack("<5d", 0, 1, 2, 3, 4)
header = {"__metadata__": {}, "layer.weight": {"dtype": "F64", "shape": [5], "data_offsets": [4, 44]}}
text = json.dumps(header).encode()
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + b"pad " + values)
