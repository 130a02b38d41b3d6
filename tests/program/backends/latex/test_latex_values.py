"""Is the loss, computed from its equations as they are printed, the loss?

The text is all that is read: a parser by recursive descent makes functions of its formulas. It is
told the values of the letters that are arguments, how long time is, how many numbers a mean is
over, and the shapes of what begins with 0. What has one axis is a row, as the text says.
"""

import importlib.util
import math
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from enrolled import every_sample
from operations import IN_TIME, OF_ARRAYS, alone, in_time, is_half

import tinygrad_rnn as rnn
from tinygrad_rnn import Tensor, ancestors, compile, named, nn, scope, stack, tanh
from tinygrad_rnn.program.formula.letters import Letter

TOKEN = re.compile(
    r"\s*(?:(\\mathrm\{[^{}]*\}|\\[A-Za-z]+|\\[,;]|\d+\.?\d*|[A-Za-z]'*|[-+=<>()\[\]{}_^|,:.]))"
)
GREEK = frozenset(
    re.findall(
        "[a-z]+",
        "alpha beta gamma delta epsilon theta kappa lambda mu rho sigma tau phi psi omega zeta eta "
        "xi nu ell",
    )
)
TESTS = Path(__file__).parents[3]
ONES = object()  # a column of ones, as long as need be


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def log_softmax(x, axis=-1):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def logsumexp(x, axis=None):
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    y = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return np.squeeze(y, axis=axis)


def extreme(pair, alone):
    return lambda *xs, axis=None: pair(*xs) if len(xs) > 1 else alone(xs[0], axis=axis)


FUNCTIONS = {
    r"\tanh": np.tanh, r"\sigma": lambda x: 1 / (1 + np.exp(-x)), r"\exp": np.exp, r"\log": np.log,
    r"\sin": np.sin, r"\cos": np.cos, r"\max": extreme(np.maximum, np.max),
    r"\min": extreme(np.minimum, np.min), "softmax": softmax, "log softmax": log_softmax,
    r"\tan": np.tan, r"\arctan": np.arctan, r"\sinh": np.sinh, r"\cosh": np.cosh,
    "sign": np.sign, "erf": np.vectorize(math.erf, otypes=[float]), "log2": np.log2,
    "log10": np.log10, "cumsum": lambda x, axis: np.cumsum(x, *axis),
    "logsumexp": logsumexp, "log1p": np.log1p, "expm1": np.expm1,
    "relu": lambda x: np.maximum(x, 0), "softplus": lambda x: np.logaddexp(x, 0),
    "where": np.where, "matmul": np.matmul, "logical or": np.logical_or,
    "sum": lambda x, axis: np.sum(x, axis=axis),
    "broadcast": lambda x, axis: np.broadcast_to(x, axis),
    "reshape": lambda x, axis: np.reshape(x, axis),
    "transpose": lambda x, axis: np.transpose(x, axis),
    "concatenate": lambda *xs, axis: np.concatenate(xs, axis[0]),
    "stack": lambda *xs, axis: np.stack(xs, axis[0]),
}  # fmt: skip
FUNCTIONS |= {
    name: (lambda x, name=name: np.asarray(x).astype(name))
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint64", "float32", "float64")
}
RELATIONS = {"<": np.less, ">": np.greater, r"\leq": np.less_equal, r"\geq": np.greater_equal,
             "=": np.equal, r"\neq": np.not_equal}  # fmt: skip


def transposed(x):
    x = np.asarray(x)
    if x.ndim == 1:
        return x[:, None]
    return x[:, 0] if x.ndim == 2 and x.shape[1] == 1 else x.T


def multiplied(a, b):
    """What two factors side by side are: a number times something, sums, or a product."""
    if b is ONES:
        return a.sum(-1) if a.ndim == 1 else a.sum(-1, keepdims=True)
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if b.ndim == 1:  # a row
        return a @ b[None]
    return a @ b


