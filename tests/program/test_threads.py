"""Do small products run on one thread, and is the number of threads what it was afterwards?"""

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.program import threads
from tinygrad_rnn.train import SGD, fit


@pytest.fixture
def blas(monkeypatch):
    """A BLAS on four processors whose number of threads is seen; nobody has set any."""

    class BLAS:
        number = 4

        def put(self, n):
            self.number = n

    found = BLAS()
    found.seen = []
    monkeypatch.setattr(threads, "all_processors", lambda: 4)
    monkeypatch.setattr(threads, "_functions", lambda: [lambda: found.number, found.put])
    return found


class Net(nn.Module):
    def __init__(self, size, blas):
        self.cell, self.seen = nn.RNNCell(2, size, rng=0), blas

    def loss(self, x):
        self.seen.seen.append(self.seen.number)
        return tg.mean(nn.unroll(self.cell, x)[1] ** 2)


def batch(_):
    return (np.ones((3, 8, 2)),)


def trained(size, blas):
    model = Net(size, blas)
    fit(model, batch, SGD(model.parameters(), lr=0.1), steps=4, progress=False)
    return blas.seen


def test_fit_runs_small_products_on_one_thread_from_the_second_step_on(blas):
    assert trained(4, blas) == [4, 1, 1, 1]
    assert blas.number == 4


def test_fit_leaves_large_products_to_all_threads(blas):
    assert trained(800, blas) == [4] * 4


def test_a_run_that_goes_on_has_one_thread_from_its_first_step_on(blas, tmp_path):
    for steps in (3, 6):
        model = Net(4, blas)
        optimiser = SGD(model.parameters(), lr=0.1)
        fit(model, batch, optimiser, steps=steps, progress=False, path=tmp_path / "run")
    assert blas.seen == [4, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("number", [1, 2, 8])
def test_a_number_that_is_set_stays(blas, number):
    blas.number = number
    assert trained(4, blas) == [number] * 4
    assert blas.number == number


def test_a_number_that_is_set_inside_stays():
    numbers = [4]
    with threads.OneThread(lambda: numbers[-1], numbers.append):
        numbers.append(3)
    assert numbers[-1] == 3


def test_an_error_sets_the_number_back(blas):
    with pytest.raises(ZeroDivisionError), threads.limited(True):
        blas.number // (blas.number - 1)
    assert blas.number == 4


@pytest.mark.parametrize("name", threads.CHOSEN)
def test_the_environment_sets_a_number(monkeypatch, name):
    for other in threads.CHOSEN:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "2")
    assert threads._functions.__wrapped__() == []


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_a_program_of_small_products_runs_on_one_thread(blas, target):
    step = tg.compile(lambda p, x: tg.sum(tg.tanh(x @ p)), target=target)
    for n, expected in ((4, 1), (2000, 4)):
        p, x = Tensor(np.full((n, n), 1 / n)), np.ones((8, n))
        step(p, x)
        last, run = step._last, step._last._run
        last._run = lambda arrays, run=run: blas.seen.append(blas.number) or run(arrays)
        step(p, x)
        assert blas.seen[-1] == expected
        assert blas.number == 4


def test_the_size_of_a_product_is_that_in_which_the_average_multiplication_is():
    small, large = np.ones((4, 4)), np.ones((400, 400))
    A, B = Tensor(small), Tensor(large)
    few = [small @ A for _ in range(50)]
    assert threads.small(ancestors(*few))
    assert not threads.small(ancestors(*few, large @ B))
    assert not threads.small(ancestors(tg.exp(A)))
