"""Does every question that has no answer get a sentence?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, measure, nn

ROOT = nn.unroll(nn.LSTMCell(3, 4, rng=0), Tensor(np.ones((5, 2, 3))))[0]
LOSS = (ROOT[-1] * ROOT[-1]).sum()
CHECKPOINTED = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((5, 2, 3)), checkpoint=True)[0][-1].sum()
STATES = np.random.default_rng(0).standard_normal((6, 2, 3))
CELL = nn.RNNCell(2, 2, rng=0)
OF_RECORDS = [
    measure.lanes,
    measure.state_gradients,
    measure.step_jacobians,
    measure.gates,
    measure.saturation,
    measure.reach,
    measure.parameter_gradients,
    measure.connectivity,
    measure.carousel,
    lambda loss: measure.gradient_matrix([loss]),
]


def growing_smaller():
    """The batch loses an example at each step, as packed sequences do."""
    h = Tensor(np.ones((3, 2)))
    for t in range(3):
        with tr.scope("net", t=t):
            h = tr.named(h=tr.tanh(h[: 3 - t]))
    return h.sum()


def sees_the_one_before(x, h):
    """Each example sees the one before it, and none sees the next."""
    shifted = tr.concatenate([np.zeros((1, 2)), h[:-1]], axis=0)
    return tr.named(h=tr.tanh(x + h + 0.5 * shifted))


def seen():
    return nn.unroll(sees_the_one_before, np.ones((4, 3, 2)), Tensor(np.zeros((3, 2))))[1]


MISTAKES = [
    # letters, lanes, records
    (lambda: measure.state_gradients(LOSS, 3), 'expected a letter such as "h"'),
    (lambda: measure.step_jacobians(LOSS, [1]), 'expected a letter such as "h"'),
    (lambda: measure.gates(LOSS, []), "an empty list of letters"),
    (lambda: measure.gates(LOSS, "q"), "has no value 'q'; its letters are: x, i, f"),
    (lambda: measure.saturation(LOSS, "q"), "has no value 'q'"),
    (lambda: measure.saturation(LOSS, lane="gru"), "no lane is called 'gru'; there are: lstm"),
    (lambda: measure.state_gradients([LOSS, LOSS]), "one recorded scalar, got a list of 2"),
    (lambda: measure.state_gradients(ROOT[-1]), "expected a scalar"),
    (
        lambda: measure.state_gradients(growing_smaller()),
        r"\(3, 2\) at t = 0 but \(2, 2\) at t = 1",
    ),
    (lambda: measure.saturation(growing_smaller()), r"Pad the short sequences"),
    # matrices
    (lambda: measure.gradient_matrix([]), "an empty list"),
    (lambda: measure.gradient_matrix([LOSS, ROOT[0]]), "one scalar loss per step"),
    (lambda: measure.gradient_matrix([tr.astype(LOSS, int)]), "only floats have a derivative"),
    (lambda: measure.step_jacobians(growing_smaller()), r"changes its shape, to \(2, 2\) at t = 1"),
    (lambda: measure.step_jacobians(seen()), "one example's state depends on another's"),
    (lambda: measure.step_jacobians(LOSS, batch_axes=3), "do not share 3 batch axes"),
    (lambda: measure.step_jacobians(LOSS, batch_axes=-1), "do not share -1 batch axes"),
    (lambda: measure.step_jacobians(LOSS, batch_axes=0.5), "do not share 0.5 batch axes"),
    (lambda: measure.step_jacobians(LOSS).product(3, 1), "expected 0 ≤ first ≤ last < 5, got 3, 1"),
    (lambda: measure.step_jacobians(LOSS).product(0.5), "expected 0 ≤ first"),
    (lambda: measure.growth_bound(np.ones(3)), r"square matrix from h to h, got shape \(3,\)"),
    (lambda: measure.growth_bound(nn.LSTMCell(3, 4, rng=0).W_h), r"shape \(4, 16\)"),
    (lambda: measure.growth_bound("W"), r"got a str\."),
    (lambda: measure.growth_bound(None), "got a NoneType"),
    (lambda: measure.growth_bound(np.eye(2), ["tanh"]), "activation is one of"),
    (lambda: measure.carousel(LOSS, "i"), "does not hand 'i' on .* its states are: c, h"),
    (lambda: measure.carousel(LOSS, "q"), "has no value 'q'"),
    (lambda: measure.carousel(LOSS, "c", "q"), "has no value 'q'"),
    # inputs and parameters
    (lambda: measure.connectivity(LOSS, "q"), "no step of this record has an input 'q'"),
    (lambda: measure.connectivity(LOSS, lane="q"), "no lane is called 'q'; there are: lstm"),
    (lambda: measure.connectivity(ROOT[-1]), "expected a scalar"),
    (lambda: measure.receptive_field(3, ROOT[0]), "got int, which remembers nothing"),
    (lambda: measure.receptive_field(LOSS, Tensor(1.0)), "is not in the graph of the loss"),
    (lambda: measure.receptive_field(LOSS, np.ones(3)), "Arrays are constants"),
    (lambda: measure.parameter_gradients(LOSS, [np.ones(3)]), "expected a list of Tensors"),
    (lambda: measure.parameter_gradients(LOSS, CELL), r"such as cell.parameters\(\), got RNNCell"),
    (lambda: measure.parameter_gradients(LOSS, [Tensor(1.0)]), "is not in the graph of the loss"),
    # the probe
    (lambda: measure.memory_probe(None, STATES), "expected states as an array .* got NoneType"),
    (lambda: measure.memory_probe([], []), "got an empty list"),
    (lambda: measure.memory_probe(STATES[:1], STATES[:1]), "two steps or more"),
    (lambda: measure.memory_probe(STATES, STATES * np.nan), "an input is not finite"),
    (lambda: measure.memory_probe(STATES * 1j, STATES), "dtype complex128"),
    (lambda: measure.memory_probe(STATES, [["a", "b"]] * 6), "dtype <U1"),
    (lambda: measure.memory_probe([np.ones(2), np.ones(3)], STATES), r"\(3,\) at t = 1"),
    (
        lambda: measure.memory_probe(STATES, STATES, [1.0]),
        r"whole numbers in 0 … 4 .*, got \[1.0\]",
    ),
    (lambda: measure.memory_probe(STATES, STATES, [-1]), "whole numbers in 0 … 4"),
    (lambda: measure.memory_probe(STATES, STATES, ridge=-1), "a ridge of 0 or more, got -1"),
    (lambda: measure.memory_probe(STATES, STATES, ridge=np.nan), "a ridge of 0 or more"),
    # attractors, surfaces, files
    (lambda: measure.attractors(CELL, [0, 0], np.ones((0, 2))), r"got shape \(0, 2\)"),
    (lambda: measure.attractors(CELL, np.ones((2, 2)), np.ones((2, 2))), "one input"),
    (lambda: measure.attractors(CELL, [0, 0], np.ones((2, 2)), -1), "whole number of steps"),
    (lambda: measure.attractors(CELL, [0, 0], np.ones((2, 2)), 1.5), "whole number of steps"),
    (lambda: measure.attractors(CELL, [0, 0], np.ones((2, 2)), tolerance=0), "a tolerance above 0"),
    (lambda: measure.attractors(lambda x, h: h.sum(), [0], np.ones((2, 2))), "one row per start"),
    (lambda: measure.loss_surface(measure.pascanu_wall, np.ones((2, 2)), [1]), "as a vector"),
    (lambda: measure.loss_surface(measure.pascanu_wall, [], [1]), "as a vector"),
    (lambda: measure.loss_surface(lambda a, b: a.data, [1], [1]), "got ndarray, which has no hist"),
    (
        lambda: measure.loss_surface(measure.pascanu_wall, [np.nan], [1]).steepest(),
        "is NaN at every",
    ),
]


@pytest.mark.parametrize(("mistake", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_a_mistake_is_named(mistake, said):
    with pytest.raises((TypeError, ValueError), match=said):
        mistake()


@pytest.mark.parametrize("number", OF_RECORDS)
def test_a_record_without_time_is_refused(number):
    graph = (Tensor([1.0, 2.0]) ** 2).sum()
    if number is measure.parameter_gradients:  # which has an answer: all of it outside of time
        assert number(graph).outside[0].tolist() == [2, 4]
        assert number(graph).columns()["t"].tolist() == []
        return
    with pytest.raises(ValueError, match="nothing in this record belongs to a time step"):
        number(graph)


@pytest.mark.parametrize("number", OF_RECORDS)
def test_a_record_whose_steps_were_not_kept_is_refused(number):
    with pytest.raises(ValueError, match=r"checkpoint=True, .* `cost` measures both"):
        number(CHECKPOINTED)


def test_the_cost_of_segments_is_that_of_what_is_kept():
    sizes = {}
    for checkpoint in (False, True):
        xs = np.ones((100, 2, 3))
        outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), xs, checkpoint=checkpoint)
        sizes[checkpoint] = sum(row.bytes.sum() for row in measure.cost(outputs[-1]))
    assert sizes[True] < sizes[False] / 4


def test_a_file_in_place_of_a_folder_is_refused(tmp_path):
    with pytest.raises(OSError, match=r"to_csv: cannot write .*Name a file in a folder"):
        measure.reach(LOSS)[0].csv(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_result_without_columns_cannot_be():
    with pytest.raises(TypeError, match="abstract"):
        measure.Table()


def test_a_probe_does_not_depend_on_the_unit_of_what_it_reads():
    xs = np.random.default_rng(0).standard_normal((20, 6, 2))
    h = np.roll(xs, 1, axis=0)
    expected = measure.memory_probe(h, xs, ridge=0).scores
    for a, b in ((1e200, 1), (1e-200, 1), (1, 1e200), (1, 1e-200)):
        found = measure.memory_probe(a * h, b * xs, ridge=0).scores
        np.testing.assert_allclose(found, expected, rtol=1e-8)
    twice = np.concatenate([h, h], axis=-1)  # a unit too many is none the more
    np.testing.assert_allclose(measure.memory_probe(twice, xs, ridge=0).scores, expected, rtol=1e-8)
    assert np.isnan(measure.memory_probe(h, 0 * xs, [1]).scores).all()
