"""How does one sequence become another of a different length?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.blocks import no_grad
from tinygrad_rnn.engine.primitives import broadcast_to, concatenate, stack
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.arguments import check_cell, check_flags
from tinygrad_rnn.nn.attention import dot_attention
from tinygrad_rnn.nn.decode import decode
from tinygrad_rnn.nn.mask import the_mask
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.state import output_of
from tinygrad_rnn.nn.time import prepared, unroll

__all__ = ["EncoderDecoder"]


class EncoderDecoder(Module):
    """One cell reads; another writes, starting from the last state of the first.

    Cho et al. 2014; Sutskever et al. 2014; with attention Luong et al. 2015 (dot score, without
    their extra tanh layer): the read-out sees the decoder's output and what it attends to.

    Parameters
    ----------
    encoder, decoder
        Cells whose states have the same structure and sizes.
    embed
        From a written symbol to the decoder's input, e.g. an `Embedding`.
    read
        From the decoder's output (twice as wide with `attention`) to scores.
    attention
        Whether the decoder looks back at the encoder's outputs, see `dot_attention`.
    """

    def __init__(
        self,
        encoder: Any,
        decoder: Any,
        embed: Callable[[Any], Any],
        read: Callable[[Any], Any],
        *,
        attention: bool = False,
    ) -> None:
        self.encoder, self.decoder, self.embed, self.read = encoder, decoder, embed, read
        check_cell("EncoderDecoder", encoder)
        check_cell("EncoderDecoder", decoder)
        check_flags("EncoderDecoder", attention=attention)
        self.attention = attention

    def __call__(
        self,
        source: Any,
        targets: Any = None,
        *,
        start: int = 0,
        steps: int | None = None,
        teacher: float = 1.0,
        rng: np.random.Generator | None = None,
        lengths: Any = None,
        mask: Any = None,
        **how: Any,
    ) -> Tensor:
        """Scores (m, *batch, symbols) of the symbols to write.

        Parameters
        ----------
        source
            (n, *batch, features), with `lengths` (*batch) or `mask` (n, *batch) if padded.
        targets, steps, teacher, rng
            As in `decode`; `rng` is also for the draws of both cells.
        start
            The symbol that the decoder reads first.
        **how
            Options of `unroll` for the encoder.

        Raises
        ------
        TypeError, ValueError
            As in `unroll` and `decode`; the states of the two cells differ; an input is not as wide
            as the decoder, `embed` or `read` expects.
        """
        outputs, state = unroll(
            self.encoder, source, lengths=lengths, mask=mask, rng=rng, name="encoder", **how
        )
        batch = np.shape(values(outputs[0]))[:-1]
        if lengths is not None or mask is not None:
            mask = the_mask(lengths, mask, len(outputs), batch)
            missing = (1,) * (1 + len(batch) - mask.ndim)
            mask = mask.reshape(*mask.shape, *missing)
            mask = broadcast_to(mask, shape=(len(outputs), *batch))
        memory = stack(outputs) if self.attention else None
        first = np.full(batch, start)
        with no_grad():
            decoder = prepared(self.decoder, rng, self.embed(first), state)

        def step(symbol: Any, state: Any) -> tuple[Any, Any]:
            state = decoder(self.embed(symbol), state)
            h = output_of(self.decoder, state)
            if self.attention:
                h = concatenate([h, dot_attention(h, memory, mask)[0]], axis=-1)
            return self.read(h), state

        more = {"steps": steps, "teacher": teacher, "rng": rng}
        return stack(decode(step, first, state, targets, **more)[0])
