"""Do the shapes, values and gradients of axes that come and go agree with NumPy?"""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, check_grads

X = np.arange(6.0).reshape(2, 1, 3)

CASES = {
    "expand_dims 0": (lambda x: tg.expand_dims(x, 0), lambda x: np.expand_dims(x, 0)),
    "expand_dims -1": (lambda x: tg.expand_dims(x, -1), lambda x: np.expand_dims(x, -1)),
    "expand_dims 2": (lambda x: tg.expand_dims(x, axis=2), lambda x: np.expand_dims(x, 2)),
    "squeeze": (tg.squeeze, np.squeeze),
    "squeeze 1": (lambda x: tg.squeeze(x, 1), lambda x: np.squeeze(x, 1)),
    "squeeze (-2,)": (lambda x: tg.squeeze(x, (-2,)), lambda x: np.squeeze(x, (-2,))),
    "swapaxes": (lambda x: tg.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1)),
    "flatten": (tg.flatten, np.ravel),
}


@pytest.mark.parametrize("name", CASES)
def test_axes_come_and_go_as_in_numpy(name):
    ours, theirs = CASES[name]
    assert np.array_equal(ours(X), theirs(X))
    assert np.array_equal(ours(Tensor(X)).data, theirs(X))
    check_grads(ours, X)


def test_methods_are_the_functions():
    t = Tensor(X)
    assert t.squeeze().shape == t.squeeze(axis=1).shape == (2, 3)
    assert t.swapaxes(0, 2).shape == (3, 1, 2)
    assert t.flatten().shape == (6,)
    assert t.numel() == t.size == 6
    assert np.array_equal(t.numpy(), t.data)
    assert float(t.min().data) == 0


def test_an_axis_that_is_longer_or_not_there_is_refused():
    with pytest.raises(ValueError, match=r"squeeze: axis 0 of shape \(2, 1, 3\) has length 2"):
        tg.squeeze(X, 0)
    with pytest.raises(IndexError, match=r"expand_dims: axis 4"):
        tg.expand_dims(X, 4)
    with pytest.raises(IndexError, match=r"swapaxes: axis 3"):
        tg.swapaxes(X, 0, 3)
