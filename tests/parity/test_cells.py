"""Do our cells and torch's, side by side, give the same outputs, states and gradients?"""

import itertools

import numpy as np
import pytest
import torch

from tinygrad_rnn import Tensor, nn, stack
from tinygrad_rnn.interop import from_torch, torch_weights

CELLS = {"rnn-tanh": nn.RNNCell, "rnn-relu": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
SIZES = list(itertools.product((1, 3), (1, 4), (1, 5), (1, 6), (False, True)))
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}

grid = pytest.mark.parametrize(
    ("kind", "batch", "inputs", "hidden", "steps", "bias"),
    [(kind, *sizes) for kind in CELLS for sizes in SIZES],
)
both_precisions = pytest.mark.parametrize("dtype", TOLERANCE)


@pytest.fixture(autouse=True)
def torch_draws_the_same_every_time():
    torch.manual_seed(0)


def ours(kind, inputs, hidden, bias, dtype):
    options = {"activation": kind.partition("-")[2]} if "-" in kind else {}
    return CELLS[kind](inputs, hidden, bias=bias, rng=3, dtype=dtype, **options)


def theirs(kind, suffix, inputs, hidden, bias, dtype):
    name, _, activation = kind.partition("-")
    options = {"nonlinearity": activation} if activation else {}
    make = getattr(torch.nn, name.upper() + suffix)
    return make(inputs, hidden, bias=bias, dtype=getattr(torch, dtype.__name__), **options)


def leaf(array):
    return torch.tensor(array, requires_grad=True)


def check(mine, torchs, dtype):
    """Both by name; differences are relative to the size of what is compared, absolute below 1."""
    assert mine.keys() == torchs.keys()
    for name, array in mine.items():
        expected = torchs[name].detach().numpy()
        assert array.dtype == expected.dtype == dtype
        np.testing.assert_allclose(
            array, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], err_msg=name
        )


def draw(batch, inputs, hidden, steps, dtype, states):
    """Inputs, first states, and weights for outputs and final states in the loss."""
    rng = np.random.default_rng([batch, inputs, hidden, steps])

    def normal(*shape):
        return rng.standard_normal(shape).astype(dtype)

    xs, weights = normal(steps, batch, inputs), normal(steps, batch, hidden)
    firsts = [normal(batch, hidden) for _ in range(states)]
    return xs, firsts, weights, [normal(batch, hidden) for _ in range(states)]


def run_ours(cell, xs, firsts, weights, final_weights):
    xs, firsts = Tensor(xs), [Tensor(first) for first in firsts]
    outputs, finals = nn.unroll(cell, xs, tuple(firsts) if len(firsts) == 2 else firsts[0])
    outputs, finals = stack(outputs), finals if len(firsts) == 2 else (finals,)
    loss = (outputs * weights).sum()
    for final, weight in zip(finals, final_weights, strict=True):
        loss = loss + (final * weight).sum()
    loss.backward()
    found = {"outputs": outputs.data, "d xs": xs.grad}
    found |= {f"final {k}": final.data for k, final in enumerate(finals)}
    found |= {f"d first {k}": first.grad for k, first in enumerate(firsts)}
    return found | {f"d {k}": g for k, g in torch_weights(cell, gradients=True).items()}


@both_precisions
@grid
def test_a_cell_called_step_by_step_is_torchs_cell(kind, batch, inputs, hidden, steps, bias, dtype):
    cell = ours(kind, inputs, hidden, bias, dtype)
    other = theirs(kind, "Cell", inputs, hidden, bias, dtype)
    other.load_state_dict({k: torch.from_numpy(v) for k, v in torch_weights(cell).items()})

    states = 1 + (kind == "lstm")
    xs, firsts, weights, final_weights = draw(batch, inputs, hidden, steps, dtype, states)
    found = run_ours(cell, xs, firsts, weights, final_weights)

    xs, firsts = leaf(xs), [leaf(first) for first in firsts]
    state, outputs = tuple(firsts) if states == 2 else firsts[0], []
    for x in xs:
        state = other(x, state)
        outputs.append(state[0] if states == 2 else state)
    outputs, finals = torch.stack(outputs), state if states == 2 else (state,)
    loss = (outputs * torch.tensor(weights)).sum()
    for final, weight in zip(finals, final_weights, strict=True):
        loss = loss + (final * torch.tensor(weight)).sum()
    loss.backward()
    expected = {"outputs": outputs, "d xs": xs.grad}
    expected |= {f"final {k}": final for k, final in enumerate(finals)}
    expected |= {f"d first {k}": first.grad for k, first in enumerate(firsts)}
    expected |= {f"d {name}": p.grad for name, p in other.named_parameters()}
    check(found, expected, dtype)


