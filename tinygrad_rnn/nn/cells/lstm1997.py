"""How did the LSTM develop from 1997 to 2002?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.overloads import of_one
from tinygrad_rnn.engine.primitives import concatenate, sigmoid, split, stop_gradient
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.arguments import check_sizes
from tinygrad_rnn.nn.cells.base import SizedCell
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["MemoryBlockCell", "centred", "doubly_centred"]


@of_one
def centred(c: Any) -> Any:
    """The logistic function stretched to (-1, 1), h of the paper (appendix A.1, equation 4)."""
    return 2 * sigmoid(c) - 1


@of_one
def doubly_centred(a: Any) -> Any:
    """The logistic function stretched to (-2, 2), g of the paper (appendix A.1, equation 5)."""
    return 4 * sigmoid(a) - 2


class MemoryBlockCell(SizedCell):
    """Memory blocks: `size` cells share one set of gates (Hochreiter & Schmidhuber 1997).

    ::

        i, o, f = σ(…)    … = x W_x + past W_h + b         one of each for a block
        c' = f*c + i*g(…)    h' = o*squash(c')             one of each for a cell
        gates="io"     1997: f = 1        sees="all"    past = h and the gates before (1997)
        gates="ifo"    2000 (Gers)        sees="cells"  past = h (2000)
        gates="i"      o = 1 (1997, 2a)   sees="input"  no W_h
        peepholes      i and f also see c, o sees c', weight by weight (2002)
        truncated      past and what peepholes see are cut: no gradient flows back through them

    The papers learn with `truncated`: error flows back only through c, so that ∂c_T/∂c_0 is the
    product of the forget gates.

    Parameters
    ----------
    input_size, blocks, size
        Features of x, number of blocks, cells in each; hidden_size is blocks · size.
    gates, sees, peepholes, truncated
        As above.
    bias
        Which units have a bias: ``"gates"``, ``"all"`` (the cells too) or ``"none"``.
    g, squash
        Functions of the cells' input and of c; None is the identity.
    bound
        Everything starts from U[-bound, bound); 0.1 in most of the paper's experiments.

    Attributes
    ----------
    W_x, W_h, b
        Shapes (input_size, n), (sources, n), (n,), columns the cells, then the gates in the order
        of `gates`; `b` without the columns of cells unless bias="all".
    p_i, p_f, p_o
        Shape (hidden_size,): a gate sees every cell of its block.

    The state is (h, c), followed by the gates if sees="all", (*batch, blocks) each.
    """

    def __init__(
        self,
        input_size: int,
        blocks: int,
        size: int = 1,
        *,
        gates: Literal["io", "ifo", "i"] = "io",
        sees: Literal["all", "cells", "input"] = "all",
        peepholes: bool = False,
        truncated: bool = False,
        bias: Literal["gates", "all", "none"] = "gates",
        g: Callable[[Any], Any] | None = doubly_centred,
        squash: Callable[[Any], Any] | None = centred,
        bound: float = 0.1,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        check_sizes(type(self).__name__, blocks=blocks, size=size)
        super().__init__(input_size, blocks * size, dtype)
        for what, given, known in (
            ("gates", gates, ("io", "ifo", "i")),
            ("sees", sees, ("all", "cells", "input")),
            ("bias", bias, ("gates", "all", "none")),
        ):
            if given not in known:
                raise ValueError(f"MemoryBlockCell: {what} is one of {known}, got {given!r}.")
        self.blocks, self.size, self.gates, self.sees, self.bias = blocks, size, gates, sees, bias
        self.peepholes, self.truncated, self.g, self.squash = peepholes, truncated, g, squash
        rng, cells, gating = np.random.default_rng(rng), blocks * size, len(gates) * blocks
        sources = {"all": cells + gating, "cells": cells, "input": 0}[sees]
        biases = {"all": cells + gating, "gates": gating, "none": 0}[bias]
        self.W_x = uniform((input_size, cells + gating), bound, rng, dtype)
        self.W_h = uniform((sources, cells + gating), bound, rng, dtype) if sources else None
        self.b = uniform((biases,), bound, rng, dtype) if biases else None
        for letter in gates if peepholes else ():
            setattr(self, f"p_{letter}", uniform((cells,), bound, rng, dtype))

    def start_bias(self, letter: str, *values: float) -> None:
        """Set the biases of a gate to these values, one for each block: ``("o", -1, -2)``.

        Raises
        ------
        ValueError
            The cell has no such gate or no bias for it, or there is not one value for each block.
        """
        b, n = self.b, self.blocks
        if b is None or letter not in self.gates or len(values) != n:
            raise ValueError(
                f"MemoryBlockCell: start_bias sets one of the gates {', '.join(self.gates)} to "
                f"{n} values, one for each block, of a cell with biases; got {letter!r} and "
                f"{len(values)}."
            )
        at = b.size - (len(self.gates) - self.gates.index(letter)) * n
        fresh = np.array(b.data)
        fresh[at : at + n] = values
        b.data = fresh

    def _size(self, letter: str) -> int:
        return self.blocks if letter in self.gates else self.hidden_size

    def _letters(self) -> tuple[str, ...]:
        return ("h", "c", *(self.gates if self.sees == "all" else ""))

    def initial_state(self, *batch: int) -> Any:
        """Zeros for each part of the state, as constants.

        h and c have shape (*batch, hidden_size), gates (*batch, blocks).
        """
        return tuple(np.zeros((*batch, self._size(s)), self.dtype) for s in self._letters())

    def __call__(self, x: Any, state: tuple[Any, ...]) -> tuple[Tensor, ...]:
        """The next state from x (*batch, input_size) and parts in the shapes of `initial_state`."""
        h, c, *before = self._parts(x, state, *self._letters())
        cut = stop_gradient if self.truncated else _same
        a = x @ self.W_x
        if self.W_h is not None:
            past = cut(concatenate([h, *before], axis=-1) if before else h)
            a = a + past @ self.W_h
        if self.bias == "all":
            a = a + self.b
        H, n = self.hidden_size, self.blocks
        g, u = split(a, [H])
        if self.bias == "gates":
            u = u + self.b
        net: dict[str, Any] = dict(zip(self.gates, split(u, len(self.gates)), strict=True))
        cells = _cells_of_blocks(n, self.size, self.dtype) if self.size > 1 else None

        def gate(letter: str, c: Any) -> Any:
            a = net[letter]
            if self.peepholes:
                seen = getattr(self, f"p_{letter}") * cut(c)
                a = a + (seen if cells is None else seen @ cells.T)
            return named(**{letter: sigmoid(a)})

        def to_cells(gate: Any) -> Any:
            return gate if cells is None else gate @ cells

        now = {s: gate(s, c) for s in self.gates if s != "o"}
        g = named(g=self.g(g) if self.g else g)
        kept = to_cells(now["f"]) * c if "f" in now else c
        c = named(c=kept + to_cells(now["i"]) * g)
        h = self.squash(c) if self.squash else c
        if "o" in self.gates:
            now["o"] = gate("o", c)
            h = named(h=to_cells(now["o"]) * h)
        return h, c, *(now[letter] for letter in self._letters()[2:])

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """Blocks of 1997, of 2002, with input gates only, and with forget gates and all biases."""
        kinds: list[dict[str, Any]] = [
            {"size": 2},
            {"size": 2, "gates": "ifo", "sees": "cells", "peepholes": True},
            {"gates": "i", "sees": "input", "squash": None},
            {"gates": "ifo", "peepholes": True, "g": None, "bias": "all"},
        ]
        if not how.pop("bias", True):
            kinds = [kind | {"bias": "none"} for kind in kinds]
        return [sampled(cls(3, 2, bound=0.5, **kind, **how)) for kind in kinds]


@lru_cache
def _cells_of_blocks(blocks: int, size: int, dtype: Any) -> np.ndarray:
    """1 where a cell (column) belongs to a block (row): ``gate @ matrix`` repeats it per cell."""
    return np.repeat(np.eye(blocks, dtype=dtype), size, axis=1)


def _same(x: Any) -> Any:
    return x
