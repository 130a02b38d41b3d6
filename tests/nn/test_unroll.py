"""Does time work for every cell, and is a gradient through it the sum over its steps?"""

from collections import Counter

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, grad, matmul, nn, no_grad, stack, tanh

CELLS = {
    "rnn": lambda **how: nn.RNNCell(3, 4, rng=0, **how),
    "lstm": lambda **how: nn.LSTMCell(3, 4, rng=0, **how),
    "gru": lambda **how: nn.GRUCell(3, 4, rng=0, **how),
    "gru, reset before": lambda **how: nn.GRUCell(3, 4, rng=0, reset="before", **how),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)


class Leaky:
    """A cell of one's own in five lines, which inherits from nothing."""

    def __init__(self, W):
        self.W = W

    def initial_state(self, *batch):
        return np.zeros((*batch, 3))

    def __call__(self, x, h):
        return h * 0.9 + tanh(x @ self.W) * 0.1


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def last(state):
    return parts(state)[0]


def same(a, b, tolerance=0.0):
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one.data, other.data, rtol=0, atol=tolerance)


# -- what comes out ---------------------------------------------------------------------------


@every_cell
def test_unroll_is_the_cell_called_once_per_step(make):
    cell, xs = make(), normal(5, 2, 3)
    outputs, state = nn.unroll(cell, xs)
    there, expected = cell.initial_state(2), []
    for x in xs:
        there = cell(x, there)
        expected.append(last(there))
    assert type(outputs) is list
    same(outputs, expected)
    same(parts(state), parts(there))
    assert outputs[-1] is last(state)


@every_cell
def test_array_tensor_and_lists_of_inputs_give_the_same(make):
    cell, xs = make(), normal(5, 2, 3)
    expected, _ = nn.unroll(cell, xs)
    for given in (Tensor(xs), list(xs), tuple(xs), [Tensor(x) for x in xs], xs.tolist()):
        same(nn.unroll(cell, given)[0], expected)


@every_cell
def test_without_a_batch_it_is_the_row_of_a_batch(make):
    cell, xs = make(), normal(5, 2, 3)
    expected = [h.data[1] for h in nn.unroll(cell, xs)[0]]
    outputs, state = nn.unroll(cell, xs[:, 1])
    assert all(h.shape == (4,) for h in (*outputs, *parts(state)))
    np.testing.assert_allclose(stack(outputs).data, expected, rtol=0, atol=1e-15)


@every_cell
def test_one_step_is_one_call(make):
    cell, xs = make(), normal(1, 2, 3)
    outputs, state = nn.unroll(cell, xs)
    assert len(outputs) == 1
    same(parts(state), parts(cell(xs[0], cell.initial_state(2))))


@every_cell
def test_more_than_one_batch_axis(make):
    cell, xs = make(), normal(4, 2, 5, 3)
    outputs, _ = nn.unroll(cell, xs)
    flat, _ = nn.unroll(cell, xs.reshape(4, 10, 3))
    for h, f in zip(outputs, flat, strict=True):
        np.testing.assert_allclose(h.data.reshape(10, 4), f.data, rtol=0, atol=1e-15)


@every_cell
def test_an_empty_batch_runs_and_teaches_nothing(make):
    cell = make()
    outputs, _ = nn.unroll(cell, np.zeros((5, 0, 3)))
    assert [h.shape for h in outputs] == [(0, 4)] * 5
    assert all(not g.any() for g in grad(stack(outputs).sum(), cell.parameters()))


@every_cell
def test_a_carried_state_is_one_long_run(make):
    cell, xs = make(), normal(7, 2, 3)
    whole, final = nn.unroll(cell, xs)
    first, state = nn.unroll(cell, xs[:3])
    cut = tuple(s.detach() for s in parts(state))
    second, end = nn.unroll(cell, xs[3:], cut if len(cut) == 2 else cut[0])
    same(first + second, whole)
    same(parts(end), parts(final))
    # the values go on, the gradient does not: nothing of the second part was made by the first
    made_before = {node.serial for node in ancestors(*first) if node.op}
    assert not made_before & {node.serial for node in ancestors(*second)}


