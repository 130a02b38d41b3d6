"""Do layers, losses and optimisers follow torch's to the last digits?"""

import numpy as np
import pytest
import torch

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.interop import from_torch, torch_weights
from tinygrad_rnn.train import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    RMSprop,
    clip_grad_norm,
    clip_grad_value,
    cosine,
    exponential,
    staircase,
)

close = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(autouse=True)
def torch_draws_the_same_every_time():
    torch.manual_seed(0)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def leaf(array):
    return torch.tensor(array, requires_grad=True)


@pytest.mark.parametrize("shape", [(4,), (2, 4), (5, 2, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(shape, bias):
    mine = nn.Linear(4, 3, bias=bias, rng=0)
    other = torch.nn.Linear(4, 3, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        other.weight.copy_(torch.tensor(mine.W.data.T))
        if bias:
            other.bias.copy_(torch.tensor(mine.b.data))
    x, there = Tensor(normal(*shape)), leaf(normal(*shape))
    y, expected = mine(x), other(there)
    weights = normal(*y.shape, seed=1)
    (y * weights).sum().backward()
    (expected * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(y.data, expected.detach().numpy(), **close)
    np.testing.assert_allclose(x.grad, there.grad.numpy(), **close)
    np.testing.assert_allclose(mine.W.grad, other.weight.grad.numpy().T, **close)
    if bias:
        np.testing.assert_allclose(mine.b.grad, other.bias.grad.numpy(), **close)


def test_embedding_adds_up_the_gradients_of_repeated_symbols():
    symbols = np.array([[0, 2, 2], [5, 2, 0]])
    mine = nn.Embedding(6, 3, rng=0)
    table = leaf(mine.W.data)
    expected = torch.nn.functional.embedding(torch.tensor(symbols), table)
    y = mine(symbols)
    weights = normal(*y.shape)
    (y * weights).sum().backward()
    (expected * torch.tensor(weights)).sum().backward()
    np.testing.assert_array_equal(y.data, expected.detach().numpy())
    np.testing.assert_allclose(mine.W.grad, table.grad.numpy(), **close)


@pytest.mark.parametrize("shape", [(7,), (4, 7), (3, 4, 7)])
@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_cross_entropy(shape, scale):
    logits = normal(*shape) * scale
    labels = np.random.default_rng(1).integers(7, size=shape[:-1])
    mine, other = Tensor(logits), leaf(logits)
    loss = nn.cross_entropy(mine, labels)
    flat = other.reshape(-1, 7), torch.tensor(labels).reshape(-1)
    expected = torch.nn.functional.cross_entropy(*flat)
    loss.backward()
    expected.backward()
    np.testing.assert_allclose(loss.item(), expected.item(), **close)
    np.testing.assert_allclose(mine.grad, other.grad.numpy(), **close)


@pytest.mark.parametrize("shape", [(), (3,), (4, 2)])
def test_mse_loss(shape):
    y, target = normal(*shape), normal(*shape, seed=1)
    mine, other = Tensor(y), leaf(y)
    loss = nn.mse_loss(mine, target)
    expected = torch.nn.functional.mse_loss(other, torch.tensor(target))
    loss.backward()
    expected.backward()
    np.testing.assert_allclose(loss.item(), expected.item(), **close)
    np.testing.assert_allclose(mine.grad, other.grad.numpy(), **close)


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 100.0])
def test_clip_grad_norm_but_for_torchs_millionth(max_norm):
    gradients = [normal(3, 4), normal(5, seed=1)]
    mine, others = [Tensor(g) for g in gradients], [leaf(g) for g in gradients]
    for p, q, g in zip(mine, others, gradients, strict=True):
        p.grad, q.grad = g, torch.tensor(g)
    norm = clip_grad_norm(mine, max_norm)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(others, max_norm).item(), rel=1e-12)
    # torch multiplies by max_norm / (norm + 1e-6), so that its result is a little too short
    shorter = norm / (norm + 1e-6) if norm > max_norm else 1
    for p, q in zip(mine, others, strict=True):
        np.testing.assert_allclose(p.grad * shorter, q.grad.numpy(), **close)


def test_clip_grad_value():
    gradients = [normal(3, 4), normal(5, seed=1)]
    mine, others = [Tensor(g) for g in gradients], [leaf(g) for g in gradients]
    for p, q, g in zip(mine, others, gradients, strict=True):
        p.grad, q.grad = g, torch.tensor(g)
    clip_grad_value(mine, 0.3)
    torch.nn.utils.clip_grad_value_(others, 0.3)
    for p, q in zip(mine, others, strict=True):
        np.testing.assert_array_equal(p.grad, q.grad.numpy())


SCHEDULES = {
    "staircase": (staircase(0.1, 4, 0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 4, 0.5)),
    "exponential": (
        exponential(0.1, 0.9),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
    ),
    "cosine": (
        cosine(0.1, 20, 0.01),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20, 0.01),
    ),
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_schedules(kind):
    schedule, make = SCHEDULES[kind]
    optimiser = torch.optim.SGD([leaf(np.zeros(1))], lr=0.1)
    theirs = make(optimiser)
    for step in range(20):
        assert schedule(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-12)
        optimiser.step()
        theirs.step()


OPTIMISERS = {
    "SGD": (lambda p: SGD(p, lr=0.05), lambda p: torch.optim.SGD(p, lr=0.05)),
    "SGD with momentum": (
        lambda p: SGD(p, lr=0.05, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    ),
    "Adam": (lambda p: Adam(p, lr=0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
    "Adam by default": (Adam, torch.optim.Adam),
    "Adam with other betas": (
        lambda p: Adam(p, lr=0.01, betas=(0.5, 0.9), eps=1e-4),
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.5, 0.9), eps=1e-4),
    ),
}
OPTIM = torch.optim
# with the options under the same names on both sides
OPTIONS = {
    "SGD, momentum, decay": (SGD, OPTIM.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    "SGD, Nesterov": (SGD, OPTIM.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    "Adagrad": (Adagrad, OPTIM.Adagrad, {}),
    "Adagrad, decay": (Adagrad, OPTIM.Adagrad, {"lr": 0.1, "eps": 1e-6, "weight_decay": 0.1}),
    "RMSprop": (RMSprop, OPTIM.RMSprop, {}),
    "RMSprop, momentum": (RMSprop, OPTIM.RMSprop, {"alpha": 0.9, "momentum": 0.7}),
    "RMSprop, centered": (RMSprop, OPTIM.RMSprop, {"centered": True, "eps": 1e-5}),
    "RMSprop, all": (
        RMSprop,
        OPTIM.RMSprop,
        {"lr": 0.003, "momentum": 0.5, "centered": True, "weight_decay": 0.1},
    ),
    "Adam, decay": (Adam, OPTIM.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    "AdamW": (AdamW, OPTIM.AdamW, {}),
    "AdamW, decay": (AdamW, OPTIM.AdamW, {"lr": 0.02, "weight_decay": 0.3, "betas": (0.8, 0.99)}),
}
OPTIMISERS |= {
    kind: (lambda p, o=ours, k=options: o(p, **k), lambda p, o=theirs, k=options: o(p, **k))
    for kind, (ours, theirs, options) in OPTIONS.items()
    for options in [{"lr": 0.01, **options}]
}


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_fifty_steps_by_the_same_gradients_go_the_same_way(kind):
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(shape) for shape in ((3, 4), (5,), ())]
    mine, others = [Tensor(a) for a in starts], [leaf(a) for a in starts]
    ours, theirs = (make(p) for make, p in zip(OPTIMISERS[kind], (mine, others), strict=True))
    for _ in range(50):
        for p, q in zip(mine, others, strict=True):
            g = np.asarray(rng.standard_normal(p.shape) * 10 ** rng.uniform(-2, 1))
            p.grad, q.grad = g, torch.tensor(g)
        ours.step()
        theirs.step()
        for p, q in zip(mine, others, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_fifty_steps_of_training_an_lstm_stay_together(kind):
    ours, theirs = OPTIMISERS[kind]
    layer = torch.nn.LSTM(3, 5, dtype=torch.float64)
    cell = nn.LSTMCell(3, 5, rng=0)
    layer.load_state_dict({f"{k}_l0": torch.from_numpy(v) for k, v in torch_weights(cell).items()})
    xs, target = normal(6, 4, 3), normal(4, 5, seed=1) * 0.3
    mine, other = ours(cell.parameters()), theirs(layer.parameters())
    losses = []
    for _ in range(50):
        loss = nn.mse_loss(nn.unroll(cell, xs)[0][-1], target)
        mine.zero_grad()
        loss.backward()
        mine.step()
        expected = torch.nn.functional.mse_loss(
            layer(torch.tensor(xs))[0][-1], torch.tensor(target)
        )
        other.zero_grad()
        expected.backward()
        other.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-10, abs=1e-10)
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    for name, array in torch_weights(cell).items():
        expected = getattr(layer, f"{name}_l0").detach().numpy()
        np.testing.assert_allclose(array, expected, rtol=1e-10, atol=1e-10, err_msg=name)


def test_torchs_parameters_may_still_be_tracked_when_they_come():
    layer = torch.nn.GRU(3, 5, dtype=torch.float64)
    cell = nn.GRUCell(3, 5, rng=0)
    from_torch(cell, dict(layer.named_parameters()))
    before = torch_weights(cell)
    with torch.no_grad():
        layer.bias_ih_l0.zero_()
    np.testing.assert_array_equal(torch_weights(cell)["bias_ih"], before["bias_ih"])
    assert np.abs(before["bias_ih"]).max() > 0
