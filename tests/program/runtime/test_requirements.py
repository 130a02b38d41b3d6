"""Is what a function requires of its arguments required at every call of its program too?"""

import re
import shutil
import subprocess

import numpy as np
import pytest

import tinygrad_rnn
from tinygrad_rnn import Tensor, compile, nn, require, scope, stack, tanh
from tinygrad_rnn.engine.tensor import values
from tinygrad_rnn.program.backends.c import build
from tinygrad_rnn.program.runtime import cache
from tinygrad_rnn.program.runtime import compile as make

T, B, V = 6, 2, 5
nan, inf = np.nan, np.inf
TARGETS = pytest.mark.parametrize("target", ["numpy", "c"])


class Model(nn.Module):
    def __init__(self):
        self.cell = nn.RNNCell(3, 4, rng=0)
        self.readout = nn.Linear(4, V, rng=1)
        self.table = nn.Embedding(V, 3, rng=2)

    def scores(self, x, **options):
        return self.readout(stack(nn.unroll(self.cell, x, **options)[0]))


rng = np.random.default_rng(0)
x = rng.standard_normal((T, B, 3))
y = rng.integers(V, size=(T, B))
t = rng.random((T, B, V))
short = np.array([T, 2])
mask = np.arange(T)[:, None] < short
some = np.where(mask, y, -100)
ctc = rng.integers(1, V, size=(B, 2))
counts = np.array([2, 1])


def but(a, value, place=-1):
    a = a.copy()
    a.flat[place] = value
    return a


def labels(m, x, y):
    return nn.cross_entropy(m.scores(x), y)


def ignored(m, x, y):
    return nn.cross_entropy(m.scores(x), y, ignore_index=-100)


def ignored_and_short(m, x, y, n):
    return nn.cross_entropy(m.scores(x), y, lengths=n, ignore_index=-100)


def short_labels(m, x, y, n):
    return nn.cross_entropy(m.scores(x, lengths=n), y, lengths=n)


def masked_labels(m, x, y, k):
    return nn.cross_entropy(m.scores(x), y, mask=k)


def short_and_masked(m, x, y, n, k):
    return nn.cross_entropy(m.scores(x, lengths=n), y, lengths=n, mask=k)


def probabilities(m, x, t):
    return nn.binary_cross_entropy(m.scores(x), t)


def short_probabilities(m, x, t, n):
    return nn.binary_cross_entropy(m.scores(x), t, lengths=n)


def masked_squares(m, x, t, k):
    return nn.mse_loss(m.scores(x), t, mask=k)


def short_huber(m, x, t, n):
    return nn.huber_loss(m.scores(x), t, lengths=n)


def last_of(m, x, n):
    return (nn.unroll(m.cell, x, lengths=n, reverse=True)[1] ** 2).mean()


def symbols(m, s):
    return (m.scores(m.table(s)) ** 2).mean()


def symbols_at_each_step(m, s):
    outputs, _ = nn.unroll(lambda s, h: m.cell(m.table(s), h), s, np.zeros((B, 4)))
    return (m.readout(stack(outputs)) ** 2).mean()


def symbols_in_a_plain_loop(m, s):
    h, total = np.zeros((B, 4)), 0.0
    for k in range(T):
        h = m.cell(m.table(s[k]), h)
        total = total + (h * h).mean()
    return total


def alignments(m, x, y, n, c):
    return nn.ctc_loss(m.scores(x), y, lengths=n, label_lengths=c)