@every_cell
def test_an_undetached_state_carries_the_gradient_too(make):
    cell, xs = make(), normal(7, 2, 3)
    whole = nn.unroll(cell, xs)[0][-1].sum()
    _, state = nn.unroll(cell, xs[:3])
    halves = nn.unroll(cell, xs[3:], state)[0][-1].sum()
    expected = grad(whole, cell.parameters())
    for a, b in zip(grad(halves, cell.parameters()), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-15)


@every_cell
def test_without_recording_the_values_are_the_same(make):
    cell, xs = make(), normal(4, 2, 3)
    expected, _ = nn.unroll(cell, xs)
    with no_grad():
        outputs, _ = nn.unroll(cell, xs)
    same(outputs, expected)
    assert all(h.op is None for h in outputs)


# -- any object that is a cell ----------------------------------------------------------------


def test_a_cell_of_ones_own():
    W, xs = Tensor(normal(3, 3), name="W"), normal(6, 2, 3)
    outputs, state = nn.unroll(Leaky(W), xs)
    h = np.zeros((2, 3))
    for x in xs:
        h = h * 0.9 + np.tanh(x @ W.data) * 0.1
    np.testing.assert_allclose(state.data, h, rtol=0, atol=1e-15)
    assert outputs[2].scope[0].name == "leaky"
    assert grad(state.sum(), W).shape == (3, 3)


def test_a_function_is_a_cell_when_it_is_given_a_state():
    def accumulate(x, h):
        return h + x

    xs = Tensor(normal(4, 2))
    outputs, total = nn.unroll(accumulate, xs, np.zeros(2))
    np.testing.assert_allclose(stack(outputs).data, np.cumsum(xs.data, axis=0), atol=1e-15)
    np.testing.assert_array_equal(grad(total.sum(), xs), np.ones((4, 2)))
    assert total.scope[0].name == "accumulate"


def test_a_cell_says_by_output_what_others_see():
    class Twice(Leaky):
        def output(self, state):
            return state * 2

    W, xs = normal(3, 3), Tensor(normal(4, 2, 3))
    outputs, state = nn.unroll(Twice(W), xs)
    np.testing.assert_array_equal(outputs[-1].data, 2 * state.data)
    assert outputs[-1].scope[0].t == 3  # recorded inside the step


def test_a_cell_that_reads_symbols():
    class Reader(nn.Module):
        def __init__(self):
            self.table, self.cell = nn.Embedding(5, 3, rng=0), nn.GRUCell(3, 4, rng=1)

        def initial_state(self, *batch):
            return self.cell.initial_state(*batch)

        def __call__(self, symbol, h):
            return self.cell(self.table(symbol), h)

    reader, text = Reader(), np.array([[0, 1], [1, 1], [4, 0]])
    outputs, _ = nn.unroll(reader, text)
    assert [h.shape for h in outputs] == [(2, 4)] * 3
    expected, _ = nn.unroll(reader.cell, reader.table.W.data[text])
    same(outputs, expected)
    alone, _ = nn.unroll(reader, text[:, 0])
    assert [h.shape for h in alone] == [(4,)] * 3
    same(nn.unroll(reader, text[:, 0].tolist())[0], alone)
    used = grad(outputs[-1].sum(), reader.table.W).any(axis=1)
    np.testing.assert_array_equal(used, [True, True, False, False, True])


def test_a_cell_with_an_input_size_may_read_symbols_too():
    class OneHot(nn.RNNCell):
        def __call__(self, symbol, h):
            return super().__call__(np.eye(self.input_size)[symbol], h)

    cell, text = OneHot(3, 4, rng=0), np.array([[0, 1], [2, 2]])
    same(nn.unroll(cell, text)[0], nn.unroll(nn.RNNCell(3, 4, rng=0), np.eye(3)[text])[0])


