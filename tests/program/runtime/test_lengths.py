"""Programs for other lengths: the same as if they were made anew, without rolling anything up."""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import nn
from tinygrad_rnn.program import compile
from tinygrad_rnn.program.runtime import pipeline

B, D, H = 3, 4, 5


class Net(nn.Module):
    """Labels for each step, from any recurrent layer."""

    def __init__(self, layer, width=H, **options):
        self.layer = layer(D, H, rng=0, **options)
        self.out = nn.Linear(width, D, rng=1)
        self.embed = nn.Embedding(D, D, rng=3)
        self.rng = np.random.default_rng(2)

    def outputs(self, x, **options):
        return self.layer(x, **options)[0]


def labels(m, x, y):
    return nn.cross_entropy(m.out(m.outputs(x)), y)


def last(m, x, y):
    return nn.cross_entropy(m.out(m.outputs(x)[-1]), y[-1])


def carried(m, x, y):
    hs, state = m.layer(x)
    return nn.cross_entropy(m.out(hs), y), state


def weighted(m, x, y):
    """Weights of the steps, which are no arguments."""
    w = 0.9 ** np.arange(len(y))[:, None]
    return (tg.log_softmax(m.out(m.outputs(x))).sum(axis=2) * w).sum() / w.sum()


def dropped(m, x, y):
    return nn.cross_entropy(m.out(nn.dropout(m.outputs(x), 0.5, rng=m.rng)), y)


def cut(m, x, y):
    return nn.cross_entropy(m.out(m.outputs(x, truncate=4)), y)


def padded(m, x, y):
    lengths = np.array([len(y), 2, 1])
    return nn.cross_entropy(m.out(m.outputs(x, lengths=lengths)), y)


def shifted(m, x, y):
    d = m.out(m.outputs(x[:-1])) - x[1:]
    return (d * d).mean()


def by_hand(m, x, y):
    cell, h = m.layer.layers[0][0], tg.Tensor(np.zeros((B, H)))
    loss = 0.0
    for t in range(len(y)):
        h = tg.tanh(x[t] @ cell.W_x + h @ cell.W_h)
        loss = loss + nn.cross_entropy(m.out(h), y[t])
    return loss / len(y)


def ended(m, x, y, first=False):
    """The first step, or the last one, does something else."""
    cell, h, hs = m.layer.layers[0][0], tg.Tensor(np.zeros((B, H))), []
    for t in range(len(y)):
        with tg.scope("cell", t=t):
            h = tg.tanh(x[t] @ cell.W_x + h @ cell.W_h)
            h = h * tg.sigmoid(h) if t == (0 if first else len(y) - 1) else h
        hs.append(h)
    return nn.cross_entropy(m.out(tg.stack(hs)), y)


def begun(m, x, y):
    return ended(m, x, y, first=True)


def clipped(m, x, y):
    hs, _ = nn.unroll(nn.ClippedGradient(m.layer.layers[0][0], 1e-3), x)
    return nn.cross_entropy(m.out(tg.stack(hs)), y)


def written(m, x, y):
    """What was written last is read next; first a symbol that stands in the function."""
    cell = m.layer.layers[0][0]

    def step(symbol, h):
        h = cell(m.embed(symbol), h)
        return m.out(h), h

    ys, _ = nn.decode(step, np.zeros(B, int), m.layer(x)[1][0], y)
    return nn.cross_entropy(tg.stack(ys), y)


def batch(T):
    rng = np.random.default_rng(T)
    return rng.standard_normal((T, B, D)), rng.integers(0, D, (T, B))


NETS = {
    "rnn": (lambda: Net(nn.RNN), labels),
    "lstm": (lambda: Net(nn.LSTM), labels),
    "gru": (lambda: Net(nn.GRU), labels),
    "two layers": (lambda: Net(nn.LSTM, num_layers=2), labels),
    "both ways": (lambda: Net(nn.GRU, 2 * H, bidirectional=True), labels),
    "last": (lambda: Net(nn.LSTM), last),
    "carried": (lambda: Net(nn.LSTM), carried),
    "weighted": (lambda: Net(nn.RNN), weighted),
    "dropped": (lambda: Net(nn.RNN), dropped),
    "padded": (lambda: Net(nn.GRU), padded),
    "shifted": (lambda: Net(nn.RNN), shifted),
    "by hand": (lambda: Net(nn.RNN), by_hand),
    "another last step": (lambda: Net(nn.RNN), ended),
    "another first step": (lambda: Net(nn.RNN), begun),
    "clipped gradients": (lambda: Net(nn.GRU), clipped),
    "written": (lambda: Net(nn.GRU), written),
}


