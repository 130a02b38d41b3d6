"""Does a program draw what the function draws, and leave the generators where it leaves them?"""

import copy
import subprocess
import threading

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, grad, nn, stack
from tinygrad_rnn.engine.recorder import draw
from tinygrad_rnn.nn.decode import most_likely
from tinygrad_rnn.program.runtime import compile as make
from tinygrad_rnn.program.runtime.cache import CachedProgram, key_of

T, B = 7, 3
X = np.random.default_rng(0).standard_normal((T, B, 4))
Y = np.random.default_rng(1).integers(5, size=(T, B))
TARGETS = pytest.mark.parametrize("target", ["numpy", "c"])


class Model(nn.Module):
    def __init__(self, cell=None, dtype=np.float64, seed=3):
        cell = cell or (lambda: nn.LSTMCell(4, 5, rng=0, dtype=dtype))
        self.cell, self.readout = cell(), nn.Linear(5, 5, rng=1, dtype=dtype)
        self.rng = np.random.default_rng(seed)


def loss_of(m, outputs):
    return (m.readout(stack(outputs)) ** 2).mean()


def unrolled(wrap=lambda cell: cell, **how):
    def loss_fn(m, x):
        outputs, _ = nn.unroll(wrap(m.cell), x, rng=m.rng, **how)
        return loss_of(m, outputs)

    return loss_fn


def dropped(m, x):
    outputs, _ = nn.unroll(m.cell, nn.dropout(x, 0.3, m.rng))
    return (m.readout(nn.dropout(stack(outputs), 0.5, m.rng)) ** 2).mean()


def at_each_step(m, x):
    outputs, _ = nn.unroll(m.cell, x)
    return loss_of(m, [nn.dropout(h, 0.5, m.rng) for h in outputs])


def noisy(m, x):
    outputs, _ = nn.unroll(m.cell, x + draw(m.rng, x.shape, "standard_normal"))
    return loss_of(m, outputs)


def between_layers(m, x):
    outputs, _ = m.cell(x, rng=m.rng)
    return (m.readout(outputs) ** 2).mean()


def sampled(m, x):  # what was written last is fed back, or the target
    def step(x, state):
        h, c = m.cell(x, state)
        return m.readout(h)[..., :4], (h, c)

    ys, _ = nn.decode(
        step, x[0], m.cell.initial_state(B), x, teacher=0.5, choose=lambda y: y, rng=m.rng
    )
    return (stack(ys) ** 2).mean()


CUTS = nn.RandomTruncation(0.4)
LOSSES = {
    "dropout": (dropped, 2),
    "dropout at each step": (at_each_step, 2),
    "noise": (noisy, 2),
    "zoneout": (unrolled(lambda cell: nn.Zoneout(cell, 0.2)), 2),
    "zoneout of h and c": (unrolled(lambda cell: nn.Zoneout(cell, (0.1, 0.5))), 2),
    "variational dropout": (unrolled(lambda cell: nn.VariationalDropout(cell, 0.2, 0.3)), 2),
    "both": (unrolled(lambda c: nn.VariationalDropout(nn.Zoneout(c, 0.2), 0.2, 0.3)), 2),
    "random truncation": (unrolled(truncate=CUTS), 2),
    "random truncation, reversed": (unrolled(truncate=CUTS, reverse=True), 2),
    "random truncation of zoneout": (
        unrolled(lambda cell: nn.Zoneout(cell, 0.2), truncate=CUTS),
        2,
    ),
    "zoneout in chunks": (unrolled(lambda cell: nn.Zoneout(cell, 0.2), truncate=3), 2),
    "zoneout in windows": (unrolled(lambda cell: nn.Zoneout(cell, 0.2), truncate=(2, 4)), 0),
    "zoneout, computed again": (
        unrolled(lambda cell: nn.Zoneout(cell, 0.2), checkpoint=True),
        2,
    ),
    "zoneout of sequences of several lengths": (
        unrolled(lambda cell: nn.Zoneout(cell, 0.2), lengths=[7, 4, 2]),
        2,
    ),
    "scheduled sampling": (sampled, 2),
}