class Parser:
    """Formulas as functions of t, which ask `text` for the values of letters."""

    def __init__(self, tex, text):
        self.tokens, at = [], 0
        tex = tex.rstrip()
        while at < len(tex):
            found = TOKEN.match(tex, at)
            assert found, tex[at:]
            if found[1] not in (r"\left", r"\right"):  # of a bracket, how high it is
                self.tokens.append(found[1])
            at = found.end()
        self.at, self.text = 0, text

    # -- tokens -------------------------------------------------------------------------------

    @property
    def next(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected):
        token = self.next
        assert token in (expected or (token or None,)), (token, expected, self.tokens)
        self.at += 1
        return token

    def skip(self, token):
        found = self.next == token
        self.at += found
        return found

    def braced(self):
        """The text in braces, or a single token."""
        if not self.skip("{"):
            return self.take()
        depth, found = 1, []
        while depth:
            token = self.take()
            depth += (token == "{") - (token == "}")
            found.append(token)
        return "".join(found[:-1])

    def group(self):
        """A formula in braces, or a single token."""
        if self.skip("{"):
            found = self.sum()
            self.take("}")
            return found
        return self.atom()

    # -- formulas -----------------------------------------------------------------------------

    def whole(self):
        found = self.sum()
        assert not self.next, self.tokens[self.at :]
        return found

    def sum(self):
        terms = [self.term(-1 if self.skip("-") else 1)]
        while self.next in ("+", "-"):
            terms.append(self.term(1 if self.take() == "+" else -1))
        return lambda t: sum((f(t) for f in terms[1:]), terms[0](t))

    def term(self, sign):
        f = self.product()
        return f if sign == 1 else lambda t: f(t) * np.int64(-1)

    def product(self):
        f = self.factor()
        while True:
            if self.skip(r"\odot") or self.skip(r"\cdot"):
                f = self.both(f, self.factor(), lambda a, b: a * b)
            elif self.skip(r"\bmod"):
                f = self.both(f, self.factor(), np.mod)
            elif self.skip(r"\,"):
                f = self.both(f, self.factor(), multiplied)
            elif self.next and (self.next[0].isalpha() or self.next == r"\sum"):  # 2N in a fraction
                f = self.both(f, self.factor(), lambda a, b: a * b)
            else:
                return f

    def both(self, f, g, operation):
        return lambda t: operation(f(t), g(t))

    def factor(self):
        f = self.atom()
        while True:
            if self.skip("["):
                f = self.indexed(f, self.items())
            elif self.next == "^" and self.tokens[self.at + 1] == r"\top":
                self.at += 2
                f = self.of(transposed, f)
            elif self.skip("^"):
                f = self.both(f, self.group(), lambda a, b: (a * 1.0) ** b)
            elif self.next == "_" and self.tokens[self.at + 1 : self.at + 4] == ["{", "t", "="]:
                self.take()
                f = self.over_time(f, np.stack)
            else:
                return f

    def of(self, operation, *fs, **options):
        return lambda t: operation(*(f(t) for f in fs), **options)

    def over_time(self, f, together):
        """Of a formula for the steps that stand below."""
        first, _, last = self.braced().removeprefix("t=").partition(r",\dots,")
        if not last:
            self.take("^")
            last = self.braced()
        first, last = (self.text.moment(x) for x in (first, last))
        return lambda t: together([np.asarray(f(k)) for k in range(first, last + 1)])

    def atom(self):
        token = self.take()
        if token[0].isdigit():
            value = int(token) if token.isdigit() else float(token)
            return lambda t: np.asarray(value)
        if token == "(":
            f = self.sum()
            self.take(")")
            return f
        if token == "|":
            f = self.sum()
            self.take("|")
            return self.of(np.abs, f)
        if token == r"\lfloor":
            f = self.sum()
            self.take(r"\rfloor")
            return self.of(np.floor, f)
        if token == "[":
            fs = self.several("]")
            return self.of(lambda *xs: np.concatenate([np.atleast_1d(x) for x in xs], -1), *fs)
        if token == r"\infty":
            return lambda t: np.asarray(np.inf)
        if token == r"\frac":
            return self.both(self.group(), self.group(), lambda a, b: a / b)
        if token == r"\sqrt":
            return self.of(np.sqrt, self.group())
        if token == r"\sum":
            self.take("_")
            at = self.at
            self.braced()
            self.take("^")
            self.braced()
            f, end = self.product(), self.at
            self.at = at
            found = self.over_time(f, lambda xs: sum(xs[1:], xs[0]))
            self.at = end
            return found
        if token == r"\mathbf":
            return self.ones()
        return self.function(token) or self.letter(token)

    def several(self, end):
        found = [self.sum()]
        while self.skip(","):
            self.skip(r"\;")
            found.append(self.sum())
        self.take(end)
        return found

    def ones(self):
        if self.braced() == "0":
            self.take("_")
            shape = tuple(map(int, self.braced().split(r"\times")))
            return lambda t: np.zeros(shape)
        if self.skip("["):
            f, relation = self.sum(), RELATIONS[self.take()]
            g = self.sum()
            self.take("]")
            return self.both(f, g, lambda a, b: relation(a, b) * 1)
        if self.skip("_"):
            shape = tuple(map(int, self.braced().split(r"\times")))
            return lambda t: np.ones(shape)
        if self.skip("^"):
            self.take(r"\top")
            return self.of(lambda x: x.sum(0), self.factor())
        return lambda t: ONES

    def function(self, token):
        start, name = self.at, token
        if token == r"\log" and self.next == r"\mathrm{softmax}":
            name = f"log {self.take()[8:-1]}"
        elif token == r"\log" and self.skip("_"):
            name = f"log{self.braced()}"
        elif token[:8] == r"\mathrm{":
            name = token[8:-1]
        axis = power = None
        if name == "put" and re.match(r"_ \{ \d+ [\d, ]*\} \[", " ".join(self.tokens[start:])):
            return self.put()
        if name in FUNCTIONS and self.skip("_"):
            axis = self.braced()
        if name in FUNCTIONS and self.skip("^"):
            power = self.transposing() if self.next == r"\top" else self.group()
        if name not in FUNCTIONS or not self.skip("("):
            self.at = start
            return None
        axes = () if axis is None else tuple(map(int, axis.split(",")))
        single = len(axes) == 1 and name in ("softmax", "log softmax")
        options = {} if axis is None else {"axis": axes[0] if single else axes}
        f = self.of(FUNCTIONS[name], *self.several(")"), **options)
        if power is None:
            return f
        return self.of(transposed, f) if power is transposed else self.both(f, power, np.power)

    def transposing(self):
        self.take()
        return transposed

    def put(self):
        self.take("_")
        shape = tuple(map(int, self.braced().split(",")))
        self.take("[")
        items = self.items()
        self.take("(")
        f = self.sum()
        self.take(")")

        def placed(t):
            y = np.zeros(shape)
            np.add.at(y, self.index(items, t), f(t))
            return y

        return placed

    # -- indices ------------------------------------------------------------------------------

    def items(self):
        """The parts of an index, as texts or formulas, up to its bracket."""
        found, depth, words = [], 0, []
        while True:
            token = self.take()
            if depth == 0 and token in (",", "]"):
                found.append(self.item(words))
                words = []
                if token == "]":
                    return found
                continue
            depth += (token in "([{") - (token in ")]}") if len(token) == 1 else 0
            words.append(token)

    def item(self, words):
        text = "".join(words)
        if re.fullmatch(r"-?\d*:-?\d*(:-?\d*)?", text):
            part = slice(*(int(x) if x else None for x in text.split(":")))
            return lambda t: part
        known = {r"\cdot": "rows", r"\dots": ..., r"\mathrm{new}": None}
        if text in known:
            return lambda t: known[text]
        inner = Parser("", self.text)
        inner.tokens = words
        f = inner.whole()
        return lambda t: f(t)

    def index(self, items, t):
        parts = [item(t) for item in items]
        rows = [k for k, p in enumerate(parts) if isinstance(p, str)]
        if rows:  # what the last array says of each row
            width = parts[-1].ndim
            for k in rows:
                n = parts[-1].shape[k]
                parts[k] = np.arange(n).reshape([-1 if j == k else 1 for j in range(width)])
        return tuple(int(p) if isinstance(p, np.ndarray) and not p.ndim else p for p in parts)

    def indexed(self, f, items):
        return lambda t: np.asarray(f(t)[self.index(items, t)])

    # -- letters ------------------------------------------------------------------------------

    def letter(self, token):
        if token == "t" and self.next not in ("_", "^"):
            return lambda t: np.asarray(t)
        base, below, above = token, "", ""
        if token == r"\bar":
            base += self.take()
        if self.skip("_"):
            below = self.braced()
        if self.next == "^" and self.tokens[self.at + 1 : self.at + 3] == ["{", "("]:
            self.take()
            above = self.braced()
        assert base[0] != "\\" or base[:8] == r"\mathrm{" or base[1:] in GREEK or "bar" in base
        return lambda t: self.text.value(base, below, above, t)


