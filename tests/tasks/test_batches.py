"""Does every task keep to the one form of a batch: shapes, dtypes, seeds, edges, errors?"""

import numpy as np
import pytest

from tinygrad_rnn import tasks
from tinygrad_rnn.tasks import Batch, one_hot

# Each drawn task: how to call it with (batch, rng), its features (None: symbols, and how many of
# them), what its targets are per step or per row (outputs, or None for classes).
NUMBERS = {
    "adding": lambda batch, rng: tasks.adding(batch, 12, rng),
    "adding_1997": lambda batch, rng: tasks.adding_1997(batch, 30, rng),
    "multiplication": lambda batch, rng: tasks.multiplication(batch, 12, rng),
    "multiplication_1997": lambda batch, rng: tasks.multiplication_1997(batch, 30, rng),
    "two_sequence a": lambda batch, rng: tasks.two_sequence(batch, 40, rng),
    "two_sequence b": lambda batch, rng: tasks.two_sequence(batch, 40, rng, variant="b"),
    "two_sequence c": lambda batch, rng: tasks.two_sequence(batch, 40, rng, variant="c"),
    "parity": lambda batch, rng: tasks.parity(batch, 30, rng),
    "parity at every step": lambda batch, rng: tasks.parity(batch, 30, rng, every_step=True),
    "binary_addition": lambda batch, rng: tasks.binary_addition(batch, 20, rng),
    "measure_spikes": lambda batch, rng: tasks.measure_spikes(batch, 20, rng),
    "timed_spikes": lambda batch, rng: tasks.timed_spikes(batch, 20, rng),
}
SYMBOLS = {
    "copy_memory": (10, lambda batch, rng: tasks.copy_memory(batch, 5, rng)),
    "temporal_order 6a": (8, lambda batch, rng: tasks.temporal_order(batch, 40, rng)),
    "temporal_order 6b": (8, lambda batch, rng: tasks.temporal_order(batch, 40, rng, symbols=3)),
    "temporal_order_scaled": (8, lambda batch, rng: tasks.temporal_order_scaled(batch, 40, rng)),
    "reber": (7, lambda batch, rng: tasks.reber(batch, rng)),
    "embedded_reber": (7, lambda batch, rng: tasks.embedded_reber(batch, rng)),
    "continual_reber": (7, lambda batch, rng: tasks.continual_reber(batch, 50, rng)),
    "long_lag": (11, lambda batch, rng: tasks.long_lag(batch, 10, rng)),
    "long_lag_random": (11, lambda batch, rng: tasks.long_lag_random(batch, 10, rng)),
    "long_lag_distracted": (14, lambda batch, rng: tasks.long_lag_distracted(batch, 20, 10, rng)),
    "an_bn": (4, lambda batch, rng: tasks.an_bn(batch, rng, n=(1, 1000))),
    "an_bn_cn": (5, lambda batch, rng: tasks.an_bn_cn(batch, rng, n=(1, 1000))),
    "tagging": (3, lambda batch, rng: tasks.tagging(batch, 20, rng)),
}
DRAWN = NUMBERS | {name: draw for name, (_, draw) in SYMBOLS.items()}


