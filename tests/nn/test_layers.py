"""Do the layers around a cell compute what they say, and refuse the rest?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, check_grads, grad, nn


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# -- Linear -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (2, 3), (5, 2, 3)])
def test_linear_is_its_formula_on_the_last_axis(shape):
    layer, x = nn.Linear(3, 4, rng=0), normal(*shape)
    y = layer(x)
    assert y.shape == (*shape[:-1], 4)
    np.testing.assert_allclose(y.data, x @ layer.W.data + layer.b.data, rtol=0, atol=1e-15)


def test_linear_without_bias_is_a_product():
    layer, x = nn.Linear(3, 4, bias=False, rng=0), normal(2, 3)
    assert list(layer.named_parameters().keys()) == ["W"]
    np.testing.assert_array_equal(layer(x).data, x @ layer.W.data)


def test_linear_can_be_differentiated_twice():
    def cubed(x, W, b):
        layer = nn.Linear(3, 4)
        layer.W, layer.b = W, b
        return layer(x) ** 3

    check_grads(cubed, normal(5, 2, 3), normal(3, 4, seed=1), normal(4, seed=2), order=2)


def test_linear_starts_inside_one_over_the_root_of_its_inputs():
    layer = nn.Linear(16, 50, rng=0)
    for p in layer.parameters():
        assert 0.2 < np.abs(p.data).max() <= 0.25
    np.testing.assert_array_equal(layer.W.data, nn.Linear(16, 50, rng=0).W.data)


def test_linear_refuses_other_features_with_both_shapes():
    with pytest.raises(ValueError, match=r"matmul: got shapes \(2, 5\) and \(3, 4\)"):
        nn.Linear(3, 4)(normal(2, 5))


# -- Embedding --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (4,), (3, 2)])
def test_embedding_gives_the_rows_of_its_symbols(shape):
    table = nn.Embedding(6, 3, rng=0)
    symbols = np.random.default_rng(1).integers(6, size=shape)
    rows = table(symbols)
    assert rows.shape == (*shape, 3)
    np.testing.assert_array_equal(rows.data, table.W.data[symbols])


@pytest.mark.parametrize("symbols", [4, [4, 0], Tensor([4, 0]), np.uint8([4, 0]), np.int64(4)])
def test_embedding_takes_numbers_lists_tensors_and_any_integers(symbols):
    table = nn.Embedding(6, 3, rng=0)
    row = table(symbols).data.reshape(-1, 3)[0]
    np.testing.assert_array_equal(row, table.W.data[4])


def test_a_repeated_symbol_gathers_the_gradients_of_all_its_uses():
    table, symbols = nn.Embedding(4, 2, rng=0), np.array([1, 3, 1, 1])
    weights = normal(4, 2)
    found = grad((table(symbols) * weights).sum(), table.W)
    expected = np.zeros((4, 2))
    for symbol, weight in zip(symbols, weights, strict=True):
        expected[symbol] += weight
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


def test_embedding_is_a_product_with_one_hot_rows():
    table, symbols = nn.Embedding(4, 2, rng=0), np.array([1, 3, 1])
    np.testing.assert_array_equal(table(symbols).data, np.eye(4)[symbols] @ table.W.data)


@pytest.mark.parametrize(("symbols", "found"), [([0, 6], "0 … 6"), ([-1, 2], "-1 … 2"), (-6, "-6")])
def test_embedding_refuses_symbols_it_has_not_and_does_not_count_from_the_end(symbols, found):
    with pytest.raises(IndexError, match=f"symbols must lie in 0 … 5, got {found}"):
        nn.Embedding(6, 3)(symbols)


@pytest.mark.parametrize("symbols", [[1.0, 2.0], [True, False], "ab"])
def test_embedding_refuses_what_is_no_symbol(symbols):
    with pytest.raises(TypeError, match=r"Embedding: .*(are integers, got dtype|got a str\.)"):
        nn.Embedding(6, 3)(symbols)


def test_embedding_starts_from_the_normal_distribution():
    values = nn.Embedding(200, 50, rng=0).W.data
    assert abs(values.mean()) < 0.05
    assert abs(values.std() - 1) < 0.05


@pytest.mark.parametrize("size", [0, -2, 1.5])
def test_layers_refuse_sizes_below_one(size):
    with pytest.raises(ValueError, match="Linear: in_features must be a whole number"):
        nn.Linear(size, 3)
    with pytest.raises(ValueError, match="Linear: out_features must be a whole number"):
        nn.Linear(3, size)
    with pytest.raises(ValueError, match="Embedding: num_embeddings must be a whole number"):
        nn.Embedding(size, 3)


# -- dropout ----------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_its_share_and_keeps_the_mean(p):
    x = Tensor(np.ones(100_000))
    y = nn.dropout(x, p, np.random.default_rng(0)).data
    assert abs((y == 0).mean() - p) < 0.01
    np.testing.assert_allclose(y[y != 0], 1 / (1 - p), rtol=1e-15)
    assert abs(y.mean() - 1) < 0.02


def test_dropout_without_a_generator_or_without_probability_is_the_same_object():
    x = Tensor(normal(3))
    assert nn.dropout(x, 0.5, None) is x
    assert nn.dropout(x, 0.0, np.random.default_rng(0)) is x


def test_dropout_replays_with_the_same_generator_and_differs_at_the_next_call():
    x = Tensor(np.ones(100))
    a, b = np.random.default_rng(5), np.random.default_rng(5)
    first = nn.dropout(x, 0.5, a).data
    np.testing.assert_array_equal(first, nn.dropout(x, 0.5, b).data)
    assert (first != nn.dropout(x, 0.5, a).data).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_of_dropout_passes_where_the_value_did(dtype):
    x = Tensor(np.ones(50), dtype=dtype)
    y = nn.dropout(x, 0.5, np.random.default_rng(0))
    g = grad(y.sum(), x)
    assert y.dtype == g.dtype == dtype
    np.testing.assert_array_equal(g, y.data)


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, float("nan")])
def test_dropout_refuses_what_is_no_probability_below_one(p):
    with pytest.raises(ValueError, match=r"dropout: p is a probability in \[0, 1\), got"):
        nn.dropout(Tensor(1.0), p, None)


def test_dropout_refuses_a_seed():
    with pytest.raises(TypeError, match="would draw the same at every call"):
        nn.dropout(Tensor(np.ones(3)), 0.5, 0)