# the function, what it is called with, and what it refuses
CASES = {
    "labels": (labels, (x, y), [(x, but(y, v)) for v in (-1, -V, V, 10**9, -(10**9))]),
    "labels of uint8": (labels, (x, y.astype(np.uint8)), [(x, but(y.astype(np.uint8), 255))]),
    "labels of int32": (labels, (x, y.astype(np.int32)), [(x, but(y.astype(np.int32), -1, 0))]),
    "ignored": (ignored, (x, some), [(x, some * 0 - 100), (x, but(some, -1)), (x, but(some, V))]),
    "ignored and short": (
        ignored_and_short,
        (x, some, np.array([T, T])),
        [(x, some, np.zeros(B, int)), (x, but(some, -7), np.array([T, T])),
         (x, some * 0 - 100, short), (x, some, np.array([T, -1]))],
    ),
    "short labels": (
        short_labels,
        (x, but(y, -9), short),
        [
            *[(x, y, np.array(n)) for n in ([T + 1, 1], [2, -1], [0, 0])],
            (x, but(y, V, 0), short),
        ],
    ),
    "masked labels": (
        masked_labels,
        (x, but(y, 99), mask),
        [(x, y, mask & False), (x, but(y, -1, 0), mask)],
    ),
    "short and masked": (
        short_and_masked,
        (x, y, short, ~mask | mask),
        [(x, y, short, ~mask), (x, y, short + 1, mask), (x, but(y, V, 0), short, mask)],
    ),
    "probabilities": (
        probabilities, (x, t), [(x, but(t, v)) for v in (-1e-9, 1 + 1e-9, nan, 7)]
    ),
    "0 or 1": (probabilities, (x, (t > 0.5).astype(int)), [(x, but((t > 0.5).astype(int), 2))]),
    "short probabilities": (
        short_probabilities,
        (x, but(t, nan), short),
        [(x, but(t, nan, 0), short), (x, t, short * 0), (x, t, short + 1)],
    ),
    "masked squares": (masked_squares, (x, t, mask), [(x, t, mask & False)]),
    "short huber": (short_huber, (x, t, short), [(x, t, short * 0), (x, t, -short)]),
    "reversed": (last_of, (x, short), [(x, short + 1), (x, -short)]),
    "symbols": (symbols, (y,), [(but(y, v),) for v in (-1, V, -V, 10**9)]),
    "symbols at each step": (symbols_at_each_step, (y,), [(but(y, -1, 0),), (but(y, V),)]),
    "symbols in a plain loop": (symbols_in_a_plain_loop, (y,), [(but(y, -1, 5),), (but(y, V),)]),
    "alignments": (
        alignments,
        (x, ctc, np.array([T, T - 1]), counts),
        [
            (x, but(ctc, 0, 0), np.array([T, T]), counts),  # the blank
            (x, but(ctc, -1, 0), np.array([T, T]), counts),
            (x, but(ctc, V, 0), np.array([T, T]), counts),
            (x, ctc, np.array([T + 1, T]), counts),
            (x, ctc, np.array([T, 0]), counts * 0),
            (x, ctc, np.array([T, T]), counts + 1),
            (x, ctc * 0 + 1, np.array([2, T]), counts),  # no room for a blank between them
        ],
    ),
}  # fmt: skip


def raised(f, *args):
    try:
        f(*args)
    except Exception as error:
        return type(error), str(error)
    raise AssertionError("nothing was raised")


def loops(step):
    return [line for line in step.source.split("\n") if re.search(r"\bfor t in\b", line)]


def is_right(step, f, m, args):
    loss, _ = step(m, *args)
    np.testing.assert_allclose(loss, f(m, *args).data, rtol=1e-12)


@pytest.mark.sampled(4)
@TARGETS
@pytest.mark.parametrize("name", CASES)
def test_a_program_refuses_what_the_function_refuses(name, target):
    f, good, refused = CASES[name]
    m, step = Model(), compile(f, target=target)
    is_right(step, f, m, good)
    assert step.reason == ""
    assert target == "numpy" or step.c_source
    for k, bad in enumerate(refused):
        assert raised(step, m, *bad) == raised(f, m, *bad)
        is_right(step, f, m, good)
        assert step.stats["eager"] == k + 1
        assert step.stats["recorded"] == step.stats["structures"] == 1


@TARGETS
@pytest.mark.parametrize("name", CASES)
def test_what_the_first_call_refuses_is_no_reason_to_run_eagerly(name, target):
    f, good, (bad, *_) = CASES[name]
    m, step = Model(), compile(f, target=target)
    assert raised(step, m, *bad) == raised(f, m, *bad)
    is_right(step, f, m, good)
    assert (step.reason, step.stats["eager"]) == ("", 0)


@pytest.mark.parametrize("name", CASES)
def test_requirements_roll_up(name):
    f, good, _ = CASES[name]
    step = compile(f)
    step(Model(), *good)
    assert len(loops(step)) <= (4 if f is alignments else 2)
    assert sum("required by the function" in line for line in step.source.split("\n")) == 1


