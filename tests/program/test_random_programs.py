"""Is a program what the function is, whatever the function, the dtypes and the later values?

A function is drawn by a number: the same operations whenever it runs, chosen by shapes and dtypes
alone. Its program is called several times, on values drawn anew each time: indices that coincide,
that are all the same, or negative.
"""

import random
import warnings

import numpy as np
import pytest

import tinygrad_rnn as rnn
from tinygrad_rnn import Tensor, compile, grad, nn, scope
from tinygrad_rnn.engine import primitives
from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.engine.tensor import values

SIZES = (1, 2, 3, 4)
FLOATS = ("float64", "float64", "float64", "float32")
WHOLE = ("int64", "int64", "int32", "int8", "uint8")


class Drawn:
    """A function of ``(p, args)``, and values for it."""

    def __init__(self, seed):
        self.seed = seed
        rng = random.Random(seed)
        self.T, self.n, self.m = rng.choice((2, 3, 4, 5, 7)), rng.choice(SIZES), rng.choice(SIZES)
        self.dtype = rng.choice(FLOATS)
        shapes = [(self.n, self.m), (self.m,), (self.T, self.n, self.m), (self.m, self.m), ()]
        self.params = {f"w{k}": s for k, s in enumerate(rng.sample(shapes, rng.randint(1, 4)))}
        self.params["E"] = (self.n, self.m)
        self.args = {"x": ((self.T, self.n, self.m), rng.choice([self.dtype, "float64"]))}
        self.args["mask"] = rng.choice([(self.m,), (self.n, self.m), (self.T, self.n)]), "bool"
        for k in range(rng.randint(1, 3)):
            shape = rng.choice([(), (1,), (self.m,), (self.T,), (self.T, self.n), (2, 1)])
            self.args[f"i{k}"] = shape, rng.choice(WHOLE)

    def values(self, seed):
        """Parameters and arguments; indices are those of an axis of length n, whatever it is."""
        rng = np.random.default_rng([self.seed, seed])
        p = {k: Tensor(rng.uniform(-1, 1, s).astype(self.dtype)) for k, s in self.params.items()}
        found = []
        for shape, dtype in self.args.values():
            kind = np.dtype(dtype).kind
            if kind == "f":
                x = rng.uniform(-1, 1, shape)
            elif kind == "b":
                x = rng.random(shape) < rng.choice([0.2, 0.5, 0.8])
            else:
                low, high = (0 if kind == "u" else -self.n), self.n
                x = rng.integers(low, high, shape)
                if rng.random() < 0.4:  # all the same
                    x = np.full(shape, rng.integers(low, high))
            found.append(np.asarray(x, dtype))
        return p, found

    def __call__(self, p, *args):
        return Run(self, p, args).result()


