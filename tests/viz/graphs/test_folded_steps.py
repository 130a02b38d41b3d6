"""Does a fold depend on structure alone, whatever values, letters and ports there are?"""

import numpy as np
import pytest
from enrolled import every_sample

import tinygrad_rnn as tr
import viz
from tinygrad_rnn import Tensor, named, nn, scope

DETAILS = ("cell", "gate", "op")


def steps_of(drawing):
    return [b.steps for b in drawing.parts.blocks if b.kind in ("step", "cell")]


def notes_of(drawing):
    notes = [b for b in drawing.parts.blocks if b.kind == "note"]
    return [node.label for block in notes for node in block.nodes]


def labels_of(drawing, *kinds):
    return [n.label for b in drawing.parts.blocks for n in b.nodes if n.kind in kinds]


@every_sample()
@pytest.mark.parametrize("what", ["last", "all", "a state"])
def test_every_cell_has_one_step(sample, what):
    cell, xs, state = sample()
    xs = np.concatenate([xs, xs])
    outputs, states = nn.unroll(cell, Tensor(xs) if xs.dtype.kind == "f" else xs, state)
    leaves = [x for x in tr.tree.leaves(states) if type(x) is Tensor]
    loss = {"last": outputs[-1], "all": tr.stack(outputs), "a state": [*leaves, outputs[-1]][0]}
    for detail in DETAILS:
        assert steps_of(viz.folded(loss[what], detail)) == [(0, 5)], detail


@pytest.mark.parametrize("detail", DETAILS)
def test_steps_fold_whatever_the_values_of_targets_are(detail):
    V, cell = Tensor(np.ones((4, 5)), name="V"), nn.RNNCell(3, 4, rng=0)
    h, losses = np.zeros((1, 4)), []
    for t, target in enumerate([0, 3, 1, 3]):
        with scope("rnn", t=t):
            h = cell(np.ones((1, 3)), h)
            losses.append(nn.cross_entropy(h @ V, np.array([target])))
    drawing = viz.folded(losses[0] + losses[1] + losses[2] + losses[3], detail)
    assert steps_of(drawing) == [(0, 3)]


@pytest.mark.parametrize("detail", DETAILS)
def test_steps_fold_whatever_their_inputs_are_called(detail):
    xs = [Tensor(np.ones((2, 3)), name=letter) for letter in "BTXSE"]
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), xs)
    folded, unrolled = viz.folded(outputs[-1], detail), viz.unrolled(outputs[-1], detail)
    assert steps_of(folded) == [(0, 4)]
    assert "x" in labels_of(folded, "input")
    assert [x for x in labels_of(unrolled, "input") if "=" in x] == [f"x = {s}" for s in "BTXSE"]
    formulas = {x.replace("\n", " ") for x in labels_of(unrolled, "state")}
    if detail == "gate":  # the letters stand beside the inputs only
        assert formulas == {"h = tanh(x@W_x + b_x + h[t−1]@W_h + b_h)"}


@pytest.mark.parametrize("detail", DETAILS)
def test_steps_fold_whatever_a_condition_comes_to(detail):
    W = Tensor(np.ones((4, 4)), name="W")
    signs = np.array([[1.0, 1, 1, 1], [-1, -1, -1, -1], [1, -1, 1, -1], [1, 1, 1, 1]])

    def cell(x, h):
        return named(h=tr.tanh(h @ W + tr.where(x > 0, 1.0, 0.0)))

    outputs, _ = nn.unroll(cell, signs[:, None], Tensor(np.ones((1, 4))))
    assert steps_of(viz.folded(outputs[-1], detail)) == [(0, 3)]


def test_a_step_that_lacks_what_is_not_used_says_so():
    outputs, _ = nn.unroll(nn.LeakyCell(nn.LSTMCell(3, 4, rng=0), 0.3), np.ones((8, 2, 3)))
    drawing = viz.folded(outputs[-1], "gate")
    assert steps_of(drawing) == [(0, 7)]
    assert notes_of(drawing) == ["t = 7: c unused"]
    assert notes_of(viz.folded(tr.stack(outputs), "cell")) == []


