"""Is the CTC loss the sum over all alignments?"""

import itertools
import math

import numpy as np
import pytest

from tinygrad_rnn import Tensor, check_grads, grad, nn


def read(alignment, blank):
    """The labels of an alignment: repetitions go first, then blanks."""
    return [k for k, _ in itertools.groupby(alignment) if k != blank]


def by_enumeration(logits, labels, blank):
    """-log of the probability of all alignments that read as the labels; logits (T, classes)."""
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    T, classes = p.shape
    every = itertools.product(range(classes), repeat=T)
    fitting = (a for a in every if read(a, blank) == list(labels))
    return -math.log(sum(math.prod(p[t, k] for t, k in enumerate(a)) for a in fitting))


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize(
    ("T", "labels"),
    [
        (1, []),
        (3, []),
        (1, [1]),
        (4, [1]),
        (4, [1, 1]),
        (3, [1, 1]),
        (5, [1, 3, 1]),
        (3, [3, 1, 3]),
    ],
)
def test_it_is_the_sum_over_all_alignments(T, labels, blank):
    logits = np.random.default_rng(0).standard_normal((T, 1, 4))
    found = nn.ctc_loss(Tensor(logits), np.array([labels], int).reshape(1, -1), blank=blank)
    assert found.item() == pytest.approx(by_enumeration(logits[:, 0], labels, blank), rel=1e-13)


def test_each_example_has_its_own_lengths_and_the_batch_is_averaged():
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((5, 3, 4)), np.array([[1, 2, 3], [2, 2, -9], [99, 0, 1]])
    lengths, counts = np.array([5, 4, 1]), np.array([3, 2, 0])
    found = nn.ctc_loss(Tensor(logits), labels, lengths=lengths, label_lengths=counts)
    alone = [
        by_enumeration(logits[:n, k], labels[k, :m], 0)
        for k, (n, m) in enumerate(zip(lengths, counts, strict=True))
    ]
    assert found.item() == pytest.approx(np.mean(alone), rel=1e-13)


def test_its_gradient_is_right_to_second_order_and_sums_to_zero_at_every_step():
    labels = np.array([[1, 1], [2, 3]])
    logits = np.random.default_rng(0).standard_normal((4, 2, 4))
    check_grads(lambda x: nn.ctc_loss(x, labels), logits, order=2)
    x = Tensor(logits)
    np.testing.assert_allclose(grad(nn.ctc_loss(x, labels), x).sum(-1), 0, atol=1e-15)


def test_long_and_extreme_sequences_stay_finite():
    logits = np.random.default_rng(0).standard_normal((400, 2, 5)) * 50
    for dtype in (np.float32, np.float64):
        x = Tensor(logits, dtype=dtype)
        loss = nn.ctc_loss(x, np.array([[1, 2, 2], [3, 4, 1]]))
        assert np.isfinite(loss.item())
        assert loss.dtype == dtype
        assert np.isfinite(grad(loss, x)).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"labels": [[1, 1, 1]]}, "example 0 has 4 steps, too few for 3 labels and 2 blanks"),
        ({"lengths": [0], "label_lengths": [0]}, "example 0 has 0 steps"),
        ({"labels": [[1, 0]]}, r"integers in 0 … 3 without the blank 0, got int64: \[0 1\]"),
        ({"labels": [[1, 4]]}, "integers in 0 … 3 without the blank"),
        ({"labels": [[1.0, 2.0]]}, "without the blank 0, got float64"),
        ({"labels": [1, 2]}, r"got \(4, 1, 4\) and \(2,\)"),
        ({"lengths": [5]}, r"lengths as integers in 0 … 4 of shape \(1,\), got \[5\]"),
        ({"label_lengths": [3]}, "label_lengths as integers in 0 … 2"),
        ({"blank": 4}, "blank must lie in 0 … 3, got 4"),
    ],
)
def test_what_has_no_alignment_or_does_not_fit_is_refused(options, sentence):
    options = {"labels": [[1, 2]], **options}
    with pytest.raises(ValueError, match=f"ctc_loss: .*{sentence}"):
        nn.ctc_loss(Tensor(np.zeros((4, 1, 4))), **options)
