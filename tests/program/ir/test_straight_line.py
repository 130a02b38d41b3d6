"""Does a long record that does not repeat become a program?"""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, grad

T, H = 130, 4
KINDS = np.random.default_rng(0).integers(0, 3, T)


def mixed(p, x, steps=T):
    """Another operation at each step, in no order."""
    h = g = np.zeros((2, H))
    for t in range(steps):
        if KINDS[t] == 0:
            h = tg.tanh(x[t] + h @ p["W"])
        elif KINDS[t] == 1:
            h = tg.sigmoid(x[t] * h + g @ p["U"])
        else:
            g = g * 0.5 + tg.tanh(h) * x[t]
    return tg.mean(h * h + g)


@pytest.mark.parametrize(("target", "steps"), [("numpy", T), ("c", 80)])
def test_it_gives_what_the_function_gives(target, steps):
    rng = np.random.default_rng(1)
    p = {k: Tensor(rng.standard_normal((H, H)) / 2) for k in "WU"}
    step = tg.compile(lambda p, x: mixed(p, x, steps), target=target)
    for _ in range(2):
        x = rng.standard_normal((T, 2, H))
        value, gradients = step(p, x)
        assert not step.reason
        np.testing.assert_allclose(value, mixed(p, x, steps).data, rtol=1e-12)
        for k, exact in grad(mixed(p, x, steps), p).items():
            np.testing.assert_allclose(gradients[k], exact, rtol=1e-9, atol=1e-12)
    if target == "c":
        assert "once_d(" in step.c_source
