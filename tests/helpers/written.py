"""What is the value of a formula, as a picture writes it?

A parser by recursive descent reads the text alone. It is told the values of the letters; a dot
stands for the values without a letter, in the order in which they are read.
"""

import math
import re

import numpy as np

from tinygrad_rnn import nn
from tinygrad_rnn.nn.cells.orthogonal import householder

TOKEN = re.compile(
    r"\s*(?P<token>·|\d+(?:\.\d+)?(?:e[+−]?\d+)?|inf|nan|\.\.\."
    r"|[A-Za-zα-ω_∂][A-Za-zα-ω_0-9]*′*(?:⁽[⁰¹²³⁴⁵⁶⁷⁸⁹]+⁾)?(?:\[t[+−]\d+\])?|[√Σ]|[-+−×/@^²ᵀ()\[\],:>≥<≤=∧])"
)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def logsumexp(x, axis=None, keepdims=False):
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


FUNCTIONS = {
    "sign": np.sign,
    "σ": lambda x: 1 / (1 + np.exp(-x)),
    "√": np.sqrt,
    "Σ": np.sum,
    "max": np.max,
    "min": np.min,
    "softmax": softmax,
    "log_softmax": lambda x, axis=-1: np.log(softmax(x, axis)),
    "logsumexp": logsumexp,
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.logaddexp(x, 0),
    "clip": lambda x, low=-np.inf, high=np.inf: np.clip(x, low, high),
    "cumsum": lambda x, axis: np.cumsum(x, axis),
    "erf": np.vectorize(math.erf, otypes=[float]),
    "stack": lambda *xs, axis=0: np.stack(xs, axis),
    "concatenate": lambda *xs, axis=0: np.concatenate(xs, axis),
    "transpose": lambda x, axes=None: np.transpose(x, axes),
    "reshape": lambda x, shape: np.reshape(x, shape),
    "zeros": np.zeros,
    "ones": np.ones,
    "layer_norm": nn.layer_norm,
    "householder": householder,
    "cross_entropy": nn.cross_entropy,
    "binary_cross_entropy": nn.binary_cross_entropy,
    "dot_attention": lambda *given: nn.dot_attention(*given)[0],
    "broadcast_to": lambda x, shape: np.broadcast_to(x, shape),
    "cut": lambda x: x,
    "pass_gradient": lambda x, scale=1.0, limit=np.inf: x,
    "cut_gradient": lambda x, cut, scale=1.0: x,
}
for _name in ("tanh", "exp", "log", "log1p", "expm1", "sin", "cos", "absolute", "where",
              "maximum", "minimum",
              "tan", "arctan", "sinh", "cosh", "log2", "log10", "floor", "mod"):  # fmt: skip
    FUNCTIONS[_name] = getattr(np, _name)
for _name in ("float16", "float32", "float64", "int64"):
    FUNCTIONS[_name] = lambda x, name=_name: np.asarray(x).astype(name)


