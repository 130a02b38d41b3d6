"""How does a state move one step on?

Each cell is pure: ``state = cell(x, state)``, in the letters of its paper. Products stand row by
row, ``x @ W_x``: a row is one example, so `W_x` has shape (input, gates · hidden). As in torch
there are two biases, one with each product.

`named` gives the gates their letters, which is how they appear in pictures and errors. Nobody
writes a backward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.context import context, describe
from tinygrad_rnn.engine.primitives import relu, sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import named, values
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.start import check_sizes, uniform

__all__ = ["GRUCell", "GatedCell", "LSTMCell", "RNNCell", "affine"]

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid}


class GatedCell(Module):
    """Base of cells whose gates see x and h: sizes, torch's parameters and start values, checks.

    A subclass says how many `gates` it has and how the state moves on: ``__call__(x, state)``.

    Parameters
    ----------
    input_size, hidden_size
        Features per input x and units per state h; at least 1.
    bias
        Whether there are `b_x` and `b_h`; None in their place otherwise.
    rng
        Seed or generator for the start values, all U[-1/√hidden_size, 1/√hidden_size) as in torch.
    dtype
        Of the parameters and of the zero state; float64 by default.

    Attributes
    ----------
    W_x, W_h
        Shapes (input_size, gates · hidden_size) and (hidden_size, gates · hidden_size).
    b_x, b_h
        Shape (gates · hidden_size,).
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        check_sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size = input_size, hidden_size
        rng = np.random.default_rng(rng)
        width, bound = self.gates * hidden_size, hidden_size**-0.5
        self.W_x = uniform((input_size, width), bound, rng, dtype)
        self.W_h = uniform((hidden_size, width), bound, rng, dtype)
        self.b_x = uniform((width,), bound, rng, dtype) if bias else None
        self.b_h = uniform((width,), bound, rng, dtype) if bias else None

    def initial_state(self, *batch: int) -> Any:
        """Zeros of shape (*batch, hidden_size), as a constant."""
        return np.zeros((*batch, self.hidden_size), self.W_x.dtype)

    def _check(self, x: Any, **state: Any) -> None:
        """Refuse what NumPy would broadcast into something else; a state may lack batch axes."""
        given = np.shape(values(x))
        if given[-1:] != (self.input_size,):
            self._refuse("x", f"(*batch, {self.input_size})", given, x)
        expected = (*given[:-1], self.hidden_size)
        for letter, h in state.items():
            if isinstance(h, (tuple, list)):
                self._refuse(letter, f"one array or Tensor {expected}", f"a {type(h).__name__}", x)
            shape = np.shape(values(h))
            if shape != expected and not _broadcasts(shape, expected):
                self._refuse(letter, f"shape {expected} beside x of shape {given}", shape, x)

    def _refuse(self, letter: str, expected: str, got: Any, x: Any) -> NoReturn:
        where = " at ".join(filter(None, [type(self).__name__, describe(context.get().scope)]))
        mend = "Call cell(x, state) with features last; cell.initial_state(batch) makes a state."
        if np.asarray(values(x)).dtype.kind in "iu":
            mend = "x holds integers: symbols need an Embedding first, one-hot rows be floats."
        raise ValueError(f"{where}: expected {letter} of {expected}, got {got}. {mend}")