def test_steps_with_other_weights_than_before_do_not_fold():
    cells, h = [nn.RNNCell(3, 4, rng=k) for k in range(2)], np.zeros((2, 4))
    for t in range(4):
        with scope("rnn", t=t):
            h = cells[t // 2](np.ones((2, 3)), h)
    assert steps_of(viz.folded(h, "gate")) == [(0, 1), (2, 3)]


def test_steps_that_read_another_step_do_not_fold():
    hs, cell = [np.zeros((2, 4))], nn.RNNCell(3, 4, rng=0)
    for t in range(6):
        with scope("rnn", t=t):
            hs.append(cell(np.ones((2, 3)), hs[-1] if t % 3 else hs[max(0, t - 1)]))
    # nothing uses step 2
    assert steps_of(viz.folded(hs[-1], "op")) == [(0, 1), (3, 3), (4, 5)]


def test_a_step_with_another_slice_does_not_fold():
    W, h = Tensor(np.ones((4, 8)), name="W"), Tensor(np.ones((2, 4)), name="h0")
    for t in range(4):
        with scope("own", t=t):
            h = named(h=h @ (W[:, :4] if t < 2 else W[:, 4:]))
    for detail in ("gate", "op"):
        assert steps_of(viz.folded(h, detail)) == [(0, 1), (2, 3)]


# -- names ------------------------------------------------------------------------------------


def test_an_input_has_the_letter_of_the_cells_own_equations():
    W = Tensor(np.ones((4, 4)), name="W")

    def lecture(a, x):
        return named(x=tr.tanh(x @ W + a))

    outputs, _ = nn.unroll(lecture, np.ones((3, 2, 4)), Tensor(np.ones((2, 4))))
    drawing = viz.unrolled(outputs[-1], "gate")
    assert labels_of(drawing, "input") == ["a", "x[−1]", "a", "a"]
    assert labels_of(drawing, "state") == ["x = tanh(x[t−1]@W + a)"] * 3


def test_the_first_states_have_two_names():
    given = tuple(np.full((2, 4), k) + np.arange(4.0) for k in (0.1, 0.2))
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((3, 2, 3)), given)
    assert {"h[−1]", "c[−1]"} <= set(labels_of(viz.unrolled(outputs[-1], "gate"), "constant"))


def test_an_array_that_a_cell_holds_has_the_name_of_its_attribute():
    cell = nn.EchoStateCell(3, 4, rng=0)
    outputs, _ = nn.unroll(cell, Tensor(np.ones((3, 2, 3)), name="xs"))
    (label,) = {x.replace("\n", " ") for x in labels_of(viz.folded(outputs[-1], "gate"), "state")}
    assert label == "h = tanh(x@W_x + h[t−1]@W_h + b)"


def test_an_array_may_be_named():
    W = Tensor(np.ones((4, 4)), name="W")

    def cell(x, h):
        u = named(u=2.0 * x)
        return named(h=tr.tanh(h @ W + u))

    outputs, _ = nn.unroll(cell, np.ones((3, 2, 4)), Tensor(np.ones((2, 4)), name="h0"))
    assert labels_of(viz.folded(outputs[-1], "gate"), "state") == ["h = tanh(h[t−1]@W + u)"]


def test_a_sequence_that_is_a_tensor_is_an_input_and_untied_copies_are_weights():
    cell = nn.RNNCell(3, 4, rng=0)
    outputs, _ = nn.unroll(cell, Tensor(np.ones((3, 2, 3)), name="xs"))
    drawing = viz.unrolled(outputs[-1], "gate")
    assert set(labels_of(drawing, "input")) == {"xs"}
    assert set(labels_of(drawing, "parameter")) == {"W_x", "b_x", "W_h", "b_h"}
    h = np.zeros((2, 4))
    for t in range(3):
        with scope("untied", t=t, x=(x := np.ones((2, 3)) * t)):
            h = nn.RNNCell(3, 4, rng=t)(x, h)
    drawing = viz.unrolled(h, "gate")
    assert set(labels_of(drawing, "input")) == {"x"}
    assert set(labels_of(drawing, "parameter")) == {"W_x", "b_x", "W_h", "b_h"}


def test_two_parameters_of_one_name_have_two_names():
    W, other = (Tensor(np.full((4, 4), k), name="W") for k in (0.1, 0.2))

    def cell(x, h):
        return named(h=tr.tanh(x @ W + h @ other))

    outputs, _ = nn.unroll(cell, np.ones((3, 2, 4)), Tensor(np.ones((2, 4)), name="h0"))
    drawing = viz.folded(outputs[-1], "gate")
    assert labels_of(drawing, "state") == ["h = tanh(x@W⁽¹⁾\n+ h[t−1]@W⁽²⁾)"]
    assert labels_of(drawing, "parameter") == ["W⁽¹⁾", "W⁽²⁾"]
