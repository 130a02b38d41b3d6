"""Do whole layers go by torch's names?"""

import numpy as np
import pytest

from tinygrad_rnn import nn
from tinygrad_rnn.interop import from_torch, torch_weights


def test_names_say_layer_and_direction():
    layer = nn.GRU(3, 4, 2, bidirectional=True, rng=0)
    expected = [
        f"{what}_l{k}{way}"
        for k in (0, 1)
        for way in ("", "_reverse")
        for what in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]
    found = torch_weights(layer)
    assert list(found) == expected
    np.testing.assert_array_equal(found["weight_ih_l1_reverse"], layer.layers[1][1].W_x.data.T)
    assert found["weight_ih_l1"].shape == (12, 8)


@pytest.mark.parametrize("options", [{}, {"proj_size": 2}, {"bias": False}], ids=str)
def test_there_and_back_changes_no_bit(options):
    layer, other = (nn.LSTM(3, 4, 2, bidirectional=True, rng=k, **options) for k in (0, 1))
    from_torch(other, torch_weights(layer))
    for a, b in zip(layer.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_gradients_have_the_same_names():
    layer = nn.RNN(3, 4, 2, rng=0)
    layer(np.ones((5, 2, 3)))[0].sum().backward()
    gradients, weights = torch_weights(layer, gradients=True), torch_weights(layer)
    assert {k: g.shape for k, g in gradients.items()} == {k: w.shape for k, w in weights.items()}
    np.testing.assert_array_equal(gradients["bias_hh_l1"], layer.layers[1][0].b_h.grad)


def test_nothing_is_loaded_unless_everything_fits():
    layer = nn.GRU(3, 4, 2, rng=0)
    before = layer.state_dict()
    weights = torch_weights(nn.GRU(3, 4, 2, bidirectional=True, rng=1))
    message = r"'weight_ih_l1' has shape \(12, 8\), expected \(12, 4\)"
    with pytest.raises(ValueError, match=message) as caught:
        from_torch(layer, weights)
    assert "unexpected 'weight_ih_l0_reverse'" in str(caught.value)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_cell_that_torch_has_none_of_is_refused_in_a_layer_too():
    for cell in (nn.MGUCell(3, 4), nn.Zoneout(nn.GRUCell(3, 4), 0.1)):
        with pytest.raises(TypeError, match=f"torch has no cell like {type(cell).__name__}"):
            torch_weights(nn.Recurrent(nn.GRUCell(3, 3), cell))
    with pytest.raises(ValueError, match="wrong results"):
        torch_weights(nn.GRU(3, 4, reset="before"))


def test_a_projected_cell_has_one_more():
    cell = nn.ProjectedLSTMCell(3, 4, 2, rng=0)
    found = torch_weights(cell)
    assert found["weight_hr"].shape == (2, 4)
    other = nn.ProjectedLSTMCell(3, 4, 2, rng=1)
    from_torch(other, {f"{name}_l0": array for name, array in found.items()})
    np.testing.assert_array_equal(other.W_r.data, cell.W_r.data)