def _broadcasts(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Whether a state of this shape is one for every example: (hidden,), (1, hidden)."""
    around = shape[:-1]
    return shape[-1:] == expected[-1:] and (
        len(around) < len(expected)
        and all(n in (1, m) for n, m in zip(around[::-1], expected[-2::-1], strict=False))
    )


def affine(x: Any, W: Any, b: Any) -> Any:
    """``x @ W + b``; without b if it is None."""
    return x @ W if b is None else x @ W + b


class RNNCell(GatedCell):
    """Elman's network: h' = act(x W_x + b_x + h W_h + b_h)  (Elman 1990; torch.nn.RNNCell).

    Parameters
    ----------
    activation
        ``"tanh"``, ``"relu"``, ``"sigmoid"``, or a function of a Tensor.
    input_size, hidden_size, bias, rng, dtype
        As for every cell: see the attributes W_x (input_size, hidden_size),
        W_h (hidden_size, hidden_size), b_x, b_h.

    Examples
    --------
    >>> cell = RNNCell(input_size=3, hidden_size=4, rng=0)
    >>> cell(np.ones((2, 3)), cell.initial_state(2)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: str | Callable[[Any], Any] = "tanh",
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        if not callable(activation) and activation not in _ACTIVATIONS:
            raise ValueError(
                f"RNNCell: activation must be one of {', '.join(_ACTIVATIONS)} or a function, "
                f"got {activation!r}."
            )
        self.activation = activation

    def __call__(self, x: Any, h: Any) -> Any:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        act = self.activation if callable(self.activation) else _ACTIVATIONS[self.activation]
        return named(h=act(affine(x, self.W_x, self.b_x) + affine(h, self.W_h, self.b_h)))


class LSTMCell(GatedCell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, Gers 2000; torch.nn.LSTMCell).

    ::

        i, f, o = σ(…)    g = tanh(…)      each … = x W_x + b_x + h W_h + b_h
        c' = f*c + i*g    h' = o*tanh(c')  columns in the order i, f, g, o

    The state is the pair (h, c); its output is h. Parameters as in `RNNCell`, four gates wide.

    Examples
    --------
    >>> cell = LSTMCell(input_size=3, hidden_size=4, rng=0)
    >>> h, c = cell(np.ones((2, 3)), cell.initial_state(2))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4

    def initial_state(self, *batch: int) -> Any:
        """The pair (h, c) of zeros of shape (*batch, hidden_size), as constants."""
        return super().initial_state(*batch), super().initial_state(*batch)

    def __call__(self, x: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        """The next (h, c) from x (*batch, input_size) and h, c (*batch, hidden_size)."""
        if not isinstance(state, (tuple, list)) or len(state) != 2:
            self._refuse("state", "two parts, the pair (h, c)", type(state).__name__, x)
        h, c = state
        self._check(x, h=h, c=c)
        i, f, g, o = split(affine(x, self.W_x, self.b_x) + affine(h, self.W_h, self.b_h), 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        c = named(c=f * c + i * g)
        h = named(h=o * tanh(c))
        return h, c


class GRUCell(GatedCell):
    """Gated recurrent unit in each of its conventions (Cho 2014; torch.nn.GRUCell by default).

    ::

        r = σ(x_r + h_r)    z = σ(x_z + h_z)    x_r, x_z, x_n = columns of x W_x + b_x
                                                h_r, h_z, h_n = columns of h W_h + b_h
        reset="after"       n = tanh(x_n + r*h_n)                torch, Keras, cuDNN
        reset="before"      n = tanh(x_n + (r*h) W_hn + b_hn)    the papers (Cho, Chung), Haiku
        update="keeps"      h' = (1-z)*n + z*h                   torch, Keras
        update="replaces"   h' = (1-z)*h + z*n                   Chung 2014, Haiku

    Weights of one convention give wrong results in another. Parameters as in `RNNCell`, three
    gates wide.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset: Literal["after", "before"] = "after",
        update: Literal["keeps", "replaces"] = "keeps",
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        if reset not in ("after", "before"):
            raise ValueError(
                f'GRUCell: reset must be "after" (torch) or "before" (Cho), got {reset!r}.'
            )
        if update not in ("keeps", "replaces"):
            raise ValueError(
                f'GRUCell: update must be "keeps" (torch) or "replaces" (Chung), got {update!r}.'
            )
        self.reset, self.update = reset, update

    def __call__(self, x: Any, h: Any) -> Any:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        H = self.hidden_size
        x_r, x_z, x_n = split(affine(x, self.W_x, self.b_x), 3)
        if self.reset == "after":
            h_r, h_z, h_n = split(affine(h, self.W_h, self.b_h), 3)
            r, z = named(r=sigmoid(x_r + h_r), z=sigmoid(x_z + h_z))
            n = named(n=tanh(x_n + r * h_n))
        else:
            W_rz, W_n = split(self.W_h, [2 * H])
            b_rz, b_n = (None, None) if self.b_h is None else split(self.b_h, [2 * H])
            h_r, h_z = split(affine(h, W_rz, b_rz), 2)
            r, z = named(r=sigmoid(x_r + h_r), z=sigmoid(x_z + h_z))
            n = named(n=tanh(x_n + affine(r * h, W_n, b_n)))
        return named(h=(1 - z) * n + z * h if self.update == "keeps" else (1 - z) * h + z * n)