def agree(step, loss_fn, m, calls, rtol=1e-12):
    """Losses, gradients and generators after each call are those of the function itself."""
    exact = copy.deepcopy(m)
    losses = []
    for args in calls:
        loss, grads = step(m, *args)
        expected = loss_fn(exact, *args)
        gradients = grad(expected, exact.parameters(), unused="zero")
        np.testing.assert_allclose(loss, expected.data, rtol=rtol)
        for g, e in zip(grads.values(), gradients, strict=True):
            np.testing.assert_allclose(g, e, rtol=rtol, atol=rtol)
        assert state(m.rng) == state(exact.rng)
        losses.append(float(loss))
    assert not step.reason
    assert step.stats["eager"] == 0
    return losses


def state(rng):
    return repr(rng.bit_generator.state)


@pytest.mark.sampled(3)
@TARGETS
@pytest.mark.parametrize("name", LOSSES)
def test_a_program_draws_what_the_function_draws(name, target):
    loss_fn, loops = LOSSES[name]
    step = compile(loss_fn, target=target)
    x = X[:5] if "windows" in name else X  # of which each is recorded by itself
    losses = agree(step, loss_fn, Model(), [(x,), (x,), (x[::-1],)])
    assert step.stats["recorded"] == 1
    assert step.explain().count("loop forward") + step.explain().count("loop backward") == loops
    if name != "random truncation" and name != "random truncation, reversed":  # values go on
        assert len(set(losses[:2])) == 2


@pytest.mark.sampled(4)
@TARGETS
@pytest.mark.parametrize("cell", [nn.RNNCell, nn.GRUCell, nn.LSTMCell, nn.LayerNormLSTMCell])
def test_random_cuts_are_rolled_up_around_any_cell(cell, target):
    for wrap in (lambda cell: cell, nn.LearnedState, lambda cell: nn.ClippedGradient(cell, 0.01)):
        loss_fn, m = unrolled(truncate=CUTS), Model(lambda: wrap(cell(4, 5, rng=0)))  # noqa: B023
        step = compile(loss_fn, target=target)
        agree(step, loss_fn, m, [(X,)] * 3)
        assert step.explain().count("loop ") == 2


class Writer(nn.Module):
    def __init__(self):
        self.embedding, self.cell = nn.Embedding(5, 4, rng=0), nn.GRUCell(4, 6, rng=1)
        self.readout, self.rng = nn.Linear(6, 5, rng=2), np.random.default_rng(3)


def written(m, y, teacher=0.5):
    def step(x, h):
        h = m.cell(m.embedding(x), h)
        return m.readout(h), h

    ys, _ = nn.decode(step, y[0], m.cell.initial_state(B), y, teacher=teacher, rng=m.rng)
    return nn.cross_entropy(stack(ys), y)


@TARGETS
def test_what_is_written_is_read_or_the_target_as_it_is_drawn(target):
    step = compile(written, target=target)
    agree(step, written, Writer(), [(Y,), (Y,), (Y[::-1],), (Y,)])
    assert step.explain().count("loop ") == 2
    assert step.stats["recorded"] == 1

    def free(m, y):
        return written(m, y, teacher=0.0)

    step = compile(free, target=target)
    agree(step, free, Writer(), [(Y,), (Y[::-1],)])


def test_the_first_of_two_that_are_most_likely_is_written_in_a_program_too():
    def loss_fn(p, scores):
        return p(most_likely(scores)).sum()

    scores = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0], [0.0, 0.0, 5.0]])
    step, p = compile(loss_fn), nn.Embedding(3, 2, rng=0)
    np.testing.assert_allclose(step(p, scores)[0], p.W.data[[1, 0, 2]].sum())
    assert step.stats["eager"] == 0


@TARGETS
def test_layers_drop_between_them(target):
    m = Model(lambda: nn.LSTM(4, 5, num_layers=3, dropout=0.4, rng=0))
    step = compile(between_layers, target=target)
    agree(step, between_layers, m, [(X,)] * 3)
    assert step.explain().count("loop ") == 6


@TARGETS
@pytest.mark.parametrize("name", ["dropout", "zoneout", "random truncation", "both"])
def test_in_single_precision_too(name, target):
    loss_fn, m = LOSSES[name][0], Model(dtype=np.float32)
    step = compile(loss_fn, target=target)
    agree(step, loss_fn, m, [(X.astype(np.float32),)] * 3, rtol=2e-4)
    assert all(g.dtype == np.float32 for g in step(m, X.astype(np.float32))[1].values())


