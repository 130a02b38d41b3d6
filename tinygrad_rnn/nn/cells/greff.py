"""What does each part of an LSTM contribute?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.engine.primitives import concatenate, sigmoid, split, tanh
from tinygrad_rnn.engine.tensor import Tensor, named
from tinygrad_rnn.nn.cells.base import GatedCell, affine
from tinygrad_rnn.nn.samples import Sample, sampled
from tinygrad_rnn.nn.start import uniform

__all__ = ["GreffLSTMCell"]

_SWITCHES = ("NIG", "NFG", "NOG", "NIAF", "NOAF", "NP", "CIFG", "FGR")
_WITHOUT_WEIGHTS = {"NIG": "i", "NFG": "f", "NOG": "o", "CIFG": "f"}


class GreffLSTMCell(GatedCell):
    """The LSTM with peepholes and the eight changes to it of Greff et al. (2015).

    ::

        (nothing)  as `PeepholeLSTMCell`       NP    no peepholes
        NIG        no input gate: i = 1        NIAF  no input activation: g = … without tanh
        NFG        no forget gate: f = 1       NOAF  no output activation: h' = o*c'
        NOG        no output gate: o = 1       CIFG  coupled gates: f = 1 - i
        FGR        full gate recurrence: i, f, o also see all gates of the step before

    Parameters
    ----------
    input_size, hidden_size, bias, rng, dtype
        As in `GatedCell`; a gate that is removed has no weights.
    *switches
        The changes to make, one or more: ``GreffLSTMCell(3, 4, "CIFG")``.

    Attributes
    ----------
    W_x, W_h, b_x
        As in `GatedCell`, columns in the order i, f, g, o, without removed gates.
    p_i, p_f, p_o
        Peepholes of shape (hidden_size,), for the gates that are left.
    W_u
        With FGR, from the n gates of the step before: shape (n · hidden_size, n · hidden_size). All
        from U[-1/√hidden_size, 1/√hidden_size).

    The state is the pair (h, c); with FGR the gates with weights follow: (h, c, i, f, o).

    Raises
    ------
    ValueError
        A switch is unknown, or CIFG stands with NIG or NFG; otherwise as in `GatedCell`.
    """

    two_biases = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *switches: str,
        bias: bool = True,
        rng: Any = None,
        dtype: DTypeLike = np.float64,
    ) -> None:
        unknown = [switch for switch in switches if switch not in _SWITCHES]
        if unknown:
            raise ValueError(
                f"GreffLSTMCell: switches are {', '.join(_SWITCHES)}, got {unknown[0]!r}."
            )
        if "CIFG" in switches and {"NIG", "NFG"} & set(switches):
            raise ValueError(
                "GreffLSTMCell: CIFG couples the input and the forget gate (f = 1 - i), so neither "
                f"can be gone; got {', '.join(switches)}. Leave out CIFG, or NIG and NFG."
            )
        gone = {_WITHOUT_WEIGHTS[s] for s in switches if s in _WITHOUT_WEIGHTS}
        self.switches = switches
        self.columns: list[str] = [letter for letter in "ifgo" if letter not in gone]
        self.gates = len(self.columns)
        rng, bound = np.random.default_rng(rng), hidden_size**-0.5
        super().__init__(input_size, hidden_size, bias=bias, rng=rng, dtype=dtype)
        if "NP" not in switches:
            for letter in self._gates():
                setattr(self, f"p_{letter}", uniform((hidden_size,), bound, rng, dtype))
        if "FGR" in switches and self._gates():
            width = len(self._gates()) * hidden_size
            self.W_u = uniform((width, width), bound, rng, dtype)

    def _gates(self) -> list[str]:
        return [letter for letter in self.columns if letter != "g"]

    def _state(self) -> list[str]:
        return ["h", "c", *(self._gates() if "FGR" in self.switches else [])]

    def initial_state(self, *batch: int) -> Any:
        """Zeros of shape (*batch, hidden_size) for each part of the state, as constants."""
        return tuple(super(GreffLSTMCell, self).initial_state(*batch) for _ in self._state())

    def __call__(self, x: Any, state: tuple[Any, ...]) -> tuple[Tensor, ...]:
        """The next state from x (*batch, input_size) and parts of shape (*batch, hidden_size)."""
        h, c, *before = self._parts(x, state, *self._state())
        on, gates = self.switches, self._gates()
        a = dict(
            zip(
                self.columns,
                split(affine(x, self.W_x, self.b_x) + h @ self.W_h, self.gates),
                strict=True,
            )
        )
        if before:
            more = split(concatenate(before, axis=-1) @ self.W_u, len(before))
            a |= {letter: a[letter] + u for letter, u in zip(gates, more, strict=True)}

        def gate(letter: str, c: Any) -> Any:
            """The activation of a gate that sees `c`; None if it is always open."""
            if letter not in a:
                return None
            seen = a[letter] if "NP" in on else a[letter] + getattr(self, f"p_{letter}") * c
            return named(**{letter: sigmoid(seen)})

        i, f = gate("i", c), gate("f", c)
        if "CIFG" in on:
            f = named(f=1 - i)
        g = named(g=a["g"] if "NIAF" in on else tanh(a["g"]))
        c = named(c=_through(f, c) + _through(i, g))
        o = gate("o", c)
        h = named(h=_through(o, c if "NOAF" in on else tanh(c)))
        now = {"i": i, "f": f, "o": o}
        return h, c, *(now[letter] for letter in self._state()[2:])

    @classmethod
    def samples(cls, **how: Any) -> list[Sample]:
        """The LSTM, its eight variants, and several at once."""
        several = ("FGR", "CIFG", "NP", "NIAF"), ("NIG", "NFG", "NOG", "FGR")
        return [
            sampled(cls(3, 4, *switches, **how))
            for switches in ((), *((name,) for name in _SWITCHES), *several)
        ]


def _through(gate: Any, x: Any) -> Any:
    return x if gate is None else gate * x