class Reader:
    """A formula, token by token; `letters` are values by name, `functions` more than the usual."""

    def __init__(self, text, letters, dots=(), functions=None):
        text = text.replace("\u00a0", " ").replace("\n", " ").rstrip()
        self.tokens, at = [], 0
        while at < len(text):
            found = TOKEN.match(text, at)
            assert found, (text, text[at:])
            self.tokens.append((found["token"], found.start("token")))
            at = found.end()
        self.text, self.letters, self.dots, self.at = text, letters, iter(dots), 0
        self.functions = FUNCTIONS | (functions or {})

    @property
    def next(self):
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def skip(self, *tokens):
        found = self.next
        self.at += found in tokens and found != ""
        return found if found in tokens else ""

    def take(self, token):
        assert self.skip(token), (token, self.next, self.text)

    # -- what binds more and more tightly ---------------------------------------------------------

    def value(self):
        """The value of all of it."""
        found = self.sum()
        assert not self.next, (self.next, self.text)
        return found

    def sum(self):
        x = -self.product() if self.skip("−") else self.product()
        while sign := self.skip("+", "−"):
            y = self.product()
            x = x + y if sign == "+" else x - y
        return x

    def product(self):
        x = self.factor()
        while True:
            if self.skip("×"):
                x = x * self.factor()
            elif self.skip("/"):
                x = x / self.factor()
            elif self.begins():  # side by side
                x = x * self.factor()
            else:
                return x

    def begins(self):
        token = self.next
        return token in ("(", "·") or (token[:1].isalnum() and token not in ("where", "else"))

    def factor(self):
        x = self.power()
        while self.skip("@"):
            x = x @ self.power()
        return x

    def power(self):
        if self.next == "Σ" and self.tokens[self.at + 1][0] != "(":
            self.skip("Σ")
            return np.sum(self.power())
        if self.next == "Σ" and self._squares():
            self.skip("Σ")
            return np.sum(self.power())
        x = self.atom()
        while True:
            if self.skip("^"):
                x = x ** self.atom()
            elif self.skip("²"):
                x = x * x
            elif self.skip("ᵀ"):
                x = x.T
            elif self.next == "[":
                x = x[self.index()]
            else:
                return x

    def _squares(self):
        """Whether Σ stands before a bracket that is squared, apart from it: ``Σ (h − y)²``."""
        return self.tokens[self.at + 1][1] > self.tokens[self.at][1] + 1

    def atom(self):
        if self.skip("("):
            x = self.sum()
            self.take(")")
            return x
        if self.skip("["):  # side by side
            found = [self.sum()]
            while self.skip(","):
                found.append(self.sum())
            self.take("]")
            return np.concatenate(found, -1)
        token = self.next
        self.at += 1
        if token == "·":
            return next(self.dots)
        if token[0].isdigit() or token in ("inf", "nan"):
            return float(token.replace("−", "-"))
        if token in self.letters:
            return self.letters[token]
        return self.call(token)

    def call(self, name):
        assert name in self.functions, (name, self.text)
        self.take("(")
        operands, options = [], {}
        while True:
            word = self.next
            if word in ("axis", "axes", "low", "high", "scale", "limit", "padding", "keepdims"):
                self.at += 1
                options[word] = True if word == "keepdims" else self.numbers(word)
            elif name in ("zeros", "ones") or (name in ("reshape", "broadcast_to") and operands):
                operands.append(self.shape())
            else:
                operands.append(self.sum())
            if not self.skip(","):
                break
        self.take(")")
        return self.functions[name](*operands, **options)

    def numbers(self, word):
        found = []
        while self.next not in (",", ")"):
            sign = -1 if self.skip("−") else 1
            token = self.next
            self.at += 1
            if token[0].isdigit() or token == "inf":
                number = float(token)
                found.append(sign * (int(number) if "." not in token and "e" not in token and
                                     token != "inf" else number))  # fmt: skip
            else:
                return token
        return found[0] if len(found) == 1 and word != "axes" else tuple(found)

    def shape(self):
        found = [int(self.next)]
        self.at += 1
        while self.skip("×"):
            found.append(int(self.next))
            self.at += 1
        return tuple(found)

    def index(self):
        self.take("[")
        parts = []
        while not self.skip("]"):
            if self.skip("..."):
                parts.append(Ellipsis)
            elif self.skip("new"):
                parts.append(None)
            elif self.next == ":" or self.next[0].isdigit() or self.next in ("−", "-"):
                parts.append(self.slice())
            else:
                parts.append(np.asarray(self.sum()))
                if parts[-1].dtype.kind == "f":
                    parts[-1] = parts[-1].astype(int)
            self.skip(",")
        return tuple(parts)

    def slice(self):
        ends, colons = [None], 0
        while self.next not in (",", "]"):
            if self.skip(":"):
                ends.append(None)
                colons += 1
            else:
                sign = -1 if self.skip("−", "-") else 1
                ends[-1] = sign * int(self.next)
                self.at += 1
        return slice(*ends) if colons else ends[0]


def evaluated(text, letters, dots=(), functions=None):
    """The value of a formula."""
    return Reader(text, letters, dots, functions).value()
