"""What does one operation cost, recorded and differentiated, where the arrays are tiny?"""

import numpy as np
from measure import machine, seconds, table, take_turns

from tinygrad_rnn import Tensor, concatenate, grad, matmul, no_grad, sigmoid, split, sum, tanh

N = 60  # operations in a row, so that what surrounds them hardly counts


def chains():
    """Name: (one more operation on y, the operations recorded by it)."""
    x = Tensor(np.full((1, 4), 0.5, np.float32), name="x")
    square = Tensor(np.full((4, 4), 0.25, np.float32), name="W")
    number = Tensor(0.5)
    return {
        "y * x": (x, lambda y: y * x, 1),
        "y + x": (x, lambda y: y + x, 1),
        "tanh(y)": (x, tanh, 1),
        "sigmoid(y)": (x, sigmoid, 1),
        "y @ W": (x, lambda y: matmul(y, square), 1),
        "split, sum, y * …": (x, _halves, 5),
        "tanh(y * x + x)": (x, lambda y: tanh(y * x + x), 3),
        "number: y * y": (number, lambda y: y * number, 1),
    }


def _halves(y):
    a, b = split(y, 2)
    return y * sum(a * b)


def test_operations_on_tiny_arrays(show):
    rows = []
    for name, (x, more, count) in chains().items():

        def forward(x=x, more=more):
            y = x
            for _ in range(N):
                y = more(y)
            return y

        def forward_and_backward(x=x, forward=forward):
            return grad(sum(forward()), x)

        def unrecorded(x=x, forward=forward):
            with no_grad():
                return forward()

        times = take_turns({"record": forward, "both": forward_and_backward, "off": unrecorded})
        rows.append([name, *(t.fastest / (N * count) * 1e6 for t in times.values())])
    head = ["µs per operation", "recorded (goal 1.6)", "and backward (goal 5.8)", "no_grad"]
    show(machine(), table(head, rows))
    assert all(value > 0 for row in rows for value in row[1:])


def test_a_call_with_many_inputs_is_linear_in_them():
    arrays = [np.ones(1) for _ in range(40_000)]
    few = min(seconds(lambda: concatenate(arrays[:10_000]))[0] for _ in range(3))
    many = min(seconds(lambda: concatenate(arrays))[0] for _ in range(3))
    assert many < 10 * few  # 4 times as long, and 16 times where each input copies all before it
