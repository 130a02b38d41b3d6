"""Exercises of lesson 8: learning to forget. Run from the project's folder."""

import numpy as np

from tinygrad_rnn import Tensor, nn, stack, tasks, train

F = np.float32
LETTERS = np.eye(7, dtype=F)
STREAM = tasks.continual_reber(16, 50_000, rng=0)
UNSEEN = tasks.continual_reber(64, 500, rng=7)


class Predictor(nn.Module):
    """A cell and a linear layer that scores each possible next letter."""

    def __init__(self, cell):
        self.cell = cell
        self.scores = nn.Linear(cell.hidden_size, 7, rng=0, dtype=F)

    def loss(self, xs, targets, state=None):
        outputs, state = nn.unroll(self.cell, xs, state)
        return nn.cross_entropy(self.scores(stack(outputs)), targets), state


def nats_on_the_stream(*switches):
    """Nats per letter of a `GreffLSTMCell` with these switches, trained on 1,000 pieces of 50."""
    model = Predictor(nn.GreffLSTMCell(7, 8, "NP", *switches, rng=0, dtype=F))

    def piece(step):
        rows = slice(50 * step, 50 * (step + 1))
        return LETTERS[STREAM.xs[rows]], STREAM.targets[rows]

    train.fit(
        model, piece, train.Adam(model.parameters(), lr=0.01), steps=1000, clip=1.0,
        state=model.cell.initial_state(16), target="auto", progress=False,
    )  # fmt: skip
    state = model.loss(LETTERS[UNSEEN.xs[:100]], UNSEEN.targets[:100])[1]
    return model.loss(LETTERS[UNSEEN.xs[100:]], UNSEEN.targets[100:], state)[0].item()


def exercise_1():
    """★ Where does a cell settle that gets 1 added at each step and keeps f = 0.9? It is 10.

    c' = f c + 1, and where it settles c' = c.
    """
    f = 0.9
    # BEGIN SOLUTION
    return 1 / (1 - f)
    # END SOLUTION


def exercise_2():
    """★★ Which of NIG, NOG, CIFG and NFG cost the long memory on the stream?

    Return a list of those that stay above the middle between the two bounds.
    """
    full, short = (tasks.reber_entropy(view, continual=True) for view in ("full", "short"))
    middle = (full + short) / 2
    # BEGIN SOLUTION
    return [s for s in ("NIG", "NOG", "CIFG", "NFG") if nats_on_the_stream(s) > middle]
    # END SOLUTION


def exercise_3():
    """★★★ Build a counter without training: c goes up by 1 with each a, and down with each b.

    The LSTM has one cell. Inputs are a = (1, 0) and b = (0, 1), and the columns of W_x and b_x are
    in the order i, f, g, o. Return c after each step of a⁵⁰b⁵⁰, an array (100,). It is 50 in the
    middle and 0 at the end, to six digits.
    """
    cell = nn.LSTMCell(2, 1, rng=0)
    cell.W_h, cell.b_h = Tensor(np.zeros((1, 4))), Tensor(np.zeros(4))
    xs = np.repeat(np.eye(2), 50, axis=0)
    # BEGIN SOLUTION
    cell.W_x = Tensor(np.array([[0, 0, 20, 0], [0, 0, -20, 0]], float))
    cell.b_x = Tensor(np.array([40, 40, 0, 0], float))
    # END SOLUTION
    state, found = cell.initial_state(), []
    for x in xs:
        state = cell(x, state)
        found.append(state[1].item())
    return np.array(found)