@both_precisions
@grid
def test_a_cell_unrolled_is_torchs_layer_over_time(kind, batch, inputs, hidden, steps, bias, dtype):
    cell = ours(kind, inputs, hidden, bias, dtype)
    layer = theirs(kind, "", inputs, hidden, bias, dtype)
    from_torch(cell, dict(layer.named_parameters()))

    states = 1 + (kind == "lstm")
    xs, firsts, weights, final_weights = draw(batch, inputs, hidden, steps, dtype, states)
    found = run_ours(cell, xs, firsts, weights, final_weights)

    xs, firsts = leaf(xs), [leaf(first[None]) for first in firsts]
    outputs, finals = layer(xs, tuple(firsts) if states == 2 else firsts[0])
    finals = finals if states == 2 else (finals,)
    loss = (outputs * torch.tensor(weights)).sum()
    for final, weight in zip(finals, final_weights, strict=True):
        loss = loss + (final[0] * torch.tensor(weight)).sum()
    loss.backward()
    expected = {"outputs": outputs, "d xs": xs.grad}
    expected |= {f"final {k}": final[0] for k, final in enumerate(finals)}
    expected |= {f"d first {k}": first.grad[0] for k, first in enumerate(firsts)}
    expected |= {f"d {name.removesuffix('_l0')}": p.grad for name, p in layer.named_parameters()}
    check(found, expected, dtype)


@pytest.mark.parametrize("kind", CELLS)
def test_without_a_first_state_both_start_from_zeros(kind):
    cell = ours(kind, 3, 5, True, np.float64)
    layer = theirs(kind, "", 3, 5, True, np.float64)
    layer.load_state_dict({f"{k}_l0": torch.from_numpy(v) for k, v in torch_weights(cell).items()})
    xs = np.random.default_rng(0).standard_normal((4, 2, 3))
    mine, torchs = stack(nn.unroll(cell, xs)[0]), layer(torch.tensor(xs))[0]
    np.testing.assert_allclose(mine.data, torchs.detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
def test_there_and_back_changes_no_bit(kind):
    layer = theirs(kind, "", 3, 5, True, np.float64)
    cell = ours(kind, 3, 5, True, np.float64)
    from_torch(cell, layer.state_dict())
    for name, array in torch_weights(cell).items():
        np.testing.assert_array_equal(array, layer.state_dict()[f"{name}_l0"].numpy())


@pytest.mark.parametrize("kind", CELLS)
def test_parameters_are_as_many_as_torchs(kind):
    cell = ours(kind, 3, 5, True, np.float64)
    layer = theirs(kind, "", 3, 5, True, np.float64)
    assert sum(p.size for p in cell.parameters()) == sum(p.numel() for p in layer.parameters())


@pytest.mark.parametrize("kind", CELLS)
def test_start_values_are_spread_as_torchs(kind):
    cell = ours(kind, 30, 50, True, np.float64)
    layer = theirs(kind, "", 30, 50, True, np.float64)
    for name, array in torch_weights(cell).items():
        other = getattr(layer, f"{name}_l0").detach().numpy()
        bound = 50**-0.5
        for values in (array, other):
            assert np.abs(values).max() <= bound
            assert abs(values.std() - bound / 3**0.5) < 0.2 * bound
