"""Do weights, smoothed labels and reductions agree with their formulas, a batch with its parts?"""

from functools import partial

import numpy as np
import pytest

from tinygrad_rnn import Tensor, check_grads, compile, grad, nn, tasks

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((5, 2, 4))
LABELS = RNG.integers(4, size=(5, 2))
MASK = np.arange(5)[:, None] < [5, 3]
WEIGHT = np.array([0.5, 1.0, 2.0, 4.0])
P = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
NLL = -np.log(P)


def picked(a):
    return np.take_along_axis(a, LABELS[..., None], -1)[..., 0]


CROSS = {
    "plain": ({}, lambda m: picked(NLL)[m].mean()),
    "sum": ({"reduction": "sum"}, lambda m: picked(NLL)[m].sum()),
    "none": ({"reduction": "none"}, lambda m: picked(NLL) * m),
    "weight": (
        {"weight": WEIGHT},
        lambda m: (picked(NLL) * WEIGHT[LABELS])[m].sum() / WEIGHT[LABELS][m].sum(),
    ),
    "weight, sum": (
        {"weight": WEIGHT, "reduction": "sum"},
        lambda m: (picked(NLL) * WEIGHT[LABELS])[m].sum(),
    ),
    "smoothed": (
        {"label_smoothing": 0.1},
        lambda m: (0.9 * picked(NLL) + 0.1 * NLL.mean(-1))[m].mean(),
    ),
    "weight, smoothed": (  # torch's convention
        {"weight": WEIGHT, "label_smoothing": 0.2},
        lambda m: (
            (0.8 * picked(NLL * WEIGHT) + 0.2 * (NLL * WEIGHT).mean(-1))[m].sum()
            / WEIGHT[LABELS][m].sum()
        ),
    ),
}


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("name", CROSS)
def test_cross_entropy_is_its_formula(name, mask):
    options, formula = CROSS[name]
    m = np.ones((5, 2), bool) if mask is None else mask
    np.testing.assert_allclose(nn.cross_entropy(LOGITS, LABELS, mask=mask, **options), formula(m))
    check_grads(lambda x: nn.cross_entropy(x, LABELS, mask=mask, **options), LOGITS)


@pytest.mark.parametrize("name", CROSS)
def test_padding_reaches_no_weighted_loss(name):
    options, formula = CROSS[name]
    broken = np.where(MASK[..., None], LOGITS, np.nan)
    x = Tensor(broken)
    loss = nn.cross_entropy(x, np.where(MASK, LABELS, -9), mask=MASK, **options)
    np.testing.assert_allclose(loss.data, formula(MASK))
    (g,) = grad(loss.sum(), [x])
    assert not g[~MASK].any()


@pytest.mark.parametrize("given", [3.0, np.array([1.0, 2.0, 0.5, 3.0])])
def test_positive_targets_count_more(given):
    t = RNG.random(LOGITS.shape)
    sigma = 1 / (1 + np.exp(-LOGITS))
    expected = -(given * t * np.log(sigma) + (1 - t) * np.log(1 - sigma)).mean()
    found = nn.binary_cross_entropy(LOGITS, t, pos_weight=given)
    np.testing.assert_allclose(found, expected)
    check_grads(lambda x: nn.binary_cross_entropy(x, t, pos_weight=given), LOGITS)


@pytest.mark.parametrize("loss", [nn.mse_loss, nn.huber_loss])
def test_reductions_of_one_loss_agree(loss):
    target = RNG.standard_normal(LOGITS.shape)
    each = loss(LOGITS, target, mask=MASK, reduction="none")
    assert each.shape == LOGITS.shape
    assert not each[~MASK].any()
    np.testing.assert_allclose(loss(LOGITS, target, mask=MASK, reduction="sum"), each.sum())
    np.testing.assert_allclose(loss(LOGITS, target, mask=MASK), each[MASK].mean())


def test_the_derivative_of_half_the_squared_error_is_the_difference():
    y, target = Tensor(LOGITS), RNG.standard_normal(LOGITS.shape)
    loss = nn.squared_error(y, target, mask=MASK)
    np.testing.assert_allclose(loss.data, ((LOGITS - target)[MASK] ** 2).sum() / 2)
    (g,) = grad(loss, [y])
    np.testing.assert_allclose(g, np.where(MASK[..., None], LOGITS - target, 0))


def test_a_program_has_weights_as_constants_or_arguments():
    def loss(x, labels, weight):
        return nn.cross_entropy(x, labels, weight=weight, label_smoothing=0.1, mask=MASK)

    step = compile(loss, target="numpy")
    for weight in (WEIGHT, WEIGHT[::-1].copy()):
        found, g = step(Tensor(LOGITS), LABELS, weight)
        x = Tensor(LOGITS)
        exact = loss(x, LABELS, weight)
        np.testing.assert_allclose(found, exact.data)
        np.testing.assert_allclose(g, grad(exact, x))
    assert not step.reason


WRONG = [
    (lambda: nn.mse_loss(LOGITS, LOGITS, reduction="avg"), "reduction is"),
    (lambda: nn.cross_entropy(LOGITS, LABELS, label_smoothing=1.5), "label_smoothing is a prob"),
    (lambda: nn.cross_entropy(LOGITS, LABELS, weight=WEIGHT[:3]), r"of shape \(4,\), got \(3,\)"),
    (lambda: nn.cross_entropy(LOGITS, LABELS, weight=WEIGHT - 1), "weight must be positive"),
    (lambda: nn.binary_cross_entropy(P, P, pos_weight=np.ones(3)), "expected pos_weight of shape"),
    (lambda: nn.binary_cross_entropy(P, P, pos_weight=-1.0), "pos_weight must be positive"),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_weights_that_do_not_fit_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# -- a batch stands for its parts -----------------------------------------------------------------


def test_a_batch_is_taken_for_its_inputs_and_lengths():
    batch = tasks.one_hot(tasks.embedded_reber(4, rng=0), 7)
    cell = nn.GRUCell(7, 3, rng=0)
    for run in (partial(nn.unroll, cell), nn.Recurrent(cell)):
        expected = run(batch.xs, lengths=batch.lengths)[1]
        assert np.array_equal(run(batch)[1].data, expected.data)
    model = nn.many_to_many(7, 3, 7, rng=0)
    expected = model(batch.xs, lengths=batch.lengths)
    assert np.array_equal(model(batch).data, expected.data)
    loss = nn.cross_entropy(expected, batch)
    assert loss.data == nn.cross_entropy(expected, batch.targets, mask=batch.mask).data


def test_a_batch_of_answers_at_the_end_has_no_mask():
    batch = tasks.adding(6, 4, rng=0)
    y = nn.many_to_one(2, 3, 1, rng=0)(batch)
    assert nn.mse_loss(y, batch).data == nn.mse_loss(y, batch.targets).data


def test_one_hot_of_a_batch_replaces_its_inputs_alone():
    batch = tasks.embedded_reber(4, rng=0)
    found = tasks.one_hot(batch, 7, np.float32)
    assert np.array_equal(found.xs, tasks.one_hot(batch.xs, 7))
    assert found.xs.dtype == np.float32
    assert all(a is b for a, b in zip(found[1:], batch[1:], strict=True))
