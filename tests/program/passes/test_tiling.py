"""Are steps of many numbers computed in pieces when, and only when, that is faster, and rightly?"""

import re

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import compile, concatenate, nn, stack
from tinygrad_rnn.program.backends.numpy import fusion
from tinygrad_rnn.program.passes import tiling as blocks

CELLS = [nn.RNNCell, nn.LSTMCell, nn.GRUCell, nn.PeepholeLSTMCell, nn.LayerNormLSTMCell]


class Model(nn.Module):
    def __init__(self, cell, V, H, dtype=np.float64):
        self.cell = cell(V, H, rng=0, dtype=dtype)
        self.readout = nn.Linear(H, V, rng=1, dtype=dtype)


def loss_fn(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def data(T, B, V, dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.standard_normal((T, B, V)).astype(dtype), rng.integers(0, V, (T, B))


def count(step, name):
    return int(re.findall(rf"^{name}: (\d+)", step.explain(), re.M)[0])


@pytest.fixture
def pieces(monkeypatch):
    """All steps are large, and all products have to be divided."""
    monkeypatch.setattr(blocks, "small_products", lambda: True)
    monkeypatch.setattr(blocks, "GATES", 0)
    monkeypatch.setattr(blocks, "SMALL", 500)
    monkeypatch.setattr(blocks, "ACROSS", 32)
    monkeypatch.setattr(fusion, "LARGE", 0)


@pytest.mark.parametrize("B", [8, 24])
@pytest.mark.parametrize("cell", CELLS)
def test_results_stay_the_same(cell, B, pieces):
    m, step = Model(cell, 8, 8), compile(loss_fn)
    for T in (3, 6):
        agrees(step, loss_fn, m, *data(T, B, 8))
    assert count(step, "blocks") >= (1 if B == 8 else 2)
    assert count(step, "loop_fusion") > 0
    assert step.stats["structures"] == 1


def test_there_may_be_as_many_steps_as_gates():
    """What gates are multiplied by, half or one, then looks like a row for each step."""
    agrees(compile(loss_fn), loss_fn, Model(nn.LSTMCell, 32, 64), *data(4, 8, 32))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "left_out", ["gate_layout", "blocks", "loop_fusion", "fusion", "transposes"]
)
def test_each_serves_without_the_others(cell, left_out, pieces):
    step = compile(loss_fn, without=(left_out,))
    agrees(step, loss_fn, Model(cell, 8, 8), *data(5, 16, 8))


def test_float32_too(pieces):
    step = compile(loss_fn)
    agrees(
        step,
        loss_fn,
        Model(nn.LSTMCell, 8, 8, np.float32),
        *data(5, 16, 8, np.float32),
        tolerance=1e-5,
    )
    assert "float64" not in step.source


def test_layers_in_both_directions(pieces):
    class Deep(nn.Module):
        def __init__(self):
            self.there, self.back = nn.LSTMCell(8, 8, rng=0), nn.LSTMCell(8, 8, rng=1)
            self.top, self.readout = nn.GRUCell(16, 8, rng=2), nn.Linear(8, 8, rng=3)

    def deep(m, x, y):
        there, _ = nn.unroll(m.there, x)
        back, _ = nn.unroll(m.back, x, reverse=True)
        both = [concatenate([a, b], axis=-1) for a, b in zip(there, back, strict=True)]
        outputs, _ = nn.unroll(m.top, both)
        return nn.cross_entropy(m.readout(stack(outputs)), y)

    m, step, (x, y) = Deep(), compile(deep), data(5, 16, 8)
    agrees(step, deep, m, x, y)


def test_products_are_divided_where_blas_has_code_for_small_ones_alone(monkeypatch):
    m, (x, y) = Model(nn.LSTMCell, 64, 128), data(3, 32, 64)
    for there in (True, False):
        monkeypatch.setattr(blocks, "small_products", lambda there=there: there)
        step = compile(loss_fn)
        agrees(step, loss_fn, m, x, y)
        # by the transpose of W_h; by W_h and W_x single gates are small
        assert count(step, "blocks") == there
        assert count(step, "gate_layout") > 0
        assert ("W_hT_b" in step.source) == there


@pytest.mark.parametrize(("B", "H"), [(1, 32), (1, 900), (2, 16), (16, 32)])
def test_what_is_small_already_and_vectors_stay_as_they_are(B, H, monkeypatch):
    monkeypatch.setattr(blocks, "small_products", lambda: True)
    step = compile(loss_fn)
    agrees(step, loss_fn, Model(nn.RNNCell, 8, H), *data(4, B, 8))
    assert count(step, "blocks") == count(step, "gate_layout") == 0
    assert "np.dot(h[t]" in step.source


@pytest.mark.parametrize(
    ("rows", "inner", "columns", "itemsize", "expected"),
    [
        (32, 256, 1024, 4, (32, 64)),
        (32, 1024, 256, 4, (8, 64)),
        (64, 2048, 512, 4, (8, 32)),
        (32, 256, 1024, 8, (32, 32)),
        (32, 256, 100, 4, None),  # a small product
        (32, 256, 1000, 4, None),  # no blocks of columns
        (31, 256, 1024, 4, None),  # none of rows
        (16, 1 << 20, 64, 4, None),  # too long a sum
    ],
)
def test_blocks_are_small_products_that_cover_all(rows, inner, columns, itemsize, expected):
    size = blocks._block(rows, inner, columns, itemsize)
    assert size == expected
    if size is not None:
        r, c = size
        assert r * inner * c <= blocks.SMALL < rows * inner * columns
        assert rows % r == columns % c == 0


def test_gates_apart_take_the_place_of_what_was_read(pieces):
    step = compile(loss_fn)
    agrees(step, loss_fn, Model(nn.LSTMCell, 8, 8), *data(5, 16, 8))
    assert re.search(r"da\d*s = .*gates\.reshape\(T, 16, 32\)  # the same memory", step.source)
