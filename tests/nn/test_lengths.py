"""Does padding stay without any effect, whatever it holds?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn import Tensor, grad, nn, stack, tanh

CELLS = {
    "rnn": lambda: nn.RNNCell(3, 4, rng=0),
    "lstm": lambda: nn.LSTMCell(3, 4, rng=0),
    "gru": lambda: nn.GRUCell(3, 4, rng=0),
    "one's own": lambda: Leaky(Tensor(normal(3, 4), name="W")),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
FILLINGS = st.sampled_from([0.0, 1.0, -1e300, np.inf, -np.inf, np.nan])


class Leaky:
    """A cell of one's own, which inherits from nothing."""

    def __init__(self, W):
        self.W = W

    def parameters(self):
        return [self.W]

    def initial_state(self, *batch):
        return np.zeros((*batch, 4))

    def __call__(self, x, h):
        return h * 0.9 + tanh(x @ self.W) * 0.1


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def run(cell, xs, **how):
    """Loss on all outputs and the final state, and its gradients."""
    xs = Tensor(xs)
    outputs, state = nn.unroll(cell, xs, **how)
    loss = (stack(outputs) ** 2).sum() + sum((part**3).sum() for part in parts(state))
    return loss, grad(loss, [*cell.parameters(), xs])


def assert_close(found, expected, tolerance=1e-12):
    for a, b in zip(found, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert np.linalg.norm(a - b) <= tolerance * max(1.0, np.linalg.norm(b))


@every_cell
@settings(max_examples=15)
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    more=st.integers(0, 6),
    filling=FILLINGS,
    reverse=st.booleans(),
)
def test_growing_the_padding_changes_no_loss_and_no_gradient(make, lengths, more, filling, reverse):
    cell, batch = make(), len(lengths)
    valid = np.arange(5)[:, None] < lengths
    xs = np.where(valid[..., None], normal(5, batch, 3), 0)
    padded = np.where(valid[..., None], xs, filling)
    padded = np.concatenate([padded, np.full((more, batch, 3), filling)])
    how = {"lengths": lengths, "reverse": reverse}
    (loss, slopes), (longer, longer_slopes) = run(cell, xs, **how), run(cell, padded, **how)
    assert_close([longer.data], [loss.data])
    assert_close(longer_slopes[:-1], slopes[:-1])
    assert_close([longer_slopes[-1][:5]], slopes[-1:])
    assert not longer_slopes[-1][5:].any()
    assert not longer_slopes[-1][:5][~valid].any()


@every_cell
@pytest.mark.parametrize("reverse", [False, True])
def test_a_padded_batch_is_one_sequence_at_a_time(make, reverse):
    cell, lengths, xs = make(), [6, 1, 4, 0], normal(6, 4, 3)
    outputs, state = nn.unroll(cell, xs, lengths=lengths, reverse=reverse)
    loss, slopes = run(cell, xs, lengths=lengths, reverse=reverse)
    alone, summed = 0.0, [np.zeros(p.shape) for p in cell.parameters()]
    for k, length in enumerate(lengths):
        for t in range(length, 6):
            assert not outputs[t].data[k].any()
        if length:
            mine, end = nn.unroll(cell, xs[:length, k], reverse=reverse)
            assert_close([outputs[t].data[k] for t in range(length)], [h.data for h in mine])
            assert_close([p.data[k] for p in parts(state)], [p.data for p in parts(end)])
            one, its = run(cell, xs[:length, k], reverse=reverse)
            alone += one.item()
            summed = [a + b for a, b in zip(summed, its, strict=False)]
    assert_close([loss.data, *slopes[:-1]], [alone, *summed])


@every_cell
def test_reversed_is_the_reversed_valid_part_in_the_order_of_the_inputs(make):
    cell, lengths, xs = make(), [5, 2], normal(5, 2, 3)
    outputs, state = nn.unroll(cell, xs, lengths=lengths, reverse=True)
    for k, n in enumerate(lengths):
        flipped, end = nn.unroll(cell, xs[:n, k][::-1])
        assert_close([h.data[k] for h in outputs[:n]], [h.data for h in flipped[::-1]])
        assert_close([p.data[k] for p in parts(state)], [p.data for p in parts(end)])