# -- the record -------------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("wrap", [np.asarray, Tensor])
def test_every_operation_knows_its_cell_and_step(make, wrap):
    outputs, _ = nn.unroll(make(), wrap(normal(4, 2, 3)))
    name = type(make()).__name__.removesuffix("Cell").lower()
    for t, h in enumerate(outputs):
        assert [(frame.name, frame.t) for frame in h.scope] == [(name, t)]
    made = [node for node in ancestors(outputs[-1]) if node.op]
    assert {frame.t for node in made for frame in node.scope} == {0, 1, 2, 3}
    assert all(len(node.scope) == 1 for node in made)


def test_a_scope_may_be_called_otherwise():
    outputs, _ = nn.unroll(CELLS["lstm"](), normal(2, 2, 3), name="encoder")
    assert str(outputs[1].scope[0]) == "encoder · t = 1"


def test_inputs_go_by_the_letter_x():
    cell = CELLS["rnn"]()
    xs = normal(2, 2, 3)
    outputs, _ = nn.unroll(cell, xs)
    np.testing.assert_array_equal(outputs[1].scope[0].arrays["x"], xs[1])
    outputs, _ = nn.unroll(cell, Tensor(xs))
    slices = [node for node in ancestors(outputs[1]) if node.op and node.op.name == "getitem"]
    assert [node.name for node in slices] == ["x", "x"]


@every_cell
@pytest.mark.parametrize("wrap", [np.asarray, Tensor])
def test_nodes_grow_by_the_same_number_with_every_step(make, wrap):
    def nodes(steps):
        outputs, _ = nn.unroll(make(), wrap(normal(steps, 2, 3)))
        return sum(node.op is not None for node in ancestors(*outputs))

    per_step = nodes(2) - nodes(1)
    assert per_step > 0
    for steps in (3, 10, 101):
        assert nodes(steps) == nodes(1) + (steps - 1) * per_step


@every_cell
def test_all_steps_record_the_same_operations(make):
    outputs, state = nn.unroll(make(), Tensor(normal(5, 2, 3)))
    found = [Counter() for _ in outputs]
    for node in ancestors(*outputs, *parts(state)):
        if node.op:
            found[node.scope[0].t][node.op.name, node.name] += 1
    assert found[1:] == found[:1] * 4


# -- gradients through time -------------------------------------------------------------------


@every_cell
def test_the_gradient_of_shared_weights_is_the_sum_over_the_edges_of_all_steps(make):
    cell, xs = make(), normal(6, 2, 3)
    outputs, _ = nn.unroll(cell, xs)
    loss = (stack(outputs) * normal(6, 2, 4, seed=1)).sum()
    sums = {name: np.zeros(p.shape) for name, p in cell.named_parameters().items()}
    steps = {name: set() for name in sums}

    def on_edge(node, argument, g):
        source, place = node.inputs[argument], ...
        for name, p in cell.named_parameters().items():
            if source is p:
                if node.op.name == "getitem":  # reported in the shape of the slice
                    place = node.options["index"]
                sums[name][place] += g
                steps[name].add(node.scope[0].t)

    gradients = grad(loss, cell.named_parameters(), on_edge=on_edge)
    for name, g in gradients.items():
        np.testing.assert_allclose(sums[name], g, rtol=1e-12, atol=1e-12)
        assert steps[name] == set(range(6))


