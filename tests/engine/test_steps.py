"""Is every operation of a record in the step and the lane that its scopes say?"""

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, ancestors, grad, nn, no_grad, scope, stack, step_frame, steps
from tinygrad_rnn.engine.steps import order_of

X = np.random.default_rng(0).standard_normal((6, 2, 3))


def lanes_of(*roots):
    """The lanes behind `roots` that are in time, each with its times, in the order of birth."""
    found = {}
    for step in dict.fromkeys(steps(ancestors(*roots)).values()):
        if step.t is not None:
            found.setdefault(step.lane, []).append(step.t)
    return found


def times(*roots):
    """The same by the names of the lanes."""
    return {lane.name: ts for lane, ts in lanes_of(*roots).items()}


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_cell_is_one_lane_and_each_call_of_it_one_step(cell):
    outputs, _ = nn.unroll(cell(3, 4, rng=0), X)
    (lane,) = lanes_of(*outputs)
    assert (lane.path, lane.run, lane.order) == ((lane.name,), 0, 0)
    assert times(*outputs) == {lane.name: list(range(6))}
    found = steps(ancestors(*outputs))
    assert [found[h].t for h in outputs] == list(range(6))
    assert len({step.lane for step in found.values()}) == 1


def test_every_operation_is_in_one_step_and_no_leaf_is():
    outputs, _ = nn.LSTM(3, 4, num_layers=2, bidirectional=True, rng=0)(X)
    record = ancestors(tr.sum(outputs**2))
    found = steps(record)
    assert list(found) == [node for node in record if node.op is not None]
    by_scope = {}
    for node, step in found.items():  # what shares all its scopes shares its step
        assert by_scope.setdefault(node.scope, step) is step


def test_layers_and_directions_are_lanes_with_their_scopes_as_names():
    outputs, _ = nn.LSTM(3, 4, num_layers=2, bidirectional=True, rng=0)(X)
    found = {name: ts for name, ts in times(outputs).items() if "lstm" in name}
    there, back = list(range(6)), list(range(6))[::-1]
    assert found == {
        f"layer {k} · {way} · lstm": there if way == "forward" else back
        for k in (1, 2)
        for way in ("forward", "reverse")
    }


def test_cells_stacked_under_one_name_are_told_apart_by_when_they_run():
    hs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), X)
    hs, _ = nn.unroll(nn.RNNCell(4, 4, rng=1), hs)
    assert times(hs[-1]) == {"rnn": list(range(6)), "rnn 2": list(range(6))}
    assert [lane.run for lane in lanes_of(hs[-1])] == [0, 1]


def test_two_layers_in_one_scope_of_a_loop_of_ones_own_are_one_lane():
    one, two = nn.RNNCell(3, 4, rng=0), nn.RNNCell(4, 4, rng=1)
    a = b = np.zeros((2, 4))
    for t in range(3):
        with scope("net", t=t):
            a = one(X[t], a)
            b = two(a, b)
    assert times(b) == {"net": [0, 1, 2]}


def test_a_scope_inside_a_step_is_a_lane_that_is_numbered_as_its_step_is():
    h = Tensor(np.ones(3))
    for t in range(2):
        for visit in range(2):
            with scope("rnn", t=t):
                h = h * 2.0
                if visit:  # the second net alone has it
                    with scope("attention"):
                        h = h + 1.0
    assert times(h) == {"rnn": [0, 1], "rnn 2": [0, 1], "rnn 2 · attention": [0, 1]}


def test_the_innermost_time_counts_and_each_outer_one_begins_a_lane():
    h = Tensor(np.ones(3))
    for episode in range(2):
        with scope("episode", t=episode):
            for t in range(3):
                with scope("rnn", t=t):
                    h = h * 2.0
    assert times(h) == {f"episode · t = {k} · rnn": [0, 1, 2] for k in range(2)}