@every_cell
def test_a_row_without_a_valid_step_keeps_its_first_state(make):
    cell = make()
    first = tuple(Tensor(normal(2, 4, seed=k)) for k in range(len(parts(cell.initial_state(2)))))
    given_state = first if len(first) > 1 else first[0]
    xs = np.full((3, 2, 3), np.nan)
    outputs, state = nn.unroll(cell, xs, given_state, lengths=[0, 0])
    assert not stack(outputs).data.any()
    for end, start in zip(parts(state), first, strict=True):
        np.testing.assert_array_equal(end.data, start.data)
    loss = sum((part * 2).sum() for part in parts(state)) + stack(outputs).sum()
    slopes = grad(loss, [*cell.parameters(), *first], unused="zero")
    assert not any(g.any() for g in slopes[: -len(first)])
    assert all((g == 2).all() for g in slopes[-len(first) :])


def test_a_mask_may_have_holes():
    cell, xs = CELLS["gru"](), normal(6, 2, 3)
    mask = np.array([[1, 0], [0, 1], [1, 1], [1, 0], [0, 0], [1, 1]], bool)
    outputs, state = nn.unroll(cell, np.where(mask[..., None], xs, np.nan), mask=mask)
    for k in range(2):
        mine, end = nn.unroll(cell, xs[mask[:, k], k])
        assert_close(
            [outputs[t].data[k] for t in np.flatnonzero(mask[:, k])], [h.data for h in mine]
        )
        assert_close([state.data[k]], [end.data])
        assert not stack(outputs).data[~mask[:, k], k].any()


def test_a_masked_state_keeps_its_letter():
    for cell in (nn.LSTMCell(3, 4, rng=0), nn.Zoneout(nn.LSTMCell(3, 4, rng=0), 0.1)):
        outputs, (h, c) = nn.unroll(cell, normal(5, 2, 3), lengths=[5, 3])
        assert (h.op.name, h.name, c.op.name, c.name) == ("where", "h", "where", "c")
        assert outputs[0].name is None  # 0 beyond the end: no h of the cell


def test_lengths_equal_to_all_steps_change_no_bit():
    cell, xs = CELLS["lstm"](), normal(4, 2, 3)
    loss, slopes = run(cell, xs)
    same, its = run(cell, xs, lengths=np.array([4, 4]))
    assert loss.data == same.data
    assert_close(its, slopes, 1e-15)


def test_symbols_and_counters_can_be_masked():
    class Counting:
        def initial_state(self, *batch):
            return np.zeros((*batch, 2)), 0

        def __call__(self, symbol, state):
            h, steps = state
            return h + np.eye(2)[symbol], steps + 1

    text = np.array([[0, 1], [1, 1], [1, 99]])
    outputs, (h, steps) = nn.unroll(Counting(), text, lengths=[3, 2])
    np.testing.assert_array_equal(h, [[1, 2], [0, 2]])
    np.testing.assert_array_equal(outputs[2], [[1, 2], [0, 0]])
    assert steps == 3


def test_without_a_batch_the_length_is_one_number():
    cell, xs = CELLS["rnn"](), normal(5, 3)
    outputs, state = nn.unroll(cell, xs, lengths=2)
    np.testing.assert_array_equal(state.data, nn.unroll(cell, xs[:2])[1].data)
    assert not stack(outputs[2:]).data.any()


def test_one_length_counts_for_all_places_of_a_picture():
    cell, xs = nn.ConvLSTM1dCell(2, 3, rng=0), normal(4, 2, 6, 2)
    outputs, (h, c) = nn.unroll(cell, xs, lengths=[4, 1])
    _, (h_1, c_1) = nn.unroll(cell, xs[:1, 1:])
    assert_close([h.data[1:], c.data[1:]], [h_1.data, c_1.data])
    assert not stack(outputs).data[1:, 1].any()
    with pytest.raises(
        ValueError, match=r"one length for each example, shape \(2, 6\), got \(6,\)"
    ):
        nn.unroll(cell, xs, lengths=[1] * 6)


def test_what_does_not_fit_is_refused():
    cell, xs = CELLS["rnn"](), normal(5, 2, 3)
    with pytest.raises(ValueError, match=r"lengths must lie in 0 … 5.*got 2 … 6"):
        nn.unroll(cell, xs, lengths=[2, 6])
    with pytest.raises(ValueError, match=r"one length for each example, shape \(2,\), got \(3,\)"):
        nn.unroll(cell, xs, lengths=[2, 2, 2])
    with pytest.raises(TypeError, match="lengths count steps"):
        nn.unroll(cell, xs, lengths=[2.0, 2.0])
    with pytest.raises(ValueError, match=r"expected mask as bool \(5, 2\).*got bool \(2, 5\)"):
        nn.unroll(cell, xs, mask=np.ones((2, 5), bool))
    with pytest.raises(ValueError, match="the same in two ways"):
        nn.unroll(cell, xs, lengths=[2, 2], mask=np.ones((5, 2), bool))
