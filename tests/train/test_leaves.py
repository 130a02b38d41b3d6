"""Is a Tensor that would stay untrained named, and only such a one?"""

import re

import numpy as np
import pytest

from tinygrad_rnn import Tensor, concatenate, nn, stop_gradient, tanh, where
from tinygrad_rnn.engine.accumulate import backward
from tinygrad_rnn.train import SGD
from tinygrad_rnn.train.leaves import check_leaves, untrained


def check(f, *, parameters=(), known=(), later=False):
    """Both ways: by a walk of its own, and from what backward has found."""
    born = 0 if later else Tensor(0.0).serial
    loss = f()
    check_leaves(loss, parameters, known, born)
    check_leaves(loss, parameters, known, born, backward(loss))


def float_leaf(*shape, name=None):
    return Tensor(np.ones(shape), name=name)


def test_an_old_leaf_with_a_gradient_that_is_no_parameter_is_named():
    model, bias = nn.Linear(3, 2, rng=0), float_leaf(2, name="bias")
    born = Tensor(0.0).serial
    loss = tanh(model(np.ones(3)) + bias).sum()
    message = (
        r"fit: the loss depends on bias \(shape \(2,\), used by add\), which is not a parameter"
    )
    with pytest.raises(ValueError, match=message) as caught:
        check_leaves(loss, model.parameters(), (), born)
    with pytest.raises(ValueError, match=re.escape(str(caught.value))):
        check_leaves(loss, model.parameters(), (), born, backward(loss))
    for way_out in ("attribute of the model (an nn.Module)", "an array: tensor.data"):
        assert way_out in str(caught.value)


def test_several_are_listed_and_many_are_counted():
    leaves = [float_leaf(name=f"w{k}") for k in range(7)]
    with pytest.raises(ValueError, match=r"w0 .*w4 .* and 2 more, which are not parameters"):
        check(lambda: concatenate([x.reshape(1) for x in leaves]).sum())


def test_a_leaf_without_a_name_is_named_by_where_it_is_used():
    bias = float_leaf()
    with pytest.raises(ValueError, match=r"a leaf \(shape \(\), used by multiply\)"):
        check(lambda: bias * 2.0)


def test_parameters_batch_and_state_are_no_strangers():
    p, x, y, h = (float_leaf(2) for _ in range(4))
    check(lambda: (p * x * y * h).sum(), parameters=[p], known=((x, {"y": [y]}), (None, h), 3))
    model, teacher = nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)
    check(
        lambda: (model(x) - teacher(x)).sum(), parameters=model.parameters(), known=([x], teacher)
    )


def test_what_a_batch_was_made_from_is_known():
    everything, p = float_leaf(5, 2), float_leaf(2)
    part = everything[1:3]
    check(lambda: (part * p).sum(), parameters=[p], known=(part,))
    with pytest.raises(ValueError, match="used by getitem"):
        check(lambda: (everything[1:3] * p).sum(), parameters=[p], known=(part * 2,)[1:])


def test_leaves_made_since_are_passed_over():
    check(lambda: float_leaf(2).sum())
    old = float_leaf(2)
    check(lambda: old.sum(), later=True)


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: stop_gradient(x),
        lambda x: stop_gradient(tanh(x) * x),
        lambda x: where(x > 0, 1.0, 0.0),
        lambda x: x.astype(int),
        lambda x: x.data,
    ],
)
def test_a_leaf_that_no_gradient_reaches_is_a_constant(cut):
    p, old = float_leaf(2), float_leaf(2)
    check(lambda: (p * cut(old)).sum(), parameters=[p])
    with pytest.raises(ValueError, match="would not be trained"):
        check(lambda: (p * cut(old) * old).sum(), parameters=[p])


def test_integers_are_constants():
    p, labels, mask = float_leaf(3), Tensor([0, 2]), Tensor([True, False, True])
    check(lambda: (p * mask)[labels].sum(), parameters=[p])


def test_a_long_record_is_walked_without_recursion():
    p, h = float_leaf(), float_leaf(name="h0")

    def long():
        x = h * p
        for _ in range(3000):
            x = x + 1.0
        return x

    check(long, parameters=[p, h])
    with pytest.raises(ValueError, match="h0"):
        check(long, parameters=[p])


# -- what the optimiser does not have -----------------------------------------------------------


def test_parameters_that_the_optimiser_does_not_have_are_named_in_one_line():
    model = nn.Module()
    model.cell, model.readout = nn.RNNCell(2, 2, rng=0), nn.Linear(2, 1, rng=0)
    assert untrained(model, SGD(model.parameters(), lr=0.1)) == ""
    optimiser = SGD([*model.cell.parameters(), model.readout.W], lr=0.1)
    line = "fit: not trained, as the optimiser does not have them: readout.b"
    assert untrained(model, optimiser) == line
    line = untrained(model, SGD([model.readout.b], lr=0.1))
    assert line.endswith("them: cell.W_x, cell.W_h, cell.b_x, cell.b_h, readout.W")
    assert "\n" not in line


def test_many_are_counted_and_integers_and_frozen_values_are_not():
    model = nn.LSTM(2, 4, num_layers=2)
    model.count, model.frozen = Tensor([1]), np.ones(2)
    line = untrained(model, SGD([model.parameters()[0]], lr=0.1))
    assert line.endswith(" and 2 more")
    assert "count" not in line
    assert untrained(model, SGD(model.parameters()[:-1], lr=0.1)) == ""
