"""Does padding stay out of every loss and gradient, whatever it holds?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn import Tensor, check_grads, grad, nn

T, BATCH, CLASSES = 5, 3, 4


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def labelled(y, target, **left_out):
    """Cross-entropy under the signature of the others: the target's signs make the labels."""
    labels = (np.nan_to_num(target[..., 1:]) > 0).sum(-1)
    return nn.cross_entropy(y, np.where(np.isnan(target[..., 0]), 10**6, labels), **left_out)


def aligned(y, target, lengths):
    """CTC under the signature of the others: two labels for any length of at least 2."""
    return nn.ctc_loss(y, np.array([[1, 2], [3, 1], [2, 3]])[: y.shape[1]], lengths=lengths)


def probable(y, target, **left_out):
    return nn.binary_cross_entropy(y, 1 / (1 + np.exp(-target)), **left_out)


LOSSES = {
    "mse": nn.mse_loss,
    "huber": nn.huber_loss,
    "binary": probable,
    "cross-entropy": labelled,
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
with_ctc = pytest.mark.parametrize("loss", [*LOSSES.values(), aligned], ids=[*LOSSES, "ctc"])


@with_ctc
@given(
    lengths=st.lists(st.integers(2, T), min_size=BATCH, max_size=BATCH),
    more=st.integers(0, 3),
    filling=st.sampled_from([0.0, 1e300, np.nan, np.inf, -np.inf]),
)
def test_more_padding_filled_with_anything_changes_nothing(loss, lengths, more, filling):
    lengths = np.array(lengths)
    longest = lengths.max()
    y, target = normal(longest, BATCH, CLASSES), normal(longest, BATCH, CLASSES, seed=1)
    clean = Tensor(y)
    expected = loss(clean, target, lengths=lengths)
    longer = [np.full((longest + more, BATCH, CLASSES), filling) for _ in range(2)]
    valid = np.arange(longest)[:, None] < lengths
    for padded, array in zip(longer, (y, target), strict=True):
        padded[:longest][valid] = array[valid]
    dirty = Tensor(longer[0])
    with np.errstate(invalid="ignore"):  # of the test's own exp and comparisons
        found = loss(dirty, np.where(np.isinf(longer[1]), np.nan, longer[1]), lengths=lengths)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    slopes = grad(found, dirty)
    np.testing.assert_allclose(slopes[:longest], grad(expected, clean), rtol=1e-12, atol=1e-15)
    assert not slopes[longest:].any()
    assert not slopes[:longest][~valid].any()


@every_loss
def test_what_counts_is_averaged_over_what_counts(loss):
    y, target, lengths = normal(T, BATCH, CLASSES), normal(T, BATCH, CLASSES, seed=1), [5, 0, 2]
    rows = [(y[:n, k], target[:n, k]) for k, n in enumerate(lengths)]
    expected = loss(
        Tensor(np.concatenate([r[0] for r in rows])), np.concatenate([r[1] for r in rows])
    )
    found = loss(Tensor(y), target, lengths=lengths)
    assert found.item() == pytest.approx(expected.item(), rel=1e-14)


@every_loss
def test_a_mask_says_the_same_as_lengths_and_both_must_agree_to_count(loss):
    y, target = Tensor(normal(T, BATCH, CLASSES)), normal(T, BATCH, CLASSES, seed=1)
    lengths, mask = np.array([4, 1, 3]), np.random.default_rng(2).random((T, BATCH)) < 0.5
    short = np.arange(T)[:, None] < lengths
    by_lengths = loss(y, target, lengths=lengths).item()
    assert loss(y, target, mask=short).item() == by_lengths
    both = loss(y, target, lengths=lengths, mask=mask).item()
    assert both == loss(y, target, mask=short & mask).item()
    assert both != by_lengths


@every_loss
def test_a_mask_that_is_a_tensor_is_an_argument_of_the_record(loss):
    mask = np.random.default_rng(2).random((T, BATCH)) < 0.5
    y, target = Tensor(normal(T, BATCH, CLASSES)), normal(T, BATCH, CLASSES, seed=1)
    expected = loss(y, target, mask=mask)
    found = loss(y, target, mask=Tensor(mask))
    assert found.item() == expected.item()
    np.testing.assert_array_equal(grad(found, y), grad(expected, y))


@pytest.mark.parametrize("loss", [nn.mse_loss, nn.huber_loss, nn.binary_cross_entropy])
def test_a_mask_may_leave_out_single_elements(loss):
    y, target = normal(T, BATCH, 2), np.random.default_rng(1).random((T, BATCH, 2))
    mask = np.random.default_rng(2).random(y.shape) < 0.5
    found = loss(Tensor(y), target, mask=mask).item()
    assert found == pytest.approx(loss(Tensor(y[mask]), target[mask]).item(), rel=1e-14)


@every_loss
def test_a_sequence_left_out_altogether_is_legal_and_all_of_them_are_not(loss):
    y, target = Tensor(normal(T, BATCH, CLASSES)), normal(T, BATCH, CLASSES, seed=1)
    assert not grad(loss(y, target, lengths=[3, 0, 5]), y)[:, 1].any()
    with pytest.raises(ValueError, match=r"nothing to average over, all of|got none"):
        loss(y, target, lengths=[0, 0, 0])


@with_ctc
def test_masked_losses_can_be_differentiated_twice(loss):
    target = normal(T, BATCH, CLASSES, seed=1)
    lengths = [4, 2, 5]
    check_grads(lambda y: loss(y, target, lengths=lengths), normal(T, BATCH, CLASSES), order=2)


@every_loss
def test_masked_losses_keep_float32(loss):
    y = Tensor(normal(T, BATCH, CLASSES), dtype=np.float32)
    target = normal(T, BATCH, CLASSES, seed=1).astype(np.float32)
    found = loss(y, target, lengths=[4, 2, 5], mask=np.ones((T, BATCH), bool))
    assert found.dtype == grad(found, y).dtype == np.float32


def test_ignored_labels_do_not_count():
    logits, labels = (
        normal(T, BATCH, CLASSES),
        np.random.default_rng(1).integers(4, size=(T, BATCH)),
    )
    gone = np.random.default_rng(2).random((T, BATCH)) < 0.4
    for mark in (-100, 7, 2):  # 2 is a class as well
        marked = np.where(gone, mark, labels)
        y = Tensor(np.where((marked == mark)[..., None], np.nan, logits))
        found = nn.cross_entropy(y, marked, ignore_index=mark)
        expected = nn.cross_entropy(Tensor(logits[marked != mark]), labels[marked != mark])
        assert found.item() == pytest.approx(expected.item(), rel=1e-14)
        assert np.isfinite(grad(found, y)).all()


# -- refusals ---------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize(
    ("left_out", "sentence"),
    [
        ({"lengths": [1, 2]}, r"lengths as integers of shape \(batch,\).*of shape \(2,\) beside"),
        ({"lengths": [1.0, 2.0, 3.0]}, "lengths as integers of shape .* got float64"),
        ({"lengths": [1, 2, 6]}, "lengths must lie in 0 … 5, got 1 … 6"),
        ({"lengths": [-1, 2, 5]}, "lengths must lie in 0 … 5, got -1 … 5"),
        ({"mask": np.ones((T, BATCH))}, "expected mask as bool .* got float64"),
        ({"mask": np.ones((BATCH, T), bool)}, r"or its leading axes, .*, got bool \(3, 5\)"),
    ],
)
def test_lengths_and_masks_that_do_not_fit_are_refused(loss, left_out, sentence):
    y, target = Tensor(normal(T, BATCH, CLASSES)), normal(T, BATCH, CLASSES, seed=1)
    with pytest.raises(ValueError, match=sentence):
        loss(y, target, **left_out)


def test_a_label_outside_the_classes_is_refused_only_where_it_counts():
    logits, labels = Tensor(normal(T, BATCH, CLASSES)), np.zeros((T, BATCH), int)
    labels[4, 0] = 9
    assert nn.cross_entropy(logits, labels, lengths=[4, 5, 5]).item() > 0
    with pytest.raises(ValueError, match=r"must lie in 0 … 3 .* got 0 … 9"):
        nn.cross_entropy(logits, labels, lengths=[5, 5, 5])