@every_cell
def test_the_gradient_of_shared_weights_is_the_sum_over_unshared_ones(make):
    cell, xs = make(), normal(4, 2, 3)
    weights = normal(4, 2, 4, seed=1)
    shared = grad((stack(nn.unroll(cell, xs)[0]) * weights).sum(), cell.parameters())
    cells = [make() for _ in xs]  # the same numbers, a cell of its own for every step
    state, outputs = cell.initial_state(2), []
    for own, x in zip(cells, xs, strict=True):
        state = own(x, state)
        outputs.append(last(state))
    loss = (stack(outputs) * weights).sum()
    unshared = grad(loss, [own.parameters() for own in cells])
    for k, g in enumerate(shared):
        np.testing.assert_allclose(sum(own[k] for own in unshared), g, rtol=1e-12, atol=1e-12)


def test_one_step_from_zero_is_a_network_with_one_hidden_layer():
    cell, x, target = CELLS["rnn"](), normal(2, 3), normal(2, 4, seed=1)
    mine = grad(nn.mse_loss(nn.unroll(cell, x[None])[0][0], target), cell.parameters()[:1])
    W, b = Tensor(cell.W_x.data), Tensor(cell.b_x.data + cell.b_h.data)
    expected = grad(nn.mse_loss(tanh(matmul(x, W) + b), target), [W])
    np.testing.assert_allclose(mine[0], expected[0], rtol=0, atol=1e-15)


def test_the_gradient_of_an_array_of_inputs_is_that_of_its_steps():
    cell, xs = CELLS["lstm"](), normal(5, 2, 3)
    together, apart = Tensor(xs), [Tensor(x) for x in xs]
    whole = grad(nn.unroll(cell, together)[0][-1].sum(), together)
    each = grad(nn.unroll(cell, apart)[0][-1].sum(), apart)
    np.testing.assert_allclose(whole, np.stack(each), rtol=0, atol=1e-15)


# -- refusals ---------------------------------------------------------------------------------


def test_an_empty_sequence_is_refused():
    for empty, shape in ((np.zeros((0, 2, 3)), r"\(0, 2, 3\)"), ([], r"\(0,\)")):
        with pytest.raises(ValueError, match=f"at least one time step, got xs of shape {shape}"):
            nn.unroll(CELLS["rnn"](), empty)
    with pytest.raises(ValueError, match=r"at least one time step, got xs of shape \(\)"):
        nn.unroll(CELLS["rnn"](), Tensor(1.0))


def test_a_generator_is_refused_because_it_is_used_up():
    with pytest.raises(TypeError, match=r"got generator\. A generator can be used up only once"):
        nn.unroll(CELLS["rnn"](), (x for x in normal(5, 2, 3)))


@every_cell
@pytest.mark.parametrize("wrap", [np.asarray, Tensor, list])
def test_other_features_are_refused_before_the_first_step(make, wrap):
    message = r"Cell expects 3 features per step, got xs of shape \(5, 2, 7\).*\(T, batch, 3\)"
    with pytest.raises(ValueError, match=message):
        nn.unroll(make(), wrap(normal(5, 2, 7)))


def test_batch_first_is_told_that_time_comes_first():
    with pytest.raises(ValueError, match="Time comes first, features last"):
        nn.unroll(CELLS["lstm"](), normal(2, 3, 5))


def test_a_function_without_a_first_state_is_refused():
    def step(x, h):
        return h

    with pytest.raises(TypeError, match=r"step has no initial_state.*or pass state="):
        nn.unroll(step, normal(5, 2, 3))


@every_cell
def test_a_state_for_another_batch_is_refused_at_its_step(make):
    cell = make()
    message = r" at \w+ · t = 0: expected h of shape \(2, 4\) beside x of shape \(2, 3\), got \(5,"
    with pytest.raises(ValueError, match=message):
        nn.unroll(cell, normal(6, 2, 3), cell.initial_state(5))


def test_an_input_that_changes_its_features_on_the_way_is_refused_at_its_step():
    xs = [normal(2, 3), normal(2, 3), normal(2, 8)]
    with pytest.raises(ValueError, match=r"GRUCell at gru · t = 2: expected x of \(\*batch, 3\)"):
        nn.unroll(CELLS["gru"](), xs)