@pytest.mark.sampled(4)
@TARGETS
@pytest.mark.parametrize(
    "name",
    ["dropout at each step", "zoneout of h and c", "random truncation", "variational dropout"],
)
def test_a_program_in_pieces_draws_the_same(name, target):
    loss_fn = LOSSES[name][0]
    step = compile(loss_fn, target=target, memory="sqrt")
    agree(step, loss_fn, Model(), [(X,)] * 3)
    assert "divided in time: segments of 3 steps" in step.explain()


@TARGETS
def test_a_function_that_asks_for_values_draws_too(target):
    def loss_fn(m, x):
        scale = 2.0 if m.cell.W_h.data.shape[0] == 5 and float(m.readout.b.data[0]) < 9 else 1.0
        outputs, _ = nn.unroll(nn.Zoneout(m.cell, 0.2), x, rng=m.rng)
        return loss_of(m, outputs) * scale

    step = compile(loss_fn, target=target)
    agree(step, loss_fn, Model(), [(X,)] * 3)
    assert step.explain().count("loop ") == 2


def test_the_source_says_what_is_drawn_and_how():
    step = compile(LOSSES["zoneout of h and c"][0], target="c")
    step(Model(), X)
    assert "# u = rng.random((7, 3, 5)) at each call, u2 = rng.random((7, 3, 5))" in step.source
    assert "less(u, k, out=kept" in step.source
    assert "const double *restrict u,  /* (T, 3, 5), drawn: rng.random */" in step.c_source
    step = compile(noisy)
    step(Model(), X)
    assert "# z = rng.standard_normal((7, 3, 4)) at each call" in step.source
    step = compile(LOSSES["random truncation"][0])
    step(Model(), X)
    assert "# u = rng.random((7,)) at each call" in step.source
    assert "where(cut[t], 0, " in step.source


@TARGETS
def test_what_flows_back_over_a_cut_is_zero_even_of_infinity(target):
    def loss_fn(p, x, rng):
        def cell(x, h):
            return h * 1e200 + p["b"] * x

        outputs, _ = nn.unroll(cell, x, np.zeros(2), truncate=nn.RandomTruncation(0.5), rng=rng)
        return outputs[-1].sum()

    p, x, found = {"b": Tensor(0.0)}, np.full((6, 2), 1.0), set()
    step = compile(loss_fn, target=target)
    mine, exact = np.random.default_rng(0), np.random.default_rng(0)
    with np.errstate(all="ignore"):
        for _ in range(9):
            loss, grads = step(p, x, mine)
            expected = loss_fn(p, x, exact)
            assert loss == expected.data == 0
            np.testing.assert_allclose(grads["b"], grad(expected, p["b"]), rtol=1e-12)
            found.add(bool(np.isinf(grads["b"])))
    assert found == {True, False}
    assert step.stats["eager"] == 0


# -- where a generator is held ---------------------------------------------------------------------

GLOBAL = np.random.default_rng(11)


def with_global(m, x):
    return (m.readout(nn.dropout(m.readout(x), 0.5, GLOBAL)) ** 2).mean()


class Small(nn.Module):
    def __init__(self, seed=3):
        self.readout = nn.Linear(4, 4, rng=0)
        self.inside = [{"rng": np.random.default_rng(seed)}]

    @property
    def rng(self):
        return self.inside[0]["rng"]


def small(m, x, rng):
    return (nn.dropout(m.readout(x), 0.5, rng) ** 2).mean()


@TARGETS
def test_a_generator_may_be_held_anywhere(target, monkeypatch):
    closed = np.random.default_rng(11)
    ways = {
        "global": with_global,
        "closed over": lambda m, x: small(m, x, closed),
        "default": lambda m, x, rng=closed: small(m, x, rng),
    }
    for f in ways.values():
        step, m = compile(f, target=target), Small()
        rng = GLOBAL if f is with_global else closed
        for _ in range(3):
            before = rng.bit_generator.state
            loss, _ = step(m, X)
            after = state(rng)
            rng.bit_generator.state = before
            np.testing.assert_allclose(loss, f(m, X).data, rtol=1e-12)
            assert state(rng) == after
        assert step.stats == {"calls": 3, "recorded": 1, "structures": 1, "eager": 0}
    step, m = compile(with_global, target=target), Small()
    step(m, X)
    monkeypatch.setitem(globals(), "GLOBAL", np.random.default_rng(5))  # a cell run once more
    loss, _ = step(m, X)
    monkeypatch.setitem(globals(), "GLOBAL", np.random.default_rng(5))
    np.testing.assert_allclose(loss, with_global(m, X).data, rtol=1e-12)
    assert step.stats["recorded"] == 1


