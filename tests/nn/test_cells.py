"""Are the cells pure, as large as they should be, differentiable twice, and plain in refusing?"""

import copy
import pickle

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, check_grads, grad, nn, scope, sin

CELLS = {
    "rnn": lambda **how: nn.RNNCell(3, 4, **how),
    "lstm": lambda **how: nn.LSTMCell(3, 4, **how),
    "gru": lambda **how: nn.GRUCell(3, 4, **how),
    "gru, reset before": lambda **how: nn.GRUCell(3, 4, reset="before", **how),
    "gru, z replaces": lambda **how: nn.GRUCell(3, 4, update="replaces", **how),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def some_state(cell, *batch):
    return (
        (normal(*batch, 4, seed=1), normal(*batch, 4, seed=2))
        if isinstance(cell, nn.LSTMCell)
        else normal(*batch, 4, seed=1)
    )


@every_cell
def test_a_call_changes_neither_cell_nor_input_nor_state(make):
    cell = make(rng=0)
    x, state = normal(2, 3), some_state(cell, 2)
    before = cell.state_dict(), copy.deepcopy((x, state))
    first, second = cell(x, state), cell(x, state)
    for a, b in zip(parts(first), parts(second), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    for name, value in cell.state_dict().items():
        np.testing.assert_array_equal(value, before[0][name])
    np.testing.assert_array_equal(x, before[1][0])
    np.testing.assert_array_equal(state, before[1][1])


@every_cell
def test_the_initial_state_is_zero_and_new_every_time(make):
    cell = make(rng=0, dtype=np.float32)
    for batch in [(), (2,), (2, 5)]:
        for h in parts(cell.initial_state(*batch)):
            assert type(h) is np.ndarray
            assert h.shape == (*batch, 4)
            assert h.dtype == np.float32
            assert not h.any()
    states = [h for _ in range(2) for h in parts(cell.initial_state(2))]
    assert len({id(h) for h in states}) == len(states)


@every_cell
def test_a_row_of_a_batch_is_computed_as_if_alone(make):
    cell = make(rng=0)
    x, state = normal(5, 3), some_state(cell, 5)
    together = parts(cell(x, state))
    for k in range(5):
        row = tuple(h[k] for h in parts(state))
        alone = parts(cell(x[k], row if len(row) == 2 else row[0]))
        for a, b in zip(together, alone, strict=True):
            assert b.shape == (4,)
            np.testing.assert_allclose(a.data[k], b.data, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("activation", "f"),
    [
        ("tanh", np.tanh),
        ("relu", lambda x: np.maximum(x, 0)),
        ("sigmoid", sigmoid),
        (lambda x: x * x, np.square),
        (sin, np.sin),
    ],
)
def test_rnn_is_its_equation(activation, f):
    cell = nn.RNNCell(3, 4, activation, rng=0)
    W_x, W_h, b_x, b_h = (p.data for p in cell.parameters())
    x, h = normal(2, 3), normal(2, 4, seed=1)
    np.testing.assert_allclose(
        cell(x, h).data, f(x @ W_x + b_x + h @ W_h + b_h), rtol=0, atol=1e-14
    )


def test_lstm_is_its_equations():
    cell = nn.LSTMCell(3, 4, rng=0)
    W_x, W_h, b_x, b_h = (p.data for p in cell.parameters())
    x, h, c = normal(2, 3), normal(2, 4, seed=1), normal(2, 4, seed=2)
    i, f, g, o = np.split(x @ W_x + b_x + h @ W_h + b_h, 4, axis=1)
    c_new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    found = cell(x, (h, c))
    np.testing.assert_allclose(found[1].data, c_new, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found[0].data, sigmoid(o) * np.tanh(c_new), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("make", "gates"), [(nn.RNNCell, 1), (nn.LSTMCell, 4), (nn.GRUCell, 3)])
@pytest.mark.parametrize(("inputs", "hidden"), [(1, 1), (3, 4), (10, 2)])
def test_parameters_are_counted_as_in_torch(make, gates, inputs, hidden):
    with_bias = sum(p.size for p in make(inputs, hidden).parameters())
    without = sum(p.size for p in make(inputs, hidden, bias=False).parameters())
    assert with_bias == gates * hidden * (inputs + hidden + 2)
    assert without == gates * hidden * (inputs + hidden)


@every_cell
def test_start_values_fill_one_over_the_root_of_hidden_and_follow_the_seed(make):
    a, b, other = make(rng=0), make(rng=0), make(rng=1)
    values = np.concatenate([p.data.ravel() for p in a.parameters()])
    assert 0.45 < np.abs(values).max() <= 0.5  # 1/√4
    assert (values > 0).any()
    assert (values < 0).any()
    for name, value in a.state_dict().items():
        np.testing.assert_array_equal(value, b.state_dict()[name])
        assert (value != other.state_dict()[name]).any()


@pytest.mark.parametrize(
    ("kind", "letters"),
    [("rnn", {"h"}), ("lstm", {"i", "f", "g", "o", "c", "h"}), ("gru", {"r", "z", "n", "h"})],
)
def test_gates_carry_their_letters(kind, letters):
    cell = CELLS[kind](rng=0)
    record = ancestors(*parts(cell(normal(2, 3), cell.initial_state(2))))
    assert {node.name for node in record if node.op and node.name} == letters


@every_cell
@pytest.mark.parametrize("bias", [True, False])
def test_float32_stays_float32(make, bias):
    cell = make(rng=0, dtype=np.float32, bias=bias)
    state = cell(normal(2, 3).astype(np.float32), cell.initial_state(2))
    loss = parts(state)[0].sum()
    assert loss.dtype == np.float32
    assert all(g.dtype == np.float32 for g in grad(loss, cell.parameters()))


@every_cell
@pytest.mark.parametrize("bias", [True, False])
def test_unrolled_cells_can_be_differentiated_twice(make, bias):
    cell = make(rng=0, bias=bias)
    xs, names = normal(3, 2, 3), list(cell.named_parameters().keys())

    def unrolled(xs, h, *weights):
        moved = copy.copy(cell)
        vars(moved).update(zip(names, weights, strict=True))
        state = (h, h * 0.5) if isinstance(cell, nn.LSTMCell) else h
        outputs, state = nn.unroll(moved, xs, state)
        return outputs[0] * outputs[1] + parts(state)[-1]

    weights = [p.data for p in cell.parameters()]
    check_grads(unrolled, xs, normal(2, 4, seed=1), *weights, order=2)


@every_cell
def test_cells_copy_and_pickle(make):
    cell = make(rng=0)
    x, state = normal(2, 3), some_state(cell, 2)
    expected = parts(cell(x, state))
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        for a, b in zip(parts(twin(x, state)), expected, strict=True):
            np.testing.assert_array_equal(a.data, b.data)
        assert not {id(p) for p in twin.parameters()} & {id(p) for p in cell.parameters()}


@every_cell
def test_hidden_size_one_and_input_size_one(make):
    cell = type(make())(1, 1, rng=0)
    outputs, _ = nn.unroll(cell, normal(3, 2, 1))
    assert [h.shape for h in outputs] == [(2, 1)] * 3


@every_cell
def test_a_first_state_without_batch_is_every_examples(make):
    cell = make(rng=0)
    learned = [Tensor(h) for h in parts(some_state(cell))]
    repeated = [np.broadcast_to(h.data, (2, 4)) for h in learned]
    one = parts(cell(normal(2, 3), tuple(learned) if len(learned) == 2 else learned[0]))
    each = parts(cell(normal(2, 3), tuple(repeated) if len(repeated) == 2 else repeated[0]))
    for a, b in zip(one, each, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=0, atol=1e-15)
    assert grad(one[0].sum(), learned[0]).shape == (4,)


# -- refusals ---------------------------------------------------------------------------------


@every_cell
def test_an_input_with_other_features_is_refused_with_cell_scope_and_shapes(make):
    cell = make(rng=0)
    message = rf"{type(cell).__name__} at net · t = 3: expected x of \(\*batch, 3\), got \(2, 5\)"
    with scope("net", t=3), pytest.raises(ValueError, match=message):
        cell(normal(2, 5), cell.initial_state(2))


@every_cell
@pytest.mark.parametrize("shape", [(2, 3), (3, 4), (1, 2, 4), (2, 1)])
def test_a_state_of_another_shape_is_refused(make, shape):
    cell = make(rng=0)
    wrong = np.zeros(shape)
    state = (wrong, wrong) if isinstance(cell, nn.LSTMCell) else wrong
    with pytest.raises(
        ValueError, match=r"expected h of shape \(2, 4\) beside x of shape \(2, 3\)"
    ):
        cell(normal(2, 3), state)


def test_lstm_refuses_one_array_of_two_rows_as_its_state():
    with pytest.raises(
        ValueError, match=r"LSTMCell: expected state of two parts, the pair \(h, c\)"
    ):
        nn.LSTMCell(3, 4)(normal(2, 3), np.zeros((2, 4)))


def test_lstm_names_the_part_of_the_state_that_does_not_fit():
    with pytest.raises(ValueError, match=r"expected c of shape \(2, 4\).*got \(2, 5\)"):
        nn.LSTMCell(3, 4)(normal(2, 3), (np.zeros((2, 4)), np.zeros((2, 5))))


@pytest.mark.parametrize("kind", ["rnn", "gru"])
def test_the_others_refuse_an_lstms_pair(kind):
    pair = np.zeros((2, 4)), np.zeros((2, 4))
    with pytest.raises(
        ValueError, match=r"expected h of one array or Tensor \(2, 4\), got a tuple"
    ):
        CELLS[kind]()(normal(2, 3), pair)


def test_symbols_are_no_features_even_where_their_number_fits():
    with pytest.raises(ValueError, match="symbols need an Embedding first"):
        nn.unroll(nn.RNNCell(3, 4), np.zeros((5, 3), dtype=int))


@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
@pytest.mark.parametrize("size", [0, -1, 2.0, None])
def test_sizes_are_whole_numbers_of_at_least_one(make, size):
    with pytest.raises(ValueError, match=f"{make.__name__}: hidden_size must be a whole number"):
        make(3, size)
    with pytest.raises(ValueError, match=f"{make.__name__}: input_size must be a whole number"):
        make(size, 3)


@pytest.mark.parametrize("activation", ["tan", None])
def test_an_unknown_activation_is_refused_by_name(activation):
    with pytest.raises(ValueError, match="one of tanh, relu, sigmoid or a function, got"):
        nn.RNNCell(3, 4, activation)


def test_an_unknown_gru_convention_is_refused_by_name():
    with pytest.raises(ValueError, match='reset must be "after"'):
        nn.GRUCell(3, 4, reset="first")
    with pytest.raises(ValueError, match='update must be "keeps"'):
        nn.GRUCell(3, 4, update="forgets")