def test_an_encoder_and_its_decoder_are_two_lanes_that_both_count_from_0():
    _, h = nn.unroll(nn.RNNCell(3, 4, rng=0), X, name="encoder")
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=1), X[:4], h, name="decoder")
    assert times(*outputs) == {"encoder": list(range(6)), "decoder": list(range(4))}


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_truncation_cuts_gradients_and_moves_no_step(T, k1, more, reverse):
    cell, xs = nn.RNNCell(1, 2, rng=0), np.ones((T, 1, 1))
    outputs, _ = nn.unroll(cell, xs, truncate=(k1, k1 + more), reverse=reverse)
    found = steps(ancestors(*outputs))
    for t, h in enumerate(outputs):
        assert (found[h].t, found[h].lane.path[-1]) == (t, "rnn")
    for ts in lanes_of(*outputs).values():  # a window runs each step once, in one direction
        assert ts == sorted(set(ts), reverse=reverse)


def test_what_no_scope_with_a_time_surrounds_is_in_no_step():
    h, cell = np.zeros((2, 4)), nn.RNNCell(3, 4, rng=0)
    for x in X:
        h = cell(x, h)
    with scope("loss"):
        loss = tr.sum(h**2)
    found = set(steps(ancestors(loss)).values())
    assert {(step.t, step.lane.name, step.lane.path, step.lane.order) for step in found} == {
        (None, "", (), 0)
    }
    assert len(found) == 1
    assert step_frame(loss) is None


def test_what_is_no_record_is_refused():
    h = Tensor([1.0, 2.0])
    for x in (h, h.sum()):
        with pytest.raises(TypeError, match=r"got one Tensor: steps\(ancestors\(x\)\)"):
            steps(x)
    with pytest.raises(TypeError, match="steps: expected Tensors, got int"):
        steps([h, 3])
    with pytest.raises(TypeError, match="step_frame: expected a Tensor, got list"):
        step_frame([h])


def test_a_gradient_is_in_the_step_of_what_it_differentiates_in_a_lane_of_its_own():
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), X)
    loss = tr.sum(stack(outputs) ** 2)
    slope = grad(loss, outputs[0], create_graph=True)
    curve = grad(tr.sum(slope**2), outputs[0], create_graph=True)
    lanes = [(lane.name, lane.order) for lane in lanes_of(curve)]
    assert lanes == [("rnn", 0), ("rnn", 1), ("rnn", 2)]
    record = ancestors(curve)
    born = {x.serial: x for x in record}
    for node, step in steps(record).items():
        assert order_of(node) == step.lane.order
        of = next((f.of for f in reversed(node.scope) if f.of is not None), None)
        assert of not in born or step_frame(node) is step_frame(born[of])


def test_gradients_outside_of_time_are_told_apart_by_order_too():
    x = Tensor(np.ones(3))
    slope = grad(tr.sum(x**3), x, create_graph=True)
    found = steps(ancestors(tr.sum(slope)))
    assert {(step.lane.path, step.lane.order, step.t) for step in found.values()} == {
        ((), 0, None),
        ((), 1, None),
    }


def test_the_step_is_that_of_the_scope_and_not_of_the_call():
    with scope("rnn", t=7):
        h = Tensor(1.0) * 2.0
        with no_grad():
            constant = Tensor(1.0) * 2.0
    assert steps([h, constant]).keys() == {h}
    assert steps([]) == {}


def test_ten_thousand_steps_are_as_easy_as_ten():
    h = Tensor(np.ones(1))
    for t in range(10_000):
        with scope("rnn", t=t):
            h = h * 1.0
    assert times(h) == {"rnn": list(range(10_000))}


def test_what_is_known_of_a_step_keeps_no_record_alive():
    h = nn.unroll(nn.RNNCell(3, 4, rng=0), X)[1]
    found, alive = list(steps(ancestors(h)).values()), weakref.ref(h)
    del h
    assert len(found) > 6
    assert alive() is None
