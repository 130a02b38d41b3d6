"""How many seconds until a network knows what can be known, by its record and by a program?

Each starts anew from three seeds and is asked every fifty steps, on data it never trains on. It has
learnt when it is one per cent from the optimum of those very strings (Reber), or below a fiftieth
of what an answer without memory costs. A seed that does not get there in its steps fails. The
seconds are those of the processor, the C compiler's among them: its cache is empty at first.
"""

import resource
import time

import numpy as np
import pytest
from measure import machine, table

from tinygrad_rnn import nn, tasks
from tinygrad_rnn.train import Adam, fit


class Model(nn.Module):
    """An LSTM and a read-out: symbols in and classes out, or numbers in and numbers out."""

    def __init__(self, net):
        self.net = net

    def loss(self, xs, targets, lengths, mask, legal=None):
        y = self.net(xs, lengths=lengths)
        if targets.dtype.kind == "f":
            return nn.mse_loss(y, targets)
        return nn.cross_entropy(y, targets, mask=mask if targets.ndim == 2 else None)


def embedded_reber(count, rng):
    batch = tasks.embedded_reber(count, rng)
    return batch._replace(xs=tasks.one_hot(batch.xs, 7))


def adding(count, rng):
    return tasks.adding(count, 100, rng)


def temporal_order(count, rng):
    batch = tasks.temporal_order(count, 100, rng)
    return batch._replace(xs=tasks.one_hot(batch.xs, 8))


def remembering(net, rng):
    """Chrono start: without it temporal order stays at chance for more than 1,500 steps."""
    nn.start.chrono(net.cell, t_max=100, rng=rng)
    return net


def optimum(batch):
    """Nats per letter of who knows the grammar, for these strings: all arrows are alike."""
    return np.log(batch.legal.sum(axis=-1)[batch.mask]).mean()


CASES = {
    "embedded Reber": (
        embedded_reber,
        lambda rng: Model(nn.many_to_many(7, 16, 7, cell=nn.LSTMCell, rng=rng)),
        lambda held_out: 1.01 * optimum(held_out),
    ),
    "adding, T = 100": (
        adding,
        lambda rng: Model(remembering(nn.many_to_one(2, 32, 1, cell=nn.LSTMCell, rng=rng), rng)),
        lambda held_out: tasks.adding_baseline() / 50,
    ),
    "temporal order, T = 100": (
        temporal_order,
        lambda rng: Model(remembering(nn.many_to_one(8, 20, 4, cell=nn.LSTMCell, rng=rng), rng)),
        lambda held_out: tasks.temporal_order_baseline() / 50,
    ),
}


def processor():
    """Seconds of this process and of the compilers it has called."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def learnt_after(draw, make, held_out, goal, seed, target):
    """Seconds and steps until the score on `held_out` is at most `goal`, and that score."""
    rng, before, scores = np.random.default_rng(seed), processor(), []
    model = make(rng)

    def validate():
        scores.append(model.loss(*held_out).item())
        return -len(scores) if scores[-1] > goal else np.inf  # what is no better ends the run

    run = fit(
        model,
        lambda _: draw(20, rng),
        Adam(model.parameters(), lr=0.01),
        steps=5000,
        clip=1.0,
        validate=validate,
        every=50,
        patience=1,
        target=target,
        progress=False,
    )
    return processor() - before, run.step, scores[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_seconds_until_it_is_learnt(name, show, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    draw, make, learnt = CASES[name]
    held_out = draw(200, 1000)
    goal, rows = learnt(held_out), []
    for seed in range(3):
        both = [learnt_after(draw, make, held_out, goal, seed, x) for x in ("eager", "auto")]
        eager = both[0][0]
        for how, (seconds, steps, score) in zip(("eager", "compiled"), both, strict=True):
            rows.append(
                [f"{name}, seed {seed}, {how}", seconds, seconds / eager, str(steps), score, goal]
            )
    head = ["batches of 20", "seconds", "× eager", "steps", "score", "goal"]
    show(machine(), table(head, rows))
    assert all(score <= goal for *_, score, _ in rows)