class Text:
    """The equations of a loss as text, and the values of what they are of."""

    def __init__(self, tex, known, lengths, shapes):
        self.shapes = {self.key(name): shape for name, shape in shapes.items()}
        self.lengths, self.known, self.done = lengths, {}, {}
        for name, x in known.items():
            key = self.key(name)
            assert key not in self.known, f"{name} stands for two things"
            self.known[key] = x
        self.lines, self.starts, self.parts = {}, {}, {}
        for whole, parts in re.findall(r"^% (.*) = \[(.*)\] in equal parts\.$", tex, re.MULTILINE):
            names = parts.split(", ")
            for k, part in enumerate(names):
                if part != ".":
                    self.parts[self.stepped(part)[0]] = self.stepped(whole), k, len(names)
        block = re.search(r"\\begin{align\*}(.*?)\\end{align\*}", tex, re.DOTALL)[1]
        for line in re.split(r"\\\\\n(?!  &\\quad)", block):
            left, right = re.sub(r"\\\\\n  &\\quad", " ", line).split("&=", 1)
            right = re.sub(r"\\qquad \(t = .*\)$", "", right.strip())
            f = Parser(right, self).whole()
            for name in left.split(" = "):
                self.add(name.strip(), f)

    def add(self, name, f):
        key, step = self.stepped(name)
        if step is None or "t" in step:
            assert key not in self.lines, f"{name} has two lines"
            assert key not in self.known, f"{name} is known"
            self.lines[key] = f, step
        else:
            self.starts[key, self.moment(step)] = f

    def key(self, name):
        """A letter: what it is, what stands below, and above."""
        p = Parser(name, self)
        base, below, above = p.take(), "", ""
        base += p.take() if base == r"\bar" else ""
        if p.skip("_"):
            below = p.braced()
        if p.skip("^"):
            above = p.braced()
        assert not p.next, name
        return base, below, above

    def stepped(self, name):
        """A letter without its step, and the step."""
        base, below, above = self.key(name)
        if (base, below, above) in self.known:
            return (base, below, above), None
        head, comma, step = below.rpartition(",")
        words = bool(re.fullmatch(r"[-+\dtT']+", step if comma else below))
        if not words:
            return (base, below, above), None
        return ((base, head, above), step) if comma else ((base, "", above), below)

    def moment(self, text, t=None):
        text = re.sub(r"(\d)t", r"\1*t", text)
        names = re.sub(r"T'*", lambda m: str(self.lengths[m[0]]), text)
        return eval(names, {"t": t})

    def value(self, base, below, above, t):
        name = f"{base}_{below}" if below else base
        if not above and name in self.lengths:
            return np.asarray(self.lengths[name])
        if (base, below, above) in self.known:
            return self.known[base, below, above]
        head, comma, step = below.rpartition(",")
        if comma or below:
            key = (base, head, above)
            try:
                at = self.moment(step, t)
            except (SyntaxError, NameError, TypeError):
                return self.line((base, below, above), None)
            return self.known[key][at] if key in self.known else self.line(key, at)
        return self.line((base, "", above), None)

    def line(self, key, at):
        if (key, at) not in self.done:
            if key in self.parts:
                (whole, step), k, n = self.parts[key]
                at_whole = None if at is None else self.moment(step, at)
                x = (
                    self.line(whole, at_whole)
                    if whole not in self.known
                    else (self.known[whole] if at is None else self.known[whole][at_whole])
                )
                width = x.shape[-1] // n
                self.done[key, at] = x[..., k * width : (k + 1) * width]
            elif (key, at) in self.starts:
                first = np.asarray(self.starts[key, at](None))
                self.done[key, at] = np.broadcast_to(first, self.shapes[key])
            else:
                f, step = self.lines[key]
                assert step in (None, "t"), step
                if step is None and at is not None:  # of an array over time
                    return self.line(key, None)[at]
                x = np.asarray(f(at))
                known = not x.ndim and key in self.shapes  # 0, in its shape
                self.done[key, at] = np.broadcast_to(x, self.shapes[key]) if known else x
        return self.done[key, at]

    @property
    def loss(self):
        return self.line(("L", "", ""), None)


