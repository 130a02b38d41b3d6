"""Exercises of lesson 7: from RNN to LSTM."""

import numpy as np

from tinygrad_rnn import Tensor, jacobian, nn
from tinygrad_rnn.tasks import one_hot, temporal_order


def exercise_1():
    """★ The number of weights of the lesson's LSTM with 8 inputs and 16 units. Expect 1600.

    Three gates and g; each has a matrix from x, a matrix from h, and a bias.
    """
    # BEGIN SOLUTION
    inputs, units = 8, 16
    return 4 * (inputs * units + units * units + units)
    # END SOLUTION


def exercise_2():
    """★★ The bias of a forget gate with which half of c is left after 100 steps. About 5.

    The gate sees nothing but its bias: f = σ(b) at every step.
    """
    # BEGIN SOLUTION
    f = 0.5 ** (1 / 100)
    return float(np.log(f / (1 - f)))
    # END SOLUTION


def exercise_3():
    """★★★ The largest entry of ∂c_T/∂c_0, in absolute value, with the full gradient.

    Take ``nn.historic_net("6a", rng=0).around``, start from zeros with c_0 as a Tensor, and read
    the one sequence of ``temporal_order(1, 100, rng=0)``, one-hot. `jacobian(c_T, c_0)` has shape
    (1, 4, 1, 4). With ``truncated=True`` it is the identity. Along which other way does the rest
    arrive?
    """
    # BEGIN SOLUTION
    cell = nn.historic_net("6a", rng=0).around
    h, _, *gates = cell.initial_state(1)
    c_0 = Tensor(np.zeros((1, 4)), name="c_0")
    xs = one_hot(temporal_order(1, 100, rng=0).xs, 8)
    _, (_, c_T, *_) = nn.unroll(cell, xs, (h, c_0, *gates))
    return float(np.abs(jacobian(c_T, c_0)).max())  # c moves h and the gates, and they move c
    # END SOLUTION
