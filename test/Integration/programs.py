# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whole programs of the tests, evaluated by the f64 reference or by a library that the compiler made."""

import functools
import re
import shutil

import numpy as np
import reference


def by_reference(ir, inputs, dtype):
    del dtype
    results = re.search(r"@main\(.*?\)\s*->\s*(.*?)\s*(?:attributes[^{]*)?\{", ir, flags=re.S).group(1)
    done, arrays = reference.run(ir, inputs, results.count("tensor<"))
    assert done.returncode == 0, done.stderr
    return arrays


@functools.lru_cache(maxsize=32)
def _module(ir):
    import attn_compiler

    return attn_compiler.compile(ir)


def by_library(ir, inputs, dtype):
    dtypes = [dtype] * len(inputs) if isinstance(dtype, str) else dtype
    arrays = []
    for array, one in zip(inputs, dtypes, strict=True):
        array = np.array(array, order="C")
        arrays.append(array if array.dtype in (bool, np.int32) else array.astype(one))
    results = _module(ir).main(*arrays)
    results = results if isinstance(results, tuple) else (results,)
    return [np.asarray(result, np.float64) for result in results]


ENGINES = [by_reference] + ([by_library] if shutil.which("attn-compile") else [])


def evaluate(engine, ir, inputs, dtype="float32"):
    """The results of @main in f64. `dtype` is that of all inputs but flags and integers, or one for each."""
    return engine(ir, inputs, dtype)
