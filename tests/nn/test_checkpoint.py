"""Does checkpointing keep few states and change nothing else?"""

import gc
import weakref

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, check_grads, exp, grad, nn, no_grad, stack, tanh

CELLS = {
    "rnn": lambda: nn.RNNCell(3, 4, rng=0),
    "lstm": lambda: nn.LSTMCell(3, 4, rng=0),
    "gru": lambda: nn.GRUCell(3, 4, rng=0),
    "zoneout": lambda: nn.Zoneout(nn.LSTMCell(3, 4, rng=0), 0.3),
    "dropout": lambda: nn.VariationalDropout(nn.GRUCell(3, 4, rng=0), inputs=0.3, state=0.3),
    "learned start": lambda: nn.LearnedState(nn.LSTMCell(3, 4, rng=0)),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
HOW = {
    "plain": {},
    "lengths": {"lengths": [11, 4]},
    "reverse": {"reverse": True, "lengths": [3, 10]},
    "windows": {"truncate": (4, 6)},
    "random": {"truncate": nn.RandomTruncation(0.3)},
}
every_way = pytest.mark.parametrize("how", HOW.values(), ids=HOW)
T = 11


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def run(cell, xs, **how):
    outputs, state = nn.unroll(cell, xs, rng=np.random.default_rng(5), **how)
    loss = (stack(outputs) * normal(len(outputs), 2, 4, seed=1)).sum()
    return outputs, state, loss + sum((part**2).sum() for part in parts(state))


def assert_close(found, expected, tolerance=1e-12):
    for a, b in zip(found, expected, strict=True):
        assert np.linalg.norm(a - b) <= tolerance * max(1.0, np.linalg.norm(b))


@every_way
@every_cell
def test_states_are_equal_bit_for_bit_and_gradients_to_1e_12(make, how):
    cell, xs = make(), Tensor(normal(T, 2, 3))
    plain, end, loss = run(cell, xs, **how)
    outputs, state, again = run(cell, xs, **how, checkpoint=True)
    for a, b in zip((*outputs, *parts(state)), (*plain, *parts(end)), strict=True):
        assert a.data.tobytes() == b.data.tobytes()
    wrt = [*cell.parameters(), xs]
    assert_close(grad(again, wrt), grad(loss, wrt))


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 16, 17])
def test_any_number_of_steps(steps):
    cell, xs = CELLS["gru"](), Tensor(normal(steps, 2, 3))
    wrt = [*cell.parameters(), xs]
    losses = [run(cell, xs, checkpoint=checkpoint)[2] for checkpoint in (False, True)]
    assert_close(*[grad(loss, wrt) for loss in losses])


def test_backward_twice_is_twice_the_gradient():
    cell, xs = CELLS["zoneout"](), normal(T, 2, 3)
    expected = grad(run(cell, xs)[2], cell.parameters())
    loss = run(cell, xs, checkpoint=True)[2]
    loss.backward()
    loss.backward()
    assert_close([p.grad / 2 for p in cell.parameters()], expected)


def test_going_backward_draws_nothing_from_the_generator():
    rng = np.random.default_rng(0)
    outputs, _ = nn.unroll(CELLS["zoneout"](), normal(T, 2, 3), checkpoint=True, rng=rng)
    before = rng.bit_generator.state
    grad(stack(outputs).sum(), outputs[0], unused="zero")
    stack(outputs).sum().backward()
    assert rng.bit_generator.state == before


def test_backward_works_where_recording_is_off_and_in_float32():
    cell = nn.LSTMCell(3, 4, rng=0, dtype=np.float32)
    xs = normal(T, 2, 3).astype(np.float32)
    losses = [stack(nn.unroll(cell, xs, checkpoint=c)[0]).sum() for c in (False, True)]
    with no_grad():
        found = [grad(loss, cell.parameters()) for loss in losses]
    assert {g.dtype for g in found[1]} == {np.dtype(np.float32)}
    assert_close(*found, tolerance=1e-5)


# -- cells that know nothing of it ------------------------------------------------------------