@TARGETS
def test_a_generator_that_is_an_argument_is_that_of_the_call(target):
    step, m = compile(small, target=target), Small()
    for seed in (1, 2, 2, 3):
        mine, exact = np.random.default_rng(seed), np.random.default_rng(seed)
        for _ in range(2):
            np.testing.assert_allclose(step(m, X, mine)[0], small(m, X, exact).data, rtol=1e-12)
        assert state(mine) == state(exact)
    assert step.stats == {"calls": 8, "recorded": 1, "structures": 1, "eager": 0}
    step(m, X, np.random.Generator(np.random.MT19937(0)))
    assert step.stats["recorded"] == 2


def test_two_arguments_may_be_one_generator():
    def loss_fn(m, x, given):
        x = nn.dropout(x, 0.5, given["a"])
        x = nn.dropout(x, 0.5, given["b"])
        return (nn.dropout(m.readout(x), 0.5, given["a"]) ** 2).mean()

    step, m, new = compile(loss_fn), Small(), np.random.default_rng
    for make_them in (
        lambda: dict.fromkeys("ab", new(1)),
        lambda: {"a": new(1), "b": new(2)},
        lambda: {"a": new(2), "b": new(1)},
        lambda: dict.fromkeys("ab", new(3)),
    ):
        mine, exact = make_them(), make_them()
        np.testing.assert_allclose(step(m, X, mine)[0], loss_fn(m, X, exact).data, rtol=1e-12)
        assert [state(mine[k]) for k in "ab"] == [state(exact[k]) for k in "ab"]
    assert step.stats["recorded"] == 2


def test_a_generator_may_be_an_argument_and_held():
    m = Small()

    def loss_fn(m, x, rng):
        return (nn.dropout(m.readout(nn.dropout(x, 0.5, m.rng)), 0.5, rng) ** 2).mean()

    step, exact = compile(loss_fn), copy.deepcopy(m)
    for own in (False, True, True, False, False):
        mine, other = np.random.default_rng(9), np.random.default_rng(9)
        found = step(m, X, mine if own else m.rng)[0]
        expected = loss_fn(exact, X, other if own else exact.rng)
        np.testing.assert_allclose(found, expected.data, rtol=1e-12)
        assert (state(m.rng), state(mine)) == (state(exact.rng), state(other))
    assert step.stats["eager"] == 0


@TARGETS
def test_another_module_draws_from_its_own_generator(target):
    def loss_fn(m, x):
        return small(m, x, m.rng)

    step = compile(loss_fn, target=target)
    for seed in (1, 2, 3):
        m = Small(seed)
        agree(step, loss_fn, m, [(X,)] * 2)
        m.inside[0]["rng"] = np.random.default_rng(7)  # as one sets a seed in a notebook
        agree(step, loss_fn, m, [(X,)] * 2)
    assert step.stats["recorded"] == 1


def test_a_module_among_the_arguments_draws_too():
    def loss_fn(p, x, net):
        return (nn.dropout(net.readout(x), 0.5, net.rng) * p["w"]).sum()

    step, p = compile(loss_fn), {"w": Tensor(2.0)}
    for seed in (1, 2):
        net, exact = Small(seed), Small(seed)
        for _ in range(2):
            found = step(p, X, net)[0]
            np.testing.assert_allclose(found, loss_fn(p, X, exact).data, rtol=1e-12)
            assert state(net.rng) == state(exact.rng)
    assert step.stats == {"calls": 4, "recorded": 1, "structures": 1, "eager": 0}


def test_a_closure_that_holds_the_model_draws_from_that_model():
    outer = Small(1)

    def loss_fn(m, x):
        return small(m, x, outer.rng)

    step = compile(loss_fn)
    for m in (outer, Small(2), outer):
        before = outer.rng.bit_generator.state
        found = step(m, X)[0]
        outer.rng.bit_generator.state = before
        np.testing.assert_allclose(found, loss_fn(m, X).data, rtol=1e-12)
    assert step.stats["eager"] == 0


@TARGETS
def test_threads_with_generators_of_their_own_do_not_mix(target):
    step, m, found = compile(small, target=target), Small(), {}
    step(m, X, np.random.default_rng(99))

    def run(seed):
        rng = np.random.default_rng(seed)
        found[seed] = [float(step(m, X, rng)[0]) for _ in range(200)]

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, losses in found.items():
        rng = np.random.default_rng(seed)
        np.testing.assert_allclose(losses, [small(m, X, rng).item() for _ in range(200)])
    assert step.stats["recorded"] == 1