def loss_by_text(step, params, *args):
    """What the printed equations of a step say that its loss is."""
    e = step._last.full.equations
    _, arrays = step.signature(params, *args)
    known = {e.names[v].tex(): np.asarray(x) for v, x in zip(e.leaves, arrays, strict=True)}
    for key, x in e.notation.constants.items():
        if key in e.names:
            known[e.names[key].tex()] = x
    lengths = {name: hi + 1 for hi, name in e.notation.ends.items()}
    lengths |= {re.sub(r"_(\d+)$", r"_\1", name): n for n, name in e.notation.counts.items()}
    lines = [q for q in e.equations if q.starts or not q.formula.size]
    shapes = {e.names[q.value].tex(): q.value.shape for q in lines if q.value in e.forward}
    return Text(step.latex, known, lengths, shapes).loss


def agree(f, params, *args, rtol=1e-10):
    step = compile(f)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        step(params, *args)
        assert not step.reason
        exact = f(params, *map(Tensor, args))
        exact = exact[0] if type(exact) is tuple else exact
        found = loss_by_text(step, params, *args)
    scale = max(1.0, abs(float(exact.data))) if np.isfinite(exact.data) else 1.0
    np.testing.assert_allclose(found.reshape(()), exact.data, rtol=rtol, atol=rtol * scale,
                               err_msg=step.latex)  # fmt: skip
    return step


