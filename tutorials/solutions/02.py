"""Exercises of lesson 2: unfolding."""

import numpy as np

from tinygrad_rnn import Tensor, ancestors, grad, tanh


def exercise_1():
    """★ How many weights has a network of 3 inputs, 7 hidden units with biases and 2 outputs?

    It is unfolded 50 times. The answer is 91.
    """
    # BEGIN SOLUTION
    W_x, W_h, b, W_y = 3 * 7, 7 * 7, 7, 7 * 2
    return W_x + W_h + b + W_y  # the steps do not count
    # END SOLUTION


def exercise_2():
    """★★ How often does a gradient pass from one step to the one before, for 8 steps?

    Count the calls of `on_edge` for which the argument is the state of another step.
    """
    W = Tensor(np.eye(3) / 2, name="W")
    h, states = np.ones((1, 3)), []
    for x in np.ones((8, 1, 3)):
        h = tanh(h @ W + x)
        states.append(h)
    count = 0
    # BEGIN SOLUTION

    def note(node, argument, g):
        nonlocal count
        count += any(node.inputs[argument] is state for state in states[:-1])

    grad(h.sum(), W, on_edge=note)
    # END SOLUTION
    return count


def exercise_3():
    """★★★ The number of operations of a 4 × 6 grid, unfolded in two directions.

    The state at row i, column j is tanh(above @ U + left @ V + x): three sums and products, and
    tanh. States outside of the grid are zero arrays.
    """
    U, V = Tensor(np.eye(2), name="U"), Tensor(np.eye(2), name="V")
    xs = np.ones((4, 6, 1, 2))
    # BEGIN SOLUTION
    zero, h = np.zeros((1, 2)), {}
    for i in range(4):
        for j in range(6):
            above, left = h.get((i - 1, j), zero), h.get((i, j - 1), zero)
            h[i, j] = tanh(above @ U + left @ V + xs[i, j])
    last = h[3, 5]
    # END SOLUTION
    return sum(node.op is not None for node in ancestors(last))