def test_lengths_and_other_draws_are_other_records():
    loss_fn, m = LOSSES["zoneout"][0], Model()
    step = compile(loss_fn)
    agree(step, loss_fn, m, [(X,), (X[:5],), (X,), (X[:5],)])
    assert step.stats == {"calls": 4, "recorded": 2, "structures": 1, "eager": 0}


# -- kept on disk ----------------------------------------------------------------------------------


@TARGETS
def test_a_program_found_on_disk_draws_the_same(target, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(make, "key_of", key_of)
    for name in ("zoneout of h and c", "random truncation"):
        loss_fn = LOSSES[name][0]
        compile(loss_fn, target=target)(Model(), X)
        again = compile(loss_fn, target=target)
        agree(again, loss_fn, Model(seed=8), [(X,)] * 3)
        assert type(again._last) is CachedProgram
    again = compile(small, target=target)
    for step in (compile(small, target=target), again):
        rng = np.random.default_rng(4)
        expected = small(Small(), X, np.random.default_rng(4))
        np.testing.assert_allclose(step(Small(), X, rng)[0], expected.data, rtol=1e-12)
    assert type(again._last) is CachedProgram


# -- what is refused -------------------------------------------------------------------------------


def test_a_generator_made_inside_is_refused():
    step = compile(lambda m, x: small(m, x, np.random.default_rng(0)))
    loss, _ = step(Small(), X)
    assert loss == small(Small(), X, np.random.default_rng(0)).data
    assert "made inside, so it is another at each call" in step.reason
    assert "np.random.default_rng(seed)" in step.reason


def test_other_draws_are_refused_by_the_name_of_the_generator():
    def loss_fn(m, x):
        return (m.readout(x) * m.rng.random(4)).sum()

    m, exact = Small(), Small()
    step = compile(loss_fn)
    for _ in range(2):
        assert step(m, X)[0] == loss_fn(exact, X).data
    assert "draws from params.inside[0]['rng']" in step.reason


def test_draws_of_old_generators_stay_an_error():
    with pytest.raises(TypeError, match="expected rng as a generator or None, got RandomState"):
        compile(lambda m, x: small(m, x, np.random.RandomState(0)))(Small(), X)


@TARGETS
def test_a_call_that_is_refused_draws_as_the_function_does(target):
    def loss_fn(m, x, y):
        x = nn.dropout(x, 0.5, m.rng)
        return nn.cross_entropy(m.readout(x), y)

    m, exact = Small(), Small()
    step = compile(loss_fn, target=target)
    y = Y % 4
    assert np.isclose(step(m, X, y)[0], loss_fn(exact, X, y).data)
    wrong = np.where(np.arange(T)[:, None] == 2, 7, y)
    for f, net in ((step, m), (loss_fn, exact)):
        with pytest.raises((ValueError, IndexError)):
            f(net, X, wrong)
    assert np.isclose(step(m, X, y)[0], loss_fn(exact, X, y).data)
    assert state(m.rng) == state(exact.rng)


# -- C alone ---------------------------------------------------------------------------------------


def test_main_trains_with_the_draws_that_were_saved(tmp_path):
    loss_fn, m = LOSSES["zoneout"][0], Model()
    step = compile(loss_fn, target="c")
    step(m, X)
    before = m.rng.bit_generator.state
    step.save_arguments(tmp_path / "arguments", m, X)
    assert state(m.rng) == repr(before)
    (tmp_path / "step.c").write_text(step.c_source)
    flags = ["-O2", "-fopenmp-simd", "step.c", "-o", "step", "-lm"]
    subprocess.run(["cc", *flags], cwd=tmp_path, check=True)
    run = subprocess.run(
        ["./step", "arguments", "3", "0.1"], cwd=tmp_path, check=True, capture_output=True
    )
    losses = [float(line.split()[-1]) for line in run.stdout.decode().splitlines()[:3]]
    expected = []
    for _ in range(3):
        m.rng.bit_generator.state = before
        loss = loss_fn(m, X)
        expected.append(loss.item())
        for p, g in zip(m.parameters(), grad(loss, m.parameters()), strict=True):
            p.data = p.data - 0.1 * g
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
