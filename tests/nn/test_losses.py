"""Are the losses exact where the answer is known, and plain where there is none?"""

import math

import numpy as np
import pytest

from tinygrad_rnn import Tensor, check_grads, grad, nn


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# -- mean squared error -----------------------------------------------------------------------


def test_mse_by_hand():
    y = Tensor([1.0, 2.0, 4.0])
    loss = nn.mse_loss(y, np.array([1.0, 0.0, 1.0]))
    assert loss.item() == (0 + 4 + 9) / 3
    np.testing.assert_allclose(grad(loss, y), [0, 4 / 3, 2], rtol=1e-15)


def test_mse_is_the_mean_over_all_axes():
    y, target = normal(4, 3, 2), normal(4, 3, 2, seed=1)
    expected = ((y - target) ** 2).mean()
    assert nn.mse_loss(Tensor(y), target).item() == pytest.approx(expected, rel=1e-15)


def test_mse_takes_a_tensor_or_a_list_as_target():
    y, target = Tensor([1.0, 2.0]), Tensor([0.0, 0.0])
    assert nn.mse_loss(y, target).item() == nn.mse_loss(y, [0.0, 0.0]).item() == 2.5
    np.testing.assert_array_equal(grad(nn.mse_loss(y, target), target), [-1, -2])


def test_mse_refuses_what_would_broadcast():
    with pytest.raises(ValueError, match=r"y has shape \(4, 1\), the target \(4,\)"):
        nn.mse_loss(Tensor(normal(4, 1)), normal(4))


def test_mse_refuses_to_average_nothing():
    with pytest.raises(ValueError, match=r"nothing to average over, y has shape \(0, 2\)"):
        nn.mse_loss(Tensor(normal(0, 2)), normal(0, 2))


# -- cross-entropy ----------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 27, 1000])
@pytest.mark.parametrize("level", [0.0, -5.0, 1e4])
def test_equal_logits_cost_the_logarithm_of_the_number_of_classes(classes, level):
    logits = Tensor(np.full((3, classes), level))
    loss = nn.cross_entropy(logits, np.array([0, 1, classes - 1]))
    assert loss.item() == pytest.approx(math.log(classes), rel=1e-15)


def test_one_class_costs_nothing():
    assert nn.cross_entropy(Tensor([[3.0]]), np.array([0])).item() == 0


def test_being_sure_costs_nothing_when_right_and_the_margin_when_wrong():
    logits = Tensor([[1000.0, 0.0]])
    assert nn.cross_entropy(logits, np.array([0])).item() == 0
    assert nn.cross_entropy(logits, np.array([1])).item() == 1000


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (2, 3, 4)])
def test_cross_entropy_is_the_mean_of_minus_log_probability(shape):
    logits = normal(*shape, 5)
    labels = np.random.default_rng(1).integers(5, size=shape)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    chosen = np.take_along_axis(p, np.asarray(labels)[..., None], axis=-1)
    loss = nn.cross_entropy(Tensor(logits), labels)
    assert loss.item() == pytest.approx(-np.log(chosen).mean(), rel=1e-14)


def test_the_gradient_of_cross_entropy_is_probability_minus_one_hot():
    logits, labels = Tensor(normal(3, 4)), np.array([1, 1, 3])
    p = np.exp(logits.data) / np.exp(logits.data).sum(-1, keepdims=True)
    found = grad(nn.cross_entropy(logits, labels), logits)
    np.testing.assert_allclose(found, (p - np.eye(4)[labels]) / 3, rtol=0, atol=1e-15)


def test_losses_can_be_differentiated_twice():
    labels, target = np.array([[1, 1], [3, 0]]), normal(2, 3, seed=1)
    check_grads(lambda logits: nn.cross_entropy(logits, labels), normal(2, 2, 4), order=2)
    check_grads(lambda y: nn.mse_loss(y, target) ** 2, normal(2, 3), order=2)


@pytest.mark.parametrize("labels", [[1, 0], (1, 0), Tensor([1, 0]), np.uint8([1, 0])])
def test_labels_are_any_integers(labels):
    logits = Tensor(normal(2, 3))
    expected = nn.cross_entropy(logits, np.array([1, 0])).item()
    assert nn.cross_entropy(logits, labels).item() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_the_dtype(dtype):
    logits = Tensor(normal(2, 3), dtype=dtype)
    assert nn.cross_entropy(logits, [0, 1]).dtype == dtype
    assert nn.mse_loss(logits, np.zeros((2, 3), dtype)).dtype == dtype


def test_a_loss_is_called_loss():
    assert nn.mse_loss(Tensor(1.0), 0.0).name == "loss"
    assert nn.cross_entropy(Tensor(normal(1, 3)), [0]).name == "loss"


@pytest.mark.parametrize(
    ("labels", "error", "sentence"),
    [
        ([0.0, 1.0], TypeError, r"labels are class numbers \(integers\), got dtype float64"),
        ([True, False], TypeError, "got dtype bool"),
        ([0, 1, 2], ValueError, r"logits \(2, 3\) need labels of shape \(2,\), got \(3,\)"),
        ([[0], [1]], ValueError, r"need labels of shape \(2,\), got \(2, 1\)"),
        ([0, 3], ValueError, "labels must lie in 0 … 2 and be at least one, got 0 … 3"),
        ([-1, 1], ValueError, "got -1 … 1"),
    ],
)
def test_labels_that_are_none_are_refused(labels, error, sentence):
    with pytest.raises(error, match=f"cross_entropy: .*{sentence}"):
        nn.cross_entropy(Tensor(normal(2, 3)), np.array(labels))


def test_cross_entropy_refuses_to_average_nothing():
    with pytest.raises(ValueError, match="be at least one, got none"):
        nn.cross_entropy(Tensor(normal(0, 3)), np.zeros(0, dtype=int))
