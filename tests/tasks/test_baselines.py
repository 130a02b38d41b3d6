"""Is each exact baseline what a simulation finds?

Each case gives the losses of many independent samples under the best answer of somebody who lacks
what the task asks for. Their mean must lie within four standard errors of the exact value, and the
standard error must be small enough for that to mean something.
"""

import numpy as np
import pytest

from tinygrad_rnn import tasks

N = 40_000


def squared(targets, answer):
    return (targets.ravel() - answer) ** 2


def nats(classes, probabilities):
    return -np.log(np.asarray(probabilities)[classes.ravel()])


def errors(classes, answer):
    return (classes.ravel() != answer).astype(float)


def of_1997(adding, *, both):
    batch = adding(N, 20, 0)
    pairs = (batch.xs[..., 1] == 1).sum(axis=0) == 2
    return batch.targets[pairs] if both else batch.targets


def knowing_first(task):
    """The number marked in the first half, and the targets."""
    batch = task(N, 4, 0)
    return batch.xs[:2].prod(axis=-1).sum(axis=0), batch.targets[:, 0]


def adding_one_known():
    known, targets = knowing_first(tasks.adding)
    return (targets - (known + 1 / 2)) ** 2


def multiplication_one_known():
    known, targets = knowing_first(tasks.multiplication)
    return (targets - known / 2) ** 2


