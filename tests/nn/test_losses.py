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


# -- Huber ------------------------------------------------------------------------------------


def test_huber_by_hand():
    y = Tensor([0.0, 0.5, -2.0, 4.0])
    loss = nn.huber_loss(y, np.zeros(4), delta=2.0)
    assert loss.item() == (0 + 0.125 + 2 + 2 * (4 - 1)) / 4
    np.testing.assert_allclose(grad(loss, y), np.array([0, 0.5, -2, 2]) / 4, rtol=1e-15)


def test_huber_is_half_of_mse_near_and_grows_like_the_distance_far_away():
    y, target = normal(20), normal(20, seed=1)
    near = nn.huber_loss(Tensor(y), target, delta=100.0).item()
    assert near == pytest.approx(nn.mse_loss(Tensor(y), target).item() / 2, rel=1e-14)
    far = nn.huber_loss(Tensor(y), target, delta=1e-9).item()
    assert far == pytest.approx(1e-9 * np.abs(y - target).mean(), rel=1e-6)


@pytest.mark.parametrize("delta", [0.0, -1.0, np.inf, np.nan])
def test_huber_refuses_a_delta_that_is_no_distance(delta):
    with pytest.raises(ValueError, match="huber_loss: delta must be positive and finite, got"):
        nn.huber_loss(Tensor([1.0]), [0.0], delta)


# -- binary cross-entropy ---------------------------------------------------------------------


def test_binary_cross_entropy_is_the_mean_of_minus_log_probability():
    logits, target = normal(4, 3), np.random.default_rng(1).random((4, 3))
    p = 1 / (1 + np.exp(-logits))
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    y = Tensor(logits)
    loss = nn.binary_cross_entropy(y, target)
    assert loss.item() == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(grad(loss, y), (p - target) / 12, rtol=0, atol=1e-16)


def test_binary_cross_entropy_is_cross_entropy_of_two_classes():
    logits, labels = normal(6), np.array([0, 1, 1, 0, 1, 0])
    two = nn.cross_entropy(Tensor(np.stack([np.zeros(6), logits], axis=-1)), labels)
    for target in (labels, labels.astype(bool), labels.astype(float), Tensor(labels)):
        found = nn.binary_cross_entropy(Tensor(logits), target)
        assert found.item() == pytest.approx(two.item(), rel=1e-14)
        assert found.dtype == np.float64


@pytest.mark.parametrize("margin", [40.0, 700.0, 1e6])
def test_binary_cross_entropy_is_exact_however_sure(margin):
    cost = [
        nn.binary_cross_entropy(Tensor([z]), [t]).item()
        for z, t in [(margin, 1), (-margin, 0), (margin, 0), (-margin, 1)]
    ]
    assert cost == [math.exp(-margin), math.exp(-margin), margin, margin]


@pytest.mark.parametrize("target", [[-0.1, 0.5], [0.5, 1.1], [np.nan, 0.5]])
def test_targets_that_are_no_probabilities_are_refused(target):
    with pytest.raises(ValueError, match=r"targets are probabilities in \[0, 1\], got"):
        nn.binary_cross_entropy(Tensor([0.0, 0.0]), target)


@pytest.mark.parametrize("loss", [nn.huber_loss, nn.binary_cross_entropy])
def test_the_others_keep_dtype_name_and_second_derivative_too(loss):
    target = np.random.default_rng(1).random((2, 3)).astype(np.float32)
    found = loss(Tensor(normal(2, 3), dtype=np.float32), target)
    assert (found.dtype, found.name) == (np.float32, "loss")
    check_grads(lambda y: loss(y, target.astype(float)), normal(2, 3), order=2)
    with pytest.raises(ValueError, match=rf"{loss.__name__}: y has shape \(4, 1\)"):
        loss(Tensor(normal(4, 1)), normal(4))


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
    with pytest.raises(ValueError, match="cross_entropy: there is nothing to average over, labels"):
        nn.cross_entropy(Tensor(normal(0, 3)), np.zeros(0, dtype=int))


@pytest.mark.parametrize("lengths", [None, [], (), np.zeros(0, int)])
def test_a_batch_of_none_has_no_loss(lengths):
    y, labels = np.zeros((4, 0, 3)), np.zeros((4, 0), int)
    losses = {
        "mse_loss": lambda: nn.mse_loss(y, y, lengths=lengths),
        "huber_loss": lambda: nn.huber_loss(y, y, lengths=lengths),
        "binary_cross_entropy": lambda: nn.binary_cross_entropy(y, y, lengths=lengths),
        "cross_entropy": lambda: nn.cross_entropy(y, labels, lengths=lengths),
        "ctc_loss": lambda: nn.ctc_loss(y, np.zeros((0, 2), int), lengths=lengths),
    }
    for name, loss in losses.items():
        with pytest.raises(ValueError, match=f"^{name}: there is nothing to average over"):
            loss()
