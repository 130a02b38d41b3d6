"""Is a loop in plain Python, without a scope that says the step, a loop of the program?"""

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import Tensor, compile, grad, nn, scope, softmax, stack, stop_gradient, tanh

B, D, H = 2, 3, 4
ZERO = np.zeros((B, H))


def weights():
    rng = np.random.default_rng(0)
    shapes = {"W": (D, H), "U": (H, H), "b": (H,), "V": (H, D)}
    return {name: Tensor(rng.standard_normal(shape) / 2) for name, shape in shapes.items()}


def cell(p, x, h):
    return tanh(x @ p["W"] + h @ p["U"] + p["b"])


def error(p, h, y):
    return ((h @ p["V"] - y) ** 2).mean()


def the_last_state(p, x, y):
    h = ZERO
    for t in range(len(x)):
        h = cell(p, x[t], h)
    return error(p, h, y[-1])


def a_loss_at_every_step(p, x, y):
    h, loss = ZERO, 0.0
    for t in range(len(x)):
        h = cell(p, x[t], h)
        loss = loss + error(p, h, y[t])
    return loss / len(x)


def a_list_of_losses(p, x, y):
    h, losses = ZERO, []
    for x_t, y_t in zip(x, y, strict=True):
        h = cell(p, x_t, h)
        losses.append(error(p, h, y_t))
    return sum(losses) / len(losses)


def all_states_at_once(p, x, y):
    h, hs = ZERO, []
    for x_t in x:
        h = cell(p, x_t, h)
        hs.append(h)
    return ((stack(hs) @ p["V"] - y) ** 2).mean()


def another_first_step(p, x, y):
    h, loss = tanh(x[0] @ p["W"]), 0.0
    for t in range(1, len(x)):
        h = cell(p, x[t], h)
        loss = loss + error(p, h, y[t - 1])
    return loss


def outputs_fed_back(p, x, y):
    h, out, loss = ZERO, np.zeros((B, D)), 0.0
    for t in range(len(y)):
        h = cell(p, out, h)
        out = softmax(h @ p["V"])
        loss = loss + ((out - y[t]) ** 2).sum()
    return loss


def from_the_end(p, x, y):
    h, loss = ZERO, 0.0
    for t in reversed(range(len(x))):
        h = cell(p, x[t], h)
        loss = loss + error(p, h, y[t])
    return loss


def no_input(p, x, y):
    h = p["b"]
    for _ in range(len(x)):
        h = tanh(h @ p["U"])
    return (h * h).sum()


def a_state_of_one_number(p, x, y):
    w, s = p["b"].sum(), 0.5
    for t in range(len(x)):
        s = tanh(w * s + x[t].sum())
    return s * s


PLAIN = [
    the_last_state, a_loss_at_every_step, a_list_of_losses, all_states_at_once, another_first_step,
    outputs_fed_back, from_the_end, no_input, a_state_of_one_number,
]  # fmt: skip


def data(T):
    return np.random.default_rng(T).standard_normal((2, T, B, D))


def check(loss_fn, *args):
    """The program in NumPy and what `explain` says, after both targets gave the eager gradients."""
    for target in ("c", "numpy"):
        step = agrees(compile(loss_fn, target=target), loss_fn, weights(), *args)
    return step.source, step.explain()


@pytest.mark.parametrize("loss_fn", PLAIN)
def test_a_plain_loop_is_a_loop_forward_and_one_backward(loss_fn):
    source, told = check(loss_fn, *data(13))
    assert told.count("loop forward") == told.count("loop backward") == 1
    assert source.count("for t in range(") + source.count("for t in reversed(range(") >= 2
    assert "not repeated" not in told


@pytest.mark.parametrize("loss_fn", PLAIN)
def test_the_program_of_a_plain_loop_is_as_long_whatever_its_length(loss_fn):
    step = compile(loss_fn)
    sources = []
    for T in (13, 14, 40):
        step(weights(), *data(T))
        sources.append(step.source.partition("def step")[2])
    assert len({source.count("\n") for source in sources}) == 1


