"""Is an array that is written into between the record and its gradient noticed?"""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import Primitive, Tensor, clip, concatenate, grad, nn, tanh, where
from tinygrad_rnn.engine.constants import fingerprints, written_into

SIZES = [1, 7, 100, 4096, 5000, 100_003]
REFUSED = r"was written into after .* was recorded.*array\.copy\(\).*after backward\(\)"


def other_numbers(x):
    x[...] = np.random.default_rng(1).standard_normal(x.shape)


def one_number(x):
    x.flat[x.size // 2] += 1


def one_bit(x):
    x.view(np.uint8).flat[-1] ^= 1


def zeros(x):
    x[...] = 0


def turned(x):
    x[...] = np.roll(x, 1)


WRITES = [other_numbers, one_number, one_bit, zeros, turned]

USES = {
    "multiply": lambda w, x: w * x,
    "add": lambda w, x: x + w,
    "power": lambda w, x: w**x,
    "where": lambda w, x: where(x > 0.5, w, x),
    "matmul": lambda w, x: x.reshape(1, -1) @ (w + np.zeros((x.size, 1))),
    "concatenate": lambda w, x: concatenate([w + np.zeros(x.shape), x]),
    "a view": lambda w, x: w * x[::-1],
    "a subclass": lambda w, x: w * x.view(np.recarray),
    "after its result": lambda w, x: tanh(w * x) * x,
}


def numbers(size, dtype=float):
    return np.random.default_rng(0).uniform(0.1, 1, size).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("write", WRITES)
def test_whatever_is_written_into_an_array_of_any_size_is_noticed(write, size, dtype):
    x, w = numbers(size, dtype), Tensor(np.asarray(0.5, dtype), name="w")
    loss = (w * x).sum()
    write(x)
    if write is turned and size == 1:
        loss.backward()
        return
    with pytest.raises(RuntimeError, match=rf"an array \(shape \({size},\)\) {REFUSED}"):
        loss.backward()
    with pytest.raises(RuntimeError, match=REFUSED):
        grad(loss, w)
    assert w.grad is None


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_it_is_noticed_wherever_the_record_refers_to_the_array(use):
    x, w = numbers(6), Tensor(0.5, name="w")
    loss = use(w, x).sum()
    expected = grad(loss, w)
    assert np.isfinite(expected)
    other_numbers(x)
    with pytest.raises(RuntimeError, match=REFUSED):
        loss.backward()


def test_a_buffer_that_is_filled_anew_at_each_step_is_noticed():
    rng, buffer = np.random.default_rng(0), np.empty(3)
    h, w = Tensor(np.zeros(3)), Tensor(0.5)
    for _ in range(4):
        buffer[:] = rng.standard_normal(3)
        h = h * w + buffer
    with pytest.raises(RuntimeError, match=r"shape \(3,\)\) was written into after add"):
        h.sum().backward()


def test_a_buffer_may_be_filled_anew_after_backward():
    rng, buffer, w = np.random.default_rng(0), np.empty((5, 3)), Tensor(0.5)
    for _ in range(3):
        buffer[:] = rng.standard_normal((5, 3))
        h = Tensor(np.zeros(3))
        for x in buffer:
            h = tanh(h * w + x)
        expected = grad(h.sum(), w)
        w.grad = None
        h.sum().backward()
        assert w.grad == expected


def test_the_input_of_a_step_goes_by_its_letter_and_its_step():
    cell, xs = nn.LSTMCell(3, 4, rng=0), np.ones((5, 2, 3))
    outputs, _ = nn.unroll(cell, xs)
    xs[2, 0, 0] = 7
    with pytest.raises(RuntimeError, match=r"^x \(shape \(2, 3\)\) .* matmul at lstm · t = 2"):
        grad(outputs[-1].sum(), cell.parameters())


def test_indices_masks_and_options_are_arrays_too():
    w = Tensor(np.arange(6.0))
    for change, use in (
        (np.array([0, 2, 2]), lambda a: w[a]),
        (np.array([True, False] * 3), lambda a: w[a]),
        (np.array([True, False] * 3), lambda a: where(a, w, 0.0)),
        (np.full(6, 2.0), lambda a: clip(w, high=a)),
    ):
        loss = (use(change) ** 2).sum()
        grad(loss, w)
        change[0] = not change[0]
        with pytest.raises(RuntimeError, match=REFUSED):
            grad(loss, w)


def test_an_array_of_no_axes_and_one_without_elements():
    x, w = np.array(3.0), Tensor(2.0)
    loss = w * x
    assert grad(loss, w) == 3
    x[...] = 4
    with pytest.raises(RuntimeError, match=r"an array \(shape \(\)\)"):
        grad(loss, w)
    assert grad((w * np.ones((0, 3))).sum(), w) == 0


def test_what_no_gradient_flows_past_is_not_asked_for():
    w, x, y = Tensor(2.0), np.ones(3), np.ones(3)
    loss = (w * x).sum() + (Tensor(1.0) * y).sum()
    y[:] = 0
    assert grad(loss, w) == 3
    x[:] = x
    assert grad(loss, w) == 3


def test_an_array_that_holds_its_old_numbers_again_is_as_good_as_untouched():
    w, x = Tensor(2.0), np.ones(3)
    loss = (w * x).sum()
    x[:] = 5
    x[:] = 1
    assert grad(loss, w) == 3


def test_a_users_primitive_is_watched_too():
    from tinygrad_rnn.engine.rules import RULES

    scaled = Primitive("scaled", lambda x, /, table: x * table)
    RULES[scaled] = (lambda g, y, x, table: g * table,)
    try:
        w, table = Tensor([1.0, 2.0]), np.array([3.0, 4.0])
        loss = scaled(w, table=table).sum()
        assert grad(loss, w).tolist() == [3, 4]
        table[:] = 0
        with pytest.raises(RuntimeError, match=r"an array \(shape \(2,\)\) .* scaled"):
            grad(loss, w)
    finally:
        del RULES[scaled]


# -- the array of a parameter ----------------------------------------------------------------------


def lend_before(w, write, record):
    data = w.data
    loss = record()
    write(data)
    return loss


def lend_after(w, write, record):
    loss = record()
    write(w.data)
    return loss


def lend_between(w, write, record):
    first = record()
    data = w.data
    loss = first + record()
    write(data)
    return loss


@pytest.mark.parametrize("lend", [lend_before, lend_after, lend_between])
@pytest.mark.parametrize("write", [other_numbers, one_number])
@pytest.mark.parametrize("size", [3, 5000])
def test_a_parameter_that_is_written_into_is_noticed(lend, write, size):
    w = Tensor(numbers(size), name="W")
    loss = lend(w, write, lambda: (w * w).sum())
    with pytest.raises(RuntimeError, match=rf"W \(shape \({size},\)\) {REFUSED}"):
        loss.backward()
    again = (w * w).sum()
    assert np.array_equal(grad(again, w), 2 * w.data)


def test_a_parameter_may_be_written_into_between_records():
    w = Tensor(numbers(3), name="W")
    for _ in range(3):
        (w * w).sum()  # evaluated, and never differentiated
        w.data[...] *= 0.5
        loss = (w * w).sum()
        assert np.array_equal(grad(loss, w), 2 * w.data)
        w.data[0] += 1


def test_an_array_that_was_assigned_in_place_no_longer_belongs_to_the_leaf():
    w = Tensor(numbers(3), name="W")
    data = w.data
    w.data -= 1
    loss = (w * w).sum()
    data[:] = 7
    assert np.array_equal(grad(loss, w), 2 * (numbers(3) - 1))


def test_a_view_of_a_parameter_that_is_written_into_is_noticed():
    w = Tensor(np.ones((2, 3)), name="W")
    loss = (w.reshape(3, 2).T[0] * 2).sum()
    w.data[0, 0] = 5
    with pytest.raises(RuntimeError, match="written into"):
        grad(loss, w)


# -- what it costs in memory, and what it misses ---------------------------------------------------


def test_a_record_goes_at_once_and_its_arrays_with_it():
    gc.disable()
    try:
        x = np.ones(3)
        h = Tensor(np.ones(3)) * x
        node, array = weakref.ref(h), weakref.ref(x)
        del h, x
        assert node() is None
        assert array() is None
    finally:
        gc.enable()


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.data())
def test_any_one_change_of_a_large_array_is_noticed(k, j, data):
    x = np.arange(20_001, dtype=np.float32)
    order = data.draw(st.sampled_from(["C", "F"]))
    x = x.reshape(59, 339).copy(order)
    taken = fingerprints([x])
    x.flat[k] = data.draw(st.floats(width=32, allow_nan=False))
    changed = x.flat[k] != k
    assert (written_into(taken, {}) is not None) == (changed or np.signbit(x.flat[k]))
    x.flat[k] = k
    assert written_into(taken, {}) is None
    x.flat[[k, j]] = x.flat[[j, k]]
    if (k - j) % 127 and order == "C" and k // 2 != j // 2 and (k // 2 - j // 2) % 127:
        assert written_into(taken, {}) is x


def test_steps_that_change_places_are_noticed():
    xs = np.random.default_rng(0).standard_normal((64, 16, 64)).astype(np.float32)
    taken = fingerprints([xs])
    xs[[3, 40]] = xs[[40, 3]]
    assert written_into(taken, {}) is xs


def test_a_large_array_that_nobody_can_write_into_is_not_looked_at():
    x = np.ones(100_000)
    x.setflags(write=False)
    assert fingerprints([x]) == ()
    assert len(fingerprints([x[:]])) == 1


@pytest.mark.parametrize("rows", range(1, 9))
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("rest", [0, 3])
def test_the_same_change_of_all_numbers_is_noticed(rows, dtype, rest):
    size = 1024 + rows * 127 * (8 // np.dtype(dtype).itemsize) + rest
    for write in (np.negative, np.zeros_like, lambda x: 2 * x):
        for x in (np.ones(size, dtype), np.arange(1, size + 1).astype(dtype)):
            taken = fingerprints([x])
            x[...] = write(x)
            assert written_into(taken, {}) is x