def copying(T):
    targets = tasks.copy_memory(N // 20, T, 0).targets
    # The blank is certain but for the last ten steps, where each of eight symbols is as likely.
    loss = np.zeros(targets.shape)
    loss[-10:] = nats(targets[-10:], np.full(8, 1 / 8)).reshape(10, -1)
    assert (targets[:-10] == 8).all()
    return loss.mean(axis=0)


def two_sequence_decisions(count):
    batch = tasks.two_sequence(10 * N, 4, 0, N=count, variant="b")
    return errors(batch.targets > 0.5, batch.xs[:count, :, 0].sum(axis=0) > 0)


def blind_addition():
    """The share of ones behind each pair of bits, at each step, is all that is known."""
    batch = tasks.binary_addition(N, 6, 0)
    loss = np.zeros(batch.targets.shape)
    for t in range(7):
        ones = batch.xs[t].sum(axis=-1)
        for total in set(ones):
            here = ones == total
            p = batch.targets[t, here].mean()
            if 0 < p < 1:
                loss[t, here] = nats(batch.targets[t, here], [1 - p, p])
    return loss.mean(axis=0)


def long_lag(task, p, *, random, memory):
    batch = task(N // 10, p, 0)
    loss = np.zeros(batch.targets.shape)
    if random:
        loss[:-1] = nats(batch.targets[:-1], np.full(p - 1, 1 / (p - 1))).reshape(p - 1, -1)
    if memory:
        assert np.array_equal(batch.targets[-1], batch.xs[0])
    else:
        loss[-1] = nats(batch.targets[-1] - (p - 1), [0.5, 0.5])
    return loss.mean(axis=0)


def tagging(sees):
    batch = tasks.tagging(N // 4, 8, 0, distance=2)
    behind, ahead = np.zeros(batch.xs.shape, int), np.zeros(batch.xs.shape, int)
    behind[2:], ahead[:-2] = batch.xs[:-2], batch.xs[2:]
    answer = {"past": behind, "future": ahead, "both": (behind + ahead) % 3}[sees]
    return (answer == batch.targets).mean(axis=0)


def spikes_blind():
    batch = tasks.measure_spikes(N // 10, 10, 0, offsets=(0, 1, 2, 3))
    return squared(batch.targets[batch.mask], 1.5)


def spikes_by_rate():
    # One interval in each row is a sample of the ratio: loss per row over mean steps per row.
    batch = tasks.timed_spikes(N // 4, 10, 0, F=4, offsets=(0, 2))
    loss = np.where(batch.mask, (batch.targets[..., 0] - 1 / 5) ** 2, 0).sum(axis=0)
    return loss / batch.mask.sum() * len(loss)


def walk(horizon):
    values = np.random.default_rng(0).standard_normal((2000, 60)).cumsum(axis=1)
    return np.array([tasks.persistence(row, horizon=horizon) for row in values])


CASES = {
    "adding": (lambda: squared(tasks.adding(N, 7, 0).targets, 1), 1 / 6),
    "adding, one known": (adding_one_known, 1 / 12),
    "adding_1997": (
        lambda: squared(of_1997(tasks.adding_1997, both=False), 0.5),
        tasks.adding_1997_baseline(),
    ),
    "adding_1997 where both are drawn": (
        lambda: squared(of_1997(tasks.adding_1997, both=True), 0.5),
        1 / 24,
    ),
    "multiplication": (lambda: squared(tasks.multiplication(N, 7, 0).targets, 1 / 4), 7 / 144),
    "multiplication, one known": (multiplication_one_known, 1 / 36),
    "multiplication_1997": (
        lambda: squared(of_1997(tasks.multiplication_1997, both=False), 0.275),
        tasks.multiplication_1997_baseline(),
    ),
    "multiplication_1997 where both are drawn": (
        lambda: squared(of_1997(tasks.multiplication_1997, both=True), 1 / 4),
        7 / 144,
    ),
    "copy_memory, every answer alike": (lambda: copying(20), tasks.copy_memory_baseline(20)),
    "copy_memory wrong at the last ten": (
        lambda: errors(tasks.copy_memory(N // 10, 5, 0).targets[-10:], 3),
        7 / 8,
    ),
    "temporal_order 6a wrong": (
        lambda: errors(tasks.temporal_order(N, 20, 0).targets, 0),
        0.75,
    ),
    "temporal_order 6b wrong": (
        lambda: errors(tasks.temporal_order(N, 20, 0, symbols=3).targets, 7),
        0.875,
    ),
    "temporal_order_scaled wrong": (
        lambda: errors(tasks.temporal_order_scaled(N, 20, 0).targets, 1),
        0.75,
    ),
    "long_lag wrong at the end": (
        lambda: errors(tasks.long_lag(N, 4, 0).targets[-1], 3),
        0.5,
    ),
    "long_lag without memory": (
        lambda: long_lag(tasks.long_lag, 4, random=False, memory=False),
        np.log(2) / 4,
    ),
    "long_lag_random with memory": (
        lambda: long_lag(tasks.long_lag_random, 5, random=True, memory=True),
        tasks.long_lag_entropy(5, random=True),
    ),
    "long_lag_random without": (
        lambda: long_lag(tasks.long_lag_random, 5, random=True, memory=False),
        tasks.long_lag_entropy(5, random=True, memory=False),
    ),
    "long_lag_distracted wrong": (
        lambda: errors(tasks.long_lag_distracted(N, 2, 3, 0).targets, 0),
        0.5,
    ),
    "long_lag_distracted symbols": (
        lambda: tasks.long_lag_distracted(N, 2, 3, 0).lengths + 1.0,
        2 + 13,
    ),
    "two_sequence a wrong": (
        lambda: errors(tasks.two_sequence(N, 3, 0).targets, 1),
        0.5,
    ),
    "two_sequence c": (
        lambda: squared(tasks.two_sequence(N, 5, 0, variant="c").targets, 0.5),
        tasks.two_sequence_baseline("c"),
    ),
    "two_sequence b, best decision, N = 1": (
        lambda: two_sequence_decisions(1),
        tasks.two_sequence_error(1),
    ),
    "two_sequence b, best decision, N = 3": (
        lambda: two_sequence_decisions(3),
        tasks.two_sequence_error(3),
    ),
    "parity wrong": (lambda: errors(tasks.parity(N, 9, 0).targets, 0), 0.5),
    "binary_addition without the carry": (blind_addition, tasks.binary_addition_baseline(6)),
    "measure_spikes": (spikes_blind, tasks.measure_spikes_baseline((0, 1, 2, 3))),
    "timed_spikes": (spikes_by_rate, tasks.timed_spikes_baseline(4, (0, 2))),
    "tagging from the past": (
        lambda: tagging("past"),
        tasks.tagging_accuracy(8, sees="past", distance=2),
    ),
    "tagging from the future": (
        lambda: tagging("future"),
        tasks.tagging_accuracy(8, sees="future", distance=2),
    ),
    "persistence of a random walk": (lambda: walk(1), 1.0),
    "persistence of a random walk, three steps": (lambda: walk(3), 3.0),
}


@pytest.mark.parametrize("name", CASES)
def test_simulation_finds_the_exact_baseline(name):
    draw, exact = CASES[name]
    losses = draw()
    mean, error = losses.mean(), losses.std(ddof=1) / len(losses) ** 0.5
    # A loss that is the same for every sample has no standard error, only rounding.
    assert abs(mean - exact) <= 4 * error + 1e-12
    assert error < 0.02 * exact or "decision, N = 3" in name


@pytest.mark.parametrize(("task", "letters"), [(tasks.an_bn, 2), (tasks.an_bn_cn, 3)])
def test_who_counts_pays_for_n_alone(task, letters):
    # After k ≥ 2 letters a, one more comes with probability (6-k)/(7-k); all else is certain.
    batch = task(N, 0, n=(2, 6))
    k = (batch.xs == 1).cumsum(axis=0)
    more = (6 - k) / (7 - k)
    chance = np.where(batch.targets == 1, more, 1 - more)[(batch.xs == 1) & (k >= 2)]
    assert chance.min() > 0
    per_string = -np.log(chance).sum() / N
    lengths = batch.lengths
    error = lengths.std() / N**0.5 / lengths.mean()
    exact = tasks.counting_entropy(letters, n=(2, 6))
    assert per_string == pytest.approx(np.log(5))
    assert abs(per_string / lengths.mean() / exact - 1) < 4 * error < 0.02


@pytest.mark.parametrize(
    ("found", "exact"),
    [
        (tasks.adding_baseline(), 0.16667),
        (tasks.adding_baseline(known=1), 0.0833),
        (tasks.adding_baseline(known=2), 0),
        (tasks.adding_1997_baseline(), 0.0396),
        (tasks.multiplication_baseline(), 0.048611),
        (tasks.multiplication_baseline(known=2), 0),
        (tasks.copy_memory_baseline(100), 0.17329),
        (tasks.copy_memory_baseline(200), 0.09452),
        (tasks.copy_memory_baseline(300), 0.06498),
        (tasks.copy_memory_baseline(500), 0.03999),
        (tasks.copy_memory_baseline(1000), 0.02039),
        (tasks.temporal_order_baseline(), 1.38629),
        (tasks.temporal_order_baseline(symbols=3), 2.07944),
        (tasks.parity_baseline(), 0.69315),
        (tasks.long_lag_distracted_baseline(), 0.69315),
        (tasks.long_lag_entropy(100), 0),
        (tasks.two_sequence_baseline("a"), 0.25),
        (tasks.two_sequence_baseline("a", memory=True), 0),
        (tasks.two_sequence_baseline("c"), 0.19),
        (tasks.two_sequence_baseline("c", memory=True), 0.1),
        (tasks.periodic_baseline("cos", 25), 0.125),
        (tasks.periodic_baseline("rectangle", 10), 0.24),
        (tasks.measure_spikes_baseline(), 0.25),
        (tasks.tagging_accuracy(100, sees="both"), 1),
    ],
)
def test_formula_gives_the_published_figure(found, exact):
    assert found == pytest.approx(exact, abs=6e-5)


def test_no_constant_answer_beats_the_mean():
    # The baselines above are for the mean; a neighbouring constant must be worse.
    targets = tasks.multiplication_1997(N, 20, 0).targets
    best = squared(targets, targets.mean()).mean()
    assert squared(targets, 0.25).mean() > best < squared(targets, 0.3).mean()


def test_the_classes_of_temporal_order_are_equally_frequent():
    for symbols in (2, 3):
        targets = tasks.temporal_order(N, 20, 0, symbols=symbols).targets
        shares = np.bincount(targets) / N
        assert len(shares) == 2**symbols
        assert np.abs(shares - 1 / 2**symbols).max() < 4 * (2**-symbols / N) ** 0.5