@pytest.mark.sampled(4)
@pytest.mark.parametrize("T", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("loss_fn", PLAIN)
def test_a_short_plain_loop_has_the_eager_gradients(loss_fn, T):
    if not (loss_fn is another_first_step and T == 1):
        check(loss_fn, *data(T))


def test_a_scope_makes_the_same_program():
    def scoped(p, x, y):
        h, loss = ZERO, 0.0
        for t in range(len(x)):
            with scope("cell", t=t):
                h = cell(p, x[t], h)
                loss = loss + error(p, h, y[t])
        return loss / len(x)

    assert check(scoped, *data(9))[0] == check(a_loss_at_every_step, *data(9))[0]


def test_two_plain_loops_one_after_the_other_are_four():
    def loss_fn(p, x, y):
        h = ZERO
        for t in range(len(x)):
            h = cell(p, x[t], h)
        loss = 0.0
        for t in range(len(y)):
            h = cell(p, h @ p["V"], h)
            loss = loss + error(p, h, y[t])
        return loss

    told = check(loss_fn, *data(9))[1]
    assert told.count("loop forward") == told.count("loop backward") == 2


def test_a_plain_loop_over_what_unroll_gave_goes_with_its_steps():
    def loss_fn(p, x, y):
        hs, h = nn.unroll(lambda x, h: cell(p, x, h), x, ZERO)
        loss = 0.0
        for t in range(len(y)):
            h = cell(p, y[t], h)
            loss = loss + (h * hs[t]).sum()
        return loss

    told = check(loss_fn, *data(9))[1]
    assert told.count("loop forward") == told.count("loop backward") == 2


def test_two_directions_in_plain_loops_are_four_whatever_their_length():
    def loss_fn(p, x, y):
        there, back = [ZERO], [ZERO]
        for x_t in x:
            there.append(cell(p, x_t, there[-1]))
        for t in reversed(range(len(x))):
            back.append(cell(p, x[t], back[-1]))
        pairs = zip(there[1:], back[:0:-1], strict=True)
        return sum(((a * b) @ p["V"] ** 2).sum() for a, b in pairs)

    short, long = (check(loss_fn, *data(T)) for T in (9, 20))
    assert short[1].count("loop forward") == short[1].count("loop backward") == 2
    assert short[0].count("\n") == long[0].count("\n")


def test_three_layers_in_plain_loops_are_six():
    def loss_fn(p, x, y):
        hs = [x_t @ p["W"] for x_t in x]
        for _ in range(3):
            h, new = ZERO, []
            for below in hs:
                h = tanh(below + h @ p["U"])
                new.append(h)
            hs = new
        return ((stack(hs) @ p["V"] - y) ** 2).mean()

    told = check(loss_fn, *data(20))[1]
    assert told.count("loop forward") == told.count("loop backward") == 3


@pytest.mark.parametrize("every", [2, 3])
def test_a_loss_at_every_second_step_takes_two_steps_at_a_time(every):
    def loss_fn(p, x, y):
        h, loss = ZERO, 0.0
        for t in range(len(x)):
            h = cell(p, x[t], h)
            if t % every == every - 1:
                loss = loss + error(p, h, y[t])
        return loss

    source, told = check(loss_fn, *data(12))
    assert told.count("loop forward") == told.count("loop backward") == 1
    assert f"x[1::{every}]" in source


def test_cuts_at_every_third_step_take_three_steps_at_a_time():
    def loss_fn(p, x, y):
        h, loss = ZERO, 0.0
        for t in range(len(x)):
            h = stop_gradient(h) if t and t % 3 == 0 else h
            h = cell(p, x[t], h)
            loss = loss + error(p, h, y[t])
        return loss

    short, long = (check(loss_fn, *data(T))[0] for T in (18, 36))
    assert short.count("\n") == long.count("\n")


def test_layers_that_differ_are_no_loop():
    def loss_fn(p, x):
        for k in range(6):
            x = tanh(x @ p["U" if k % 2 else f"W{k}"] + p["b"])
        return (x * x).sum()

    rng = np.random.default_rng(0)
    p = {f"W{k}": Tensor(rng.standard_normal((H, H))) for k in (0, 2, 4)} | weights()
    step = compile(loss_fn)
    _, grads = step(p, ZERO + 1)
    expected = grad(loss_fn(p, ZERO + 1), list(p.values()), unused="zero")
    for g, e in zip(grads.values(), expected, strict=True):
        np.testing.assert_allclose(g, e, atol=1e-14)
    assert "for t in" not in step.source


def test_every_second_element_at_each_step_of_a_scope():
    def loss_fn(p, x, y):
        h, loss = ZERO, 0.0
        for t in range(len(x) // 2):
            with scope("cell", t=t):
                h = cell(p, x[2 * t + 1], h)
                loss = loss + error(p, h, y[-1 - 2 * t])
        return loss

    source, told = check(loss_fn, *data(12))
    assert told.count("loop forward") == told.count("loop backward") == 1
    assert "x[1::2]" in source
    step = compile(loss_fn)
    step(weights(), *data(12))
    assert "x_{2t+1}" in step.latex
