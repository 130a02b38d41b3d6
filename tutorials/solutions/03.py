"""Exercises of lesson 3: BPTT is just `backward()`."""

import numpy as np

from tinygrad_rnn import Tensor, grad, nn, stack, tanh


def exercise_1():
    """★ The largest entry of ∂loss/∂W_h of the lesson's network if all inputs are 0. Expect 0."""
    W_x = Tensor([[0.5, -0.3]], name="W_x")
    W_h = Tensor([[0.4, 0.1], [-0.2, 0.6]], name="W_h")
    W_y = Tensor([[1.0], [-1.0]], name="W_y")
    # BEGIN SOLUTION
    h = np.zeros((1, 2))
    for x in np.zeros((3, 1, 1)):
        h = tanh(x @ W_x + h @ W_h)  # stays 0, and h multiplies W_h
    slope = grad(nn.mse_loss(h @ W_y, np.array([[0.7]])), W_h)
    # END SOLUTION
    return np.abs(slope).max()


def exercise_2():
    """★★ The gradient of W for leaky units, h = h/2 + tanh(x W)/2, by hand; loss: mean of h².

    Let `dW` be that gradient, without calling `grad`. It must agree with `grad` to 1e-12.
    """
    rng = np.random.default_rng(0)
    xs, W = rng.standard_normal((6, 2, 3)), rng.standard_normal((3, 4))
    dW = np.zeros_like(W)
    # BEGIN SOLUTION
    hs = [np.zeros((2, 4))]
    for x in xs:
        hs.append(0.5 * hs[-1] + 0.5 * np.tanh(x @ W))
    later = np.zeros((2, 4))
    for x, h in zip(xs[::-1], hs[:0:-1], strict=True):
        dh = 2 * h / (6 * 2 * 4) + later
        dW += x.T @ (0.5 * dh * (1 - np.tanh(x @ W) ** 2))
        later = 0.5 * dh
    # END SOLUTION
    recorded, h, states = Tensor(W), np.zeros((2, 4)), []
    for x in xs:
        h = 0.5 * h + 0.5 * tanh(x @ recorded)
        states.append(h)
    return bool(np.abs(grad((stack(states) ** 2).mean(), recorded) - dW).max() < 1e-12)


def exercise_3():
    """★★★ The gradient of W_h for an LSTM, by hand; loss: mean of h² over all steps.

    The columns of the weights are the gates i, f, g, o. Let `dW_h` be the gradient, without calling
    `grad`. It must agree to 1e-12.
    """
    cell, xs = nn.LSTMCell(3, 4, rng=0), np.random.default_rng(1).standard_normal((5, 2, 3))
    W_x, W_h, b_x, b_h = (p.data for p in cell.parameters())
    dW_h = np.zeros_like(W_h)
    # BEGIN SOLUTION
    h = c = np.zeros((2, 4))
    kept = []
    for x in xs:
        a_i, a_f, a_g, a_o = np.split(x @ W_x + b_x + h @ W_h + b_h, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-a)) for a in (a_i, a_f, a_o))
        g, before = np.tanh(a_g), (h, c)
        c = f * c + i * g
        h = o * np.tanh(c)
        kept.append((*before, i, f, g, o, np.tanh(c), h))
    dh_later = dc_later = np.zeros((2, 4))
    for h_before, c_before, i, f, g, o, tanh_c, h in kept[::-1]:
        dh = 2 * h / (5 * 2 * 4) + dh_later
        dc = dh * o * (1 - tanh_c**2) + dc_later
        da = np.concatenate(
            [
                dc * g * i * (1 - i),
                dc * c_before * f * (1 - f),
                dc * i * (1 - g**2),
                dh * tanh_c * o * (1 - o),
            ],
            axis=1,
        )
        dW_h += h_before.T @ da
        dh_later, dc_later = da @ W_h.T, dc * f
    # END SOLUTION
    outputs, _ = nn.unroll(cell, xs)
    return bool(np.abs(grad((stack(outputs) ** 2).mean(), cell.W_h) - dW_h).max() < 1e-12)
