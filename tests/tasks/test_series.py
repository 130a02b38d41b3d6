"""Are series split and cut in the order of time?"""

import zipfile
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest

from tinygrad_rnn.tasks import persistence, split, sunspots, windows


def test_sunspots_are_309_years_without_a_gap():
    years, numbers = sunspots()
    assert np.array_equal(years, np.arange(1700, 2009))
    assert years.dtype == np.int64
    assert numbers.shape == (309,)
    assert numbers.dtype == np.float64
    assert numbers[[0, -1]].tolist() == [5.0, 2.9]
    assert numbers.min() == 0
    assert numbers.sum() == pytest.approx(15373.4)


def test_sunspots_peak_every_eleven_years():
    numbers = sunspots()[1]
    spectrum = np.abs(np.fft.rfft(numbers - numbers.mean()))
    assert len(numbers) / spectrum.argmax() == pytest.approx(11, abs=0.3)


def test_the_file_of_sunspots_names_its_source_and_terms():
    text = (files("tinygrad_rnn.tasks") / "data" / "sunspots.csv").read_text(encoding="utf-8")
    for said in ("Source: WDC-SILSO, Royal Observatory of Belgium", "NOAA", "CC BY-NC 4.0"):
        assert said in text


def test_sunspots_are_found_in_a_zipped_package(tmp_path, monkeypatch):
    # As importlib.resources promises: without a folder there is a temporary file.
    data = (files("tinygrad_rnn.tasks") / "data" / "sunspots.csv").read_bytes()
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        archive.writestr("data/sunspots.csv", data)
    inside = zipfile.Path(tmp_path / "zipped.zip")
    monkeypatch.setattr("tinygrad_rnn.tasks.series.files", lambda _: inside)
    assert sunspots()[1].sum() == pytest.approx(15373.4)


def test_persistence_of_the_sunspots():
    # Worked out by hand in the slow way.
    numbers = sunspots()[1]
    slow = sum((b - a) ** 2 for a, b in pairwise(numbers)) / 308
    assert persistence(numbers) == pytest.approx(slow)
    assert persistence(numbers) < numbers.var() / 2
    assert persistence(numbers, horizon=11) < persistence(numbers, horizon=5)


def test_split_keeps_the_order_of_time_and_loses_nothing():
    values = np.arange(10.0)
    train, test = split(values, 0.7)
    assert train.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert test.tolist() == [7, 8, 9]


@pytest.mark.parametrize(("count", "train"), [(10, 0.0), (10, 1.0), (1, 0.5), (0, 0.5), (10, 1.5)])
def test_a_split_that_leaves_a_side_empty_is_refused(count, train):
    with pytest.raises(ValueError, match="expected at least one on each side"):
        split(np.zeros(count), train)


@pytest.mark.parametrize(("steps", "horizon"), [(1, 1), (3, 1), (3, 2), (9, 1)])
def test_windows_are_followed_by_their_targets(steps, horizon):
    values = np.arange(10.0)
    batch = windows(values, steps, horizon=horizon)
    count = 10 - steps - horizon + 1
    assert batch.xs.shape == (steps, count, 1)
    assert batch.targets.shape == (count, horizon)
    assert not batch.per_step
    for k in range(count):
        assert np.array_equal(batch.xs[:, k, 0], values[k : k + steps])
        assert np.array_equal(batch.targets[k], values[k + steps : k + steps + horizon])
    assert np.array_equal(batch.mask.argmax(axis=0), np.full(count, steps - 1))


def test_windows_do_not_share_memory_with_the_series():
    values = np.arange(10.0)
    batch = windows(values, 3)
    values[:] = 0
    assert batch.xs[2, 0, 0] == 2
    assert batch.targets[0, 0] == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: windows(np.zeros(3), 3), r"at least 4 values, got shape \(3,\)"),
        (lambda: windows(np.zeros((9, 2)), 3), r"one series .* got shape \(9, 2\)"),
        (lambda: windows(np.zeros(9), 0), "steps = 0 is too small"),
        (lambda: windows(np.zeros(9), 3, horizon=0), "horizon = 0 is too small"),
        (lambda: persistence(np.zeros(3), horizon=3), r"at least 4 values, got shape \(3,\)"),
        (lambda: persistence(np.zeros(3), horizon=0), "horizon = 0 is too small"),
    ],
)
def test_too_short_a_series_is_refused_with_the_least_length(call, message):
    with pytest.raises(ValueError, match=message):
        call()


KINDS = {
    "dates": np.arange("2020-01", "2021-01", dtype="M8[M]"),
    "spans of time": np.arange(12).astype("m8[D]"),
    "complex": np.arange(12) * 1j,
    "objects": np.array([1, None] * 6),
    "numbers as objects": np.arange(12.0).astype(object),
    "text": np.arange(12).astype(str),
    "records": np.zeros(12, [("a", float)]),
    "a list of words": ["1"] * 12,
}


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("call", [lambda x: windows(x, 3), persistence])
def test_what_are_no_real_numbers_is_refused(call, values):
    with pytest.raises(TypeError, match=r"(windows|persistence): expected real numbers, got \S+"):
        call(values)


@pytest.mark.parametrize("call", [lambda x: windows(x, 3), persistence])
def test_a_masked_series_is_refused(call):
    with pytest.raises(TypeError, match=r"numpy.ma.MaskedArray. Its mask would be lost"):
        call(np.ma.masked_equal(np.arange(12.0), 3))


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint64, np.float16, np.float32, list])
def test_all_real_numbers_are_a_series(kind):
    values = np.arange(12) % 2
    given = values.tolist() if kind is list else values.astype(kind)
    assert persistence(given) == 1
    assert windows(given, 3).xs.dtype == np.float64