def rolled(monkeypatch):
    """A list that gets an entry for each record that is rolled up."""
    calls, roll = [], pipeline.roll
    monkeypatch.setattr(
        pipeline, "roll", lambda *args, **options: calls.append(1) or roll(*args, **options)
    )
    return calls


def same(found, expected):
    (loss, gradients), (other, others) = found, expected
    np.testing.assert_equal(loss, other)
    for name, g in gradients.items():
        np.testing.assert_array_equal(g, others[name], err_msg=name)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("name", NETS)
def test_a_third_length_gives_the_program_that_is_made_anew(name, target, monkeypatch):
    make, loss = NETS[name]
    m, calls = make(), rolled(monkeypatch)
    step = compile(loss, target=target)
    for T in (7, 9, 12, 22):
        count = len(calls)
        found = step(m, *batch(T))
        assert not step.reason
        assert T < 12 or len(calls) == count, T
    m = make()
    fresh = compile(loss, target=target)
    m.rng = np.random.default_rng(2)
    if name == "dropped":
        for T in (7, 9, 12):
            m.rng.random((T, B, H))
    same(found, fresh(m, *batch(22)))
    assert step.source == fresh.source
    assert step.c_source == fresh.c_source


def test_a_long_sequence_is_made_of_short_ones(monkeypatch):
    """Of its beginnings; nothing is rolled up that is longer."""
    lengths, roll = [], pipeline.roll

    def seen(trace, **options):
        lengths.append(len(trace.nodes))
        return roll(trace, **options)

    monkeypatch.setattr(pipeline, "roll", seen)
    m = Net(nn.LSTM)
    step = compile(labels)
    step(m, *batch(150))
    long = lengths.pop()
    found = step(m, *batch(400))
    assert len(lengths) == 2
    assert max(lengths) < long
    fresh = compile(labels)
    same(found, fresh(m, *batch(400)))
    assert step.source == fresh.source


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("rest", range(4))
def test_where_the_last_part_is_shorter_there_is_one_program_for_each_rest(
    rest, target, monkeypatch
):
    calls, m = rolled(monkeypatch), Net(nn.RNN)
    step = compile(cut, target=target)
    for T in (8 + rest, 12 + rest):
        step(m, *batch(T))
    count = len(calls)
    found = step(m, *batch(24 + rest))
    assert len(calls) == count
    assert step.stats["structures"] == 1
    same(found, compile(cut, target=target)(m, *batch(24 + rest)))


def begun(start):
    """A loss whose first state is made of the size of the batch."""

    def loss(m, x, y):
        hs, _ = nn.unroll(m.layer.layers[0][0], x, start(x.shape[1]))
        return nn.cross_entropy(m.out(tg.stack(hs)), y)

    return loss


def sizes(loss, layer, target, monkeypatch):
    """Whether batches of a third size have a program that is not rolled up anew; it is right."""
    calls, m, rng = rolled(monkeypatch), Net(layer), np.random.default_rng(0)
    step = compile(loss, target=target)
    for n in (2, 3, 7):
        count = len(calls)
        x, y = rng.standard_normal((8, n, D)), rng.integers(0, D, (8, n))
        found = step(m, x, y)
    anew = len(calls) > count
    same(found, compile(loss, target=target)(m, x, y))
    return not anew


@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM])
def test_batches_of_another_size_have_the_program_too(layer, target, monkeypatch):
    assert sizes(labels, layer, target, monkeypatch)