# -- cells ----------------------------------------------------------------------------------------


def module_of(*path):
    """Another file of tests."""
    spec = importlib.util.spec_from_file_location(path[-1][:-3], TESTS.joinpath(*path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@every_sample()
def test_the_loss_through_every_cell(sample):
    class Model(nn.Module):
        def __init__(self):
            self.cell, _, _ = sample()

    def through(m, x):
        outputs, _ = nn.unroll(m.cell, x)
        return (stack(outputs) * 0.7 + 0.1).sum()

    if not nn.Module.parameters(Model()):
        return  # an echo state has none to learn

    def over_a_tree(m, x):
        outputs, _ = nn.unroll_tree(m.cell, [x[0], [x[1]], [x[2]]])
        return (stack(outputs) * 0.7 + 0.1).sum()

    _, xs, _ = sample()
    if "Tree" in sample.kind.__name__:
        agree(over_a_tree, Model(), xs[:, 0])
    else:
        agree(through, Model(), np.concatenate([xs, -xs[::-1]]))


# -- losses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_the_loss_of_operations(name):
    agree(*alone(name), rtol=1e-6 if is_half(name) else 1e-10)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", IN_TIME)
def test_the_loss_of_operations_in_time(name):
    agree(*in_time(name), rtol=1e-6 if is_half(name) else 1e-10)


def test_a_conversion_is_said():
    step = agree(lambda p: (rnn.astype(p["w"] * 5, dtype=np.int64) * 1.2 * p["w"]).sum(),
                 {"w": Tensor(np.linspace(0, 1, 5))})  # fmt: skip
    assert r"\mathrm{int64}(5\, w)" in step.latex


@pytest.mark.parametrize("block", range(4))
def test_random_losses(block):
    random_programs = module_of("program", "test_random_programs.py")
    for seed in range(block * 15, (block + 1) * 15):
        f = random_programs.Drawn(seed)
        p, args = f.values(0)
        single = any(x.dtype == np.float32 for x in ancestors(f(p, *map(Tensor, args))[0]))
        agree(f, p, *args, rtol=1e-4 if single else 1e-10)


# -- names ----------------------------------------------------------------------------------------

NAMES = [
    "_", "__", "_x", "x_", "x__y", "_x_y", "x_y", "1", "12", "1st", "x1", "x_1", "x_t", "x_T", "t",
    "T", "N", "L", "K", "k", "delta", "sigma", "ell", "loss", "bar", "softmax", "exp", "max", "NaN",
    "log", "put", "α", "β_γ", "größe", "名", "x y", "%", "a&b", "#1", "\\", "{", "}", "^", "~",
    "$x$", "x^2", "x{y}", "é", "W_h", "W_h_1", "W_ h", "int64", "infty", "cdot", "1_2", "x.y",
    "cell.0.W", "\n", "T'", "x'", "a_b_c_d", "Ω", "ο", "x̄",
]  # fmt: skip


def of_names(u, v, h, y):
    """Arguments and values with these names."""

    def f(p, xs):
        state, total = Tensor(np.zeros((2, 3))), 0.0
        for t in range(len(xs)):
            with scope("cell", t=t):
                state = named(**{h: tanh(xs[t] * p[u] + state @ p[v])})
                total = total + state.sum()
        last = named(**{y: state @ p[v]})
        return total + (last * last * np.arange(1.0, 4.0) * 0.31).sum()

    return f


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_of_any_characters_is_a_letter(name):
    rng = np.random.default_rng(0)
    for k in (0, 2):
        names = ["u", "v", "h", "y"]
        names[k] = name
        p = {names[0]: Tensor(rng.uniform(size=3)), names[1]: Tensor(rng.uniform(size=(3, 3)))}
        step = agree(of_names(*names), p, rng.uniform(size=(5, 2, 3)))
        for letter in re.findall(r"[^ -~\n]", step.latex):
            raise AssertionError(letter)


def test_many_names_at_once_are_many_letters():
    rng = np.random.default_rng(0)
    p = {name: Tensor(rng.uniform(size=3)) for name in NAMES}

    def f(p, xs):
        total = 0.0
        for t in range(len(xs)):
            with scope("cell", t=t):
                for name in NAMES:
                    total = total + named(**{name: xs[t] * p[name]}).sum()
        return total + (xs[0] * np.array([0.3, 0.1, 0.7])).sum() / 3

    step = agree(f, p, rng.uniform(size=(4, 3)))
    e = step._last.full.equations
    texts = [letter.tex() for letter in e.names.values()]
    assert len(set(texts)) == len(texts)


def test_what_is_called_so_can_be_set():
    parser = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    for name in NAMES:
        letter = Letter.of(name)
        for text in (letter, letter.labelled(name), letter._replace(bar=True)):
            parser.parse(f"${text.tex('t')}$")
