"""Is what is recorded without values the same record, and does nobody get a value that is not?"""

import copy
import math
import operator

import numpy as np
import pytest

from tinygrad_rnn import Primitive, Tensor, grad, log_softmax, tanh
from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.engine.recorder import Recorder
from tinygrad_rnn.program.record.abstract import AbstractArray, Shapes, Unfrozen, Unknown, frozen


@pytest.fixture
def shapes():
    """In a record that becomes a program."""
    shapes = Shapes()
    with Recorder(shapes):
        yield shapes


READ = {
    "array": np.asarray,
    "copy": np.array,
    "ufunc": np.tanh,
    "ufunc of two": lambda x: np.add(np.ones(2), x),
    "array + x": lambda x: np.ones(2) + x,
    "function": np.sum,
    "max": np.max,
    "sorted": np.sort,
    "method": lambda x: x.max(),
    "all": lambda x: x.all(),
    "bytes": lambda x: x.tobytes(),
    "bool": bool,
    "int": int,
    "float": float,
    "index": operator.index,
    "iter": list,
    "in": lambda x: 1.0 in x,
    "element": lambda x: x[0, 0],
    "slice": lambda x: x[:1],
    "item": lambda x: x.item(),
    "less": lambda x: x < 1,
    "equal": lambda x: x == 1,
    "not equal": lambda x: x != 1,
    "sum": lambda x: x + 1,
    "product": lambda x: 2 * x,
    "negative": operator.neg,
    "power": lambda x: x**2,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("how", READ)
def test_whoever_asks_for_a_value_gets_an_error_and_is_remembered(how, shapes):
    x = shapes.array((2, 3), np.dtype(np.float32))
    with pytest.raises(Unknown, match="values are not known"):
        READ[how](x)
    assert shapes.asked


def test_shape_and_dtype_are_known(shapes):
    x = shapes.leaf(Tensor(np.ones((2, 3), np.float32), name="W"))
    assert type(x.data) is AbstractArray
    assert (x.shape, x.dtype, x.ndim, x.size, len(x), x.name) == (
        (2, 3), np.float32, 2, 6, 2, "W",
    )  # fmt: skip
    assert np.shape(x.data) == (2, 3)
    assert np.ndim(x.data) == 2
    assert x.data[-1].shape == (3,)
    assert not shapes.asked


def test_what_is_known_is_computed_and_the_rest_is_not(shapes):
    runs = []
    op = Primitive("counted", lambda x, y, /: runs.append(None) or x * y)
    known, unknown = Tensor(np.full(3, 2.0)), shapes.leaf(Tensor(np.ones(3)))
    np.testing.assert_array_equal(op(known, known).data, np.full(3, 4.0))
    many = [op(unknown, known) for _ in range(5)]
    assert len(runs) == 2  # what goes in again is not worked out again
    assert {x.data for x in many} == {unknown.data}


def test_numbers_count_by_their_types(shapes):
    x = shapes.leaf(Tensor(np.ones(3, np.int32)))
    assert [(x * n).dtype for n in (1, 1.0, True)] == [np.int32, np.float64, np.int32]


def test_options_that_are_equal_but_not_the_same_are_told_apart(shapes):
    x = shapes.leaf(Tensor(np.ones((3, 1, 4))))
    assert x[1].shape == (1, 4)
    assert x[1:2].shape == (1, 1, 4)
    assert x[np.array([1, 1])].shape == (2, 1, 4)
    assert x[np.array([True, False, True])].shape == (2, 1, 4)
    assert x[np.array([True, False, False])].shape == (1, 1, 4)
    assert frozen((1,)) != frozen((True,)) != frozen((Input(1),))
    assert frozen([slice(1)]) != frozen([slice(1.0)])


def test_how_many_elements_an_unknown_condition_selects_is_not_known(shapes):
    x = shapes.leaf(Tensor(np.ones(3)))
    with pytest.raises(Unknown, match="how many"):
        x[x > 0]
    assert shapes.asked


@pytest.mark.parametrize("x", [len, np.array([None]), {1: 2}], ids=repr)
def test_an_option_that_nothing_says_all_about_is_not_remembered(x, shapes):
    with pytest.raises(Unfrozen):
        frozen(x)
    runs = []

    def forward(x, /, option):
        return runs.append(option) or x

    op, leaf = Primitive("optioned", forward), shapes.leaf(Tensor(np.ones(3)))
    assert op(leaf, option=x).shape == op(leaf, option=x).shape == (3,)
    assert len(runs) == 2


def test_wrong_shapes_are_refused_with_the_same_words(shapes):
    W, x = Tensor(np.ones((2, 3))), np.ones((4, 5))
    with pytest.raises(ValueError, match="matmul") as exact:
        x @ W
    with pytest.raises(ValueError, match="matmul") as found:
        x @ shapes.leaf(W)
    assert str(found.value) == str(exact.value)


def test_gradients_have_the_shapes_and_dtypes_they_would_have(shapes):
    def f(W, x):
        return -log_softmax(tanh(x @ W))[np.arange(5), [0, 1, 0, 1, 1]].sum() / 5

    W, x = Tensor(np.full((3, 2), 0.5, np.float32)), Tensor(np.ones((5, 3), np.float32))
    (exact,) = grad(f(W, x), [W], create_graph=True)
    unknown = shapes.leaf(W)
    (found,) = grad(f(unknown, x), [unknown], create_graph=True)
    assert type(found.data) is AbstractArray
    assert (found.shape, found.dtype) == (exact.shape, exact.dtype)
    assert not shapes.asked


PROTOCOLS = ["__array_interface__", "__array_struct__", "__dlpack__", "__cuda_array_interface__"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_whoever_looks_for_a_protocol_is_remembered_even_if_the_error_is_passed_over(
    protocol, shapes
):
    x = shapes.array((2, 3), np.dtype(np.float32))
    assert not hasattr(x, protocol)
    assert shapes.asked


def test_whoever_asks_what_it_is_is_remembered(shapes):
    x = shapes.array((2, 3), np.dtype(np.float32))
    assert not isinstance(x, np.ndarray)
    assert shapes.asked


def test_results_are_told_apart_by_the_shapes_of_all_that_goes_in(shapes):
    x = shapes.leaf(Tensor(np.ones(3)))
    for shape in ((3,), (2, 3), (1, 3), ()):
        assert (x * np.ones(shape)).shape == np.broadcast_shapes((3,), shape)
        assert (np.ones(shape) * x).shape == np.broadcast_shapes((3,), shape)
    for shape in ((3,), (3, 2), (3, 5)):
        assert (x @ np.ones(shape)).shape == shape[1:]
    y = shapes.leaf(Tensor(np.ones((2, 3))))
    assert [(y * x).shape, (x * x).shape, (y * y).shape] == [(2, 3), (3,), (2, 3)]


def test_arrays_in_options_are_told_apart_by_shape_and_dtype():
    x = np.arange(6)
    different = [
        x,
        x.reshape(2, 3),
        x.reshape(3, 2),
        x[None],
        x.astype(np.uint64),
        x[:0],
        x[:0, None],
    ]
    assert len({frozen(a) for a in different}) == len(different)


def test_numbers_in_options_are_told_apart_by_type_and_bits():
    different = [0.0, -0.0, 0, False, np.float64(0), np.float32(0), math.nan, math.inf, "0"]
    assert len({frozen(x) for x in different}) == len(different)
    assert frozen(math.nan) == frozen(float("nan"))
