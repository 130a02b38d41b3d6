"""Is a gradient added up wherever two lookups may hit the same place, now or at a later call?"""

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import Tensor, compile, grad, nn

E = np.arange(12.0).reshape(4, 3) / 7


def two_given(p, i, j):
    return (p["E"][i] * 2.0 + p["E"][j] * 3.0).sum()


def one_given(p, i, j):
    return (p["E"][np.array([0])] * 2.0 + p["E"][j] * 3.0).sum() + 0.0 * i.sum()


def a_row_and_one_given(p, i, j):
    return (p["E"][0] * 2.0).sum() + (p["E"][j] * 3.0).sum() + 0.0 * i.sum()


def a_slice_and_one_given(p, i, j):
    return (p["E"][::2] * 2.0).sum() + (p["E"][j] * 3.0).sum() + 0.0 * i.sum()


def one_beside_a_slice(p, i, j):
    return (p["E"][1:, j] * 3.0).sum() + (p["E"][i, :2] * p["E"][j, 1:]).sum()


def pairs(p, i, j):
    return (p["E"][i, j] * 3.0).sum() + (p["E"][j, i] * 5.0).sum()


def both_of_a_pair(p, i, j):
    """A constant of the one is an argument of the other."""
    n = np.arange(len(i)) if i.ndim else np.array(1)
    return (p["E"][n, j] * 3.0).sum() + (p["E"][i, n] * 5.0).sum()


TWO = [two_given, one_given, a_row_and_one_given, a_slice_and_one_given, one_beside_a_slice, pairs,
       both_of_a_pair]  # fmt: skip


def agree(step, f, *args):
    agrees(step, f, {"E": Tensor(E)}, *args, tolerance=1e-14)
    assert step.stats["eager"] == 0, step.reason


@pytest.mark.sampled(3)
@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("kind", [np.array, lambda k: np.array([k]), lambda k: np.array([k, 1])])
@pytest.mark.parametrize("f", TWO)
def test_indices_may_coincide_at_a_later_call(f, kind, target):
    step = compile(f, target=target)
    for i, j in ((0, 1), (0, 0), (2, -2), (1, 1), (-1, 2)):
        agree(step, f, kind(i), kind(j))


CONSTANT = {
    "apart": [([0, 1],), ([2, 3],)],
    "overlapping": [([0, 1],), ([1, 2],)],
    "a negative one": [([0, -4],)],
    "negative ones": [([-1, 2],), ([3, 0],)],
    "one twice": [([2, 2],), ([0, 1],)],
    "rows": [([[0, 1], [2, 3]],)],
    "a grid": [([[0], [1]], [0, 2]), ([[2], [-3]], [1, 2])],
    "a grid, apart": [([[0], [1]], [0, 2]), ([[2], [3]], [0, 2])],
    "a slice beside it": [(slice(None, None, 2), [0, -1]), (slice(1, None), [0, 1])],
    "axes in front": [([0, 1], slice(None), [2, 0]), ([-3, 0], slice(None), [0, 2])],
}


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("places", CONSTANT.values(), ids=CONSTANT.keys())
def test_indices_that_are_constants_are_counted_from_the_right_end(places, target):
    def f(p, x):
        total = 0.0
        for k, index in enumerate(places, start=1):
            source = p["E"][:, None] if len(index) == 3 else p["E"]
            total = total + (source[index] * (k * x)).sum()
        return total

    agree(compile(f, target=target), f, np.array(3.0))


@pytest.mark.parametrize(
    ("places", "adds"), [([[0, 1], [2, 3]], False), ([[0, 1], [1, 2]], True), ([[0, -4]], True)]
)
def test_what_is_known_to_be_apart_is_assigned(places, adds):
    """A sum would be right as well; np.add.at costs ten times as much."""
    step = compile(lambda p, x: sum((p["E"][np.array(i)] * x).sum() for i in places))
    step({"E": Tensor(E)}, np.array(3.0))
    added = "+= " in step.source or "np.add.at" in step.source
    assert added == adds


def test_one_class_of_each_row_is_assigned():
    step = compile(lambda p, y: nn.cross_entropy(p["E"], y))
    step({"E": Tensor(E)}, np.array([0, 1, 2, 2]))
    assert "np.add.at" not in step.source


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_places_computed_of_constants_are_as_many_as_they_were(target):
    def f(p, x):
        rows = Tensor(np.array([1, 1])) * 2
        return (p["E"][rows] * x).sum()

    agree(compile(f, target=target), f, np.array([[1.0], [10.0]]))


def test_constant_masks_may_overlap():
    def f(p, x):
        return (p["E"][np.array([True, False, True, True])] * x).sum() + p["E"][
            np.array([False, True, False, True])
        ].sum()

    agree(compile(f), f, np.array(3.0))


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize(
    "index", [True, False, (True, 0), (slice(0, 1), True), (None, True), np.True_, np.array(False)]
)
@pytest.mark.filterwarnings("ignore:compile. NumPy runs instead of C")
def test_a_truth_value_as_an_index(index, target):
    x = Tensor(np.arange(3.0))
    y = (x[index] * 2.0).sum()
    loss, grads = compile(lambda p: (p["x"][index] * 2.0).sum(), target=target)({"x": x})
    assert loss == y.data
    np.testing.assert_array_equal(grads["x"], grad(y, x))
