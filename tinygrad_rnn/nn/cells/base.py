"""What do cells have in common?

Sizes, parameters in torch's layout, a first state of zeros, and an error that explains when an
input or a state does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.operands import operand
from tinygrad_rnn.engine.overloads import of_two
from tinygrad_rnn.engine.primitives import relu, sigmoid, tanh
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.arguments import check_dtype, check_flags, check_sizes
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["GatedCell", "SizedCell", "activated", "affine", "check_activation"]

_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid}
_COUNT = {2: "two", 3: "three", 4: "four", 5: "five"}


class SizedCell(Module):
    """Base of all cells here: two sizes, a first state of zeros, and checks of inputs and states.

    A subclass names the parts of its state: ``state_letters = ("h", "c")`` is the LSTM's pair.
    """

    state_letters: tuple[str, ...] = ("h",)

    def __init__(self, input_size: int, hidden_size: int, dtype: DTypeLike = np.float64) -> None:
        check_sizes(type(self).__name__, input_size=input_size, hidden_size=hidden_size)
        check_dtype(type(self).__name__, dtype)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.dtype = np.dtype(dtype)

    def initial_state(self, *batch: int) -> Any:
        """Zeros of shape (*batch, hidden_size) for each part of the state, as constants."""
        zeros = tuple(np.zeros((*batch, self._size(k)), self.dtype) for k in self.state_letters)
        return zeros if len(zeros) > 1 else zeros[0]

    def _size(self, letter: str) -> int:
        """The number of units in the part of the state with this letter."""
        return self.hidden_size

    def _parts(self, x: Any, state: Any, *letters: str) -> Any:
        """The parts of a state, after a check of their number and shapes."""
        if not isinstance(state, (tuple, list)) or len(state) != len(letters):
            kind = "pair" if len(letters) == 2 else "tuple"
            expected = f"{_COUNT[len(letters)]} parts, the {kind} ({', '.join(letters)})"
            self._refuse("state", expected, type(state).__name__, x)
        self._check(x, **dict(zip(letters, state, strict=True)))
        return state

    def _check(self, x: Any, **state: Any) -> None:
        """Refuse what NumPy would broadcast into something else; a state may lack batch axes."""
        x = x if type(x) is Tensor else operand(x, type(self).__name__)
        given = x.shape
        if given[-1:] != (self.input_size,):
            self._refuse("x", f"(*batch, {self.input_size})", given, x)
        for letter, h in state.items():
            expected = (*given[:-1], self._size(letter))
            if isinstance(h, (tuple, list)):
                self._refuse(letter, f"one array or Tensor {expected}", f"a {type(h).__name__}", x)
            shape = (h if type(h) is Tensor else operand(h, type(self).__name__)).shape
            if shape != expected and not _broadcasts(shape, expected):
                self._refuse(letter, f"shape {expected} beside x of shape {given}", shape, x)

    def _refuse(self, letter: str, expected: str, got: Any, x: Any) -> NoReturn:
        where = messages.placed(type(self).__name__)
        mend = "Call cell(x, state) with features last; cell.initial_state(batch) makes a state."
        if np.asarray(values(x)).dtype.kind in "iu":
            mend = "x holds integers: symbols need an Embedding first, one-hot rows be floats."
        raise ValueError(f"{where}: expected {letter} of {expected}, got {got}. {mend}")

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """Small cells of this kind for tests and pictures, made with `how` (bias, rng, dtype)."""
        return [sampled(cls(3, 4, **how))]


class GatedCell(SizedCell):
    """Base of cells with gates that see x and h: torch's parameters and start values, checks.

    A subclass sets the number of `gates` and defines the next state, ``__call__(x, state)``. It may
    set ``two_biases = False`` for one bias, as in most papers, instead of torch's two.

    Parameters
    ----------
    input_size, hidden_size
        Features per input x and units per state h; at least 1.
    bias
        Whether the cell has biases; otherwise `b_x` and `b_h` are None.
    rng
        Seed or generator for the start values, all U[-1/√hidden_size, 1/√hidden_size) as in torch.
    dtype
        Type of the parameters and of the zero state; float64 by default.

    Attributes
    ----------
    W_x, W_h
        Shapes (input_size, gates · hidden_size) and (hidden_size, gates · hidden_size).
    b_x, b_h
        Shape (gates · hidden_size,). With one bias, `b_h` is None.

    Raises
    ------
    ValueError
        A size is not a whole number of at least 1; in a call, x or the state does not fit.
    TypeError
        `dtype` is not a float type.
    """

    gates = 1
    two_biases = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, dtype)
        check_flags(type(self).__name__, bias=bias)
        rng = np.random.default_rng(rng)
        width, bound = self.gates * hidden_size, hidden_size**-0.5
        self.W_x = uniform((input_size, width), bound, rng, dtype)
        self.W_h = uniform((hidden_size, width), bound, rng, dtype)
        self.b_x = uniform((width,), bound, rng, dtype) if bias else None
        self.b_h = uniform((width,), bound, rng, dtype) if bias and self.two_biases else None


def _broadcasts(shape: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """True if a state of this shape is shared by all examples: (hidden,), (1, hidden)."""
    around = shape[:-1]
    return shape[-1:] == expected[-1:] and (
        len(around) < len(expected)
        and all(n in (1, m) for n, m in zip(around[::-1], expected[-2::-1], strict=False))
    )


@of_two
def affine(x: Any, W: Any, b: Any) -> Any:
    """``x @ W + b``; without b if it is None."""
    return x @ W if b is None else x @ W + b


def check_activation(owner: str, activation: Any) -> Any:
    """The activation itself; ValueError unless it is a function or the name of one."""
    if not callable(activation) and activation not in [*_ACTIVATIONS]:
        raise ValueError(
            f"{owner}: activation must be one of {', '.join(_ACTIVATIONS)} or a function, "
            f"got {activation!r}."
        )
    return activation


def activated(activation: str | Callable[[Any], Any], x: Any) -> Any:
    """``activation(x)``; the activation may be given by name."""
    return (activation if callable(activation) else _ACTIVATIONS[activation])(x)
