"""Are masked, binary, Huber and CTC losses and their gradients those of torch?"""

import numpy as np
import pytest
import torch

from tinygrad_rnn import Tensor, nn

close = {"rtol": 1e-12, "atol": 1e-12}
functional = torch.nn.functional


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def compare(ours, theirs, array):
    mine, other = Tensor(array), torch.tensor(array, requires_grad=True)
    loss, expected = ours(mine), theirs(other)
    loss.backward()
    expected.backward()
    np.testing.assert_allclose(loss.item(), expected.item(), **close)
    np.testing.assert_allclose(mine.grad, other.grad.numpy(), **close)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("soft", [False, True])
def test_binary_cross_entropy(scale, soft):
    target = np.random.default_rng(1).random((5, 4))
    target = target if soft else np.round(target)
    compare(
        lambda z: nn.binary_cross_entropy(z, target),
        lambda z: functional.binary_cross_entropy_with_logits(z, torch.tensor(target)),
        normal(5, 4) * scale,
    )


@pytest.mark.parametrize("delta", [0.3, 1.0, 5.0])
def test_huber(delta):
    target = normal(5, 4, seed=1)
    compare(
        lambda y: nn.huber_loss(y, target, delta),
        lambda y: functional.huber_loss(y, torch.tensor(target), delta=delta),
        normal(5, 4) * 2,
    )


@pytest.mark.parametrize("mark", [-100, 3])
def test_cross_entropy_with_ignored_labels(mark):
    labels = np.random.default_rng(1).integers(7, size=(6, 4))
    labels[np.random.default_rng(2).random((6, 4)) < 0.4] = mark
    compare(
        lambda z: nn.cross_entropy(z, labels, ignore_index=mark),
        lambda z: functional.cross_entropy(
            z.reshape(-1, 7), torch.tensor(labels).reshape(-1), ignore_index=mark
        ),
        normal(6, 4, 7),
    )


@pytest.mark.parametrize("blank", [0, 4])
def test_ctc(blank):
    labels = np.array([[2, 2, 2], [1, 3, 0], [3, 1, 2], [1, 2, 1]])
    lengths, counts = np.array([12, 7, 8, 6]), np.array([3, 2, 0, 3])
    compare(
        lambda z: nn.ctc_loss(z, labels, lengths=lengths, label_lengths=counts, blank=blank),
        lambda z: (
            functional.ctc_loss(
                torch.log_softmax(z, -1),
                *map(torch.tensor, (labels, lengths, counts)),
                blank=blank,
                reduction="sum",
            )
            / 4
        ),
        normal(12, 4, 5) * 3,
    )
