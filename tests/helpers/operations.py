"""Which operations do the texts of programs have to write, alone and in time?"""

import numpy as np

import tinygrad_rnn as rnn
from tinygrad_rnn import Tensor, named, scope, tanh
from tinygrad_rnn.engine import primitives

X = np.random.default_rng(0).uniform(-1, 1, (4, 3))
ROWS = np.array([0, 3, 1, 1])
OF_ARRAYS = {
    "a conversion to integers": lambda w, x, i: rnn.astype(x * w * 5, dtype=np.int64) * 1.3 * w,
    "to a mask": lambda w, x, i: rnn.astype(rnn.astype(x * 2, dtype=np.int8), dtype=bool) * w,
    "a comparison": lambda w, x, i: rnn.where(x > w, x * w, 0.3),
    "a choice of infinity": lambda w, x, i: rnn.softmax(rnn.where(x > 0.1, w, -np.inf) + w * 1e-9),
    "both": lambda w, x, i: rnn.where((x > w) & ~(x <= 0.2) | (w >= x), w, x),
    "a largest of rows": lambda w, x, i: primitives.max(x * w, axis=1) * x[:, 0],
    "a largest of columns": lambda w, x, i: primitives.max(x * w, axis=0) * w[0],
    "a smallest, kept": lambda w, x, i: primitives.min(x * w, axis=1, keepdims=True) * x,
    "a largest of all": lambda w, x, i: primitives.max(x * w) * x,
    "sums of rows": lambda w, x, i: (x * w).sum(axis=1) * x[:, 1],
    "sums of columns": lambda w, x, i: (x * w).sum(axis=0) * x,
    "means, kept": lambda w, x, i: x - rnn.mean(x * w, axis=-1, keepdims=True),
    "logsumexp": lambda w, x, i: rnn.logsumexp(x * w, axis=1) * x[:, 2],
    "softmax of columns": lambda w, x, i: rnn.softmax(x * w, axis=0) * x,
    "softmax of rows and columns": lambda w, x, i: rnn.softmax(x * w, axis=0) * rnn.softmax(x * w),
    "a product with itself turned": lambda w, x, i: w * rnn.flip(w, 1) * rnn.flip(x, 0),
    "every second column": lambda w, x, i: w[:, ::2] * x[:, 1:] * w[:, ::-2],
    "log_softmax of columns": lambda w, x, i: rnn.log_softmax(x * w, axis=0) * x,
    "exp of log_softmax of columns": lambda w, x, i: rnn.exp(rnn.log_softmax(x * w, axis=0)) * x,
    "clip": lambda w, x, i: rnn.clip(x * w, low=-0.21, high=0.32),
    "clip above": lambda w, x, i: rnn.clip(x * w, high=0.12345678),
    "a new axis": lambda w, x, i: w[:, :, None] * x[:, None],
    "a column of a row": lambda w, x, i: w[0][:, None] * x[:3],
    "reshape": lambda w, x, i: w.reshape((2, 6)) * x.reshape((2, 6)) + w.reshape(-1)[:6],
    "three axes": lambda w, x, i: (w[:, :, None] * x[:, None]).sum(axis=(0, 2)) * w[1],
    "three axes, turned": lambda w, x, i: rnn.transpose(w[:, :, None] * x[:, None], axes=(2, 0, 1)),
    "products of stacks": lambda w, x, i: (w[None] * x[:, None]) @ w.T,
    "transposed": lambda w, x, i: (w.T @ x) * 0.3,
    "a product with a vector": lambda w, x, i: (x @ w[0]) * x[:, 0],
    "a product of a vector": lambda w, x, i: (x[:, 0] @ w) * w,
    "a product of vectors": lambda w, x, i: (x[0] @ w[1]) * w,
    "broadcast": lambda w, x, i: rnn.broadcast_to(w[0], shape=(5, 3)).sum(axis=1),
    "concatenated rows": lambda w, x, i: rnn.concatenate([w, x, w]),
    "concatenated columns": lambda w, x, i: rnn.concatenate([w, x], axis=1)[:, 1:5],
    "stacked": lambda w, x, i: rnn.stack([w, x], axis=1) * w[:, None],
    "stacked in the last axis": lambda w, x, i: rnn.stack([w, x], axis=-1)[..., 0],
    "every second": lambda w, x, i: w[::2] * x[1::2] + w[::-2],
    "a slice of columns": lambda w, x, i: w[:, 1:] * x[:, :-1],
    "an element": lambda w, x, i: w[1, -1] * x[-2],
    "the last": lambda w, x, i: w[..., -1] * x[-1, 0],
    "lookups": lambda w, x, i: w[i] * x,
    "negative lookups": lambda w, x, i: w[-1 - i] * x,
    "of each row": lambda w, x, i: w[np.arange(4), i - 1] * x[:, 0],
    "of some rows": lambda w, x, i: w[np.array([0, 2, 2]), np.array([1, 0, 0])] * x[0],
    "columns": lambda w, x, i: w[:, np.array([0, 2, 2, 1])] * 0.3,
    "rows and a slice": lambda w, x, i: w[i, 1:] * x[:, 1:],
    "a constant": lambda w, x, i: w * np.arange(12.0).reshape(4, 3) ** 1.5,
    "constants": lambda w, x, i: w * np.eye(4, 3) + np.full((4, 3), 0.123456789012),
    "powers": lambda w, x, i: (w * w + 0.3) ** x + (x**2) ** 1.7 + rnn.sqrt(w * w + 1) ** -1,
    "small numbers": lambda w, x, i: w * 1.23456789e-7 + x * 3e5,
    "functions": lambda w, x, i: rnn.log1p(w * w) + rnn.expm1(x) * rnn.softplus(w) - rnn.relu(x),
    "angles": lambda w, x, i: rnn.sin(w) / (2 + rnn.cos(x)) + abs(abs(w) - abs(x)),
    "more functions": lambda w, x, i: rnn.arctan(w) * rnn.cosh(x) - rnn.sinh(w) / rnn.tan(x + 3),
    "logarithms": lambda w, x, i: rnn.log2(w * w + 0.5) * rnn.log10(x * x + 1),
    "the error function": lambda w, x, i: x * (1 + rnn.erf(w * x)) / 2,
    "remainders": lambda w, x, i: w * 5 % (x * x + 0.3) + w % -0.7 + (1 % (w * w + 0.5)) * x,
    "steps": lambda w, x, i: rnn.floor(x * 3 + w) * w - rnn.sign(w - x) * x,
    "sums up to each": lambda w, x, i: rnn.cumsum(x * w, axis=1) * rnn.cumsum(x + w, axis=0),
    "sums up to each of all": lambda w, x, i: rnn.cumsum(x * w)[::2] * 0.1,
    "products of rows": lambda w, x, i: rnn.prod(w + x, axis=1) * x[:, 0],
    "a norm": lambda w, x, i: w / rnn.norm(w, axis=-1, keepdims=True) * rnn.std(x, axis=0),
    "repeated and rolled": lambda w, x, i: rnn.repeat(w, 2, axis=1)[:, 1::2] * rnn.roll(x, 1, 0),
    "triangles": lambda w, x, i: rnn.tril(w) @ rnn.triu(x.T) + rnn.diag(rnn.diag(w), 1)[:, 1:2],
    "einsum": lambda w, x, i: rnn.einsum("bi,bj,ij->b", w, x, w[:3]) * x[:, 1],
    "maximum": lambda w, x, i: rnn.maximum(w, x) * rnn.minimum(w, 0.1),
    "ones": lambda w, x, i: np.ones((3, 4)) @ w + np.full((3, 3), 0.5) @ w[:3],
    "zeros": lambda w, x, i: rnn.concatenate([np.zeros((2, 3)), w]) * 2,
    "put": lambda w, x, i: rnn.scatter(w[:2], indices=((slice(1, 3),),), shape=(4, 3)) * x,
    "nested": lambda w, x, i: -(-(w - (x - w)) - (x + -w * 2)) / (1 + (w / (1 + x * x)) ** 2),
    "a convolution": lambda w, x, i: rnn.conv(x[:, :, None], w[:2, :, None] * np.ones((1, 1, 2))
                                              if False else w[:2, :1, None]),
    "half precision": lambda w, x, i: rnn.astype(w, dtype=np.float32) * np.float32(0.1) + x,
}  # fmt: skip
IN_TIME = [name for name in OF_ARRAYS if name not in ("a convolution", "put")]


def alone(name):
    """A loss of one operation, and its arguments."""

    def loss(p, x, i):
        return (OF_ARRAYS[name](p["w"], x, i) * 1.0).sum() + (p["w"] * 0.5).sum()

    return loss, {"w": Tensor(np.cos(X * 3))}, X, ROWS


def in_time(name):
    """A loss of one operation at each step of a recurrence, and its arguments."""

    def loss(p, xs, i):
        h, total = Tensor(np.zeros((4, 3))), 0.0
        for t in range(len(xs)):
            with scope("cell", t=t):
                h = named(h=tanh(xs[t] @ p["U"] + h * 0.5))
                total = total + (OF_ARRAYS[name](p["w"] + h, xs[t], i) * 1.0).sum()
        return total

    xs = np.random.default_rng(1).uniform(-1, 1, (6, 4, 3))
    return loss, {"w": Tensor(np.cos(X * 3)), "U": Tensor(X[:3])}, xs, ROWS


def is_half(name):
    """Whether single precision occurs in it."""
    return name == "half precision"
