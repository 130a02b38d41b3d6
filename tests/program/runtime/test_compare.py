"""Is a wrong result told from one that is rounded otherwise?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, grad, log_softmax, logsumexp, nn, stack, tanh
from tinygrad_rnn.program.runtime import compile as make
from tinygrad_rnn.program.runtime.compare import first_difference, size_of

EPS = np.finfo(float).eps


def difference(x, y, n=10, moved=None):
    """The first difference, of results that rounding does not change unless `moved` says so."""
    x, y = np.asarray(x), np.asarray(y)
    found, chaotic = first_difference([("x", x)], [y], n, moved or (lambda _: [x]))
    assert not chaotic
    return found


def never(_):
    raise AssertionError("nothing differs by more than n·eps")


ALIKE = {
    "n·eps of the largest entry": ([1000.0, 1.0], [1000.0, 1.0 + 9000 * EPS]),
    "NaN": ([np.nan, 1.0], [np.nan, 1.0]),
    "infinities": ([np.inf, -np.inf, 1.0], [np.inf, -np.inf, 1.0 + EPS]),
    "all infinite": ([np.inf], [np.inf]),
    "no entries": (np.zeros((0, 3)), np.zeros((0, 3))),
    "zeros of two signs": ([0.0], [-0.0]),
    "integers": (np.array([1 << 62, -1]), np.array([1 << 62, -1])),
    "bools": (np.array([True, False]), np.array([True, False])),
    "float32": (np.float32(1), np.float32(1) + np.float32(9 * 2.0**-23)),
    "float16 near its largest": (np.float16(65000), np.float16(65000)),
}


@pytest.mark.parametrize("how", ALIKE)
def test_what_rounding_explains_is_no_difference(how):
    x, y = ALIKE[how]
    assert difference(x, y, moved=never) is None


UNLIKE = {
    "more than n·eps": ([1000.0, 1.0], [1000.0, 1.0 + 11000 * EPS], (1,)),
    "the sign of an infinity": ([1.0, np.inf], [1.0, -np.inf], (1,)),
    "an infinity for a number": ([1.0, 2.0], [1.0, np.inf], (1,)),
    "a number for an infinity": ([np.inf, 2.0], [1e308, 2.0], (0,)),
    "NaN for a number": ([1.0, 2.0], [np.nan, 2.0], (0,)),
    "a number for NaN": ([1.0, np.nan], [1.0, 2.0], (1,)),
    "NaN for an infinity": ([np.inf], [np.nan], (0,)),
    "something for nothing": ([0.0, 0.0], [0.0, 1e-9], (1,)),
    "an integer off by one": (np.array([1 << 62]), np.array([(1 << 62) + 1]), (0,)),
    "a bool": (np.array([[True, False]]), np.array([[True, True]]), (0, 1)),
    "float32 beyond n·eps": (np.float32(1), np.float32(1) + np.float32(11 * 2.0**-23), ()),
}


@pytest.mark.parametrize("how", UNLIKE)
def test_a_difference_is_found_at_its_place(how):
    x, y, place = UNLIKE[how]
    found = difference(x, y)
    assert found is not None
    assert (found.name, found.index) == ("x", place)
    np.testing.assert_array_equal(found.expected, np.asarray(x)[place])
    np.testing.assert_array_equal(found.found, np.asarray(y)[place])


def test_another_dtype_or_shape_is_a_difference():
    said = str(difference(np.float64(1), np.float32(1)))
    assert said.startswith("x is float32 of shape () in the program and float64 of shape () as")
    said = str(difference(np.ones((2, 1)), np.ones(2)))
    assert said.startswith("x is float64 of shape (2,) in the program and float64 of shape (2, 1)")


def test_a_difference_says_where_and_what():
    found = difference([[0.0, 1.0]], [[0.0, 1.5]])
    assert str(found) == (
        "x at [0, 1] is 1.5 in the program and 1.0 as written (rounding may change 2.2e-15)"
    )


def test_the_first_of_the_results_that_differ_is_named():
    expected = [("loss", np.ones(1)), ("W", np.ones(2)), ("b", np.ones(2))]
    found, _ = first_difference(
        expected, [np.ones(1), np.array([1, 2.0]), np.zeros(2)], 10, lambda _: [np.ones(1)] * 3
    )
    assert found is not None
    assert (found.name, found.index) == ("W", (1,))


def moved_by(*changes):
    """Values as they are with each operation one ulp off."""
    return lambda seed: [np.asarray(changes[seed % len(changes)])]


def test_what_one_ulp_changes_is_allowed_four_times_and_no_more():
    ulp = moved_by([1.0, 1.0], [1.0, 1.0 + 1e-6])
    assert difference([1.0, 1.0], [1.0, 1.0 + 3.9e-6], moved=ulp) is None
    found = difference([1.0, 1.0], [1.0, 1.0 + 4.1e-6], moved=ulp)
    assert found is not None
    assert found.tolerance == pytest.approx(4e-6)


def test_what_changes_with_all_operations_off_in_one_direction_is_allowed_once():
    ulp = moved_by(*[[1.0, 1.0]] * 7, [1.0, 1.0 + 1e-6])
    assert difference([1.0, 1.0], [1.0, 1.0 + 0.9e-6], moved=ulp) is None
    assert difference([1.0, 1.0], [1.0, 1.0 + 1.1e-6], moved=ulp) is not None


def test_what_one_ulp_changes_wholly_cannot_be_compared():
    x, y = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    for u, v in (([1.0, 2.0], [1.0, 2.3]), ([1.0, np.inf], [1.0, 2.0]), ([np.nan, 1], [1.0, 1])):
        found, chaotic = first_difference(
            [("a", np.ones(1)), ("W", x)], [np.ones(1), y], 10,
            lambda seed, u=u, v=v: [np.ones(1), np.array((u, v)[seed])],
        )  # fmt: skip
        assert found is None
        assert chaotic == ["W"]


def test_a_function_that_gives_something_else_each_time_is_not_chaotic():
    assert difference([2.0], [1.0], moved=moved_by([1.0], [1.0 + EPS])) is not None


def test_a_number_where_rounding_alone_is_left_is_a_difference():
    # such as the gradient of a bias that a softmax does not see
    x, moved = 3e-17, moved_by(-2e-17, 1e-17)
    found, chaotic = first_difference([("b", np.array(x))], [np.array(5e-17)], 10, moved)
    assert (found, chaotic) == (None, ["b"])
    found, chaotic = first_difference([("b", np.array(x))], [np.array(0.1)], 10, moved)
    assert found is not None
    assert chaotic == []


def test_the_size_of_a_computation_is_about_the_roots_of_its_operations_and_its_largest_sum():
    x = Tensor(np.ones((100, 100)))
    assert size_of([x] * 99 + [x.sum()]) == 16 + 4 * 10 + 4 * 100
    assert size_of([]) == 16


# -- programs


def altered(monkeypatch, change):
    """Every program gives what `change` makes of the results."""
    real = make.Program.__call__
    monkeypatch.setattr(make.Program, "__call__", lambda self, xs: change(real(self, xs)))


def test_rounding_errors_may_add_up_in_one_direction():
    b, steps = Tensor(np.array(0.1, np.float32)), 4000

    def chain(b):
        h = b * 0
        for _ in range(steps):
            h = h + b
        return h

    exact, h = np.float32(steps * b.item()), chain(b).data
    assert abs(h - exact) > 100 * np.spacing(exact)
    for found, equal in ((exact, True), (exact * np.float32(1.01), False)):
        different, chaotic = compile(chain).difference(b, (), [("loss", h)], 10, [found])
        assert (different is None, chaotic) == (equal, [])


@pytest.mark.parametrize("f", [lambda x: -log_softmax(x)[0], lambda x: logsumexp(x, 0)])
def test_a_loss_near_zero_may_differ_by_ulps_of_one_and_no_more(f):
    scores = Tensor(np.array([0, -9.5, -9.5, -9.5], np.float32))
    step = compile(f)
    loss, _ = step(scores)
    assert loss < 1e-3
    ulp = np.finfo(np.float32).eps
    for more, equal in ((ulp, True), (20 * ulp, False)):
        found, chaotic = step.difference(scores, (), [("loss", loss)], 10, [loss + more])
        assert (found is None, chaotic) == (equal, [])


def test_a_gradient_that_is_off_by_a_thousandth_is_found(monkeypatch):
    class Model(nn.Module):
        def __init__(self, dtype):
            self.cell = nn.LSTMCell(3, 4, rng=0, dtype=dtype)
            self.readout = nn.Linear(4, 3, rng=1, dtype=dtype)

    def loss_fn(m, x, y):
        return nn.cross_entropy(m.readout(stack(nn.unroll(m.cell, x)[0])), y)

    def off(results):
        loss, first, *rest = results
        first = first.copy()
        first[1, 2] += np.abs(first).max() * 1e-3
        return loss, first, *rest

    altered(monkeypatch, off)
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        m = Model(dtype)
        x, y = rng.standard_normal((20, 2, 3)).astype(dtype), rng.integers(3, size=(20, 2))
        step = compile(loss_fn)
        _, grads = step(m, x, y)
        assert "than the function: the gradient of cell." in step.reason
        assert " at [1, 2] is " in step.reason
        exact = grad(loss_fn(m, x, y), m.parameters())
        for g, e in zip(grads.values(), exact, strict=True):
            np.testing.assert_array_equal(g, e)


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_a_difference_of_numbers_that_are_nearly_one_is_compiled(target):
    # 1 - y·y is 1e-16 and a few digits of it are left: rounding changes the gradient by a tenth
    def loss_fn(p, x):  # as a_state_of_one_number of test_periods
        w, s = p["b"].sum(), 0.5
        for t in range(len(x)):
            s = tanh(w * s + x[t].sum())
        return s * s

    step, p = compile(loss_fn, target=target), {"b": Tensor(np.full(4, 0.2))}
    x = np.random.default_rng(40).standard_normal((2, 40, 2, 3))[0]
    _, grads = step(p, x)
    assert not step.reason
    np.testing.assert_allclose(grads["b"], grad(loss_fn(p, x), [p["b"]])[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_cancellation_is_rounding(target):
    def loss_fn(p, x):
        large = 1e8 + p["w"] * x
        return ((large - 1e8) ** 2).sum()

    step, p, x = compile(loss_fn, target=target), {"w": Tensor(0.3)}, np.linspace(1, 2, 50)
    step(p, x)
    assert not step.reason


def exploding(p, x):
    h = np.zeros((1, 32), np.float32)
    for x_t in x:
        h = tanh(x_t + h @ p["W"])
    return (h * h).mean()


def explosive():
    """Weights that double any state, and inputs too small to hold it."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.standard_normal((32, 32)))
    x = rng.standard_normal((200, 1, 32)) / 10
    return (2 * q).astype(np.float32), x.astype(np.float32)


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_a_net_that_explodes_through_time_is_chaotic_and_no_difference(target):
    W, x = explosive()
    step = compile(exploding, target=target)
    step({"W": Tensor(W)}, x)
    assert not step.reason

    def compared(T, factor=1.0):
        """Results where all weights are one ulp greater, with those where they are not."""
        results = list[tuple]()
        for p in (Tensor(W), Tensor(np.nextafter(W, np.float32(9)))):
            loss = exploding({"W": p}, x[:T])
            results.append((loss.data, grad(loss, [p])[0]))
        (loss, dW), (another, gradient) = results
        expected = [("loss", loss), ("W", dW)]
        return step.difference(
            {"W": Tensor(W)}, (x[:T],), expected, 1000, [another, gradient * np.float32(factor)]
        )

    found, chaotic = compared(200)
    assert found is None
    assert chaotic[-1] == "W"
    assert compared(3) == (None, [])
    found, chaotic = compared(3, 1.001)  # over a few steps it can be told
    assert found is not None
    assert chaotic == []


def test_a_gradient_that_is_wrong_is_found_by_its_size_though_the_net_explodes(monkeypatch):
    altered(monkeypatch, lambda results: (results[0], results[1] * np.float32(1e12)))
    W, x = explosive()
    step = compile(exploding)
    step({"W": Tensor(W)}, x)
    assert "than the function: the gradient of W" in step.reason
