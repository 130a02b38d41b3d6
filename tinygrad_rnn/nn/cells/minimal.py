"""How few gates does a cell need?"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["JANETCell", "MGUCell", "SimplifiedMGUCell"]


class MGUCell(GatedCell):
    """Minimal gated unit: one gate forgets and resets (Zhou et al. 2016).

    ::

        f = σ(x_f + h W_hf)               x_f, x_n = columns of x W_x + b_x
        reset="before"      n = tanh(x_n + (f*h) W_hn)      the paper
        reset="after"       n = tanh(x_n + f*(h W_hn))
        update="replaces"   h' = (1-f)*h + f*n              the paper
        update="keeps"      h' = (1-f)*n + f*h

    Columns in the order f, n; one bias; start values as in `GatedCell`.

    Raises
    ------
    ValueError
        `reset` or `update` is unknown; otherwise as in `GatedCell`.
    """

    gates = 2
    two_biases = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset: Literal["before", "after"] = "before",
        update: Literal["replaces", "keeps"] = "replaces",
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        if reset not in ("before", "after"):
            raise ValueError(f'MGUCell: reset must be "before" (Zhou) or "after", got {reset!r}.')
        if update not in ("replaces", "keeps"):
            raise ValueError(
                f'MGUCell: update must be "replaces" (Zhou) or "keeps", got {update!r}.'
            )
        self.reset, self.update = reset, update

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        x_f, x_n = split(affine(x, self.W_x, self.b_x), 2)
        W_f, W_n = split(self.W_h, 2)
        f = named(f=sigmoid(x_f + h @ W_f))
        n = named(n=tanh(x_n + ((f * h) @ W_n if self.reset == "before" else f * (h @ W_n))))
        return named(h=(1 - f) * h + f * n if self.update == "replaces" else (1 - f) * n + f * h)

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """In the paper's convention, and in that of torch's GRU."""
        conventions: list[dict[str, Any]] = [{}, {"reset": "after", "update": "keeps"}]
        return [sampled(cls(3, 4, **convention, **how)) for convention in conventions]


class SimplifiedMGUCell(GatedCell):
    """A minimal gated unit whose gate sees even less (Heck & Salem 2017, MGU1 to MGU3).

    ::

        form=1   f = σ(h W_f + b_f)       form=2   f = σ(h W_f)       form=3   f = σ(b_f)
        n = tanh(x W_x + (f*h) W_h + b_x)     h' = (1-f)*h + f*n

    Attributes
    ----------
    W_x, W_h, b_x
        Parameters of n: shapes (input_size, hidden_size), (hidden_size, hidden_size),
        (hidden_size,).
    W_f, b_f
        Shapes (hidden_size, hidden_size) and (hidden_size,); None where the gate has none. All
        from U[-1/√hidden_size, 1/√hidden_size).

    Raises
    ------
    ValueError
        `form` is not 1, 2 or 3; otherwise as in `GatedCell`.
    """

    two_biases = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        form: Literal[1, 2, 3] = 1,
        *,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        if form not in (1, 2, 3):
            raise ValueError(f"SimplifiedMGUCell: form must be 1, 2 or 3, got {form!r}.")
        rng, bound = np.random.default_rng(rng), hidden_size**-0.5
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        self.form, square = form, (hidden_size, hidden_size)
        self.W_f = uniform(square, bound, rng, dtype) if form != 3 else None
        self.b_f = uniform((hidden_size,), bound, rng, dtype) if form != 2 else None

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        f = named(f=sigmoid(self.b_f if self.W_f is None else affine(h, self.W_f, self.b_f)))
        n = named(n=tanh(affine(x, self.W_x, self.b_x) + (f * h) @ self.W_h))
        return named(h=(1 - f) * h + f * n)

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """Its three forms."""
        forms: tuple[Any, ...] = (1, 2, 3)
        return [sampled(cls(3, 4, form, **how)) for form in forms]


class JANETCell(GatedCell):
    """Just a forget gate (van der Westhuizen & Lasenby 2018).

    ::

        s = x_f + h W_hf    g = tanh(x_g + h W_hg)     x_f, x_g = columns of x W_x + b_x
        f = σ(s)            h' = f*h + (1 - σ(s-β))*g

    `beta` > 0 lets in a little more than is forgotten; 1 in the paper, 0 couples the two. Columns
    in the order f, g; one bias; start values as in `GatedCell` (the paper's are the chrono start).
    """

    gates = 2
    two_biases = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        beta: float = 1.0,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        self.beta = float(beta)

    def __call__(self, x: Any, h: Any) -> Tensor:
        """The next h from x (*batch, input_size) and h (*batch, hidden_size)."""
        self._check(x, h=h)
        s, g = split(affine(x, self.W_x, self.b_x) + h @ self.W_h, 2)
        s, f, g = named(s=s, f=sigmoid(s), g=tanh(g))
        return named(h=f * h + (1 - sigmoid(s - self.beta)) * g)
