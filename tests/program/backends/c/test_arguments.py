"""Does a step in C take whatever arrays NumPy takes, and refuse what NumPy refuses?"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import Tensor, compile, grad, nn, stack, tanh


class Model(nn.Module):
    def __init__(self, size=4, batch_dtype=np.float64):
        self.cell = nn.LSTMCell(3, size, rng=0, dtype=batch_dtype)
        self.readout = nn.Linear(size, 3, rng=1, dtype=batch_dtype)


def loss_fn(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def data(T=5, B=2):
    rng = np.random.default_rng(T)
    return rng.standard_normal((T, B, 3)), rng.integers(3, size=(T, B))


def test_one_row_and_one_unit():
    agrees(compile(loss_fn, target="c"), loss_fn, Model(1), *data(B=1))


def test_float32_is_as_close_as_float32_is():
    x, y = data()
    agrees(
        compile(loss_fn, target="c"),
        loss_fn,
        Model(4, np.float32),
        x.astype("f4"),
        y,
        tolerance=1e-5,
    )


def test_arrays_in_any_order_of_memory_and_small_integers():
    (x, y), step, m = data(), compile(loss_fn, target="c"), Model()
    agrees(step, loss_fn, m, np.asfortranarray(x), y[:, ::-1])
    agrees(step, loss_fn, m, x[::-1], np.repeat(y, 2, axis=1)[:, ::2])
    agrees(step, loss_fn, m, x, y.astype(np.int32))


def test_arrays_that_must_not_be_written_to_large_and_small():
    step, m = compile(loss_fn, target="c"), Model(40)
    for T in (5, 400):
        x, y = data(T)
        for array in (x, y, *(p.data for p in m.parameters())):
            array.flags.writeable = False
        agrees(step, loss_fn, m, x, y)
    assert {x.nbytes > 8192 for x in (x, m.cell.b_h.data)} == {True, False}


def test_results_of_one_call_are_not_those_of_the_next_large_and_small():
    step, m, (x, y) = compile(loss_fn, target="c"), Model(40), data()
    first = step(m, x, y)[1]
    kept = {name: g.copy() for name, g in first.items()}
    second = step(m, -x, y)[1]
    for name, g in first.items():
        np.testing.assert_array_equal(g, kept[name])
        assert not np.shares_memory(g, second[name])
        assert (g != second[name]).any()
    assert {g.nbytes > 8192 for g in first.values()} == {True, False}


def test_parameters_replaced_between_calls_are_the_ones_used():
    step, m, args = compile(loss_fn, target="c"), Model(), data()
    agrees(step, loss_fn, m, *args)
    m.cell.b_h.data = m.cell.b_h.data + 1.0
    agrees(step, loss_fn, m, *args)
    m.cell.W_h = Tensor(m.cell.W_h.data * 2.0)
    agrees(step, loss_fn, m, *args)
    m.cell.W_h.data[...] *= -1.0
    agrees(step, loss_fn, m, *args)
    m.readout = nn.Linear(4, 3, rng=5)
    agrees(step, loss_fn, m, *args)
    assert step.stats["recorded"] == 1
    m.cell.b_h = m.cell.b_h.data  # frozen: another function
    agrees(step, loss_fn, m, *args)
    assert step.stats["recorded"] == 2


def test_nan_and_infinity_arrive():
    (x, y), step, m = data(), compile(loss_fn, target="c"), Model()
    step(m, x, y)
    for bad in (np.nan, np.inf):
        x[2, 1, 0] = bad
        with np.errstate(invalid="ignore"):
            exact = loss_fn(m, x, y)
            expected = grad(exact, m.parameters())
        loss, grads = step(m, x, y)
        assert np.isnan(loss) == np.isnan(exact.data)
        for g, e in zip(grads.values(), expected, strict=True):
            np.testing.assert_array_equal(np.isnan(g), np.isnan(e))


def picked(p, k):
    return (p["w"][k] ** 2).sum()


def test_places_count_from_the_end_and_are_checked():
    step, p = compile(picked, target="c"), {"w": Tensor(np.arange(5.0))}
    assert step(p, np.array([0, 2]))[0] == 4
    assert step(p, np.array([-1, -5]))[0] == 16
    for outside in (5, -6, 2**62, -(2**62)):
        with pytest.raises(IndexError, match=f"^getitem: .* index {outside} is out of bounds"):
            step(p, np.array([0, outside]))
    assert not step.reason
    assert step(p, np.array([3, 3]))[1]["w"].tolist() == [0, 0, 0, 12, 0]


@pytest.mark.parametrize("places", [[-1, -2], [-2, -2], [1, -1], [0, 4], [[0, 1], [-1, -2]]])
def test_places_that_are_constants_need_no_check(places):
    places = np.array(places)
    step = compile(lambda p: (tanh(p["w"])[places] ** 2).sum(), target="c")
    p = {"w": Tensor(np.arange(5.0))}
    loss, grads = step(p)
    exact = (tanh(p["w"])[places] ** 2).sum()
    np.testing.assert_allclose(loss, exact.data, rtol=1e-14)
    np.testing.assert_allclose(grads["w"], grad(exact, [p["w"]])[0], rtol=1e-12, atol=1e-15)
    assert "inside(" not in step.c_source


def test_two_threads_call_one_step():
    (x, y), step, m = data(), compile(loss_fn, target="c"), Model()
    inputs = [x * k for k in range(1, 9)]
    alone = [step(m, one, y) for one in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: step(m, one, y), inputs * 5))
    for k, (loss, grads) in enumerate(together):
        assert loss == alone[k % 8][0]
        for name, g in grads.items():
            np.testing.assert_array_equal(g, alone[k % 8][1][name])


def test_what_c_cannot_write_runs_as_numpy_and_one_sentence_says_why():
    step = compile(lambda p, x: (p["w"] * x.astype(np.float16)).sum(), target="c")
    with pytest.warns(UserWarning, match="NumPy runs instead of C: .*float16") as said:  # noqa: PT031
        for _ in range(3):
            loss, _ = step({"w": Tensor(np.ones(3))}, np.arange(3.0))
            assert loss == 3
    assert len(said) == 1


def test_a_result_may_be_a_new_shape_of_a_product():
    def f(p):
        return (((p["h"].reshape((10, 3)) @ p["W"]).reshape((2, 5, 3))) ** 2).sum()

    rng = np.random.default_rng(0)
    p = {"h": Tensor(rng.standard_normal((2, 5, 3))), "W": Tensor(rng.standard_normal((3, 3)))}
    step = compile(f, target="c")
    _, grads = step(p)
    assert step.stats["eager"] == 0
    assert "could not be written" not in step.explain()
    for g, e in zip(grads.values(), grad(f(p), list(p.values())), strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-13)


def test_one_text_serves_every_length():
    m, step = Model(), compile(loss_fn, target="c")
    texts = set()
    for T in (5, 8, 21):
        agrees(step, loss_fn, m, *data(T))
        texts.add(step._last.in_c.text)
    assert len(texts) == 1
