"""Are the equations of a step those that it computes, and can they be set?"""

import re

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, named, nn, stack, tanh
from tinygrad_rnn import equations as equations_of

RNN = r"""\begin{align*}
  h_{-1} &= 0 \\
  a_t &= x_t\, W + h_{t-1}\, U + b \\
  h_t &= \tanh(a_t) \\
  L &= \sum_{t=0}^{T-1} \mathbf{1}^\top (h_t \odot y_t)\, \mathbf{1}
\end{align*}
\begin{align*}
  \bar a_T &= 0 \\
  \bar h_t &= y_t + \bar a_{t+1}\, U^\top \\
  \bar a_t &= \bar h_t \odot (1 - h_t^2) \\
  \bar W &= \sum_{t=0}^{T-1} x_t^\top\, \bar a_t \\
  \bar U &= \sum_{t=0}^{T-1} h_{t-1}^\top\, \bar a_t \\
  \bar b &= \sum_{t=0}^{T-1} \mathbf{1}^\top \bar a_t
\end{align*}
"""
MACROS = {
    "bar", "sigma", "tanh", "odot", "sum", "top", "frac", "log", "mathrm", "mathbf", "ell", "dots",
    "begin", "end", "qquad", "quad", "delta", "sqrt", "infty", "leq", "geq", "neq", "cdot", "exp",
    "max", "min", "left", "right",
}  # fmt: skip
CELLS = [
    nn.RNNCell, nn.IRNNCell, nn.LSTMCell, nn.PeepholeLSTMCell, nn.CoupledLSTMCell, nn.GRUCell,
    nn.LayerNormLSTMCell, nn.MultiplicativeLSTMCell, nn.MGUCell, nn.JANETCell, nn.MUT1Cell,
]  # fmt: skip


class Model(nn.Module):
    def __init__(self, *cells):
        self.cells = list(cells)
        self.readout = nn.Linear(4, 3, rng=9)


def through(m, xs, **options):
    for cell in m.cells:
        xs = stack(nn.unroll(cell, xs, **options)[0])
    return xs


def language_model(m, x, y):
    return nn.cross_entropy(m.readout(through(m, x)), y)


def stepwise(m, x, y):
    total = 0.0
    outputs, _ = nn.unroll(m.cells[0], x)
    for t, h in enumerate(outputs):
        total = total + nn.cross_entropy(m.readout(h), y[t])
    return total / len(outputs)


def last_only(m, x, y):
    return nn.mse_loss(nn.unroll(m.cells[0], x)[0][-1], x[0])


def cut(m, x, y):
    return nn.cross_entropy(m.readout(through(m, x, truncate=2)), y)


def padded(m, x, y, lengths):
    return nn.cross_entropy(m.readout(through(m, x, lengths=lengths)), y)


def both_ways(m, x, y):
    forth, _ = nn.unroll(m.cells[0], x)
    back, _ = nn.unroll(m.cells[1], x, reverse=True)
    return nn.cross_entropy(m.readout(stack(forth) + stack(back)), y)


def plain(p, x, y):
    def cell(x, h):
        return named(h=tanh(x @ p["W"] + h @ p["U"] + p["b"]))

    return (stack(nn.unroll(cell, x, np.zeros((2, 4)))[0]) * y).sum()


def sequence(T):
    rng = np.random.default_rng(T)
    return rng.standard_normal((T, 2, 4)), rng.integers(3, size=(T, 2))


def stepped(loss_fn, model, *args):
    step = compile(loss_fn)
    step(model, *args)
    assert not step.reason
    return step


EVERY = [
    *(pytest.param(language_model, Model(cell(4, 4, rng=0)), id=cell.__name__) for cell in CELLS),
    pytest.param(stepwise, Model(nn.LSTMCell(4, 4, rng=0)), id="stepwise"),
    pytest.param(
        language_model, Model(nn.LSTMCell(4, 4, rng=0), nn.GRUCell(4, 4, rng=1)), id="two layers"
    ),
    pytest.param(last_only, Model(nn.RNNCell(4, 4, rng=0)), id="last only"),
    pytest.param(cut, Model(nn.LSTMCell(4, 4, rng=0)), id="cut"),
    pytest.param(
        both_ways, Model(nn.RNNCell(4, 4, rng=0), nn.GRUCell(4, 4, rng=1)), id="both ways"
    ),
]


