"""Are results written where something is read for the last time, and only there?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, grad, nn, stack, tanh, where
from tinygrad_rnn.program.backends.c.aliasing import disjoint
from tinygrad_rnn.program.backends.c.index import Affine


@pytest.mark.parametrize(("cell", "rows"), [(nn.LSTMCell, 10), (nn.GRUCell, 13)])
def test_gates_stand_where_stood_what_entered_them(compiled, language_model, cell, rows):
    """Of each step so many rows are kept at most; with room for the gates it were 4, or 3, more."""
    T, B, H = 40, 4, 32
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((T, B, 3)), rng.integers(3, size=(T, B))
    step = compiled(*language_model(cell, H), x, y)
    assert step._last.native.written.bytes < rows * T * B * H * x.itemsize


def scan(p, x):
    h, hs = Tensor(np.zeros(x.shape[1:])), []
    for t in range(len(x)):
        h = tanh(x[t] * p["w"] + h)
        hs.append(h)
    return hs


def read_at_two_steps(p, x):
    hs = scan(p, x)
    return sum((hs[t] * hs[t + 1] * p["w"]).sum() for t in range(len(hs) - 1))


def read_at_two_places(p, x):
    return sum((h[:, 1:] * h[:, :-1] * p["w"][1:]).sum() for h in scan(p, x))


def read_turned_over(p, x):
    return sum((h * h[:, ::-1] * p["w"]).sum() for h in scan(p, x))


def read_again_after_the_loop(p, x):
    whole = tanh(stack(scan(p, x)) * p["w"])
    return (whole * whole * 0.5).sum() + whole.max()


def the_same_at_all_steps(p, x):
    v, total = tanh(p["w"] * 2.0), Tensor(0.0)
    for h in scan(p, x):
        total = total + (tanh(h * v) * v).sum()
    return total


def read_where_an_array_says(p, x):
    return sum((h[:, [4, 0, 2]] * p["w"][:3]).sum() for h in scan(p, x))


@pytest.mark.parametrize(
    "f",
    [
        read_at_two_steps, read_at_two_places, read_turned_over, read_again_after_the_loop,
        the_same_at_all_steps, read_where_an_array_says,
    ],
)  # fmt: skip
def test_nothing_is_overwritten_that_is_read_once_more(compiled, f):
    x = np.random.default_rng(1).standard_normal((9, 3, 5))
    compiled(f, {"w": Tensor(np.linspace(0.1, 0.9, 5))}, x)


def test_elements_read_together_may_not_be_those_of_another_pass():
    class Kernel:
        class value:
            shape = (2, 4)

        values = (value,)

    def places(*adds, row=8, col=1, t=16):
        return {Affine.made({"t": t, "row": row, "col": col}, add) for add in adds}

    assert disjoint(Kernel, places(0))
    assert disjoint(Kernel, places(0, 4))
    assert not disjoint(Kernel, places(0, 3))  # the next column's
    assert not disjoint(Kernel, places(0, 5))  # the next row's first
    assert not disjoint(Kernel, places(0, 16))  # the next step's
    assert not disjoint(Kernel, places(0, t=0))  # the same at all steps
    assert not disjoint(Kernel, places(0, row=0))
    assert not disjoint(Kernel, places(0, row=3))  # rows that overlap
    looked_up = {p.plus(Affine.of("place")) for p in places(0)}
    assert not disjoint(Kernel, looked_up)


def test_parts_that_formulas_share_are_looked_at_once():
    """Each part is read by four of the next: one by one there were 4 ** n ways through n."""

    def f(p, x):
        h = x * p["w"]
        for _ in range(24):
            h = where(h > 0.0, x - h, where(h > x, h, 0.5)) + h
        return h.sum()

    step = compile(f, target="c", without=("loops",))
    p, x = {"w": Tensor(np.ones(3))}, np.arange(3.0) / 10
    loss, grads = step(p, x)
    exact = f(p, x)
    np.testing.assert_allclose(loss, exact.data, rtol=1e-12)
    np.testing.assert_allclose(grads["w"], grad(exact, [p["w"]])[0], rtol=1e-12)
    assert step.stats["eager"] == 0
