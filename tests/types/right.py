"""A user's script that is right: every line says what type it has."""

from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, grad, nn, tanh, train

xs: np.ndarray = np.zeros((5, 2, 3))
floats: NDArray[np.float64] = np.zeros((2, 3))
t = Tensor(np.ones((2, 3)))

assert_type(tanh(t), Tensor)
assert_type(tg.add(1.0, t), Tensor)
assert_type(tg.where(np.ones(3, bool), 0.0, t), Tensor)
assert_type(tg.mean(t, axis=0), Tensor)
assert_type(tg.stack([t, t]), Tensor)
assert_type(tg.concatenate([t, t], axis=0), Tensor)
assert_type(t @ t.T + 1.0, Tensor)
assert_type(2.0 * t, Tensor)
assert_type(t.sum(axis=0), Tensor)
assert_type(t[0], Tensor)

a, b = tg.split(t, [1], axis=-1)
assert_type(a, Tensor)

cell = nn.LSTMCell(3, 4, rng=0)
assert_type(cell.W_x, Tensor)

assert_type(floats * t, Tensor)
assert_type(floats @ cell.W_x + floats @ cell.W_x, Tensor)
assert_type(1.0 - t, Tensor)

outputs, (h, c) = nn.unroll(cell, xs)
assert_type(outputs, list[Tensor])
assert_type(h, Tensor)
loss = nn.mse_loss(nn.Linear(4, 2)(outputs[-1]), np.zeros((2, 2)))
assert_type(loss, Tensor)
assert_type(grad(loss, cell.W_x), np.ndarray)
assert_type(grad(loss, cell.parameters()), list[np.ndarray])
assert_type(loss.item(), float)
loss.backward()

layer = nn.LSTM(3, 4, num_layers=2)
ys, (hs, cs) = layer(xs, lengths=[5, 3])
assert_type(ys, Tensor)
assert_type(cs, Tensor)


class Model(nn.Module):
    def __init__(self) -> None:
        self.net = nn.many_to_one(3, 4, 1)

    def forward(self, xs: np.ndarray) -> Tensor:
        return self.net(xs)

    def loss(self, xs: np.ndarray, y: np.ndarray) -> Tensor:
        return nn.mse_loss(self(xs), y)


model = Model()
optimiser = train.Adam(model, lr=1e-2)
run = train.fit(model, lambda step: (xs, np.zeros((2, 1))), optimiser, steps=2, progress=False)
assert_type(run.losses, list[float])
for path, parameter in model.named_parameters():
    assert_type(path, str)
    assert_type(parameter, Tensor)
print("right")
