"""Is the program for a reader the step that it is printed from, and can it be read?

Each is run as it is printed, in a namespace that holds nothing, and compared with eager gradients.
"""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest
from enrolled import every_sample
from operations import IN_TIME, OF_ARRAYS, alone, in_time, is_half

import tinygrad_rnn as rnn
from tinygrad_rnn import Tensor, compile, named, nn, scope, stack, tanh
from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.program import leaves_of
from tinygrad_rnn.program.runtime.compile import eager

TESTS = Path(__file__).parents[3]


def run(step, params, *args):
    """Loss and gradients by the printed text."""
    space = {}
    exec(str(step.plain), space)
    given = step.arguments(params, *args)
    return space["step"](*given, *step.plain.constants.values())


def agree(f, params, *args, tolerance=1e-12):
    step = compile(f)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        step(params, *args)
        assert not step.reason, step.reason
        loss, gradients, aux = eager(f, params, args)
        beside = [x for a in aux for _, x in leaves_of(a, "aux")]
        expected = [loss, *gradients, *beside]
        found = run(step, params, *args)
    for x, y in zip(found, expected, strict=True):
        y = np.asarray(getattr(y, "data", y))
        assert np.shape(x) == y.shape, step.plain
        scale = max(1.0, np.abs(y[np.isfinite(y)]).max(initial=0))
        np.testing.assert_allclose(
            x, y, rtol=tolerance, atol=tolerance * scale, err_msg=str(step.plain)
        )
    return step


class Model(nn.Module):
    def __init__(self, *cells):
        self.cells = list(cells)


def data(T=6):
    rng = np.random.default_rng(T)
    return rng.standard_normal((T, 2, 4)), rng.integers(3, size=(T, 2))


@pytest.mark.sampled(4)
@every_sample()
def test_the_gradients_through_every_cell(sample):
    cell, xs, _ = sample()
    if not nn.Module.parameters(cell):
        return  # an echo state has none to learn

    def through(m, x):
        outputs, _ = nn.unroll(m.cells[0], x)
        return (stack(outputs) * 0.7 + 0.1).sum()

    def over_a_tree(m, x):
        outputs, _ = nn.unroll_tree(m.cells[0], [x[0], [x[1]], [x[2]]])
        return (stack(outputs) * 0.7 + 0.1).sum()

    if "Tree" in sample.kind.__name__:
        agree(over_a_tree, Model(cell), xs[:, 0])
    else:
        agree(through, Model(cell), np.concatenate([xs, -xs[::-1]]))


def language_model(m, x, y, **options):
    hs = x
    for cell in m.cells[:-1]:
        hs = stack(nn.unroll(cell, hs, **options)[0])
    return nn.cross_entropy(m.cells[-1](hs), y)


def model(*kinds):
    return Model(*(kind(4, 4, rng=k) for k, kind in enumerate(kinds)), nn.Linear(4, 3, rng=9))


WAYS = {
    "truncation": {"truncate": 2},
    "reversed": {"reverse": True},
    "mask": {"lengths": np.array([6, 4])},
    "reversed with a mask": {"reverse": True, "lengths": np.array([5, 6])},
    "truncation with a mask": {"truncate": 3, "lengths": np.array([6, 2])},
}


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
@pytest.mark.parametrize("way", WAYS)
def test_directions_masks_and_truncation(way, kind):
    agree(lambda m, x, y: language_model(m, x, y, **WAYS[way]), model(kind), *data())


def test_lengths_that_are_arguments():
    def loss(m, x, y, lengths):
        return language_model(m, x, y, lengths=lengths)

    agree(loss, model(nn.LSTMCell), *data(), np.array([6, 3]))


def test_layers_and_both_directions():
    agree(language_model, model(nn.LSTMCell, nn.GRUCell, nn.RNNCell), *data())

    def both(m, x, y):
        forth, back, readout = m.cells
        hs = stack(nn.unroll(forth, x)[0]) + stack(nn.unroll(back, x, reverse=True)[0])
        return nn.cross_entropy(readout(hs), y)

    agree(both, model(nn.LSTMCell, nn.GRUCell), *data())

    def tied(m, x, y):
        cell, readout = m.cells
        hs = stack(nn.unroll(cell, stack(nn.unroll(cell, x)[0]))[0])
        return nn.cross_entropy(readout(hs), y)

    agree(tied, model(nn.LSTMCell), *data())


