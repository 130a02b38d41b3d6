"""Do indices, joints and cuts mean what they mean in NumPy, forward and backward?"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, check_grads, concatenate, flip, grad, split, stack

X = np.random.default_rng(3).standard_normal((3, 4, 2))
REPEATS = np.array([0, 2, 2, -1, 0])
ROWS = np.array([True, False, True])
MASK = X > 0.2

INDICES = {
    "int": 1,
    "negative int": -1,
    "numpy int": np.int64(2),
    "slice": slice(1, 3),
    "slice with step": slice(None, None, 2),
    "negative step": slice(None, None, -1),
    "negative step with ends": (slice(2, 0, -1), slice(3, None, -2)),
    "empty slice": slice(2, 2),
    "ellipsis": ...,
    "ellipsis then int": (..., 0),
    "int then ellipsis": (1, ...),
    "newaxis": None,
    "newaxis inside": (slice(None), None, 2),
    "ints": (2, 1, 0),
    "empty tuple": (),
    "integer array with repeats": REPEATS,
    "integer matrix": np.array([[0, 1], [1, 1]]),
    "list": [2, 0, 0],
    "empty list": [],
    "array in the middle": (slice(None), np.array([1, 1, 3])),
    "two arrays": (REPEATS, np.array([0, 3, 3, 1, 0])),
    "broadcast arrays": (np.array([[0], [2]]), np.array([1, 1, 3])),
    "arrays apart": (REPEATS, slice(None), np.array([0, 1, 1, 0, 0])),
    "array beside int": (REPEATS, 2),
    "array, newaxis, ellipsis": (REPEATS, None, ...),
    "boolean rows": ROWS,
    "boolean of all axes": MASK,
    "boolean of the first two axes": MASK[..., 0],
    "boolean in the middle": (slice(None), np.array([True, False, False, True])),
    "boolean beside array": (ROWS, np.array([1, 3])),
    "boolean list": [True, True, False],
    "nothing true": np.zeros(3, dtype=bool),
    "0-d array": np.array(1),
    "unsigned": np.array([1, 1], dtype=np.uint8),
}
every_index = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)


@every_index
def test_an_index_takes_what_it_takes_in_numpy(index):
    taken = Tensor(X)[index]
    assert np.array_equal(taken.data, X[index])
    assert taken.shape == X[index].shape


@every_index
def test_the_gradient_of_an_index_goes_back_to_where_it_was_taken(index):
    x = Tensor(X)
    cotangent = np.random.default_rng(0).standard_normal(X[index].shape)
    expected = np.zeros(X.shape)
    np.add.at(expected, index, cotangent)
    found = grad(x[index], x, cotangent)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    check_grads(lambda x: x[index] * x[index], X, order=2)


@every_index
def test_the_gradient_of_an_index_can_be_differentiated(index):
    x, v = Tensor(X), np.random.default_rng(1).standard_normal(X.shape)
    g = grad((x[index] ** 3).sum(), x, create_graph=True)
    times = np.zeros(X.shape)
    np.add.at(times, index, 1)
    np.testing.assert_allclose(grad((g * v).sum(), x), 6 * X * v * times, rtol=1e-12)


def test_an_index_may_be_a_tensor_of_integers():
    x, places = Tensor(X), Tensor(REPEATS)
    assert np.array_equal(x[places].data, X[REPEATS])
    assert np.array_equal(x[:, Tensor([1, 1])].data, X[:, [1, 1]])
    assert grad(x[places].sum(), x)[:, 0, 0].tolist() == [2, 0, 3]


@given(index=hnp.basic_indices((3, 4, 2), allow_newaxis=True, allow_ellipsis=True))
def test_any_basic_index_equals_numpy(index):
    x = Tensor(X)
    taken = x[index]
    assert np.array_equal(taken.data, X[index])
    expected = np.zeros(X.shape)
    expected[index] += 1
    assert np.array_equal(grad(taken, x, np.ones(taken.shape)), expected)


@given(index=hnp.integer_array_indices((3, 4, 2)))
def test_any_integer_index_equals_numpy(index):
    x = Tensor(X)
    taken = x[index]
    assert np.array_equal(taken.data, X[index])
    expected = np.zeros(X.shape)
    np.add.at(expected, index, 1)
    assert np.array_equal(grad(taken, x, np.ones(taken.shape)), expected)


def test_slices_that_overlap_add_up():
    x = Tensor(np.arange(5.0))
    y = x[1:4] * 10 + x[2:] + x[0] * 100
    assert grad(y.sum(), x).tolist() == [300, 10, 11, 11, 1]


def test_a_slice_of_a_slice_goes_back_all_the_way():
    check_grads(lambda x: x[1:][::2, [0, 0, 1]][..., 0] ** 2, X, order=2)


def test_slices_and_whole_uses_of_one_tensor_add_up():
    x = Tensor(np.arange(1.0, 4.0))
    y = (x * x).sum() + x[0] * x[2] + x[:2].sum()
    assert grad(y, x).tolist() == [2 + 3 + 1, 4 + 1, 6 + 1]


def test_an_integer_array_may_be_changed_by_its_owner_after_it_was_used_as_list():
    places = [0, 1]
    x = Tensor(X)
    y = x[places]
    places[0] = 2
    assert grad(y.sum(), x)[:, 0, 0].tolist() == [1, 1, 0]


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_concatenate_and_stack_equal_numpy(axis):
    parts = [X, 2 * X, X[::-1]]
    for ours, theirs in ((concatenate, np.concatenate), (stack, np.stack)):
        assert np.array_equal(ours(list(map(Tensor, parts)), axis=axis).data, theirs(parts, axis))
        assert np.array_equal(ours(parts, axis=axis), theirs(parts, axis))
        check_grads(lambda *xs, join=ours: join(xs, axis=axis) ** 2, *parts, order=2)


def test_concatenate_takes_parts_of_different_length_and_constants():
    a, b = Tensor(X), Tensor(X[:, :1])
    y = concatenate([a, X[:, :2], b], axis=1)
    ga, gb = grad((y * np.arange(7.0)[:, None]).sum(), [a, b])
    assert ga[0, :, 0].tolist() == [0, 1, 2, 3]
    assert gb[0, :, 0].tolist() == [6]


def test_one_tensor_joined_with_itself_gets_both_gradients():
    x = Tensor([1.0, 2.0])
    assert grad((concatenate([x, x]) * np.array([1.0, 2, 3, 4])).sum(), x).tolist() == [4, 6]
    assert grad((stack([x, x]) * np.array([[1.0, 2], [3, 4]])).sum(), x).tolist() == [4, 6]


@pytest.mark.parametrize(("sections", "axis"), [(2, 1), (4, 1), ([1], 0), ([1, 3], 1), (2, -1)])
def test_split_equals_numpy(sections, axis):
    x = Tensor(X)
    parts = split(x, sections, axis=axis)
    expected = np.split(X, sections, axis=axis)
    assert len(parts) == len(expected)
    for part, array in zip(parts, expected, strict=True):
        assert np.array_equal(part.data, array)
    weights = [k + 1.0 for k in range(len(parts))]
    total = sum((part * w).sum() for part, w in zip(parts, weights, strict=True))
    wanted = [np.full(a.shape, w) for a, w in zip(expected, weights, strict=True)]
    assert np.array_equal(grad(total, x), np.concatenate(wanted, axis=axis))


def test_split_then_concatenate_is_the_identity():
    x = Tensor(X)
    for axis, sections in itertools.product((0, 1, 2), ([1], [])):
        y = concatenate(split(x, sections, axis=axis), axis=axis)
        assert np.array_equal(y.data, X)
        assert np.array_equal(grad(y, x, X), X)


def test_split_takes_numpys_integers():
    assert [part.shape for part in split(Tensor(X), np.int64(2), axis=np.int64(1))] == [
        (3, 2, 2)
    ] * 2


@pytest.mark.parametrize("axis", [None, 1.0, "a", (0, 1)])
@pytest.mark.parametrize("f", [flip, lambda x, axis: split(x, 1, axis=axis)])
def test_an_axis_that_is_no_integer_is_refused_by_name(f, axis):
    with pytest.raises(TypeError, match=r"^(flip|split): expected one axis as an integer, got"):
        f(Tensor(X), axis=axis)


def test_split_refuses_unequal_parts():
    with pytest.raises(ValueError, match=r"split.*4.*3"):
        split(Tensor(X), 3, axis=1)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_flip_equals_numpy(axis):
    assert np.array_equal(flip(Tensor(X), axis=axis).data, np.flip(X, axis))
    assert np.array_equal(flip(X, axis=axis), np.flip(X, axis))
    check_grads(lambda x: flip(x, axis=axis) * x, X, order=2)


def test_a_loop_over_a_tensor_visits_its_slices():
    x = Tensor(X)
    assert np.array_equal(np.stack([part.data for part in x]), X)
    total = sum((k + 1.0) * part.sum() for k, part in enumerate(x))
    assert grad(total, x)[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "index",
    ["a", 1.5, (0, "a"), {}, np.array([0.5]), slice("a", None), [0.0, 1.0], object()],
)
def test_an_index_of_the_wrong_type_is_refused(index):
    with pytest.raises((IndexError, TypeError), match="getitem"):
        Tensor(X)[index]


@pytest.mark.parametrize("index", [3, -4, (0, 4), (0, 0, 0, 0), [3], (..., ...)], ids=repr)
def test_an_index_outside_the_shape_is_refused_with_the_shape(index):
    with pytest.raises(IndexError, match=r"getitem.*\(3, 4, 2\)"):
        Tensor(X)[index]


def test_all_primitives_of_indexing_are_public():
    for name in ("getitem", "scatter", "concatenate", "stack", "split", "flip"):
        assert callable(getattr(tg, name))


@given(st.lists(st.lists(st.integers(-4, 3), min_size=1, max_size=4), min_size=2, max_size=4))
def test_lookups_of_one_source_by_several_arrays_go_back_where_each_came_from(lookups):
    source = np.array([1.0, 2.0, 4.0, 8.0])
    x = Tensor(source)
    weights = [10.0**k * np.arange(1, len(lookup) + 1) for k, lookup in enumerate(lookups)]
    expected = np.zeros(4)
    for lookup, w in zip(lookups, weights, strict=True):
        np.add.at(expected, np.array(lookup), w)
    parts = [(x[np.array(i)] * w).sum() for i, w in zip(lookups, weights, strict=True)]
    np.testing.assert_array_equal(grad(sum(parts[1:], parts[0]), x), expected)


def test_lookups_by_pairs_of_arrays_beside_slices_and_lookups_twice():
    i, j, k = np.array([0, 2, 2]), np.array([3, 0, 1]), np.array([1, 1])

    def f(x):
        return (x[i, j] ** 3).sum() + (x[k] ** 2).sum() + (x[1:, j] ** 2).sum() + x[0, 0] * x[0, 1]

    check_grads(f, X, order=2)


@pytest.mark.parametrize("index", [True, False, np.True_, np.bool_(False)])
def test_a_truth_value_as_an_index_is_numpys_new_axis(index):
    x = Tensor(X)
    y = x[index]
    np.testing.assert_array_equal(y.data, X[index])
    assert y.shape == X[index].shape == (int(index), *X.shape)
    assert not any(isinstance(part, bool) for part in y.options["index"])  # True is no 1
    np.testing.assert_array_equal(grad((y * y).sum(), x), 2 * X * index)
    inside = x[:, index]
    np.testing.assert_array_equal(inside.data, X[:, index])