class Run:
    """One run of a drawn function: a pool of Tensors, and operations on some of them."""

    def __init__(self, f, p, args):
        self.f, self.p, self.rng = f, p, random.Random(f.seed + 1)
        self.arrays = np.random.default_rng(f.seed)  # of constants, the same in each run
        self.args, self.pool = args, [*p.values(), *args]
        self.indices = [x for x in args if x.dtype.kind in "iu"]  # of an axis of length f.n

    def steps(self, count, kinds):
        """So many operations."""
        for _ in range(count):
            for _ in range(20):  # until one fits
                found = getattr(self, self.rng.choice(kinds))()
                if found is not None:
                    break
            else:
                continue
            found = found if isinstance(found, list) else [found]
            self.pool += [x if type(x) is Tensor else Tensor(x) for x in found]  # conditions

    def result(self):
        self.steps(self.rng.randint(2, 9), KINDS)
        ends = [x for x in self.pool[len(self.p) :] if x.dtype.kind == "f"][-6:]
        loss = 0.0
        for x in ends:
            loss = loss + self.weighted(x).sum() * self.rng.choice([1, 0.5, -0.7])
        for x in self.p.values():
            loss = loss + (x * 0.1).sum()
        aux = self.pool[len(self.p) + len(self.f.args) :]
        return loss, self.rng.sample(aux, min(len(aux), 3))

    # -- choices ------------------------------------------------------------------------------

    def some(self, kinds="f", ndim=None, least=0, axis=None):
        """A Tensor of the pool, the later the likelier."""
        found = [
            x
            for x in self.pool
            if x.dtype.kind in kinds
            and (ndim is None or x.ndim == ndim)
            and x.ndim >= least
            and (axis is None or (x.ndim and x.shape[axis] == self.f.n))
        ]
        if not found:
            return None
        return found[min(int(self.rng.triangular(0, len(found), len(found))), len(found) - 1)]

    def weighted(self, x):
        if self.rng.random() < 0.5 or not x.ndim:
            return x * x if self.rng.random() < 0.5 else x
        return x * self.arrays.uniform(-1, 1, x.shape).astype(x.dtype)

    def beside(self, x, kinds="f"):
        """Another one, or a constant, that broadcasts with `x`."""
        found = [y for y in self.pool if y.dtype.kind in kinds and fits(x.shape, y.shape)]
        kind = self.rng.random()
        if kind < 0.15 or not found:
            shape = self.rng.choice([x.shape, x.shape[-1:], ()])
            y = self.arrays.uniform(-1, 1, shape).astype(x.dtype)
            return y if "f" in kinds else y > 0
        if kind < 0.25 and "f" in kinds:
            return self.rng.choice([0.5, 2, -1.3, 1])
        return self.rng.choice(found)

    # -- element by element -------------------------------------------------------------------

    def one(self):
        x = self.some()
        return self.rng.choice([
            rnn.tanh, rnn.sigmoid, rnn.sin, rnn.cos, rnn.relu, rnn.softplus, rnn.absolute,
            rnn.negative, lambda x: rnn.exp(rnn.minimum(x, 1.0)), lambda x: rnn.expm1(-x * x),
            rnn.arctan, rnn.erf, lambda x: rnn.sign(x) * x, lambda x: rnn.log2(rnn.cosh(x)),
            lambda x: rnn.log(x * x + 0.5), lambda x: rnn.log1p(rnn.absolute(x)),
            lambda x: rnn.sqrt(x * x + 0.3), lambda x: x**2, lambda x: rnn.tanh(x) ** 3,
            lambda x: (rnn.absolute(x) + 0.4) ** 0.7, lambda x: (rnn.sigmoid(x) + 0.1) ** -1,
            lambda x: rnn.clip(x, low=-0.31, high=0.52), lambda x: rnn.clip(x, high=0.17),
            lambda x: rnn.pass_gradient(x, scale=0.5, limit=0.6), rnn.stop_gradient,
        ])(x)  # fmt: skip

    def two(self):
        x = self.some()
        y = self.beside(x)
        return rnn.tanh(self.rng.choice([
            rnn.add, rnn.subtract, rnn.multiply, rnn.multiply, rnn.maximum, rnn.minimum,
            lambda x, y: x / (y * y + 0.5), lambda x, y: (x * x + 0.4) ** y,
            lambda x, y: y - x, lambda x, y: 1.5 * y * x,
        ])(x, y)) if self.rng.random() < 0.5 else x + y  # fmt: skip

    def condition(self):
        x = self.some("fiu")
        if x.dtype.kind == "f":
            y = self.rng.choice([0.1234, -0.0321, self.beside(x) * 0.7 + 0.0123])
        else:
            y = self.rng.choice([0, 1, self.beside(x, "iu") if x.dtype.kind == "i" else 1])
            y = 0 if getattr(y, "dtype", None) == np.dtype(bool) else y
        return self.rng.choice([
            lambda a, b: a < b, lambda a, b: a <= b, lambda a, b: a > b, lambda a, b: a >= b,
            lambda a, b: a == b, lambda a, b: a != b,
        ])(x, y)  # fmt: skip

    def logic(self):
        x = self.some("b")
        y = self.beside(x, "b")
        return self.rng.choice([lambda a, b: a & b, lambda a, b: a | b, lambda a, b: ~a])(x, y)

    def choice(self):
        m = self.some("b")
        kinds = self.rng.choice(["f", "f", "i"])
        x = self.beside(m, kinds) if kinds == "f" else self.some("iu")
        y = self.beside(m, "f") if kinds == "f" else self.some("iu")
        if x is None or not fits(m.shape, np.shape(values(x)), np.shape(values(y))):
            return None
        return rnn.where(m, x, y)

    def cast(self):
        x = self.some("fiub")
        if x.dtype.kind == "f":
            to = self.rng.choice(["float32", "float64", "int64", "int8"])
            return rnn.astype(x * 3.21 if to[0] == "i" else x, dtype=to)
        return rnn.astype(
            x, dtype=self.rng.choice(["float32", "float64", "int64", "bool", "int16"])
        )

    def whole(self):
        x = self.some("iu")
        y = self.rng.choice([1, 2, 3, self.beside(x, "iu")])
        if getattr(y, "dtype", None) == np.dtype(bool):
            y = 2
        return self.rng.choice([lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b])(x, y)

    # -- along axes ---------------------------------------------------------------------------

    def axes(self, x):
        axes = self.rng.sample(range(x.ndim), self.rng.randint(1, x.ndim))
        axes = tuple(k - x.ndim * self.rng.randint(0, 1) for k in axes)
        return self.rng.choice([None, axes, axes[0]])

    def reduced(self):
        x = self.some("f" if self.rng.random() < 0.8 else "iub", least=1)
        if x is None or not x.size:
            return None
        f = self.rng.choice(["sum", "sum", "max", "min", "logsumexp", "mean"])
        if x.dtype.kind != "f":
            f = "sum"
        options = {"axis": self.axes(x), "keepdims": self.rng.random() < 0.4}
        return getattr(primitives, f)(x, **options)

    def soft(self):
        x = self.some(least=1)
        f = self.rng.choice([rnn.softmax, rnn.log_softmax])
        y = f(x * 2, axis=self.rng.choice([-1, -1, self.rng.randrange(x.ndim)]))
        return rnn.exp(y) if f is rnn.log_softmax and self.rng.random() < 0.5 else y

    # -- shapes -------------------------------------------------------------------------------

    def shaped(self):
        x = self.some("fiub", least=1)
        n, shape = x.size, x.shape
        kind = self.rng.randrange(6)
        if kind == 0:
            return x.reshape(self.rng.choice([(n,), (1, n), (n, 1), (*shape, 1), (-1, shape[-1])]))
        if kind == 1:
            axes = self.rng.sample(range(x.ndim), x.ndim)
            return rnn.transpose(x, axes=tuple(axes)) if self.rng.random() < 0.7 else x.T
        if kind == 2:
            return rnn.broadcast_to(x, shape=(self.rng.choice([1, 2, 3]), *shape))
        if kind == 3:
            return rnn.flip(x, axis=self.rng.randrange(x.ndim))
        if kind == 4 and x.ndim > 1 and x.dtype.kind == "f":
            return rnn.split(x, [x.shape[-1] // 2], axis=-1)[1]
        return x.reshape(()) if n == 1 else x.reshape((shape[0], -1))

    def joined(self):
        x = self.some("fi", least=1)
        alike = [y for y in self.pool if y.shape == x.shape and y.dtype.kind == x.dtype.kind]
        parts = [self.rng.choice(alike) for _ in range(self.rng.randint(1, 3))]
        axis = self.rng.randrange(-x.ndim, x.ndim)
        return self.rng.choice([rnn.stack, rnn.concatenate])(parts, axis=axis)

    def product(self):
        x = self.some(least=1)
        found = [
            y
            for y in self.pool
            if y.dtype.kind == "f"
            and y.ndim
            and y.shape[-2:][0] == x.shape[-1]
            and (x.ndim < 3 or y.ndim < 3 or x.shape[:-2] == y.shape[:-2])
        ]
        if not found:
            return None
        return rnn.tanh(x @ self.rng.choice(found)) * 0.9

    # -- indices ------------------------------------------------------------------------------

    def index(self, shape=None):
        """Integers in -n … n - 1: an argument, made of arguments, or a constant."""
        kind, i = self.rng.randrange(8), self.rng.choice(self.indices)
        if kind == 0:
            i = -1 - rnn.astype(i, dtype="int64")
        elif kind == 1:
            i = rnn.maximum(i, self.rng.choice(self.indices)) if self.alike(i) else i
        elif kind == 2:
            m = self.some("b")
            i = rnn.where(m, i, 0) if m.ndim == i.ndim == 1 and m.shape == i.shape else i * 1
        elif kind == 3:
            size = self.rng.choice([(), (1,), (3,), (2, 2)])
            return self.arrays.integers(-self.f.n, self.f.n, size)
        elif kind == 4:
            return list(self.arrays.permutation(self.f.n))
        elif kind == 5:
            return self.rng.randrange(-self.f.n, self.f.n)
        elif kind == 6:
            i = rnn.minimum(i + 1, self.f.n - 1)
        return i

    def alike(self, i):
        return (
            len({x.shape for x in self.indices}) == 1 and len({x.dtype for x in self.indices}) == 1
        )

    def part(self, n):
        """A slice, or an integer, of an axis of length n."""
        start, stop = (self.rng.choice([None, *range(-n - 1, n + 2)]) for _ in range(2))
        step = self.rng.choice([None, None, 1, 2, 3, -1, -2])
        part = slice(start, stop, step)
        if not len(range(*part.indices(n))):
            part = slice(None)
        return self.rng.choice([part, part, slice(None), self.rng.randrange(-n, n)])

    def sliced(self):
        x = self.some("fiub", least=1)
        parts = [self.part(n) for n in x.shape[: self.rng.randint(1, x.ndim)]]
        kind = self.rng.random()
        if kind < 0.2:
            parts.insert(self.rng.randrange(len(parts) + 1), None)
        elif kind < 0.35:
            parts = [..., self.part(x.shape[-1])]
        return x[tuple(parts)]

    def taken(self):
        x = self.some("fffffi", least=1)
        parts = [
            self.index() if n == self.f.n and self.rng.random() < 0.7 else self.part(n)
            for n in x.shape
        ]
        if self.rng.random() < 0.2:
            parts.insert(self.rng.randrange(len(parts) + 1), None)
        shapes = [np.shape(values(part)) for part in parts if not isinstance(part, slice)]
        return x[tuple(parts)] if fits((), *shapes) else None

    def twice(self):
        """Lookups of one source at places that may coincide."""
        a, b = ((self.p["E"][self.index()]) for _ in range(2))
        return [rnn.tanh(a), b * 0.8]

    def labels(self):
        x, i = self.some(ndim=2, axis=-1), [k for k in self.indices if k.ndim == 1]
        if x is None or not i or x.shape[0] != len(i[0]):
            return None
        return nn.cross_entropy(x, rnn.maximum(i[0], 0)) if self.f.n > 0 else None

    # -- time ---------------------------------------------------------------------------------

    def loop(self):
        """A recurrence that is drawn, too."""
        f, rng = self.f, self.rng
        xs = next(x for x in self.pool if x.ndim == 3 and x.shape[0] == f.T and x.dtype.kind == "f")
        n, m = xs.shape[1:]
        weights = [x for x in self.p.values() if x.shape == (m, m)]
        rows = [x for x in self.p.values() if x.shape in ((m,), ())]
        symbols = [i for i in self.indices if i.shape == (f.T,)]
        kinds = [rng.randrange(4) for _ in range(4)]
        backwards, ends = rng.random() < 0.3, rng.randrange(3)
        inner, count = rng.randrange(10**6), rng.choice([0, 0, 1, 2, 4])
        h, found, total = Tensor(np.zeros((n, m), xs.dtype)), [], 0.0
        flag = next((x for x in self.pool if x.dtype == bool and x.shape == (f.T, n)), None)
        for t in range(f.T):
            with scope("cell", t=t):
                a = xs[f.T - 1 - t] if backwards else xs[t]
                if kinds[0] and weights:
                    a = a + h @ weights[0]
                if kinds[1] and rows:
                    a = a + rows[0]
                if kinds[1] == 2 and symbols and m == f.m:
                    a = a + self.p["E"][symbols[0][t]]
                new = rnn.tanh(a) if kinds[2] else rnn.sigmoid(a) * h + a * 0.3
                if kinds[3] == 1 and flag is not None:
                    new = rnn.where(flag[t][:, None], new, h)
                if kinds[3] == 2:
                    new = rnn.maximum(new, h * 0.9 - 0.01)
                h = rnn.named(h=new)
                if count:
                    total = total + self.inside(inner, count, h, xs[t])
                found.append(h)
                if ends == 2:
                    total = total + (h * h).sum() * 0.3
        if ends == 0:
            return h if not count else [total, h]
        return rnn.stack(found) if ends == 1 else [total, h]

    def inside(self, seed, count, *values):
        """Operations at one step, the same at each."""
        run = Run(self.f, self.p, self.args)
        run.rng, run.arrays = random.Random(seed), np.random.default_rng(seed)
        run.pool += values
        run.steps(count, [kind for kind in KINDS if kind != "loop"])
        found = [x for x in run.pool[len(self.p) + len(self.args) :] if x.dtype.kind == "f"]
        return sum(((x * x).sum() * 0.1 for x in found[1:]), (found[0] * 0.2).sum())


KINDS = [
    *("one", "two", "two", "condition", "logic", "choice", "cast", "whole", "reduced", "reduced"),
    *("soft", "shaped", "shaped", "joined", "product", "sliced", "sliced", "taken", "taken"),
    *("twice", "labels", "loop", "loop"),
]


def fits(*shapes):
    """Whether shapes broadcast to something small."""
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return len(shape) <= 4 and np.prod(shape) <= 2000


def compared(found, expected, n, where):
    found, expected = np.asarray(found), np.asarray(expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), where
    if expected.dtype.kind != "f":
        assert (found == expected).all(), where
        return
    allowed = 1e-10 if expected.dtype == np.float64 else n * np.finfo(np.float32).eps
    largest = np.abs(np.where(np.isfinite(expected), expected, 0)).max(initial=1.0)
    same = np.abs(found - expected) <= allowed * largest
    assert (same | (found == expected) | (np.isnan(found) & np.isnan(expected))).all(), (
        f"{where}: {found} instead of {expected}"
    )


def tried(seed, target, calls):
    """One drawn function in so many calls; how many of them were in the target's own language."""
    f = Drawn(seed)
    step = compile(f, target=target)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for k in range(calls):
            where = f"seed {seed}, target {target}, call {k}"
            p, args = f.values(k)
            (loss, aux), grads = step(p, *args)
            exact, beside = f(p, *map(Tensor, args))
            gradients = grad(exact, list(p.values()), unused="zero")
            assert not step.reason, f"{where}: {step.reason}"
            assert step.stats["eager"] == 0, where
            single = any(x.dtype == np.float32 for x in ancestors(exact))
            n = 20 * len(ancestors(exact)) + 200
            pairs = [("the loss", loss, exact.data)]
            pairs += [
                (f"result {j}", x, y.data) for j, (x, y) in enumerate(zip(aux, beside, strict=True))
            ]
            pairs += [(f"d{name}", grads[name], y) for name, y in zip(p, gradients, strict=True)]
            for name, x, y in pairs:
                if single and np.asarray(y).dtype == np.float64:  # made of float32 in part
                    assert np.asarray(x).dtype == np.float64
                    x, y = np.float32(x), np.float32(y)
                compared(x, y, n, f"{where}, {name}")
    return 0 if target == "c" and step._last.native is None else calls


@pytest.mark.parametrize("block", range(4))
@pytest.mark.parametrize("target", ["numpy", "c"])
def test_random_programs(target, block):
    each = 12 if target == "numpy" else 3
    for seed in range(block * each, (block + 1) * each):
        tried(seed, target, 6)


@pytest.mark.long
@pytest.mark.parametrize("block", range(100))
def test_twenty_thousand_calls(block):
    for seed in range(1000 + block * 20, 1000 + (block + 1) * 20):
        tried(seed, "numpy", 8)
        if seed % 8 == 0:
            tried(seed, "c", 16)
