"""Is Pascanu's Ω what the paper says, and its gradient exact?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, check_grads, grad, nn, scope, tanh
from tinygrad_rnn.train import information_flow

T, BATCH, INPUT, HIDDEN = 5, 3, 2, 4


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def whole(make):
    """A cell of that kind whose output is all of its state."""
    return type("Whole", (make,), {"output": lambda self, state: state})


def states_and_loss(cell, every_step=False):
    states, _ = nn.unroll(cell, normal(T, BATCH, INPUT))
    hs = [s[0] if isinstance(s, tuple) else s for s in states]
    target = normal(BATCH, HIDDEN, seed=1)
    loss = nn.mse_loss(hs[-1], target)
    if every_step:
        for h in hs[:-1]:
            loss = loss + nn.mse_loss(h, target)
    return states, loss


CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)


def by_hand(cell, xs, target, every_step):
    """Ω of a tanh network, from its Jacobians: ∂h'/∂h = W_hᵀ diag(1 - h'²)."""
    states, _ = nn.unroll(cell, xs)
    hs, W = [s.data for s in states], cell.W_h.data
    signal, total = 2 * (hs[-1] - target) / target.size, 0.0
    for k in range(T - 2, -1, -1):
        back = (signal * (1 - hs[k + 1] ** 2)) @ W.T
        ratio = np.linalg.norm(back, axis=-1) / np.linalg.norm(signal, axis=-1)
        total += ((ratio - 1) ** 2).mean()
        signal = back + (2 * (hs[k] - target) / target.size if every_step else 0)
    return total


@pytest.mark.parametrize("every_step", [False, True])
def test_it_is_the_papers_sum_over_jacobians(every_step):
    cell = nn.RNNCell(INPUT, HIDDEN, rng=0)
    states, loss = states_and_loss(cell, every_step)
    target = normal(BATCH, HIDDEN, seed=1)
    expected = by_hand(cell, normal(T, BATCH, INPUT), target, every_step)
    assert information_flow(loss, states).item() == pytest.approx(expected, rel=1e-12)


def test_a_pair_of_states_counts_as_one_vector():
    cell = whole(nn.LSTMCell)(INPUT, HIDDEN, rng=0)
    xs = normal(T, BATCH, INPUT)
    states, loss = states_and_loss(cell)
    # by Jacobian of one step at a time, with h and c as independent arguments
    flat = [tuple(part.data for part in s) for s in states]
    signal = [grad(loss, states[-1][0]), np.zeros((BATCH, HIDDEN))]
    expected = 0.0
    for k in range(T - 2, -1, -1):
        h, c = (Tensor(part) for part in flat[k])
        after = cell(xs[k + 1], (h, c))
        inner = (after[0] * signal[0]).sum() + (after[1] * signal[1]).sum()
        back = grad(inner, [h, c])
        ratio = np.linalg.norm(np.hstack(back), axis=-1)
        ratio /= np.linalg.norm(np.hstack(signal), axis=-1)
        expected += ((ratio - 1) ** 2).mean()
        signal = back
    assert information_flow(loss, states).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.sampled(3)
@every_cell
@pytest.mark.parametrize("every_step", [False, True])
def test_its_gradient_is_that_of_finite_differences(make, every_step):
    names = ["W_x", "W_h", "b_x"]
    start = whole(make)(INPUT, HIDDEN, rng=0)

    def omega(*parameters):
        cell = whole(make)(INPUT, HIDDEN, rng=0)
        for name, p in zip(names, parameters, strict=True):
            setattr(cell, name, p)
        return information_flow(*states_and_loss(cell, every_step)[::-1])

    check_grads(omega, *(getattr(start, name).data for name in names), order=1, entrywise=True)


def test_the_papers_gradient_is_only_a_part_of_the_exact_one():
    cell = nn.RNNCell(INPUT, HIDDEN, bias=False, rng=0)
    states, loss = states_and_loss(cell)
    exact = grad(information_flow(loss, states), cell.W_h)
    # eq. 10: W alone moves, while signals and states stay what they are
    W, part = cell.W_h, 0.0
    signals = grad(loss, states)
    for k in range(T - 1):
        cut = signals[k + 1] * (1 - states[k + 1].data ** 2)
        back = (cut @ W.T) ** 2
        ratio = back.sum(axis=-1) ** 0.5 / np.linalg.norm(signals[k + 1], axis=-1)
        part = ((ratio - 1.0) ** 2).mean() + part
    assert part.item() == pytest.approx(information_flow(loss, states).item(), rel=1e-12)
    assert np.abs(exact - grad(part, W)).max() > 0.05 * np.abs(exact).max()


def test_an_orthogonal_linear_network_keeps_its_signal_and_costs_nothing():
    cell = nn.start.orthogonal(nn.RNNCell(INPUT, HIDDEN, lambda a: a, rng=0), rng=0)
    states, loss = states_and_loss(cell)
    assert information_flow(loss, states).item() == pytest.approx(0, abs=1e-28)
    cell.W_h.data = cell.W_h.data * 0.5
    states, loss = states_and_loss(cell)
    assert information_flow(loss, states).item() == pytest.approx((T - 1) * 0.25, rel=1e-12)


def test_where_no_signal_arrives_nothing_is_asked():
    cell = nn.RNNCell(INPUT, HIDDEN, rng=0)
    states, _ = nn.unroll(cell, normal(T, BATCH, INPUT))
    target = normal(BATCH, HIDDEN, seed=1)
    # the second example ends at step 1, the others at the last
    ends = nn.mse_loss(states[-1], target, mask=np.array([True, False, True]))
    loss = ends + nn.mse_loss(states[1], target, mask=np.array([False, True, False]))
    found = information_flow(loss, states)
    apart = 0.0
    for row, end in enumerate([T - 1, 1, T - 1]):
        alone, _ = nn.unroll(cell, normal(T, BATCH, INPUT)[:, row : row + 1])
        error = nn.mse_loss(alone[end], target[row : row + 1])
        apart += information_flow(error, alone[: end + 1]).item() / BATCH
    assert found.item() == pytest.approx(apart, rel=1e-12)
    assert np.isfinite(grad(found, cell.W_h)).all()


def test_a_dead_relu_lets_nothing_pass_and_has_no_infinite_slope():
    cell = nn.RNNCell(INPUT, HIDDEN, "relu", rng=0)
    cell.b_x.data = np.full(HIDDEN, -9.0)
    states, loss = states_and_loss(cell)
    omega = information_flow(loss, states)
    assert omega.item() == 1  # all is lost at the last step, and no signal arrives before it
    assert not grad(omega, cell.W_h, unused="zero").any()


def test_a_step_down_its_gradient_lowers_it():
    cell = whole(nn.LSTMCell)(INPUT, HIDDEN, rng=0)
    before = information_flow(*states_and_loss(cell)[::-1])
    slopes = grad(before, cell.parameters())
    for p, g in zip(cell.parameters(), slopes, strict=True):
        p.data = p.data - 0.01 * g
    assert information_flow(*states_and_loss(cell)[::-1]).item() < before.item()


def test_a_state_taken_apart_by_its_cell_is_put_together_again():
    W = Tensor(normal(HIDDEN, HIDDEN))

    def run(sliced):
        h, hs = np.ones((BATCH, HIDDEN)), []
        for t in range(T):
            with scope("own", t=t):
                product = h[:, :2] @ W[:2] + h[:, 2:] @ W[2:] if sliced else h @ W
                h = tanh(product)
                hs.append(h)
        return information_flow((h * normal(BATCH, HIDDEN, seed=2)).sum(), hs)

    assert run(True).item() == pytest.approx(run(False).item(), rel=1e-12)
    np.testing.assert_allclose(grad(run(True), W), grad(run(False), W), rtol=1e-10, atol=1e-12)


def test_what_is_no_run_of_states_is_refused():
    cell = nn.RNNCell(INPUT, HIDDEN, rng=0)
    states, loss = states_and_loss(cell)
    with pytest.raises(ValueError, match="expected at least two states, got 1"):
        information_flow(loss, states[:1])
    with pytest.raises(ValueError, match=r"state 0 must be a Tensor .* made inside one step"):
        information_flow(loss, [np.zeros((BATCH, HIDDEN)), *states])
    outside = [tanh(h) for h in states]
    with pytest.raises(ValueError, match="state 0 must be a Tensor"):
        information_flow(loss, outside)
    with pytest.raises(ValueError, match="no error signal passes from state to state"):
        information_flow((cell.W_h * cell.W_h).sum(), states)


def decaying(steps, factor, dtype):
    """A linear net whose error signal is `factor` times as long at each step back."""
    cell = nn.RNNCell(2, 3, lambda x: x, dtype=dtype, rng=0)
    cell.W_h.data = factor * np.eye(3, dtype=dtype)
    hs, _ = nn.unroll(cell, np.ones((steps, 1, 2), dtype))
    return cell, hs[-1].sum(), hs


@pytest.mark.parametrize(("dtype", "factor"), [(np.float32, 0.3), (np.float64, 1e-8)])
def test_a_signal_too_weak_to_be_squared_counts(dtype, factor):
    steps = {np.float32: 70, np.float64: 35}[dtype]
    cell, loss, hs = decaying(steps, factor, dtype)
    omega = information_flow(loss, hs)
    assert omega.dtype == dtype
    np.testing.assert_allclose(omega.data, (steps - 1) * (factor - 1) ** 2, rtol=1e-5)
    slope = grad(omega, cell.W_h)
    np.testing.assert_allclose(
        np.trace(slope), 2 * (steps - 1) * (factor - 1), rtol=1e-4
    )  # |W e| / |e| with e along (1, 1, 1): its slope is that of the factor


def test_a_signal_that_underflows_says_from_which_step():
    cell, loss, hs = decaying(80, 0.3, np.float32)
    with pytest.warns(UserWarning, match="at rnn, t=6, and before it .* normal number of float32"):
        omega = information_flow(loss, hs)
    np.testing.assert_allclose(omega.data, 79 * 0.49, rtol=2e-4)
    assert np.isfinite(grad(omega, cell.W_h)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_signal_that_is_not_finite_is_no_silence(bad):
    cell = nn.RNNCell(2, 3, rng=0)
    hs, _ = nn.unroll(cell, np.ones((4, 1, 2)))
    with np.errstate(invalid="ignore"):
        omega = information_flow((hs[-1] * bad).sum(), hs)
    assert np.isnan(omega.data)
