"""Is each answer what the task's own rule says, when worked out again from the inputs?"""

import numpy as np
import pytest

from tinygrad_rnn import tasks


def test_adding_and_multiplication_mark_one_number_in_each_half():
    for task, combine in ((tasks.adding, np.sum), (tasks.multiplication, np.prod)):
        xs, targets, *_ = task(200, 9, 0)
        numbers, marker = xs[..., 0], xs[..., 1]
        assert np.array_equal(marker[:4].sum(axis=0), np.ones(200))
        assert np.array_equal(marker[4:].sum(axis=0), np.ones(200))
        assert set(np.unique(marker)) == {0, 1}
        assert 0 <= numbers.min() < 0.01
        assert 0.99 < numbers.max() < 1
        for row in range(200):
            assert targets[row, 0] == pytest.approx(combine(numbers[marker[:, row] == 1, row]))


def test_adding_two_steps_long_is_the_sum_of_both():
    xs, targets, *_ = tasks.adding(3, 2, 0)
    assert np.array_equal(targets[:, 0], xs[0, :, 0] + xs[1, :, 0])


@pytest.mark.parametrize("T", [11, 20, 100, 101])
def test_adding_of_1997_marks_as_the_paper_says(T):
    xs, targets, lengths, mask, _ = tasks.adding_1997(2000, T, 0)
    seen = set()
    for row in range(2000):
        numbers, marker = xs[: lengths[row], row].T
        assert marker[0] == marker[-1] == -1
        places = np.nonzero(marker == 1)[0]
        assert set(marker[1:-1]) <= {0, 1}
        assert len(places) == 2 or (len(places) == 1 and numbers[0] == 0)
        assert places.max() <= max(T // 2, 9)
        assert places.min() < 10 or len(places) == 1
        assert targets[row, 0] == pytest.approx(0.5 + numbers[places].sum() / 4)
        seen |= set(places)
    assert seen == set(range(1, max(T // 2, 9) + 1)) if T >= 20 else seen <= set(range(1, 10))
    assert lengths.min() == T
    assert lengths.max() == T + T // 10
    assert xs[..., 0].min() < -0.99
    assert mask[lengths - 1, np.arange(2000)].all()


def test_in_one_row_of_ten_the_first_of_1997_falls_on_the_first_step():
    for task, neutral in ((tasks.adding_1997, 0), (tasks.multiplication_1997, 1)):
        xs = task(20_000, 30, 0).xs
        alone = (xs[..., 1] == 1).sum(axis=0) == 1
        assert abs(alone.mean() - 0.1) < 4 * (0.09 / 20_000) ** 0.5
        assert (xs[0, alone, 0] == neutral).all()
        assert not (xs[0, ~alone, 0] == neutral).any()


def test_multiplication_of_1997_multiplies_what_is_marked():
    xs, targets, *_ = tasks.multiplication_1997(300, 40, 0)
    for row in range(300):
        marked = xs[:, row, 0][xs[:, row, 1] == 1]
        assert targets[row, 0] == pytest.approx(np.prod(marked))
    assert xs[..., 0].min() >= 0


@pytest.mark.parametrize("T", [1, 2, 50])
def test_copy_memory_is_items_then_blanks_then_the_signal(T):
    xs, targets, *_ = tasks.copy_memory(40, T, 0)
    assert len(xs) == T + 20
    assert xs[:10].max() == 7
    assert np.array_equal(targets[-10:], xs[:10])
    assert (xs[T + 9] == 9).all()
    assert (xs == 9).sum() == 40
    assert (np.delete(xs[10:], T - 1, axis=0) == 8).all()
    assert (targets[:-10] == 8).all()


@pytest.mark.parametrize(
    ("symbols", "windows"),
    [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])],
)
def test_temporal_order_places_its_symbols_as_in_experiment_6(symbols, windows):
    xs, targets, lengths, *_ = tasks.temporal_order(3000, 100, 0, symbols=symbols)
    names = np.array(list(tasks.ORDER_SYMBOLS))
    seen = [set() for _ in windows]
    for row in range(3000):
        letters = "".join(names[xs[: lengths[row], row]])
        assert letters[0] == "E"
        assert letters[-1] == "B"
        places = [t for t, letter in enumerate(letters) if letter in "XY"]
        order = "".join(letters[t] for t in places)
        assert targets[row] == int(order.replace("X", "0").replace("Y", "1"), 2)
        assert set(letters[1:-1]) <= set("XYabcd")
        assert len(places) == symbols
        for t, place in zip(places, seen, strict=True):
            place.add(t)
    assert [(min(s), max(s)) for s in seen] == windows
    assert (lengths.min(), lengths.max()) == (100, 110)


@pytest.mark.parametrize("T", [10, 13, 19, 200])
def test_temporal_order_scaled_places_its_symbols_in_tenths(T):
    xs, targets, *_ = tasks.temporal_order_scaled(500, T, 0)
    first, second = (xs[: T // 2] < 2).argmax(axis=0), T // 2 + (xs[T // 2 :] < 2).argmax(axis=0)
    assert ((xs < 2).sum(axis=0) == 2).all()
    assert first.min() >= T // 10
    assert first.max() < 2 * T / 10
    assert second.min() >= 5 * T // 10
    assert second.max() < 6 * T / 10
    rows = np.arange(500)
    assert np.array_equal(targets, 2 * xs[first, rows] + xs[second, rows])
    assert len(xs) == T


@pytest.mark.parametrize("T", [10, 11, 15])
@pytest.mark.parametrize("symbols", [2, 3])
def test_short_temporal_order_has_all_its_symbols(T, symbols):
    xs, _, lengths, *_ = tasks.temporal_order(500, T, 0, symbols=symbols)
    for row in range(500):
        assert (xs[: lengths[row], row] < 2).sum() == symbols


def test_long_lag_repeats_its_first_symbol():
    xs, targets, *_ = tasks.long_lag(30, 6, 0)
    assert np.array_equal(targets[:-1], xs[1:])
    assert np.array_equal(targets[-1], xs[0])
    assert (xs[1:] == np.arange(5)[:, None]).all()
    assert set(xs[0]) == {5, 6}


def test_long_lag_random_draws_what_lies_between():
    xs, targets, *_ = tasks.long_lag_random(200, 6, 0)
    assert np.array_equal(targets[:-1], xs[1:])
    assert np.array_equal(targets[-1], xs[0])
    assert set(xs[0]) == {5, 6}
    assert all(set(step) == set(range(5)) for step in xs[1:])


def test_long_lag_distracted_is_b_then_x_or_y_then_distractors_then_e():
    p, q = 5, 8
    xs, targets, lengths, *_ = tasks.long_lag_distracted(500, q, p, 0)
    assert (xs[0] == p + 1).all()
    assert np.array_equal(xs[1], p + 2 + targets)
    assert lengths.min() == q + 3
    for row in range(500):
        between = xs[2 : lengths[row] - 1, row]
        assert set(between) <= set(range(p))
        assert xs[lengths[row] - 1, row] == p


@pytest.mark.parametrize("N", [1, 3])
def test_two_sequence_tells_in_its_first_numbers_alone(N):
    xs, targets, lengths, *_ = tasks.two_sequence(4000, 30, 0, N=N)
    assert (xs[:N, :, 0] == np.where(targets[:, 0] == 1, 1, -1)).all()
    assert set(targets.ravel()) == {0, 1}
    assert (lengths.min(), lengths.max()) == (30, 33)
    noise = xs[N:30, :, 0]
    assert noise.var() == pytest.approx(0.2, rel=0.02)
    assert abs(np.corrcoef(noise.mean(axis=0), targets[:, 0])[0, 1]) < 4 / 4000**0.5


def test_two_sequence_b_is_noisy_where_it_tells():
    xs, targets, *_ = tasks.two_sequence(40_000, 3, 0, variant="b")
    noise = xs[:3, :, 0] - (2 * targets[:, 0] - 1)
    assert abs(noise.mean()) < 4 * (0.2 / noise.size) ** 0.5
    assert noise.var() == pytest.approx(0.2, rel=0.02)


def test_two_sequence_c_has_noisy_targets_around_a_fifth_and_four_fifths():
    xs, targets, *_ = tasks.two_sequence(40_000, 3, 0, variant="c")
    for sign, mean in ((1, 0.2), (-1, 0.8)):
        mine = targets[xs[0, :, 0] == sign, 0]
        assert abs(mine.mean() - mean) < 4 * (0.1 / len(mine)) ** 0.5
        assert mine.var() == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(("task", "letters"), [(tasks.an_bn, 2), (tasks.an_bn_cn, 3)])
def test_counting_strings_have_as_many_of_each(task, letters):
    names = np.array(list(tasks.counting_symbols(letters)))
    xs, targets, lengths, *_ = task(300, 0, n=(2, 5))
    seen = set()
    for row in range(300):
        string = "".join(names[xs[: lengths[row], row]]) + names[targets[lengths[row] - 1, row]]
        n = string.count("a")
        seen.add(n)
        assert string == "S" + "".join(letter * n for letter in "abc"[:letters]) + "T"
        assert np.array_equal(xs[1 : lengths[row], row], targets[: lengths[row] - 1, row])
    assert seen == {2, 3, 4, 5}


def test_legal_successors_of_counting_strings():
    batch = tasks.an_bn_cn(1, 0, n=(2, 2))
    names = np.array(list(tasks.counting_symbols(3)))
    legal = ["".join(names[step]) for step in batch.legal[:, 0]]
    assert legal == ["a", "ab", "ab", "b", "c", "c", "T"]


@pytest.mark.parametrize("letters", [2, 3])
def test_counting_entropy_is_that_of_the_hazard(letters):
    # Worked out step by step: after k letters a, one more comes with probability (10-k)/(11-k).
    nats = 0.0
    for n in range(1, 11):
        for k in range(1, n + 1):
            more = (10 - k) / (11 - k)
            nats -= np.log(more if k < n else 1 - more)
    symbols = sum(letters * n + 1 for n in range(1, 11))
    assert tasks.counting_entropy(letters) == pytest.approx(nats / symbols)


@pytest.mark.parametrize("T", [1, 2, 31])
def test_parity_turns_with_every_bit(T):
    xs, targets, *_ = tasks.parity(50, T, 0)
    assert np.array_equal(targets, xs.sum(axis=(0, 2)) % 2)
    running = tasks.parity(50, T, 0, every_step=True)
    assert np.array_equal(running.xs, xs)
    assert np.array_equal(running.targets, xs.cumsum(axis=0)[..., 0] % 2)


@pytest.mark.parametrize("bits", [1, 7, 60])
def test_binary_addition_adds(bits):
    xs, targets, *_ = tasks.binary_addition(50, bits, 0)
    assert not xs[-1].any()
    for row in range(50):
        a, b = (sum(int(bit) << t for t, bit in enumerate(xs[:, row, k])) for k in (0, 1))
        assert a + b == sum(int(bit) << t for t, bit in enumerate(targets[:, row]))


def test_measured_spikes_are_as_late_as_the_target_says():
    xs, targets, lengths, mask, _ = tasks.measure_spikes(60, 12, 0, F=5, offsets=(0, 1, 4))
    assert np.array_equal(mask, xs[..., 0] == 1)
    for row in range(60):
        times = np.nonzero(xs[:, row, 0])[0] + 1
        offsets = np.diff(times, prepend=0) - 5
        assert len(times) == 12
        assert times[-1] == lengths[row]
        assert np.array_equal(targets[times - 1, row, 0], offsets)
        assert set(offsets) <= {0, 1, 4}
    assert not targets[~mask].any()


def test_timed_spikes_are_measured_spikes_turned_round():
    measured = tasks.measure_spikes(40, 6, 0, F=3, offsets=(0, 2))
    timed = tasks.timed_spikes(40, 6, 0, F=3, offsets=(0, 2))
    assert np.array_equal(timed.targets, measured.xs)
    at_spikes = measured.mask
    assert np.array_equal(timed.xs[at_spikes], measured.targets[at_spikes])
    for row in range(40):  # held: it changes only behind a spike
        held, spike = timed.xs[:, row, 0], timed.targets[:, row, 0]
        changes = np.nonzero(np.diff(held[: timed.lengths[row]]))[0]
        assert (spike[changes] == 1).all()


@pytest.mark.parametrize("period", [2, 10, 25])
@pytest.mark.parametrize("shape", ["cos", "triangle", "rectangle"])
def test_periodic_waves_repeat_between_zero_and_one(shape, period):
    wave = tasks.periodic(3 * period, shape=shape, period=period)
    values = wave.targets.ravel()
    assert np.array_equal(values[:period], values[period : 2 * period])
    assert values[0] == values.min() == 0
    assert values.max() <= 1
    assert values.max() > 0.9 or (shape, period) == ("rectangle", 2)
    assert not wave.xs.any()


@pytest.mark.parametrize(("distance", "T"), [(1, 2), (1, 9), (3, 4), (4, 20)])
def test_tags_are_the_sum_of_both_neighbours(distance, T):
    xs, targets, *_ = tasks.tagging(30, T, 0, symbols=4, distance=distance)
    for t in range(T):
        behind = xs[t - distance] if t >= distance else np.zeros(30, int)
        ahead = xs[t + distance] if t + distance < T else 0
        assert np.array_equal(targets[t], (behind + ahead) % 4)


def test_the_past_says_nothing_about_a_tag():
    # All continuations of one past: the tag takes each of its values equally often.
    xs, targets, *_ = tasks.tagging(60_000, 3, 0)
    for past in ((0, 0), (2, 1)):
        same = (xs[0] == past[0]) & (xs[1] == past[1])
        shares = np.bincount(targets[1, same]) / same.sum()
        assert np.abs(shares - 1 / 3).max() < 4 * (2 / 9 / same.sum()) ** 0.5
