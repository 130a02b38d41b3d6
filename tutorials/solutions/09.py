"""Exercises of lesson 9: two GRUs, and the zoo. Run from the project's folder."""

import numpy as np

from tinygrad_rnn import named, nn, sigmoid, split, tanh, tasks, train

F = np.float32


def exercise_1():
    """★ How many weights has torch's GRU with 32 inputs and 64 units? There are 18,816.

    Three blocks, each with a matrix for the input, one for the state, and two biases.
    """
    inputs, hidden = 32, 64
    # BEGIN SOLUTION
    return 3 * hidden * (inputs + hidden + 2)
    # END SOLUTION


def exercise_2():
    """★★ Turn torch's four arrays into the three that `keras.layers.GRU` takes.

    Torch: (3H, I), (3H, H), (3H,), (3H,), blocks in the order r, z, n. Keras: (I, 3H), (H, 3H) and
    (2, 3H), blocks in the order z, r, n. Return all numbers in one row: kernel, recurrent kernel,
    bias, each by `.ravel()`.
    """
    rng = np.random.default_rng(0)
    shapes = {"weight_ih": (15, 4), "weight_hh": (15, 5), "bias_ih": (15,), "bias_hh": (15,)}
    sent = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    # BEGIN SOLUTION

    def swapped(array):
        r, z, n = np.split(array, 3, axis=-1)
        return np.concatenate([z, r, n], axis=-1)

    kernel, recurrent = swapped(sent["weight_ih"].T), swapped(sent["weight_hh"].T)
    bias = np.stack([swapped(sent["bias_ih"]), swapped(sent["bias_hh"])])
    return np.concatenate([array.ravel() for array in (kernel, recurrent, bias)])
    # END SOLUTION


def exercise_3():
    """★★★ Write a cell with a single gate that learns to add with T = 50.

    A cell is called as ``h = cell(x, h)``; `nn.GatedCell` brings `W_x`, `W_h` and biases with
    ``gates`` blocks of columns, and CONTRIBUTING shows an example. Train it for 600 batches of 32
    and return whether the error on `unseen` is below 0.01.
    """

    class Adder(nn.Module):
        def __init__(self, cell):
            self.cell, self.answer = cell, nn.Linear(cell.hidden_size, 1, rng=0, dtype=F)

        def loss(self, xs, targets):
            return nn.mse_loss(self.answer(nn.unroll(self.cell, xs)[0][-1]), targets)

    def data(n, rng):
        xs, targets, *_ = tasks.adding(n, 50, rng).astype(F)
        return xs, targets

    unseen = data(500, 99)

    # BEGIN SOLUTION
    class OneGate(nn.GatedCell):
        gates = 2

        def __call__(self, x, h):
            x_f, x_n = split(nn.affine(x, self.W_x, self.b_x), 2)
            h_f, h_n = split(nn.affine(h, self.W_h, self.b_h), 2)
            f = named(f=sigmoid(x_f + h_f))
            return named(h=f * h + (1 - f) * tanh(x_n + h_n))

    model = Adder(nn.start.chrono(OneGate(2, 32, rng=0, dtype=F), 50, rng=0))
    rng = np.random.default_rng(0)
    adam = train.Adam(model.parameters(), lr=0.01)
    how = {"clip": 1.0, "target": "auto", "progress": False}
    train.fit(model, lambda _: data(32, rng), adam, steps=600, **how)
    return model.loss(*unseen).item() < 0.01
    # END SOLUTION
