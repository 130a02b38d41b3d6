"""Do weights go out in torch's names and layout, and come in again unharmed?"""

import re

import numpy as np
import pytest

from tinygrad_rnn import nn, tanh
from tinygrad_rnn.interop import from_torch, torch_weights

CELLS = {"rnn": (nn.RNNCell, 1), "lstm": (nn.LSTMCell, 4), "gru": (nn.GRUCell, 3)}
every_cell = pytest.mark.parametrize(("make", "gates"), CELLS.values(), ids=CELLS)


def same(a, b):
    assert a.keys() == b.keys()
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name], err_msg=name)


@every_cell
def test_names_and_shapes_are_torchs(make, gates):
    shapes = {name: array.shape for name, array in torch_weights(make(3, 5)).items()}
    assert shapes == {
        "weight_ih": (gates * 5, 3),
        "weight_hh": (gates * 5, 5),
        "bias_ih": (gates * 5,),
        "bias_hh": (gates * 5,),
    }
    assert list(torch_weights(make(3, 5, bias=False))) == ["weight_ih", "weight_hh"]


@every_cell
def test_gates_stand_in_the_same_order_and_matrices_are_transposed(make, gates):
    cell = make(3, 5, rng=0)
    weights = torch_weights(cell)
    for gate in range(gates):
        rows = slice(gate * 5, gate * 5 + 5)
        np.testing.assert_array_equal(weights["weight_ih"][rows], cell.W_x.data[:, rows].T)
        np.testing.assert_array_equal(weights["weight_hh"][rows], cell.W_h.data[:, rows].T)
        np.testing.assert_array_equal(weights["bias_ih"][rows], cell.b_x.data[rows])
        np.testing.assert_array_equal(weights["bias_hh"][rows], cell.b_h.data[rows])


def test_the_equations_in_torchs_layout_give_the_cells_values():
    cell = nn.LSTMCell(3, 5, rng=0)
    w = torch_weights(cell)
    x, h, c = np.random.default_rng(1).standard_normal((3, 5))
    i, f, g, o = np.split(
        w["weight_ih"] @ x[:3] + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"], 4
    )

    def s(a):
        return 1 / (1 + np.exp(-a))

    c_new = s(f) * c + s(i) * np.tanh(g)
    found = cell(x[:3], (h, c))
    np.testing.assert_allclose(found[1].data, c_new, rtol=0, atol=1e-15)
    np.testing.assert_allclose(found[0].data, s(o) * np.tanh(c_new), rtol=0, atol=1e-15)