class Own:
    """Inherits from nothing, says nothing of its parameters; they are of three kinds."""

    def __init__(self):
        self.W = Tensor(normal(3, 4), name="W")
        self.log_u = Tensor(normal(4, seed=2) - 1, name="log_u")
        self.u = exp(self.log_u)  # computed once, before
        self.late = Tensor(normal(4, seed=3), name="late")  # not used in the first step

    def initial_state(self, *batch):
        return {"h": np.zeros((*batch, 4)), "steps": 0}

    def output(self, state):
        return state["h"] * 2

    def __call__(self, x, state):
        h, steps = state["h"], state["steps"]
        h = tanh(x @ self.W + h * self.u)
        return {"h": h * self.late if steps % 4 == 3 else h, "steps": steps + 1}


def test_a_cell_of_ones_own_needs_no_registration():
    cell, xs = Own(), [Tensor(x) for x in normal(T, 2, 3)]
    wrt = [cell.W, cell.u, cell.log_u, cell.late, *xs]
    found = []
    for checkpoint in (False, True):
        outputs, state = nn.unroll(cell, xs, checkpoint=checkpoint)
        assert state["steps"] == T
        loss = (stack(outputs) * normal(T, 2, 4, seed=1)).sum() + state["h"].sum()
        found.append(grad(loss, wrt))
    assert_close(*found)


def test_layers_above_each_other_can_both_be_checkpointed():
    layer, xs = nn.LSTM(3, 4, 2, bidirectional=True, rng=0), normal(T, 2, 3)
    losses = [(layer(xs, checkpoint=c)[0] ** 2).sum() for c in (False, True)]
    assert_close(*[grad(loss, layer.parameters()) for loss in losses])


def test_a_cell_that_is_no_function_of_its_inputs_is_refused():
    class Moody(Own):
        def __call__(self, x, state):
            self.u = self.u * 1.1
            return super().__call__(x, state)

    outputs, _ = nn.unroll(Moody(), normal(T, 2, 3), checkpoint=True)
    with pytest.raises(RuntimeError, match="again, moody has another state after step 10"):
        stack(outputs).sum().backward()


# -- higher derivatives -----------------------------------------------------------------------


def test_second_derivatives_are_those_of_the_plain_record():
    cell, xs = CELLS["lstm"](), Tensor(normal(5, 2, 3))
    found = []
    for checkpoint in (False, True):
        loss = run(cell, xs, checkpoint=checkpoint)[2]
        slopes = grad(loss, [cell.W_h, xs], create_graph=True)
        found.append(grad((slopes[0] ** 2).sum() + (slopes[1] ** 2).sum(), [cell.W_h, xs]))
    assert_close(*found)


def test_differences_say_the_same_to_second_order():
    cell = nn.RNNCell(2, 3, rng=0)

    def loss(W, xs):
        cell.W_h = W
        return stack(nn.unroll(cell, xs, checkpoint=True)[0]).sum()

    check_grads(loss, cell.W_h.data, normal(5, 1, 2), order=2)


# -- memory -----------------------------------------------------------------------------------


def alive(cell, steps, checkpoint):
    """Tensors and bytes of their arrays that the final state keeps alive."""
    state = nn.unroll(cell, np.zeros((steps, 2, 3)), checkpoint=checkpoint)[1]
    record = ancestors(*parts(state))
    held = sum(1 for x in gc.get_objects() if type(x) is Tensor)
    size = sum(x.data.nbytes for x in record if any(x.data.strides))
    return len(record), held, size


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_states_alive_grow_with_the_root_of_the_number_of_steps(kind):
    cell = CELLS[kind]()
    few, many = alive(cell, 100, True), alive(cell, 1600, True)
    for a, b in zip(few, many, strict=True):
        assert b - len(cell.parameters()) < 4.5 * a
    plain = alive(cell, 1600, False)
    assert plain[0] > 20 * many[0]
    assert plain[2] > 20 * many[2]


def test_backward_records_one_segment_at_a_time():
    class Watched(nn.RNNCell):
        def __call__(self, x, h):
            h = super().__call__(x, h)
            self.made = [*(ref for ref in self.made if ref() is not None), weakref.ref(h)]
            self.most = max(self.most, len(self.made))
            return h

    def most(steps, checkpoint):
        """States that were recorded and alive at once, on the way back."""
        cell = Watched(3, 4, rng=0)
        cell.made, cell.most = [], 0
        state = nn.unroll(cell, np.zeros((steps, 1, 3)), checkpoint=checkpoint)[1]
        cell.most = 0
        state.sum().backward()
        return cell.most

    assert 4 <= most(16, True) < most(256, True) < 4.5 * most(16, True)
    assert most(256, False) == 0  # nothing is computed again
