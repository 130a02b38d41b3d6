"""Can a user's letter be any word that C, or a step in C, uses otherwise?"""

import re

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import Tensor, compile, logsumexp, max, named, nn, softmax, stack, tanh
from tinygrad_rnn.program.backends.c.kernel import Kernel
from tinygrad_rnn.program.backends.c.names import RESERVED, identifier, words
from tinygrad_rnn.program.backends.c.prelude import MAIN
from tinygrad_rnn.program.backends.c.storage import Storage


@pytest.fixture(scope="module", autouse=True)
def optimised():
    """Not here: what is compiled only has to be C."""


def many(p, x, labels):
    """A loss in which each parameter is read in loops of its own, and names a value."""
    total = 0.0
    for name, w in p.items():
        y = named(**{name: tanh(x @ w)})
        z = logsumexp(y, axis=-1) if name in ("top", "total", "place") else y.sum(axis=1)
        total = total + (z * w[labels, 0]).sum()
    return total


@pytest.mark.parametrize("chosen", range(4))
def test_every_reserved_word_may_be_a_letter(chosen):
    rng = np.random.default_rng(0)
    letters = [word for word in sorted(RESERVED) if word[0].isalpha()][chosen::4]
    p = {word: Tensor(rng.standard_normal((3, 3)), name=word) for word in letters}
    x, labels = rng.uniform(0, 1, (2, 3)), np.array([0, 2])
    agrees(compile(many, target="c"), many, p, x, labels, tolerance=1e-10)


def test_what_a_step_calls_or_declares_is_reserved(monkeypatch):
    chosen = set()

    def noting(function):
        def call(self, wish):
            found = function(self, wish)
            chosen.add(found)
            return found

        return call

    monkeypatch.setattr(Storage, "fresh", noting(Storage.fresh))
    monkeypatch.setattr(Kernel, "local", noting(Kernel.local))

    def loss_fn(m, x):
        outputs, _ = nn.unroll(m, x)
        return logsumexp(softmax(stack(outputs)) * max(x, axis=-1, keepdims=True))

    for kind in (nn.RNNCell, nn.LSTMCell, nn.ConvLSTM1dCell, nn.LayerNormGRUCell, nn.TwoInputCell):
        cell, xs, _ = kind.samples(rng=0)[0]
        step = compile(loss_fn, target="c")
        step(cell if isinstance(cell, nn.Module) else {"cell": cell}, Tensor(xs))
        text = step.c_source[step.c_source.index("int step(long T") :]
        text = "\n".join(line for line in text.split("\n") if line.lstrip()[:1] != "#")
        text = text.replace(text[text.index("\n}\n") : text.index("int main")], "\n")
        taken = {word for word in words([text]) if word[0].isalpha() and identifier(word) == word}
        assert taken <= chosen, taken - chosen


def test_main_declares_nothing_that_a_value_may_be_called():
    body = re.sub(r"%\(\w+\)\w", "", MAIN.partition("int main")[2])
    assert not {w for w in words([body]) if w[0].isalpha() and identifier(w) == w}