def test_a_loss_of_the_last_step():
    def last(m, x):
        return nn.mse_loss(nn.unroll(m.cells[0], x)[0][-1], x[0])

    agree(last, model(nn.RNNCell), data()[0])
    agree(last, model(nn.LSTMCell), data()[0])


def test_what_is_drawn_is_an_argument():
    def loss(m, x, rng):
        hs = nn.dropout(stack(nn.unroll(m.cells[0], x)[0]), 0.5, rng)
        return (hs * hs).sum()

    step, m, x = compile(loss), model(nn.LSTMCell), data()[0]
    expected, _ = step(m, x, np.random.default_rng(3))
    assert not step.reason
    found, *_ = run(step, m, x, np.random.default_rng(3))
    assert "= rng.random(" in step.plain
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_single_precision_stays_single(kind):
    m = Model(kind(4, 4, rng=0, dtype=np.float32), nn.Linear(4, 3, rng=1, dtype=np.float32))
    x, y = data()
    step = agree(language_model, m, x.astype(np.float32), y, tolerance=1e-5)
    found = run(step, m, x.astype(np.float32), y)
    assert {np.asarray(g).dtype for g in found} == {np.dtype(np.float32)}


def test_symbols_and_an_embedding():
    class Net(nn.Module):
        def __init__(self):
            self.embed, self.cell = nn.Embedding(5, 4, rng=0), nn.LSTMCell(4, 4, rng=1)
            self.out = nn.Linear(4, 5, rng=2)

    def loss(m, x, y):
        return nn.cross_entropy(m.out(stack(nn.unroll(m.cell, m.embed(x))[0])), y)

    rng = np.random.default_rng(0)
    agree(loss, Net(), rng.integers(5, size=(6, 2)), rng.integers(5, size=(6, 2)))