STARTS = {
    "ones": (lambda n: np.full((n, H), 0.5), True),
    "minus zeros": (lambda n: np.full((n, H), -0.0), True),
    "its size": (lambda n: np.full((n, H), n / 10), False),
    "rows": (lambda n: np.arange(n * H).reshape(n, H) / 10, False),
    "signs of zeros": (lambda n: np.copysign(0.0, np.arange(n * H).reshape(n, H) - 2.0), False),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_first_state_is_known_at_another_size_if_it_is_one_number(name, monkeypatch):
    start, known = STARTS[name]
    assert sizes(begun(start), nn.RNN, "numpy", monkeypatch) == known


CHANGES = {
    "another branch": lambda m, x, y: labels(m, x, y) * (2.0 if len(x) > 15 else 1.0),
    "a part left out": lambda m, x, y: labels(m, x[: min(len(x), 15)], y[: min(len(x), 15)]),
    "another order": lambda m, x, y: labels(m, x[::-1] if len(x) > 15 else x, y),
    "another step": lambda m, x, y: (
        labels(m, x, y) + m.out(m.outputs(x)[min(len(x), 15) - 5]).sum()
    ),
    "values of a length": lambda m, x, y: labels(m, x, y) * float(len(x) > 15),
    "a power": lambda m, x, y: labels(m, x, y) ** len(x),
    "a square of it": lambda m, x, y: labels(m, x, y) / len(x) ** 2,
    "a table": lambda m, x, y: (m.outputs(x).sum(axis=(1, 2)) * np.sin(np.arange(len(x)))).sum(),
}


def states(m, x, through, from_t=0):
    """All states; gradients that flow back in time go `through` something."""
    cell, h, hs = m.layer.layers[0][0], tg.Tensor(np.zeros((B, H))), []
    for t in range(len(x)):
        h = tg.tanh(0.1 * x[t] @ cell.W_x + (through(h) if t >= from_t else h) @ cell.W_h)
        hs.append(h)
    return hs


def clip(limit):
    return lambda h: tg.pass_gradient(h, limit=limit)


def same_state(h):
    return h


BACKWARD = {
    "another limit": lambda m, x: states(m, x, clip(0.2 if len(x) > 15 else 2.0)),
    "clipped if long": lambda m, x: states(m, x, clip(0.2) if len(x) > 15 else same_state),
    "clipped from then on": lambda m, x: states(m, x, clip(0.2), 0 if len(x) > 15 else 3),
    "clipped elsewhere": lambda m, x: (
        [clip(0.2)(h) for h in states(m, x, same_state)] if len(x) > 15 else states(m, x, clip(0.2))
    ),
    "a limit that shrinks": lambda m, x: states(m, x, clip(5 / len(x))),
    "cut where told": lambda m, x: states(
        m, x, lambda h: tg.cut_gradient(h, x[0] @ np.eye(D, H) > 9) if len(x) > 15 else h
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("name", BACKWARD)
def test_what_differs_backward_alone_is_seen_though_first_gradients_are_small(name, target):
    """No limit is reached at the first call of any length, all of them are at the second."""

    def loss(m, x, y, size):
        return sum((h * size).sum() for h in BACKWARD[name](m, x))

    m, step = Net(nn.RNN), compile(loss, target=target)
    for T in (9, 12, 14, 18, 25, 33):
        x, y = batch(T)
        for size, far in ((1e-3, 1.0), (10.0, 20.0)):
            _, gradients = step(m, x * far, y, np.array(size))
            assert not step.reason
            expected = loss(m, tg.Tensor(x * far), y, tg.Tensor(size))
            cell = m.layer.layers[0][0]
            for p in ("W_x", "W_h"):
                (g,) = tg.grad(expected, [getattr(cell, p)])
                np.testing.assert_allclose(gradients[f"layer.layers.0.0.{p}"], g, rtol=1e-9)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_is_another_function_at_another_length_is_seen(name, target):
    m, f = Net(nn.RNN), CHANGES[name]
    step = compile(f, target=target)
    for T in (9, 12, 14, 18, 25, 33):
        loss, gradients = step(m, *batch(T))
        expected = f(m, *map(tg.Tensor, batch(T)))
        np.testing.assert_allclose(loss, expected.data, rtol=1e-9)
        for p, g in zip(
            m.parameters(), tg.grad(expected, m.parameters(), unused="zero"), strict=True
        ):
            name = next(k for k, q in m.named_parameters().items() if q is p)
            np.testing.assert_allclose(gradients[name], g, rtol=1e-7, atol=1e-12)


def test_programs_make_room_by_their_size(monkeypatch):
    from tinygrad_rnn.program.runtime import step as steps

    step, m = compile(labels), Net(nn.RNN)
    for T in range(5, 40):
        step(m, *batch(T))
    assert len(step._programs) == 35  # all of them small
    monkeypatch.setattr(steps, "ROOM", 1)
    step(m, *batch(50))
    assert len(step._programs) == 16


def test_it_is_said_why_a_length_has_a_program_of_its_own():
    step, m = compile(CHANGES["another branch"]), Net(nn.RNN)
    for T in (9, 12, 18):
        step(m, *batch(T))
    assert "made anew, and not by programs of other lengths: there is no such" in step.explain()