def equations(text):
    """Each equation by its left side, forward and backward."""
    return [
        dict(line.split(" &= ", 1) for line in re.split(r" \\\\\n  (?!&)", block.strip()))
        for block in re.findall(r"\\begin{align\*}(.*?)\\end{align\*}", text, re.DOTALL)
    ]


def test_the_equations_of_an_rnn_are_those_derived_by_hand():
    rng = np.random.default_rng(0)
    p = {name: Tensor(rng.standard_normal((4, 4))) for name in "WU"} | {"b": Tensor(np.zeros(4))}
    x, _ = sequence(5)
    text = stepped(plain, p, x, x + 1).latex
    assert text.startswith("% \\bar x is the gradient of the loss L with respect to x")
    assert text[text.index("\\begin") :] == RNN


def test_each_letter_of_an_lstm_has_one_equation_forward_and_one_backward():
    text = stepped(language_model, Model(nn.LSTMCell(4, 4, rng=0)), *sequence(5)).latex
    forward, backward = equations(text)
    for letter in "ifgoch":
        assert text.count(f"\n  {letter}_t &=") == text.count(f"\n  \\bar {letter}_t &=") == 1
        assert f"{letter}_t" in forward
        assert f"\\bar {letter}_t" in backward
    assert backward["\\bar W_h"] == "\\sum_{t=0}^{T-1} h_{t-1}^\\top\\, \\bar a_t"
    assert len(forward) + len(backward) <= 30


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("loss_fn", "model"), EVERY)
def test_the_text_is_the_same_every_time_and_for_every_length(loss_fn, model):
    assert len({stepped(loss_fn, model, *sequence(T)).latex for T in (7, 7, 10)}) == 1


@pytest.mark.parametrize(("loss_fn", "model"), EVERY)
def test_every_equation_is_made_of_few_macros_and_closes_its_brackets(loss_fn, model):
    text = stepped(loss_fn, model, *sequence(7)).latex
    body = text[text.index("\\begin") :]
    assert set(re.findall(r"\\([A-Za-z]+)", body)) <= MACROS
    for block in equations(text):
        for left, right in block.items():
            for opening, closing in ("{}", "()", "[]"):
                assert f"{left}{right}".count(opening) == f"{left}{right}".count(closing)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("loss_fn", "model"), EVERY)
def test_every_equation_can_be_set(loss_fn, model):
    parser = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    for block in equations(stepped(loss_fn, model, *sequence(7)).latex):
        for left, right in block.items():
            for part in (left, *right.split("\\\\\n  &\\quad")):
                parser.parse(f"${part.strip()}$")


def test_lengths_are_compared_with_the_step():
    step = stepped(padded, Model(nn.RNNCell(4, 4, rng=0)), *sequence(7), np.array([7, 4]))
    assert "\\mathbf{1}[\\mathrm{lengths} > t]" in step.latex
    assert "K" not in step.latex


def test_what_is_given_beside_the_loss_has_no_gradient():
    def with_state(m, x, y, first):
        outputs, last = nn.unroll(m.cells[0], x, first)
        return nn.cross_entropy(m.readout(stack(outputs)), y), last

    text = stepped(with_state, Model(nn.RNNCell(4, 4, rng=0)), *sequence(5), np.ones((2, 4))).latex
    forward, backward = equations(text)
    assert forward["h_{-1}"] == "\\mathrm{first}"
    assert "h_{T-1}" in forward.values()
    assert [left for left in backward if left.startswith("\\bar x")] == []


def test_without_loops_each_step_is_written_out():
    m = Model(nn.RNNCell(4, 4, rng=0))
    step = compile(language_model, without=("loops",))
    step(m, *sequence(4))
    forward, backward = equations(step.latex)
    assert sum(left.startswith("h") for left in forward) == 4
    assert sum(left.startswith("\\bar h") for left in backward) == 4


def test_what_is_not_compiled_has_no_equations():
    assert compile(language_model).latex == ""


# -- what they mean -------------------------------------------------------------------------------


