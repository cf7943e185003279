# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Calls of compiled entries from Python: arrays in and out without copies, and every wrong call a clear exception."""

import gc
import threading
import weakref

import attn_compiler
import numpy
import pytest
from attn_compiler import ArgumentError


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def matrix(value=1.0, shape=(3, 5), dtype="float32"):
    return numpy.full(shape, value, dtype)


def test_numpy_in_numpy_out(module):
    result = module.add(matrix(1.5), matrix(2.0))
    assert isinstance(result, numpy.ndarray) and result.dtype == numpy.float32
    numpy.testing.assert_array_equal(result, matrix(3.5))


def test_scalar_result_and_several_spellings(module):
    assert float(module["sum"](numpy.arange(5.0))) == 10.0
    assert "sum" in list(module) and "add" in dir(module) and len(module) == 7
    assert "add(float32[N, M], float32[N, M])" in repr(module.add)


def test_out_is_written_in_place(module):
    out = matrix(0)
    assert module.add(matrix(), matrix(), out=out) is out
    numpy.testing.assert_array_equal(out, matrix(2))
    module.add(matrix(3), matrix(), out=[out])
    numpy.testing.assert_array_equal(out, matrix(4))


def test_bfloat16_of_numpy(module):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    result = module.copy(numpy.full((4, 2), 1.5, bfloat16))
    assert result.dtype == bfloat16 and (result == 1.5).all()


def test_read_only_input_is_fine_but_not_as_output(module):
    frozen = matrix()
    frozen.flags.writeable = False
    assert module.add(frozen, frozen)[0, 0] == 2
    with pytest.raises(ArgumentError, match="result 0 of 'add': expected an array that can be written"):
        module.add(frozen, frozen, out=frozen)


def test_torch_in_torch_out(module, torch):
    for dtype, entry, shape in ((torch.float32, "add", (3, 5)), (torch.bfloat16, "copy", (4, 2))):
        x = torch.ones(shape, dtype=dtype)
        result = module[entry](*[x] * len(module[entry].args))
        assert result.dtype == dtype and result.shape == x.shape
        assert result.sum().item() == x.numel() * len(module[entry].args)


def test_torch_and_numpy_mixed_give_torch(module, torch):
    assert isinstance(module.add(torch.ones(3, 5), matrix()), torch.Tensor)


def test_torch_tensors_that_require_grad(module, torch):
    x = torch.ones(3, 5, requires_grad=True)
    with pytest.raises(ArgumentError, match="argument 0 of 'add': expected a tensor without gradient"):
        module.add(x, x)
    with torch.no_grad():
        assert module.add(x, x).sum().item() == 30


def test_torch_results_outlive_the_module(library, torch):
    module = attn_compiler.load(library)
    result = module.add(torch.ones(3, 5), torch.ones(3, 5))
    del module
    gc.collect()
    assert result.sum().item() == 30


def test_inputs_are_released(module, torch):
    x, y = torch.ones(3, 5), matrix()
    module.add(x, y)
    seen = weakref.ref(x), weakref.ref(y)
    del x, y
    gc.collect()
    assert seen[0]() is None and seen[1]() is None


def test_inside_torch_with_its_openmp_threads(module, torch):
    a = torch.randn(300, 300)
    for _ in range(50):
        product = a @ a  # wakes torch's own threads
        assert torch.equal(module.add(product, a), product + a)


def test_8_host_threads(module):
    def work(host):
        for _ in range(50):
            numpy.testing.assert_array_equal(module.add(matrix(host), matrix()), matrix(host + 1))
            with pytest.raises(ArgumentError, match="got float64"):
                module.add(matrix(), matrix(dtype="float64"))
        finished.append(host)

    finished = []
    threads = [threading.Thread(target=work, args=(host,)) for host in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(finished) == list(range(8))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (lambda: (matrix(),), "expected 2 arguments, got 1"),
        (lambda: (matrix(), matrix(), matrix()), "expected 2 arguments, got 3"),
        (lambda: (matrix(), 3.0), "argument 1 of 'add': expected an array with __dlpack__"),
        (lambda: (matrix(), None), "got NoneType"),
        (lambda: (matrix(), numpy.array(["a"])), "expected numbers or booleans"),
        (lambda: (matrix(), matrix(dtype=">f4")), "expected the byte order of this machine"),
        (lambda: (matrix(), matrix(dtype="complex64")), "expected numbers or booleans, got elements of type '<c8'"),
        (lambda: (matrix(), matrix(shape=(15,))), "expected 2 dimensions, got 1"),
        (lambda: (matrix(), matrix(shape=(3, 4))), "to be 5 as in argument 0 'arg0', got 4"),
        (lambda: (matrix(shape=(0, 5)), matrix()), "expected dimension 0 to be positive, got 0"),
        (lambda: (matrix(), matrix(shape=(5, 3)).T), "expected row-major contiguous data"),
        (lambda: (matrix(), matrix(shape=(3, 10))[:, ::2]), "expected row-major contiguous data"),
        (lambda: (matrix(), numpy.zeros(61, "u1")[1:].view("f4").reshape(3, 5)), "expected data aligned to 4"),
    ],
)
def test_wrong_arguments(module, arguments, message):
    with pytest.raises(ArgumentError, match=message.replace("[", r"\[")) as caught:
        module.add(*arguments())
    assert isinstance(caught.value, ValueError)


def test_wrong_outputs(module):
    x = matrix()
    with pytest.raises(ArgumentError, match="expected memory of its own, got memory that overlaps argument 0"):
        module.add(x, matrix(), out=x)
    with pytest.raises(ArgumentError, match="expected 1 results, got 2"):
        module.add(x, x, out=[matrix(), matrix()])


def test_errors_of_the_compiled_code(module):
    with pytest.raises(attn_compiler.AttnError, match="'fail': error 7: broken on purpose"):
        module.fail()
    with pytest.raises(MemoryError, match="no memory for a thread's scratch"):
        module.greedy()
    with pytest.raises(AttributeError, match="no entry 'main'; this library has 'add', 'sum'"):
        module.main()
