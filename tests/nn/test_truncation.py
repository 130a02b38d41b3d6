"""Is a truncated gradient the one that its definition says, and a random one right on average?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, grad, nn, stack

CELLS = {
    "rnn": lambda: nn.RNNCell(3, 4, rng=0),
    "lstm": lambda: nn.LSTMCell(3, 4, rng=0),
    "gru": lambda: nn.GRUCell(3, 4, rng=0),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
T = 7
WINDOWS = [(1, 1), (1, 3), (2, 2), (2, 5), (3, 4), (7, 7), (1, 7), (3, 9), (20, 20)]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def loss_of(outputs):
    return (stack(outputs) * normal(len(outputs), 2, 4, seed=1)).sum()


def gradients(cell, xs, **how):
    return grad(loss_of(nn.unroll(cell, xs, **how)[0]), cell.parameters())


def cuts(outputs):
    return [x for x in ancestors(*outputs) if x.op and x.op.name == "stop_gradient"]


def assert_close(found, expected, tolerance=1e-12):
    for a, b in zip(found, expected, strict=True):
        assert np.linalg.norm(a - b) <= tolerance * max(1.0, np.linalg.norm(b))


@every_cell
@pytest.mark.parametrize("truncate", WINDOWS)
def test_the_gradient_is_the_sum_over_windows_each_run_from_a_constant_state(make, truncate):
    cell, xs, weights = make(), normal(T, 2, 3), normal(T, 2, 4, seed=1)
    k1, k2 = truncate
    expected = [np.zeros(p.shape) for p in cell.parameters()]
    for begin in range(0, T, k1):
        end = min(begin + k1, T)
        start = max(0, end - k2) if k2 > k1 else begin
        state = nn.detach(nn.unroll(cell, xs[:start])[1]) if start else None
        outputs, _ = nn.unroll(cell, xs[start:end], state)
        loss = (stack(outputs[begin - start :]) * weights[begin:end]).sum()
        for total, g in zip(expected, grad(loss, cell.parameters()), strict=True):
            total += g
    assert_close(gradients(cell, xs, truncate=truncate), expected)


@every_cell
@pytest.mark.parametrize("truncate", WINDOWS)
def test_truncation_changes_no_value(make, truncate):
    cell, xs = make(), normal(T, 2, 3)
    plain, end = nn.unroll(cell, xs)
    outputs, state = nn.unroll(cell, xs, truncate=truncate)
    np.testing.assert_array_equal(stack(outputs).data, stack(plain).data)
    for a, b in zip(nn.detach([state]), nn.detach([end]), strict=True):
        np.testing.assert_array_equal(np.array([x.data for x in a]), [x.data for x in b])


@every_cell
@pytest.mark.parametrize("truncate", [7, (7, 7), (1, 7), (3, 7), (2, 100)])
def test_windows_as_long_as_the_sequence_give_the_full_gradient(make, truncate):
    cell, xs = make(), normal(T, 2, 3)
    assert_close(gradients(cell, xs, truncate=truncate), gradients(cell, xs))


@every_cell
def test_shorter_windows_do_not(make):
    cell, xs = make(), normal(T, 2, 3)
    full = gradients(cell, xs)[1]
    short = gradients(cell, xs, truncate=(1, 3))[1]
    assert np.linalg.norm(short - full) > 1e-3 * np.linalg.norm(full)


def test_backward_on_the_outputs_is_the_truncated_gradient():
    cell, xs = CELLS["gru"](), normal(T, 2, 3)
    loss_of(nn.unroll(cell, xs, truncate=(2, 4))[0]).backward()
    assert_close([p.grad for p in cell.parameters()], gradients(cell, xs, truncate=(2, 4)))


@pytest.mark.parametrize("truncate", [(2, 2), (2, 5)])
def test_truncation_with_lengths_and_in_reverse(truncate):
    cell, xs, lengths = CELLS["lstm"](), normal(T, 2, 3), [7, 3]
    how = {"lengths": lengths, "truncate": truncate}
    plain = nn.unroll(cell, xs, lengths=lengths, reverse=True)[0]
    outputs = nn.unroll(cell, xs, reverse=True, **how)[0]
    np.testing.assert_array_equal(stack(outputs).data, stack(plain).data)
    flipped = nn.unroll(cell, xs[::-1], truncate=truncate)[0][::-1]
    assert_close(
        gradients(cell, xs, reverse=True, truncate=truncate),
        grad(loss_of(flipped), cell.parameters()),
    )


# -- what is drawn ----------------------------------------------------------------------------


def test_cuts_are_recorded_in_the_step_they_lead_into():
    outputs, _ = nn.unroll(CELLS["lstm"](), normal(T, 2, 3), truncate=(3, 3))
    assert [(x.scope[-1].t, x.name) for x in cuts(outputs)] == [
        (3, "h"),
        (3, "c"),
        (6, "h"),
        (6, "c"),
    ]
    assert all(len(x.scope) == 1 for x in cuts(outputs))


def test_steps_that_are_run_again_stand_in_a_window_of_their_own():
    outputs, _ = nn.unroll(CELLS["gru"](), normal(T, 2, 3), truncate=(3, 4))
    assert [str(x.scope[0]) for x in cuts(outputs)] == ["window 1", "window 2"]
    assert [x.scope[1].t for x in cuts(outputs)] == [2, 3]
    assert [str(h.scope[0]) for h in outputs] == ["window 0"] * 3 + ["window 1"] * 3 + ["window 2"]


def test_the_first_state_gets_a_gradient_from_the_windows_that_begin_with_it():
    cell, xs = CELLS["rnn"](), normal(T, 2, 3)
    first = Tensor(normal(2, 4))
    outputs = nn.unroll(cell, xs, first, truncate=(2, 4))[0]
    expected = nn.unroll(cell, xs[:4], first)[0]
    weights = normal(T, 2, 4, seed=1)
    found = grad((stack(outputs) * weights).sum(), first)
    assert_close([found], [grad((stack(expected) * weights[:4]).sum(), first)])


def test_windows_the_wrong_way_round_are_refused():
    for truncate in ((3, 2), 0, (0, 2), (1.5, 3)):
        with pytest.raises(ValueError, match="whole numbers 1 ≤ k1 ≤ k2"):
            nn.unroll(CELLS["rnn"](), normal(T, 2, 3), truncate=truncate)


# -- at random --------------------------------------------------------------------------------


def test_the_mean_of_many_random_truncations_is_the_full_gradient():
    cell = nn.RNNCell(2, 3, rng=0)
    cell.W_h.data = cell.W_h.data * 2.0  # a gradient that reaches far
    xs, weights = normal(5, 1, 2), normal(5, 1, 3, seed=1)
    rng, how = np.random.default_rng(0), nn.RandomTruncation(0.3)

    def flat(**more):
        loss = (stack(nn.unroll(cell, xs, **more)[0]) * weights).sum()
        return np.concatenate([g.ravel() for g in grad(loss, cell.parameters())])

    draws = np.array([flat(truncate=how, rng=rng) for _ in range(2000)])
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    away = np.abs(draws.mean(axis=0) - flat()) / np.maximum(error, 1e-12)
    assert away.max() < 4.5
    fixed = np.abs(flat(truncate=(2, 2)) - flat()) / np.maximum(error, 1e-12)
    assert fixed.max() > 20  # with cuts at fixed places the same test would fail


def test_random_cuts_change_no_value_and_are_drawn_from_the_generator():
    cell, xs, how = CELLS["lstm"](), normal(T, 2, 3), nn.RandomTruncation(0.5)
    plain = stack(nn.unroll(cell, xs)[0]).data

    def run(seed):
        outputs, _ = nn.unroll(cell, xs, truncate=how, rng=np.random.default_rng(seed))
        np.testing.assert_array_equal(stack(outputs).data, plain)
        return tuple(x.scope[-1].t for x in cuts(outputs))

    assert run(1) == run(1)
    found = {run(seed) for seed in range(10)}
    assert len(found) > 1
    assert 0 not in {t for places in found for t in places}


def test_random_truncation_with_probability_0_is_none():
    cell, xs = CELLS["gru"](), normal(T, 2, 3)
    found = gradients(cell, xs, truncate=nn.RandomTruncation(0.0), rng=np.random.default_rng(0))
    assert_close(found, gradients(cell, xs))


def test_random_truncation_needs_a_generator_and_a_probability():
    cell, xs = CELLS["gru"](), normal(T, 2, 3)
    with pytest.raises(TypeError, match=r"draws its cuts from rng="):
        nn.unroll(cell, xs, truncate=nn.RandomTruncation(0.5))
    for p in (1.0, -0.1):
        with pytest.raises(ValueError, match=r"probability in \[0, 1\)"):
            nn.RandomTruncation(p)
    with pytest.raises(TypeError, match="expected rng as a generator or None, got int"):
        nn.unroll(cell, xs, truncate=nn.RandomTruncation(0.5), rng=3)