class Meaning:
    """Computes what the equations say, formula by formula, past the program."""

    def __init__(self, equations, arrays):
        self.e, self.notation = equations, equations.notation
        self.known = dict(zip(equations.leaves, arrays, strict=True)) | self.notation.constants
        self.lines = {q.value: q for q in equations.equations}
        self.zeros = {(v, self.time(step, 0)) for v, step in equations.zeros}
        self.zeros |= {
            (q.value, self.time(step, 0))
            for q in equations.equations
            for step, f in q.starts
            if f.what == 0
        }
        self.counts = {name: n for n, name in self.notation.counts.items()}
        self.done = {}

    def time(self, step, t):
        ends = {name: hi + 1 for hi, name in self.notation.ends.items()}
        return step.sign * (t or 0) + step.shift + ends.get(step.end, 0)

    def line(self, v, t):
        if (v, t) not in self.done:
            q = self.lines[v]
            first = [f for step, f in q.starts if self.time(step, 0) == t]
            x = np.asarray(self(first[0] if first else q.formula, t))
            size = np.prod(v.shape)
            self.done[v, t] = x.reshape(v.shape) if x.size == size else np.broadcast_to(x, v.shape)
        return self.done[v, t]

    def letter(self, v, t):
        if v in self.known:
            return self.known[v] if t is None else self.known[v][t]
        if v not in self.e.parts:
            return self.line(v, t)
        source, k = self.e.parts[v]
        n = v.shape[-1]
        return self.letter(source, t)[..., k * n : (k + 1) * n]

    def transposed(self, a):
        """A vector is a row."""
        if a.ndim == 1:
            return a[:, None]
        return a[:, 0] if a.shape[1] == 1 else a.T

    def __call__(self, x, t):
        if x.head == "number":
            return float(x.what)
        gone = {y for y in x.letters() if y.step and (y.what, self.time(y.step, t)) in self.zeros}
        if x.vanishes(gone):  # whatever it is multiplied with, which may not exist
            return 0.0
        if x.head == "letter":
            return self.letter(x.what, self.time(x.step, t) if x.step else None)
        if x.head == "inverse":
            return 1 / self.counts[x.what]
        if x.head == "over":
            first, last = (self.time(step, 0) for step in x.what)
            return sum(self(x.parts[0], k) for k in range(first, last + 1))
        a, *rest = parts = [self(p, t) for p in x.parts]
        return {
            "sum": lambda: sum(rest, a),
            "product": lambda: np.prod(np.broadcast_arrays(*parts), axis=0),
            "one_hot": lambda: np.eye(x.what)[a],
            "index": lambda: a[np.arange(len(a)), rest[0]],
            "square": lambda: a * a,
            "matmul": lambda: a @ rest[0],
            "transpose": lambda: self.transposed(a),
            "broadcast": lambda: np.broadcast_to(a, x.what[1]),
            "quotient": lambda: a / rest[0],
            "row": lambda: np.concatenate(parts, -1),
            "rows": lambda: a.sum(0, keepdims=a.ndim > 1),
            "columns": lambda: a.sum(-1, keepdims=True),
            "tanh": lambda: np.tanh(a),
            "sigmoid": lambda: 1 / (1 + np.exp(-a)),
            "relu": lambda: np.maximum(a, 0),
            "greater": lambda: (a > rest[0]) * 1.0,
            "sqrt": lambda: np.sqrt(a),
            "softmax": lambda: np.exp(a) / np.exp(a).sum(-1, keepdims=True),
            "log_softmax": lambda: a - np.log(np.exp(a).sum(-1, keepdims=True)),
        }[x.head]()


@pytest.mark.parametrize(("loss_fn", "model"), EVERY)
def test_the_equations_mean_the_loss_and_its_gradients(loss_fn, model):
    x, y = sequence(6)
    step = compile(loss_fn)
    loss, grads = step(model, x, y)
    e = step._last.full.equations
    meaning = Meaning(e, [*(p.data for p in model.parameters()), x, y])
    for v, expected in zip(e.outputs, [loss, *grads.values()], strict=True):
        np.testing.assert_allclose(meaning.line(v, None), expected, atol=1e-12)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", nn.cells_of(nn).values(), ids=lambda kind: kind.__name__)
def test_the_equations_of_every_cell_can_be_set(kind):
    parser = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    try:
        text = equations_of(kind)
    except ValueError as error:
        pytest.skip(str(error))
    for block in equations(text):
        for left, right in block.items():
            for line in f"{left} = {right}".replace("\\\\\n  &\\quad", "\n").split("\n"):
                parser.parse(f"${line}$")
