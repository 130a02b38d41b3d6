"""Of which nets do the exhibits tell? Of models that have learnt to read, and of others."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, nn, no_grad, scope, tasks
from viz.gallery import measured, small

TEXT = "the value of the name is the object"
LONG = TEXT + " that is returned by the function, and the name of the module is a string"
PLAYED = 17  # characters, so that every loss can be played alone


class Nets:
    """What an exhibit may ask for.

    Attributes
    ----------
    models
        By name, "RNN", "LSTM" and "GRU": character models with ``embedding``, ``cell``, ``readout``
        and ``losses(xs, y)``, and their ``letters``.
    lstm
        The second of them.
    text, long
        What they read; the letter after it is only guessed.
    whole
        The longer text with that letter.
    """

    small, measured = small, measured  # what needs no training, and what trains by itself
    text, long, whole = TEXT[:-1], LONG[:-1], LONG

    def __init__(self, models: dict[str, Any]) -> None:
        self.models, self.lstm = models, models["LSTM"]
        self.guessing = {"guessing": float(np.log(2))}  # the loss of what guesses one sign of two

    @cached_property
    def runs(self) -> dict[str, Any]:
        """By cell the runs of models that learn to remember a sign."""
        return measured.runs()

    @cached_property
    def few(self) -> dict[str, Any]:
        """By name the loss of an untrained net after four steps."""
        return {name: small.short(type(model.cell), 4) for name, model in self.models.items()}

    @cached_property
    def reads(self) -> dict[str, list[Any]]:
        """By name the loss of a trained net at each character of the text."""
        return {name: _losses(model, TEXT) for name, model in self.models.items()}

    @cached_property
    def two(self) -> dict[str, Any]:
        """By text the last loss of the LSTM on it: two that differ in one letter."""
        texts = (TEXT, TEXT.replace("name", "game"))
        return {text[:-1]: _losses(self.lstm, text)[-1] for text in texts}

    @cached_property
    def at_length(self) -> Any:
        """The last loss of the LSTM on a longer text."""
        return _losses(self.lstm, LONG)[-1]

    @cached_property
    def liveliest(self) -> int:
        """The unit of the LSTM that moves most."""
        states, _ = nn.unroll(self.lstm.cell, _inputs(self.lstm, LONG))
        return int(np.std([h.data[0] for h in states], 0).argmax())

    @cached_property
    def guesses(self) -> dict[str, Tensor]:
        """By name the score of the character that a net expects at the end of the longer text."""
        found = {}
        for name, model in self.models.items():
            states, _ = nn.unroll(model.cell, _inputs(model, LONG))
            scores = model.readout(states[-1])
            found[name] = scores[0, int(scores.data[0].argmax())]
        return found

    @cached_property
    def played(self) -> tuple[Tensor, dict[str, Any]]:
        """The mean loss of the LSTM; for the player each loss alone, the text, a title."""
        text, model = TEXT[:PLAYED], self.lstm
        losses: list[Tensor] = []
        outputs, _ = nn.unroll(model.cell, _inputs(model, text))
        for t, h in enumerate(outputs):
            with scope("loss", t=t):  # so that each is drawn at its step
                losses.append(nn.cross_entropy(model.readout(h), model.letters.encode(text[t + 1])))
        alone = {f"t = {t}, {text[t + 1]!r}": loss for t, loss in enumerate(losses)}
        options = {"losses": alone, "labels": text, "title": f"LSTM reads {text!r}"}
        return sum(losses[1:], losses[0]) / len(losses), options

    def probed(self) -> tuple[dict[str, Any], np.ndarray]:
        """The states of the character models on 40 pieces of text, and the characters."""
        text = tasks.python_documentation().lower()
        symbols = self.lstm.letters.encode(text[5_000 : 5_000 + 40 * 40])
        xs = symbols.reshape(40, 40).T
        with no_grad():
            states = {
                name: nn.unroll(model.cell, model.embedding(xs))[0]
                for name, model in self.models.items()
            }
        return states, xs


def _inputs(model: Any, text: str) -> Tensor:
    """The inputs as a leaf, so that they have gradients; the last character is only guessed."""
    return Tensor(model.embedding.W.data[model.letters.encode(text)[:-1, None]], name="x")


def _losses(model: Any, text: str) -> list[Any]:
    return model.losses(_inputs(model, text), model.letters.encode(text)[1:, None])
