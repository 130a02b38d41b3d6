"""Do our layers and torch's give the same outputs, states and gradients?

Several layers, both directions, packed lengths, batch first, projections.
"""

import itertools

import numpy as np
import pytest
import torch

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.interop import from_torch, torch_weights

KINDS = {
    "rnn": (nn.RNN, torch.nn.RNN, {}, {}),
    "relu": (nn.RNN, torch.nn.RNN, {"activation": "relu"}, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, torch.nn.LSTM, {}, {}),
    "projected": (nn.LSTM, torch.nn.LSTM, {"proj_size": 2}, {"proj_size": 2}),
    "gru": (nn.GRU, torch.nn.GRU, {}, {}),
}
GRID = list(itertools.product((1, 2, 3), (False, True), (False, True), (False, True)))
grid = pytest.mark.parametrize(("num_layers", "bidirectional", "batch_first", "bias"), GRID)
LENGTHS = [7, 4, 4, 1]  # torch knows no sequence without a step
T, BATCH, INPUT, HIDDEN = 7, 4, 3, 5


def pair(kind, **sizes):
    """Our layer and torch's with the same weights."""
    make, other, options, its = KINDS[kind]
    torch.manual_seed(0)
    theirs = other(INPUT, HIDDEN, dtype=torch.float64, **sizes, **its)
    ours = make(INPUT, HIDDEN, **sizes, **options)
    from_torch(ours, theirs.state_dict())
    return ours, theirs


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def firsts(theirs, batch):
    """Random first states, in torch's shapes."""
    rows = theirs.num_layers * (1 + theirs.bidirectional)
    h = normal(rows, batch, theirs.proj_size or HIDDEN, seed=3)
    return (h, normal(rows, batch, HIDDEN, seed=4)) if theirs.mode == "LSTM" else (h,)


def weighted(parts):
    """A loss in which every number counts differently."""
    total = 0
    for k, part in enumerate(parts):
        weight = normal(*part.shape, seed=10 + k)
        total = total + (part * (torch.tensor(weight) if torch.is_tensor(part) else weight)).sum()
    return total


def run_ours(layer, xs, first, **how):
    xs, first = Tensor(xs), tuple(Tensor(part) for part in first)
    outputs, state = layer(xs, first if len(first) == 2 else first[0], **how)
    parts = (outputs, *(state if isinstance(state, tuple) else (state,)))
    weighted(parts).backward()
    slopes = {f"d {name}": g for name, g in torch_weights(layer, gradients=True).items()}
    arrays = {k: part.data for k, part in enumerate(parts)}
    return arrays | slopes | {"d xs": xs.grad} | {f"d {k}": p.grad for k, p in enumerate(first)}


def run_theirs(layer, xs, first, lengths=None):
    xs = torch.tensor(xs, requires_grad=True)
    first = tuple(torch.tensor(part, requires_grad=True) for part in first)
    state = first if len(first) == 2 else first[0]
    if lengths is None:
        outputs, state = layer(xs, state)
    else:
        how = {"batch_first": layer.batch_first}
        packed = torch.nn.utils.rnn.pack_padded_sequence(xs, lengths, **how)
        outputs, state = layer(packed, state)
        outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, total_length=T, **how)
    parts = (outputs, *(state if isinstance(state, tuple) else (state,)))
    weighted(parts).backward()
    slopes = {f"d {name}": p.grad for name, p in layer.named_parameters()}
    slopes |= {"d xs": xs.grad} | {f"d {k}": p.grad for k, p in enumerate(first)}
    found = {k: part.detach() for k, part in enumerate(parts)} | slopes
    return {name: tensor.numpy() for name, tensor in found.items()}


def check(mine, theirs):
    assert mine.keys() == theirs.keys()
    for name, array in mine.items():
        expected = theirs[name]
        assert array.shape == expected.shape, name
        np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-12, err_msg=str(name))


@pytest.mark.parametrize("kind", KINDS)
@grid
def test_layers_are_torchs(kind, num_layers, bidirectional, batch_first, bias):
    sizes = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
    ours, theirs = pair(kind, batch_first=batch_first, dropout=0, **sizes)
    xs, first = normal(*((BATCH, T) if batch_first else (T, BATCH)), INPUT), firsts(theirs, BATCH)
    check(run_ours(ours, xs, first), run_theirs(theirs, xs, first))


@pytest.mark.parametrize("kind", KINDS)
@grid
def test_lengths_are_torchs_packed_sequences(kind, num_layers, bidirectional, batch_first, bias):
    sizes = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
    ours, theirs = pair(kind, batch_first=batch_first, **sizes)
    xs, first = normal(*((BATCH, T) if batch_first else (T, BATCH)), INPUT), firsts(theirs, BATCH)
    check(run_ours(ours, xs, first, lengths=LENGTHS), run_theirs(theirs, xs, first, LENGTHS))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "how", [{"checkpoint": True}, {"truncate": T}, {"truncate": (2, T)}], ids=str
)
def test_other_ways_to_run_are_torchs_too(kind, how):
    ours, theirs = pair(kind, num_layers=2, bidirectional=True)
    xs, first = normal(T, BATCH, INPUT), firsts(theirs, BATCH)
    mine = run_ours(ours, xs, first, lengths=LENGTHS, **how)
    check(mine, run_theirs(theirs, xs, first, LENGTHS))


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_batch_and_a_first_state(kind):
    ours, theirs = pair(kind, num_layers=2, bidirectional=True)
    xs = normal(T, INPUT)
    outputs, state = ours(xs)
    expected, ends = theirs(torch.tensor(xs))
    parts, their_parts = (s if isinstance(s, tuple) else (s,) for s in (state, ends))
    mine = {k: part.data for k, part in enumerate((outputs, *parts))}
    check(mine, {k: p.detach().numpy() for k, p in enumerate((expected, *their_parts))})


@pytest.mark.parametrize("kind", KINDS)
def test_weights_there_and_back_change_no_bit(kind):
    ours, theirs = pair(kind, num_layers=3, bidirectional=True)
    mine = torch_weights(ours)
    assert mine.keys() == theirs.state_dict().keys()
    for name, weight in theirs.state_dict().items():
        np.testing.assert_array_equal(mine[name], weight.numpy())
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in mine.items()})
