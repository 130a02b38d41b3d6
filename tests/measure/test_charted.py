"""Are the numbers behind the charts what their names say?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, grad, measure, nn, train


def run(cell, steps=7, batch=2, seed=0):
    xs = np.random.default_rng(seed).standard_normal((steps, batch, 3))
    return nn.unroll(cell, xs)[0]


def test_learning_curves_take_runs_losses_seeds_and_names():
    one = train.Run(step=3, losses=[3.0, 2.0, 1.0])
    for given in (one, [3.0, 2.0, 1.0], [one], np.array([3.0, 2.0, 1.0])):
        found = measure.learning_curves(given)
        np.testing.assert_array_equal(found.losses[""], [[3, 2, 1]])
        np.testing.assert_array_equal(found.steps[""], [1, 2, 3])
    found = measure.learning_curves({"RNN": [one, [5.0, 4.0]], "LSTM": one}, smooth=2)
    np.testing.assert_array_equal(found.losses["RNN"], [[3, 2.5, 1.5], [5, 4.5, np.nan]])
    np.testing.assert_array_equal(found.median("RNN"), [4, 3.5, 1.5])
    np.testing.assert_array_equal(found.band("RNN"), [[3, 2.5, 1.5], [5, 4.5, 1.5]])


@pytest.mark.parametrize(
    ("runs", "how", "says"),
    [
        ({}, {}, "dict of runs is empty"),
        ([], {}, "has no losses"),
        (train.Run(), {}, "has no losses"),
        ([1.0, 2.0], {"smooth": 0}, "whole number from 1"),
        ([1.0, 2.0], {"steps": [1]}, "as many steps"),
    ],
)
def test_what_is_no_curve_is_refused(runs, how, says):
    with pytest.raises(ValueError, match=says):
        measure.learning_curves(runs, **how)


def test_the_spread_of_seeds_is_that_of_their_last_losses():
    runs = [train.Run(losses=[9.0, k, k + 2.0]) for k in (1.0, 2.0, 3.0)]
    found = measure.seed_spread({"a": runs, "b": [1.0, 5.0]}, last=2)
    np.testing.assert_array_equal(found.scores["a"], [2, 3, 4])
    np.testing.assert_array_equal(found.scores["b"], [1, 5])
    np.testing.assert_array_equal(found.quartiles("a"), [2.5, 3, 3.5])


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_no_gradient_norm_exceeds_its_bound(every_step, scale):
    cell = nn.RNNCell(3, 5, rng=0)
    cell.W_h.data = cell.W_h.data * scale
    outputs = run(cell, 12)
    loss = tr.sum(tr.stack(outputs) ** 2) if every_step else (outputs[-1] ** 2).sum()
    found = measure.gradient_norms(loss, W=cell.W_h)
    assert (found.norms <= found.bound * (1 + 1e-12)).all()
    np.testing.assert_allclose(found.norms[-1], found.bound[-1])
    expected = measure.state_gradients(loss)["h"].norms
    np.testing.assert_allclose(np.linalg.norm(found.norms, axis=1), expected)


def test_a_matrix_of_another_width_has_no_bound_here():
    cell = nn.RNNCell(3, 5, rng=0)
    with pytest.raises(ValueError, match=r"it has shape \(5, 5\), got \(3, 3\)"):
        measure.gradient_norms(run(cell)[-1].sum(), W=np.eye(3))


def test_the_band_of_an_activation_holds_nine_tenths_of_what_the_net_gives_it():
    cell = nn.RNNCell(3, 5, rng=0)
    outputs = run(cell, 20)
    found = measure.activation("tanh", outputs)
    given = np.arctanh([h.data for h in outputs])
    inside = (given >= found.band[0]) & (given <= found.band[1])
    assert abs(inside.mean() - 0.9) < 0.02
    np.testing.assert_allclose(found.slope, 1 - np.tanh(found.x) ** 2)
    with pytest.raises(ValueError, match="never calls sigmoid"):
        measure.activation("sigmoid", outputs)
    with pytest.raises(ValueError, match="there are: tanh, sigmoid, relu"):
        measure.activation("selu")


def test_bytes_grow_with_the_length_and_less_with_checkpoints():
    cell = nn.RNNCell(3, 16, rng=0)
    every = np.zeros((64, 1, 3))
    lengths = [16, 32, 64]
    plain = measure.bytes_by_length(lambda T: nn.unroll(cell, every[:T])[0][-1], lengths)
    few = measure.bytes_by_length(
        lambda T: nn.unroll(cell, every[:T], checkpoint=True)[0][-1], lengths
    )
    np.testing.assert_allclose(plain.bytes[1:] / plain.bytes[:-1], 2, rtol=0.05)
    assert few.bytes[-1] < plain.bytes[-1] / 2


def test_the_interval_of_a_share_is_wilsons():
    found = measure.success_by_length({20: [1, 0], 10: [True] * 10})
    np.testing.assert_array_equal(found.lengths, [10, 20])
    np.testing.assert_allclose(found.low, [0.7225, 0.0945], atol=1e-4)
    np.testing.assert_allclose(found.high, [1, 0.9055], atol=1e-4)
    with pytest.raises(ValueError, match="at T = 5 expected a row of True and False"):
        measure.success_by_length({5: [0.5]})


def test_a_forecast_knows_its_median_its_band_and_how_much_of_the_truth_is_inside():
    paths = np.arange(11.0)[:, None] + [0, 10]
    found = measure.forecast(paths, past=[1.0, 2.0], truth=[5.0, 30.0])
    np.testing.assert_array_equal(found.median(), [5, 15])
    np.testing.assert_allclose(found.band(), [[1, 11], [9, 19]])
    assert found.covered() == 0.5
    assert np.isnan(measure.forecast(paths).covered())
    with pytest.raises(ValueError, match="expected paths"):
        measure.forecast(paths, truth=[1.0])


def test_a_clamped_gate_is_what_the_cell_computes_with_that_gate():
    cell = nn.LSTMCell(3, 4, rng=0)
    outputs = run(cell)
    held = measure.clamped(outputs, "f", 1.0)
    lane = measure.lanes(held)[0]
    i, g = lane.array("i"), lane.array("g")
    np.testing.assert_array_equal(lane.array("f"), 1)
    np.testing.assert_allclose(lane.array("c"), np.cumsum(i * g, axis=0))
    # everything else is untouched, the record before and the gradient of what follows
    again = measure.clamped(outputs, "f", 0.0, steps=[])
    for a, b in zip(outputs, again, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    one, two = (grad((x[-1] ** 2).sum(), cell.W_h) for x in (outputs, again))
    np.testing.assert_array_equal(one, two)


def test_only_the_steps_and_units_that_are_asked_for_are_held():
    outputs = run(nn.LSTMCell(3, 4, rng=0))
    before = measure.gates(outputs[-1], "f").values["f"]
    held = measure.clamped(outputs[-1], "f", 0.5, steps=[3], units=[1])
    after = measure.gates(held, "f").values["f"]
    assert (after[3, :, 1] == 0.5).all()
    np.testing.assert_array_equal(after[:3], before[:3])
    np.testing.assert_array_equal(after[3, :, [0, 2, 3]], before[3, :, [0, 2, 3]])
    with pytest.raises(ValueError, match=r"f has units 0 … 3, got \[4\]"):
        measure.clamped(outputs[-1], "f", 0.5, units=[4])
    with pytest.raises(ValueError, match="has no step 9; it has 0 … 6"):
        measure.clamped(outputs[-1], "f", 0.5, steps=[9])


def test_the_difference_of_gates_is_that_of_their_values():
    cell = nn.GRUCell(3, 4, rng=0)
    one, two = run(cell, seed=1)[-1], run(cell, seed=2)[-1]
    found = measure.gate_differences(one, two)
    r = measure.gates(two).values["r"] - measure.gates(one).values["r"]
    np.testing.assert_array_equal(found.difference["r"], r)
    assert len(found.columns()["difference"]) == 2 * r.size
    with pytest.raises(ValueError, match="gates of one shape"):
        measure.gate_differences(one, run(cell, 3)[-1])


def test_a_receptive_norms_widens_by_half_a_kernel_for_each_step():
    xs = Tensor(np.random.default_rng(0).standard_normal((4, 1, 9, 9, 2)))
    outputs, _ = nn.unroll(nn.ConvLSTM2dCell(2, 3, rng=0), xs)
    found = measure.receptive_norms(outputs[-1][0, 4, 4].sum(), xs)
    assert found.reached.sum(axis=(1, 2)).tolist() == [81, 49, 25, 9]
    seen = measure.receptive_field(outputs[-1][0, 4, 4].sum(), xs).any(axis=(1, -1))
    np.testing.assert_array_equal(found.reached, seen)
    assert list(found.columns()) == ["t", "row", "column", "norm"]
    with pytest.raises(TypeError, match="arrays are constants"):
        measure.receptive_norms(outputs[-1].sum(), xs.data)