@pytest.mark.sampled(3)
@TARGETS
@pytest.mark.parametrize("f", [labels, symbols_at_each_step, short_labels])
def test_one_text_serves_all_lengths(f, target):
    m, step = Model(), compile(f, target=target)
    texts = set()
    for n in (T + 1, T + 4, 2 * T + 5):
        more = (rng.standard_normal((n, B, 3)), rng.integers(V, size=(n, B)), np.array([n, 3]))
        args = more[1:2] if f is symbols_at_each_step else more[: 3 if f is short_labels else 2]
        is_right(step, f, m, args)
        texts.add(step._last.in_c.text if target == "c" else step._last.program.body)
    assert step.stats["structures"] == 1
    assert len(texts) == 1 or (f, target) == (short_labels, "c")  # where shapes are written out


@pytest.mark.sampled(4)
@TARGETS
@pytest.mark.parametrize("name", ["labels", "symbols at each step", "masked labels", "ignored"])
def test_what_is_divided_in_time_refuses_the_same(name, target):
    f, good, refused = CASES[name]
    m, step = Model(), compile(f, target=target, memory="sqrt")
    is_right(step, f, m, good)
    for bad in refused:
        assert raised(step, m, *bad) == raised(f, m, *bad)
        is_right(step, f, m, good)
    if name in ("labels", "symbols at each step"):
        assert step._last.segments is not None


@TARGETS
def test_what_comes_from_the_cache_refuses_the_same(target, tmp_path, monkeypatch):
    monkeypatch.setattr(make, "key_of", cache.key_of)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("labels", "symbols at each step", "short and masked"):
        f, good, refused = CASES[name]
        m, kinds = Model(), []
        for _ in range(2):
            step = compile(f, target=target)
            is_right(step, f, m, good)
            kinds.append(type(step._last).__name__)
            for bad in refused:
                assert raised(step, m, *bad) == raised(f, m, *bad)
            is_right(step, f, m, good)
        assert kinds == ["Program", "CachedProgram"]


@pytest.mark.parametrize(
    "left_out", ["mapped", "copies", "common", "fusion", "loop_fusion", "loops"]
)
@pytest.mark.parametrize("name", ["short labels", "symbols in a plain loop"])
def test_without_any_pass_it_refuses_the_same(name, left_out):
    f, good, (bad, *_) = CASES[name]
    m, step = Model(), compile(f, without=(left_out,))
    is_right(step, f, m, good)
    assert raised(step, m, *bad) == raised(f, m, *bad)
    is_right(step, f, m, good)


# -- a user's own ----------------------------------------------------------------------------------


class Careful(nn.Module):
    """A cell that minds what it is given, and what becomes of it."""

    def __init__(self, size=4):
        self.W = Tensor(np.random.default_rng(0).uniform(-0.4, 0.4, (size, size)), name="W")
        self.size = size

    def initial_state(self, *batch):
        return np.zeros((*batch, self.size))

    def __call__(self, x, h):
        require(x >= 0, lambda: f"x is at least 0, got {x.data.min()}", ArithmeticError)
        require(abs(h) < 0.9, lambda: f"h runs away: {np.max(values(h)):.3f}", OverflowError)
        return tanh(x + h @ self.W)


def unrolled(m, x):
    outputs, _ = nn.unroll(m, x)
    return (stack(outputs) ** 2).sum()


def in_scopes(m, x):
    h, hs = Tensor(m.initial_state(B)), []
    for k in range(len(x)):
        with scope("careful", t=k):
            h = m(x[k], h)
        hs.append(h)
    return (stack(hs) ** 2).sum()


def plain(m, x):
    h, total = Tensor(m.initial_state(B)), 0.0
    for k in range(len(x)):
        h = m(x[k], h)
        total = total + (h * h).sum()
    return total


small = np.random.default_rng(0).uniform(0, 0.3, (9, B, 4))


@pytest.mark.sampled(4)
@TARGETS
@pytest.mark.parametrize("memory", [None, "sqrt"])
@pytest.mark.parametrize("f", [unrolled, in_scopes, plain])
def test_what_a_cell_requires_at_each_step_is_required_and_rolls_up(f, memory, target):
    m, step = Careful(), compile(f, target=target, memory=memory)
    is_right(step, f, m, (Tensor(small),))
    if memory is None:
        assert len(loops(step)) == 2
    for place in (0, 40, -1):  # a first, a middle, and the last step
        bad, expected = but(small, -1.0, place), (ArithmeticError, "x is at least 0, got -1.0")
        assert raised(step, m, bad) == raised(f, m, Tensor(bad)) == expected
        is_right(step, f, m, (Tensor(small),))
    assert raised(step, m, but(small, 9.0, 17))[0] is OverflowError
    is_right(step, f, m, (Tensor(np.concatenate([small, small])),))
    assert (step.reason, step.stats["structures"]) == ("", 1)