@every_cell
@pytest.mark.parametrize("sizes", [(3, 5), (1, 1), (1, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_are_contiguous_and_their_own(make, gates, sizes, dtype):
    cell = make(*sizes, rng=0, dtype=dtype)
    before = cell.state_dict()
    for array in torch_weights(cell).values():
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.dtype == dtype
        array[...] = 7
    same(cell.state_dict(), before)


@every_cell
@pytest.mark.parametrize("bias", [True, False])
def test_there_and_back_changes_no_bit(make, gates, bias):
    a, b = make(3, 5, bias=bias, rng=0), make(3, 5, bias=bias, rng=1)
    from_torch(b, torch_weights(a))
    same(a.state_dict(), b.state_dict())
    weights = torch_weights(a)
    from_torch(a, weights)
    same(torch_weights(a), weights)


@every_cell
def test_names_may_carry_the_suffix_of_torchs_layers(make, gates):
    a, b = make(3, 5, rng=0), make(3, 5, rng=1)
    from_torch(b, {f"{name}_l0": array for name, array in torch_weights(a).items()})
    same(a.state_dict(), b.state_dict())


def test_what_was_loaded_is_a_copy():
    cell = nn.GRUCell(3, 5)
    weights = torch_weights(nn.GRUCell(3, 5, rng=0))
    from_torch(cell, weights)
    before = cell.state_dict()
    for array in weights.values():
        array[...] = 0
    same(cell.state_dict(), before)


def test_frozen_parameters_go_out_and_in():
    cell = nn.RNNCell(3, 5, rng=0)
    weights = torch_weights(cell)
    cell.W_h = cell.W_h.data
    same(torch_weights(cell), weights)
    from_torch(cell, {name: array * 2 for name, array in weights.items()})
    assert type(cell.W_h) is np.ndarray
    np.testing.assert_array_equal(cell.W_h, 2 * weights["weight_hh"].T)


def test_what_torch_still_tracks_is_detached_first():
    class Tracked:
        """Like torch's: no array unless detached."""

        def __init__(self, array):
            self.array = array

        def detach(self):
            return self.array

        def __array__(self, *_, **__):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    a, b = nn.LSTMCell(3, 5, rng=0), nn.LSTMCell(3, 5, rng=1)
    from_torch(b, {name: Tracked(array) for name, array in torch_weights(a).items()})
    same(a.state_dict(), b.state_dict())


@every_cell
def test_gradients_go_out_in_the_same_layout(make, gates):
    cell = make(3, 5, rng=0)
    nn.unroll(cell, np.ones((2, 1, 3)))[0][-1].sum().backward()
    found = torch_weights(cell, gradients=True)
    np.testing.assert_array_equal(found["weight_ih"], cell.W_x.grad.T)
    np.testing.assert_array_equal(found["bias_hh"], cell.b_h.grad)
    assert found["weight_hh"].flags.c_contiguous


# -- refusals ---------------------------------------------------------------------------------


def test_gradients_that_do_not_exist_are_refused_by_name():
    with pytest.raises(ValueError, match=r"W_x has no gradient; call loss.backward\(\) first"):
        torch_weights(nn.RNNCell(3, 5), gradients=True)


@pytest.mark.parametrize(("reset", "update"), [("before", "keeps"), ("after", "replaces")])
def test_a_gru_in_another_convention_is_refused_by_its_name(reset, update):
    cell = nn.GRUCell(3, 5, reset=reset, update=update)
    message = (
        f'torch\'s GRU has reset="after", update="keeps"; this cell has reset={reset!r}, '
        f"update={update!r}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        torch_weights(cell)
    with pytest.raises(ValueError, match=re.escape(message)):
        from_torch(cell, torch_weights(nn.GRUCell(3, 5)))


def test_an_activation_torch_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"torch's RNN knows tanh and relu.*activation='sigmoid'"):
        torch_weights(nn.RNNCell(3, 5, "sigmoid"))
    with pytest.raises(ValueError, match="torch's RNN knows tanh and relu"):
        torch_weights(nn.RNNCell(3, 5, lambda x: x))
    assert torch_weights(nn.RNNCell(3, 5, tanh)).keys()


def test_what_torch_has_no_cell_like_is_refused():
    with pytest.raises(TypeError, match="torch has no cell like Linear"):
        torch_weights(nn.Linear(3, 5))
    with pytest.raises(TypeError, match="torch has no cell like dict"):
        from_torch({}, {})


def test_everything_that_does_not_fit_is_named_as_torch_names_it_and_nothing_is_changed():
    cell = nn.LSTMCell(3, 5, rng=0)
    before = cell.state_dict()
    weights = torch_weights(nn.LSTMCell(4, 5))
    del weights["bias_hh"]
    weights["weight_hr"] = np.zeros((2, 5))
    with pytest.raises(ValueError, match=r"from_torch into LSTMCell\(input_size=3") as caught:
        from_torch(cell, weights)
    for sentence in (
        "missing 'bias_hh'",
        "unexpected 'weight_hr'",
        "'weight_ih' has shape (20, 4), expected (20, 3)",
        "Torch stacks the gates along the first axis",
        "Nothing was loaded",
    ):
        assert sentence in str(caught.value)
    same(cell.state_dict(), before)


def test_a_second_layer_or_direction_is_unexpected():
    cell = nn.GRUCell(3, 5)
    weights = {f"{name}_l0": array for name, array in torch_weights(cell).items()}
    for more in ("weight_ih_l1", "weight_ih_l0_reverse"):
        with pytest.raises(ValueError, match=f"unexpected '{more}'"):
            from_torch(cell, weights | {more: weights["weight_ih_l0"]})


@every_cell
def test_a_name_with_and_without_suffix_is_refused(make, gates):
    cell = make(3, 5, rng=0)
    before, weights = cell.state_dict(), torch_weights(make(3, 5, rng=1))
    for name, array in weights.items():
        with pytest.raises(ValueError, match=f"both '{name}' and '{name}_l0'"):
            from_torch(cell, weights | {f"{name}_l0": array})
    same(cell.state_dict(), before)


UNFIT = {
    "beyond the range": (np.full, 1e300, r"'W_h' holds 1e\+300, beyond the range of float32"),
    "complex": (np.full, 1j, "'W_h': expected real numbers, got dtype complex128"),
    "text": (np.full, "a", "'W_h': expected real numbers, got dtype <U1"),
}


@pytest.mark.parametrize("name", ["weight_hh_l1", "weight_hh_l1_reverse", "weight_hh_l0_reverse"])
@pytest.mark.parametrize(("fill", "value", "message"), UNFIT.values(), ids=UNFIT)
def test_a_layer_that_does_not_fit_leaves_all_layers_as_they_were(name, fill, value, message):
    layers, other = (
        nn.LSTM(3, 5, num_layers=2, bidirectional=True, rng=seed, dtype=np.float32)
        for seed in (0, 1)
    )
    before, weights = layers.state_dict(), torch_weights(other)
    weights[name] = fill(weights[name].shape, value)
    where = name.removeprefix("weight_hh_")
    with pytest.raises(ValueError, match=rf"from_torch into .* at {where}: .*{message}"):
        from_torch(layers, weights)
    same(layers.state_dict(), before)


def test_weights_of_another_kind_of_cell_do_not_fit():
    with pytest.raises(ValueError, match=r"'weight_hh' has shape \(15, 5\), expected \(20, 5\)"):
        from_torch(nn.LSTMCell(3, 5), torch_weights(nn.GRUCell(3, 5)))