def arrays_equal(one, other):
    return all(
        a is b is None or (np.shape(a) == np.shape(b) and np.array_equal(a, b))
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("name", DRAWN)
def test_time_is_first_and_the_batch_second(name, batch):
    found = DRAWN[name](batch, 0)
    assert isinstance(found, Batch)
    assert found.mask.shape == found.xs.shape[:2] == (found.lengths.max(), batch)
    assert found.lengths.shape == (batch,)
    assert found.lengths.min() >= 1
    assert found.targets.shape[: 1 + found.per_step] == (
        found.mask.shape if found.per_step else (batch,)
    )
    assert found.mask.dtype == bool
    assert found.lengths.dtype == np.int64


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_float64_with_features_last(name):
    found = NUMBERS[name](5, 0)
    features = 1 if name.split()[0] in {"two_sequence", "parity", "measure_spikes"} else 2
    features = 1 if name == "timed_spikes" else features
    assert found.xs.dtype == np.float64
    assert found.xs.shape[2:] == (features,)
    classes = "parity" in name or name == "binary_addition"
    assert found.targets.dtype == (np.int64 if classes else np.float64)
    assert found.targets.shape[1 + found.per_step :] == (() if classes else (1,))


@pytest.mark.parametrize("name", SYMBOLS)
def test_symbols_are_integers_below_the_size_of_the_alphabet(name):
    size, draw = SYMBOLS[name]
    found = draw(300, 0)
    assert found.xs.dtype == found.targets.dtype == np.int64
    assert found.xs.ndim == 2
    assert found.xs.min() == 0
    # temporal_order_scaled shares the alphabet of 8, but has neither a beginning nor an end
    assert found.xs.max() in (size - 1, size - 2) or name == "temporal_order_scaled"
    assert found.targets.min() == 0
    assert one_hot(found.xs, size).shape == (*found.xs.shape, size)


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_seed_gives_the_same_arrays_and_another_seed_others(name):
    draw = DRAWN[name]
    assert arrays_equal(draw(20, 3), draw(20, 3))
    assert arrays_equal(draw(20, 3), draw(20, np.random.default_rng(3)))
    assert not np.array_equal(draw(20, 3).xs, draw(20, 4).xs)


@pytest.mark.parametrize("name", DRAWN)
def test_a_generator_goes_on_from_call_to_call(name):
    rng = np.random.default_rng(3)
    assert not np.array_equal(DRAWN[name](20, rng).xs, DRAWN[name](20, rng).xs)


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_leaves_the_global_generator_alone(name):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    DRAWN[name](4, 0)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("name", DRAWN)
def test_filling_is_zero_and_asks_for_nothing(name):
    found = DRAWN[name](50, 0)
    beyond = np.arange(len(found.xs))[:, None] >= found.lengths
    assert not found.xs[beyond].any()
    assert not found.mask[beyond].any()
    if found.per_step:
        assert not found.targets[beyond].any()
    if found.legal is not None:
        assert not found.legal[beyond].any()


@pytest.mark.parametrize("name", DRAWN)
def test_one_answer_per_row_is_due_at_its_last_step(name):
    found = DRAWN[name](50, 0)
    if found.per_step:
        assert found.mask.any(axis=0).all()
    else:
        assert np.array_equal(found.mask.sum(axis=0), np.ones(50))
        assert np.array_equal(found.mask.argmax(axis=0), found.lengths - 1)


@pytest.mark.parametrize("name", DRAWN)
def test_every_row_of_a_batch_is_drawn_on_its_own(name):
    xs = DRAWN[name](40, 0).xs
    assert any(not np.array_equal(xs[:, 0], xs[:, k]) for k in range(1, 40))


@pytest.mark.parametrize("name", DRAWN)
def test_no_row_is_refused_with_the_least_that_is_allowed(name):
    with pytest.raises(ValueError, match=r"batch = 0 is too small; the smallest allowed is 1\."):
        DRAWN[name](0, 0)


@pytest.mark.parametrize("name", DRAWN)
def test_a_batch_that_is_no_integer_is_refused(name):
    with pytest.raises(TypeError, match=r"batch is an integer, got 2\.0\."):
        DRAWN[name](2.0, 0)


SHORTEST = {
    "adding: T": (2, lambda T: tasks.adding(1, T, 0)),
    "multiplication: T": (2, lambda T: tasks.multiplication(1, T, 0)),
    "adding_1997: T": (11, lambda T: tasks.adding_1997(1, T, 0)),
    "multiplication_1997: T": (11, lambda T: tasks.multiplication_1997(1, T, 0)),
    "copy_memory: T": (1, lambda T: tasks.copy_memory(1, T, 0)),
    "copy_memory: symbols": (1, lambda n: tasks.copy_memory(1, 5, 0, symbols=n)),
    "copy_memory: items": (1, lambda n: tasks.copy_memory(1, 5, 0, items=n)),
    "temporal_order: T": (10, lambda T: tasks.temporal_order(1, T, 0)),
    "temporal_order_scaled: T": (10, lambda T: tasks.temporal_order_scaled(1, T, 0)),
    "continual_reber: T": (1, lambda T: tasks.continual_reber(1, T, 0)),
    "long_lag: p": (2, lambda p: tasks.long_lag(1, p, 0)),
    "long_lag_random: p": (2, lambda p: tasks.long_lag_random(1, p, 0)),
    "long_lag_distracted: q": (0, lambda q: tasks.long_lag_distracted(1, q, 5, 0)),
    "long_lag_distracted: p": (1, lambda p: tasks.long_lag_distracted(1, 5, p, 0)),
    "two_sequence: T": (3, lambda T: tasks.two_sequence(1, T, 0)),
    "two_sequence: N": (1, lambda N: tasks.two_sequence(1, 9, 0, N=N)),
    "an_bn: least_n": (1, lambda n: tasks.an_bn(1, 0, n=(n, 5))),
    "an_bn_cn: greatest_n": (3, lambda n: tasks.an_bn_cn(1, 0, n=(3, n))),
    "parity: T": (1, lambda T: tasks.parity(1, T, 0)),
    "binary_addition: bits": (1, lambda bits: tasks.binary_addition(1, bits, 0)),
    "measure_spikes: spikes": (1, lambda n: tasks.measure_spikes(1, n, 0)),
    "timed_spikes: F": (1, lambda F: tasks.timed_spikes(1, 3, 0, F=F)),
    "periodic: T": (1, lambda T: tasks.periodic(T)),
    "periodic: period": (2, lambda period: tasks.periodic(5, period=period)),
    "tagging: T": (3, lambda T: tasks.tagging(1, T, 0, distance=2)),
    "tagging: symbols": (2, lambda n: tasks.tagging(1, 5, 0, symbols=n)),
    "tagging: distance": (1, lambda n: tasks.tagging(1, 5, 0, distance=n)),
}


@pytest.mark.parametrize("what", SHORTEST)
def test_the_smallest_size_works_and_the_next_below_is_refused_by_name(what):
    least, draw = SHORTEST[what]
    assert len(draw(least).xs) >= 1
    message = rf"{what} = {least - 1} is too small; the smallest allowed is {least}\."
    with pytest.raises(ValueError, match=message):
        draw(least - 1)


@pytest.mark.parametrize("what", SHORTEST)
@pytest.mark.parametrize("size", [12.5, "12", None, True])
def test_a_size_that_is_no_integer_is_refused(what, size):
    with pytest.raises((TypeError, ValueError), match=r"is an integer, got"):
        SHORTEST[what][1](size)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tasks.temporal_order(1, 100, 0, symbols=4), "symbols is 2 .* or 3 .*, got 4"),
        (lambda: tasks.two_sequence(1, 100, 0, variant="d"), 'variant is "a", "b" or "c", got'),
        (lambda: tasks.two_sequence_baseline("z"), 'variant is "a", "b" or "c", got'),
        (lambda: tasks.two_sequence_baseline("b", memory=True), r"ask two_sequence_error\(N\)"),
        (lambda: tasks.adding_baseline(3), "known is 0, 1 or 2 numbers, got 3"),
        (lambda: tasks.multiplication_baseline(-1), "known is 0, 1 or 2 numbers, got -1"),
        (lambda: tasks.measure_spikes(1, 3, 0, offsets=()), "from 0 on, got"),
        (lambda: tasks.timed_spikes(1, 3, 0, offsets=(-1, 2)), "from 0 on, got"),
        (lambda: tasks.timed_spikes(1, 3, 0, offsets=(0, 0.5)), "integers from 0 on, got"),
        (lambda: tasks.timed_spikes(1, 3, 0, offsets=2), "integers from 0 on, got 2"),
        (lambda: tasks.an_bn(1, 0, n=5), "an_bn: n is a pair, .* got 5"),
        (lambda: tasks.counting_entropy(n=(1, 2, 3)), "n is a pair, .* got"),
        (lambda: tasks.counting_entropy(n=(3, 2)), "greatest_n = 2 is too small; .* is 3"),
        (lambda: tasks.periodic(5, shape="saw"), "one of cos, triangle, rectangle, got 'saw'"),
        (lambda: tasks.tagging_accuracy(5, sees="all"), '"past", "future" or "both", got'),
        (lambda: tasks.reber_entropy("none"), '"full", "short" or "symbol", got'),
        (lambda: one_hot(np.array([1.0]), 3), "symbols are integers, got dtype float64"),
        (lambda: one_hot(np.array([3]), 3), "must lie in 0 … 2, got 3 … 3"),
        (lambda: one_hot(np.array([-1]), 3), "must lie in 0 … 2, got -1 … -1"),
    ],
)
def test_an_unknown_choice_is_refused_with_those_that_exist(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


@pytest.mark.parametrize("name", DRAWN)
def test_some_rows_of_a_batch_are_a_batch(name):
    found = DRAWN[name](9, 0)
    for rows in (slice(2, 5), np.array([7, 0]), np.arange(9) % 2 == 0):
        some = found.take(rows)
        assert np.array_equal(some.xs, found.xs[:, rows])
        assert np.array_equal(some.mask, found.mask[:, rows])
        assert np.array_equal(some.lengths, found.lengths[rows])
        expected = found.targets[:, rows] if found.per_step else found.targets[rows]
        assert np.array_equal(some.targets, expected)
        assert (some.legal is None) == (found.legal is None)
        assert found.legal is None or np.array_equal(some.legal, found.legal[:, rows])


def test_rows_are_taken_from_square_targets_as_well():
    # As many steps as rows as outputs: only the number of axes tells targets per row from others.
    batch = tasks.windows(np.arange(8.0), 3, horizon=3)
    assert batch.targets.shape == batch.mask.shape == (3, 3)
    assert np.array_equal(batch.take(slice(1, 2)).targets, [[4, 5, 6]])


def test_astype_changes_numbers_and_leaves_symbols_and_classes():
    numbers = tasks.adding(3, 5, 0).astype(np.float32)
    assert numbers.xs.dtype == numbers.targets.dtype == np.float32
    classes = tasks.parity(3, 5, 0).astype(np.float32)
    assert (classes.xs.dtype, classes.targets.dtype) == (np.float32, np.int64)
    symbols = tasks.embedded_reber(3, 0).astype(np.float32)
    assert (symbols.xs.dtype, symbols.legal.dtype) == (np.int64, bool)


def test_everything_named_is_there_and_named_once():
    assert len(set(tasks.__all__)) == len(tasks.__all__)
    assert all(hasattr(tasks, name) for name in tasks.__all__)
    made = {name: thing for name, thing in vars(tasks).items() if callable(thing)}
    functions = {n for n, thing in made.items() if tasks.__name__ in str(thing.__module__)}
    assert functions <= {*tasks.__all__}


FLOATS = {
    "adding": (4, 8),
    "adding_1997": (4, 12),
    "binary_addition": (4, 3),
    "measure_spikes": (4, 3),
    "multiplication": (4, 8),
    "multiplication_1997": (4, 12),
    "parity": (4, 8),
    "timed_spikes": (4, 3),
    "two_sequence": (4, 8),
}


@pytest.mark.parametrize("name", FLOATS)
def test_a_task_of_numbers_has_the_dtype_asked_for(name):
    task = getattr(tasks, name)
    wide, narrow = task(*FLOATS[name], rng=0), task(*FLOATS[name], rng=0, dtype=np.float32)
    assert wide.xs.dtype == np.float64
    assert narrow.xs.dtype == np.float32
    for a, b in zip(wide.astype(np.float32), narrow, strict=True):
        assert (a is None and b is None) or (a.dtype == b.dtype and np.array_equal(a, b))