def module_of(*path):
    """Another file of tests."""
    spec = importlib.util.spec_from_file_location(path[-1][:-3], TESTS.joinpath(*path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_the_gradients_of_operations(name):
    agree(*alone(name), tolerance=1e-6 if is_half(name) else 1e-12)


@pytest.mark.parametrize("name", IN_TIME)
def test_the_gradients_of_operations_in_time(name):
    agree(*in_time(name), tolerance=1e-6 if is_half(name) else 1e-12)


@pytest.mark.parametrize("seeds", [*(range(k, k + 15) for k in (0, 15, 30, 45)), (183, 231, 616)])
def test_random_losses(seeds):
    random_programs = module_of("program", "test_random_programs.py")
    for seed in seeds:  # 183, 231: an array read from its end; 616: a number put into a number
        f = random_programs.Drawn(seed)
        p, args = f.values(0)
        single = any(x.dtype == np.float32 for x in ancestors(f(p, *map(Tensor, args))[0]))
        agree(f, p, *args, tolerance=1e-4 if single else 1e-10)


# -- what it looks like ---------------------------------------------------------------------------

LSTM = """\
def step(W_x, W_h, b_x, b_h, W, b, x, y):
    # forward
    c = {-1: np.zeros((2, 4))}
    h = {-1: np.zeros((2, 4))}
    loss = 0
    i, f, g, o, z = {}, {}, {}, {}, {}
    for t in range(T):
        a = x[t] @ W_x + b_x + h[t - 1] @ W_h + b_h
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=-1)
        i[t] = sigmoid(a_i)
        f[t] = sigmoid(a_f)
        g[t] = np.tanh(a_g)
        o[t] = sigmoid(a_o)
        c[t] = f[t] * c[t - 1] + i[t] * g[t]
        h[t] = o[t] * np.tanh(c[t])
        z[t] = h[t] @ W + b
        loss -= log_softmax(z[t])[np.arange(2), y[t]].sum() / N
    # backward
    dW = dW_h = dW_x = db = db_x = 0
    dc_next = dh_next = np.zeros((2, 4))
    for t in reversed(range(T)):
        dz = (softmax(z[t]) - one_hot(y[t], 3)) / N
        dW += h[t].T @ dz
        dh = dz @ W.T + dh_next
        do = dh * np.tanh(c[t])
        dc = dc_next + dh * o[t] * (1 - np.tanh(c[t])**2)
        di = dc * g[t]
        dg = dc * i[t]
        df = dc * c[t - 1]
        da_o = do * o[t] * (1 - o[t])
        da_g = dg * (1 - g[t]**2)
        da_f = df * f[t] * (1 - f[t])
        da_i = di * i[t] * (1 - i[t])
        da = np.concatenate([da_i, da_f, da_g, da_o], axis=-1)
        dW_h += h[t - 1].T @ da
        dW_x += x[t].T @ da
        db += dz.sum(0)
        db_x += da.sum(0)
        dc_next = dc * f[t]
        dh_next = da @ W_h.T
    db_h = db_x
    return loss, dW_x, dW_h, db_x, db_h, dW, db
"""


def test_an_lstm_is_as_one_writes_it_by_hand():
    step = agree(language_model, model(nn.LSTMCell), *data())
    assert step.plain.endswith(LSTM)
    assert "out=" not in step.plain


def test_the_text_does_not_depend_on_how_the_program_is_made():
    texts = set()
    for options in ({}, {"without": ("blocks", "gates")}, {"memory": "sqrt"}):
        step = compile(language_model, **options)
        step(model(nn.GRUCell), *data())
        texts.add(str(step.plain))
    assert len(texts) == 1


def test_what_several_gates_send_back_is_one_carried_value():
    step = agree(language_model, model(nn.PeepholeLSTMCell), *data())
    assert "dc_next = dc * f[t] + dz_f * p_f + dz_i * p_i" in step.plain


def test_large_arrays_from_outside_are_arguments():
    K = np.random.default_rng(0).uniform(size=(12, 9))
    step = agree(lambda p: (p["W"] * K).sum(), {"W": Tensor(np.ones((12, 9)))})
    assert [x.shape for x in step.plain.constants.values()] == [(12, 9)]


@pytest.mark.parametrize(
    "name", ["np", "t", "T", "N", "sum", "sigmoid", "lambda", "loss", "1", "α"]
)
def test_a_letter_of_any_name_hides_nothing(name):
    def loss(p, xs):
        h, total = Tensor(np.zeros((2, 3))), 0.0
        for t in range(len(xs)):
            with scope("cell", t=t):
                h = named(**{name: rnn.sigmoid(xs[t] * p[name] + h @ p["V"])})
                total = total + rnn.mean(h)
        return total / len(xs)

    rng = np.random.default_rng(0)
    p = {name: Tensor(rng.uniform(size=3)), "V": Tensor(rng.uniform(size=(3, 3)))}
    agree(loss, p, rng.uniform(size=(5, 2, 3)))


def test_without_a_program_it_says_why():
    step = compile(lambda p: p.sum())
    with pytest.raises(ValueError, match="plain: nothing is compiled yet"):
        step.plain  # noqa: B018
    rng = np.random.default_rng(0)
    step = compile(lambda p: (p * rng.uniform()).sum())
    step(Tensor([1.0]))
    with pytest.raises(ValueError, match="plain: there is no program"):
        step.plain  # noqa: B018


def test_what_does_not_repeat_is_said():
    def uneven(p, xs):
        h = Tensor(np.zeros(3))
        for t in range(8):
            with scope("cell", t=t):
                h = named(h=tanh(h * p["w"] + xs[t]) if t % 2 else rnn.sigmoid(h * p["w"]))
        return h.sum()

    step = agree(uneven, {"w": Tensor(np.ones(3))}, np.ones((8, 3)))
    assert "for t in" not in step.plain
    assert "# Not repeated: " in step.plain