def weighed(p, s):
    require(abs(p["w"]) <= s, lambda: f"weights are at most {s.data}, got {p['w'].data}")
    return (p["w"] * s).sum()


@TARGETS
def test_what_depends_on_parameters_is_required(target):
    step = compile(weighed, target=target)
    p = {"w": Tensor([0.5, -0.75])}
    assert step(p, 1.0)[0] == -0.25
    assert raised(step, p, 0.6) == (ValueError, "weights are at most 0.6, got [ 0.5  -0.75]")
    p["w"].data = np.array([nan, 0.0])
    assert raised(step, p, 1.0) == (ValueError, "weights are at most 1.0, got [nan  0.]")
    p["w"].data = np.array([0.25, 0.0])
    assert step(p, 1.0)[0] == 0.25
    assert step.stats == {"calls": 4, "recorded": 1, "structures": 1, "eager": 2}


@TARGETS
def test_parameters_that_are_refused_at_the_first_call_are_refused(target):
    step = compile(weighed, target=target)
    assert raised(step, {"w": Tensor([7.0])}, 1.0) == (
        ValueError,
        "weights are at most 1.0, got [7.]",
    )
    assert step({"w": Tensor([0.5])}, 1.0)[0] == 0.5
    assert step.reason == ""


@TARGETS
def test_what_is_given_beside_the_loss_stays_what_it_was(target):
    def f(p, k):
        require(tinygrad_rnn.sum(k) > 0, "nothing")
        return (p["w"] * 2.0).sum(), {"true": tinygrad_rnn.sum(k), "k": k}

    step, p = compile(f, target=target), {"w": Tensor([1.0])}
    for k in (np.array([True, False, True]), np.array([True, True, True])):
        (loss, aux), _ = step(p, k)
        assert (loss, aux["true"], list(aux["k"])) == (2.0, k.sum(), list(k))
        assert type(aux["true"].dtype) is type(np.dtype(np.int64))
    assert raised(step, p, k & False) == (ValueError, "nothing")
    assert "eager" not in step.reason


# -- what is printed -------------------------------------------------------------------------------


def test_equations_and_outline_leave_out_what_is_only_counted():
    f, good, _ = CASES["short labels"]
    with_all, m = compile(f), Model()
    with_all(m, *good)
    assert "fail" not in with_all.latex
    assert "broken" not in with_all.latex
    assert not {"broken", "fail", "fails"} & {x.name for x in with_all.outline.operations}
    assert "broken" in with_all.source


def test_the_source_runs_pasted_into_a_file_and_counts():
    f, (x, y), _ = CASES["labels"]
    m, step, names = Model(), compile(f), {}
    loss, _ = step(m, x, y)
    exec(step.source, names)
    params = [p.data for p in m.parameters()]
    assert names["step"](*params, x, y)[0] == loss
    assert names["step"](*params, x, y)[-1] == 0
    assert names["step"](*params, x, but(but(y, -1), -2, 3))[-1] == 2


@pytest.mark.parametrize("name", ["labels", "labels of uint8", "short and masked"])
def test_the_c_file_alone_says_that_something_does_not_hold(name, tmp_path):
    try:
        cc = build.compiler()
    except build.NoCompiler:
        pytest.skip("no compiler")
    f, good, (bad, *_) = CASES[name]
    m, step = Model(), compile(f)
    step(m, *good)
    (tmp_path / "step.c").write_text(step.c_source)
    flags = ["-std=gnu11", "-O2", "-fopenmp-simd", "-Wall", "-Wextra", "-Werror"]
    command = [shutil.which(cc[0]) or cc[0], *flags, "step.c", "-o", "step", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    for args, fails in ((good, False), (bad, True)):
        step.save_arguments(tmp_path / "data", m, *args)
        done = subprocess.run(
            [tmp_path / "step", tmp_path / "data", "2", "0.1"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == fails
        assert ("what the function requires" in done.stderr) == fails or "an index" in done.stderr
        assert len(done.stdout.splitlines()) == (0 if fails else 2)
