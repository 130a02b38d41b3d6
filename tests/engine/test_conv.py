"""Is a convolution the sum it is defined by, along one axis and along two?"""

import itertools

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, conv, grad, scalars

rng = np.random.default_rng(3)


def by_loops(x, w, before):
    """The definition, place by place: kernel as it is, x zero outside of its space."""
    kernel, n = w.shape[:-2], w.ndim - 2
    space = x.shape[-n - 1 : -1]
    y = np.zeros((*x.shape[: -n - 1], *space, w.shape[-1]))
    for s in itertools.product(*map(range, space)):
        for k in itertools.product(*map(range, kernel)):
            place = [a + b - c for a, b, c in zip(s, k, before, strict=True)]
            if all(0 <= p < length for p, length in zip(place, space, strict=True)):
                y[(..., *s, slice(None))] += x[(..., *place, slice(None))] @ w[k]
    return y


@pytest.mark.parametrize(
    ("shape", "kernel"),
    [((5,), (3,)), ((5,), (4,)), ((2,), (5,)), ((1,), (1,)), ((4, 5), (3, 2)), ((1, 3), (3, 3))],
)
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_same_is_the_defining_sum_and_valid_its_inner_part(shape, kernel, batch):
    x = rng.standard_normal((*batch, *shape, 3))
    w = rng.standard_normal((*kernel, 3, 2))
    before = [(k - 1) // 2 for k in kernel]
    expected = by_loops(x, w, before)
    np.testing.assert_allclose(conv(x, w), expected, rtol=0, atol=1e-13)
    if all(n >= k for n, k in zip(shape, kernel, strict=True)):
        inner = [slice(a, a + n - k + 1) for a, n, k in zip(before, shape, kernel, strict=True)]
        found = conv(x, w, "valid")
        np.testing.assert_allclose(found, expected[(..., *inner, slice(None))], rtol=0, atol=1e-13)


def test_a_kernel_of_one_place_is_a_product():
    x, w = rng.standard_normal((2, 5, 3)), rng.standard_normal((1, 3, 4))
    np.testing.assert_allclose(conv(x, w), x @ w[0], rtol=0, atol=1e-14)


@pytest.mark.parametrize("margins", [((2, 1),), ((-1, 3),), ((-2, -1),), ((-6, 8),), ((7, -5),)])
def test_margins_add_zeros_or_cut_off(margins):
    (before, after), x, w = margins[0], rng.standard_normal((5, 2)), rng.standard_normal((1, 2, 2))
    wide = np.concatenate([np.zeros((8, 2)), x, np.zeros((8, 2))])
    expected = wide[8 - before : 13 + after] @ w[0]
    np.testing.assert_allclose(conv(x, w, margins), expected, rtol=0, atol=1e-14)


def test_an_empty_batch_gives_an_empty_result_and_a_zero_gradient():
    w = Tensor(np.ones((3, 2, 4)))
    y = conv(np.zeros((0, 5, 2)), w)
    assert y.shape == (0, 5, 4)
    np.testing.assert_array_equal(grad(y.sum(), w), np.zeros((3, 2, 4)))


def test_the_gradient_of_a_convolution_is_made_of_convolutions():
    x, w = Tensor(rng.standard_normal((2, 5, 3))), Tensor(rng.standard_normal((3, 3, 4)))
    y = conv(x, w)
    found = grad((y * y).sum(), [x, w], create_graph=True)
    kinds = [node.op.name for node in ancestors(*found) if node.op]
    assert kinds.count("conv") == 3
    assert set(kinds) <= {
        *("conv", "multiply", "add", "sum", "broadcast_to"),
        *("reshape", "transpose", "getitem"),
    }


def test_a_convolution_runs_on_single_numbers():
    x, w = rng.standard_normal((3, 1)), rng.standard_normal((2, 1, 1))
    y = conv(scalars(Tensor(x, name="x")), scalars(Tensor(w, name="w")))
    np.testing.assert_allclose([[y[s, 0].item()] for s in range(3)], conv(x, w), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("x", "w", "padding", "says"),
    [
        ((3, 4), (2, 3, 2), "same", r"x is \(\*batch, \*space, in\)"),
        ((4,), (2, 4, 2), "same", r"x is \(\*batch, \*space, in\)"),
        ((3, 4), (4, 2), "same", r"x is \(\*batch, \*space, in\)"),
        ((3, 4), (5, 4, 2), "valid", "window shape cannot be larger"),
        ((3, 4), (2, 4, 2), "full", "padding is .*, not 'full'"),
        ((3, 4), (2, 4, 2), ((1,),), "a pair .* for each of 1 axes"),
        ((3, 4), (2, 4, 2), ((0, 0), (0, 0)), "a pair .* for each of 1 axes"),
    ],
)
def test_what_does_not_fit_is_refused_with_shapes_and_the_way_out(x, w, padding, says):
    with pytest.raises(ValueError, match=rf"conv: got shapes .*{says}.* The channels must agree"):
        conv(Tensor(np.ones(x)), np.ones(w), padding)
