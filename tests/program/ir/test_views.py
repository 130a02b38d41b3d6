"""Is what is read by an index, or from outside, what stands there at this call and this step?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, grad, stack, tanh


def first_and_last(p, x):
    s = x * p["w"]
    return (s * s[0]).sum() * s[-1]


def first_of_a_stack(p, x):
    s = stack([x[k] * 1.0 for k in range(3)])
    return (s * s[0] * p["w"]).sum()


def in_a_loop(p, x):
    s, h = x * p["w"], Tensor(0.0)
    for t in range(len(x)):
        h = tanh(h * p["w"] + s[t] * s[1])
    return h


def constants_of_several_shapes(p, x):
    h = Tensor(np.zeros((2, 3)))
    for t in range(len(x)):
        k = np.full(3 if t < 2 else (1, 3), t + 1.0)
        h = tanh(h * p["w"] + x[t] + k)
    return (h * h).sum()


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize(
    "f", [first_and_last, first_of_a_stack, in_a_loop, constants_of_several_shapes]
)
def test_later_calls_are_as_right_as_the_first(f, target):
    step, rng = compile(f, target=target), np.random.default_rng(0)
    for _ in range(3):
        p, x = {"w": Tensor(rng.standard_normal())}, rng.standard_normal(6)
        loss, grads = step(p, x)
        exact = f(p, Tensor(x))
        np.testing.assert_allclose(loss, exact.data, rtol=1e-12)
        np.testing.assert_allclose(grads["w"], grad(exact, [p["w"]])[0], rtol=1e-10)
    assert step.stats["eager"] == 0
