"""Does a module find its parameters, keep them, give them back and take them over?"""

import copy
import gc
import pickle
import re
import weakref

import numpy as np
import pytest

from tinygrad_rnn import Tensor, grad, nn


class Pair(nn.Module):
    def __init__(self):
        self.first, self.second = nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)

    def __call__(self, x):
        return self.second(self.first(x))


class Tied(nn.Module):
    """A language model whose last layer is its embedding, turned over."""

    def __init__(self):
        self.table = nn.Embedding(5, 4, rng=0)
        self.cell = nn.RNNCell(4, 4, rng=1)
        self.read_out = nn.Linear(5, 4, bias=False)
        self.read_out.W = self.table.W

    def __call__(self, symbols):
        outputs, _ = nn.unroll(self.cell, self.table(symbols))
        return outputs[-1] @ self.read_out.W.T


def same_values(a, b):
    assert a.keys() == b.keys()
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], err_msg=name)


# -- finding ----------------------------------------------------------------------------------


def test_parameters_are_found_by_path_in_the_order_of_attributes():
    assert list(Pair().named_parameters().keys()) == ["first.W", "first.b", "second.W", "second.b"]
    assert list(nn.LSTMCell(3, 4).named_parameters().keys()) == ["W_x", "W_h", "b_x", "b_h"]
    assert list(nn.LSTMCell(3, 4, bias=False).named_parameters().keys()) == ["W_x", "W_h"]


def test_lists_tuples_and_dicts_are_looked_into():
    module = nn.Module()
    module.cells = [nn.RNNCell(2, 2, bias=False), (nn.RNNCell(2, 2, bias=False),)]
    module.heads = {"mean": nn.Linear(2, 1), "more": {"scale": Tensor(1.0)}}
    module.loose = [Tensor([1.0]), 3, "text", None]
    assert list(module.named_parameters().keys()) == [
        "cells.0.W_x",
        "cells.0.W_h",
        "cells.1.0.W_x",
        "cells.1.0.W_h",
        "heads.mean.W",
        "heads.mean.b",
        "heads.more.scale",
        "loose.0",
    ]


def test_a_shared_parameter_is_found_once_where_it_stands_first():
    model = Tied()
    assert next(iter(model.named_parameters().keys())) == "table.W"
    assert "read_out.W" not in model.named_parameters()
    assert len(model.parameters()) == 5
    both = nn.Module()
    both.a = both.b = nn.Linear(2, 2)
    assert list(both.named_parameters().keys()) == ["a.W", "a.b"]


def test_a_shared_parameter_has_the_gradient_of_both_its_uses():
    model, symbols = Tied(), np.array([[1, 2], [3, 3]])
    loss = model(symbols).sum()
    tied = grad(loss, model.table.W)
    untied = copy.deepcopy(model)
    untied.read_out.W = Tensor(untied.table.W.data)
    apart = grad(untied(symbols).sum(), [untied.table.W, untied.read_out.W])
    np.testing.assert_allclose(tied, apart[0] + apart[1], rtol=0, atol=1e-14)


def test_a_tensor_takes_the_name_of_its_attribute_unless_it_has_one():
    module = nn.Module()
    module.U, module.V = Tensor(1.0), Tensor(1.0, name="speed")
    assert (module.U.name, module.V.name) == ("U", "speed")


def test_a_module_that_holds_itself_is_looked_into_once():
    module = Pair()
    module.parent = module
    assert len(module.parameters()) == 4


def replace_in_a_module(model):
    model.cells[1].W_h = Tensor(np.ones((2, 2)))


def replace_past_setattr(model):
    vars(model.cells[0])["b"] = Tensor(np.ones(2))


def replace_in_a_list(model):
    model.loose[0] = Tensor(np.ones(3))


def append_to_a_list(model):
    model.cells.append(nn.Linear(2, 2))


def take_out_of_a_list(model):
    del model.cells[0]


def insert_in_a_dict(model):
    model.heads["more"] = nn.Linear(2, 2)


def rename_in_a_dict(model):
    model.heads["other"] = model.heads.pop("mean")


def freeze(model):
    model.heads["mean"].W = model.heads["mean"].W.data


def tie(model):
    model.heads["mean"].b = model.cells[1].b_h


def take_away(model):
    del model.cells[1].W_h


def turn_round(model):
    model.cells.reverse()


def move_last(model):
    cells = model.cells
    del model.cells
    model.cells = cells


@pytest.mark.parametrize(
    "change",
    [
        replace_in_a_module, replace_past_setattr, replace_in_a_list, append_to_a_list,
        take_out_of_a_list, insert_in_a_dict, rename_in_a_dict, freeze, tie, take_away, turn_round,
        move_last,
    ],
)  # fmt: skip
def test_parameters_looked_for_before_are_found_as_if_for_the_first_time(change):
    model = nn.Module()
    model.cells = [nn.Linear(2, 2, rng=0), nn.RNNCell(2, 2, rng=1)]
    model.heads, model.loose = {"mean": nn.Linear(2, 2, rng=2)}, [Tensor(np.zeros(3))]
    before = model.named_parameters()
    change(model)
    after, fresh = model.named_parameters(), copy.copy(model).named_parameters()
    before, after, fresh = ([(k, id(p)) for k, p in x.items()] for x in (before, after, fresh))
    assert after == fresh != before


def test_what_is_done_to_the_parameters_found_is_not_done_to_the_module():
    model = Pair()
    model.named_parameters().clear()
    assert len(model.named_parameters()) == len(model.named_parameters()) == 4


def test_a_module_whose_parameters_were_found_is_no_garbage_that_waits_for_the_collector():
    model = Pair()
    model.named_parameters()
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_a_missing_attribute_is_an_error_and_not_none():
    with pytest.raises(AttributeError, match="thrid"):
        _ = Pair().thrid


def test_repr_says_class_and_sizes():
    assert repr(nn.LSTMCell(3, 4)) == "LSTMCell(input_size=3, hidden_size=4)"
    assert "activation=relu" in repr(nn.RNNCell(3, 4, "relu"))
    assert "reset=before, update=keeps" in repr(nn.GRUCell(3, 4, reset="before"))
    assert repr(nn.Linear(3, 4)) == "Linear(in_features=3, out_features=4)"


def test_zero_grad_forgets():
    model = Pair()
    model(np.ones(3)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


# -- freezing ---------------------------------------------------------------------------------


def test_a_frozen_parameter_is_an_array_and_thaws_again():
    model, x = Pair(), np.ones(3)
    before = model(x).data
    model.first.W = model.first.W.data
    assert list(model.named_parameters().keys()) == ["first.b", "second.W", "second.b"]
    assert list(model.state_dict()) == ["first.W", "first.b", "second.W", "second.b"]
    np.testing.assert_array_equal(model(x).data, before)
    model(x).sum().backward()
    assert type(model.first.W) is np.ndarray
    model.first.W = Tensor(model.first.W)
    assert next(iter(model.named_parameters().keys())) == "first.W"
    np.testing.assert_array_equal(model(x).data, before)


@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
@pytest.mark.parametrize("frozen", ["W_x", "W_h", "b_x", "b_h"])
def test_a_cell_runs_with_any_parameter_frozen(make, frozen):
    cell, xs = make(3, 4, rng=0), np.ones((3, 2, 3))
    expected = grad(nn.unroll(cell, xs)[0][-1].sum(), cell.named_parameters())
    setattr(cell, frozen, getattr(cell, frozen).data)
    del expected[frozen]
    same_values(grad(nn.unroll(cell, xs)[0][-1].sum(), cell.named_parameters()), expected)


# -- giving back and taking over --------------------------------------------------------------


def test_a_state_dict_goes_into_another_module_and_makes_it_the_same():
    a, b, x = Pair(), Pair(), np.ones(3)
    for p in a.parameters():
        p.data = p.data * 2 + 1
    assert (a(x).data != b(x).data).any()
    b.load_state_dict(a.state_dict())
    np.testing.assert_array_equal(a(x).data, b(x).data)


def test_a_state_dict_is_a_copy():
    model = Pair()
    state = model.state_dict()
    state["first.W"][:] = 0
    assert model.first.W.data.all()
    loaded = Pair().state_dict()
    model.load_state_dict(loaded)
    loaded["first.W"][:] = 0
    assert model.first.W.data.all()


def test_loading_keeps_the_tensors_and_converts_to_their_dtype():
    model = nn.Linear(2, 2, dtype=np.float32)
    weight = model.W
    model.load_state_dict({"W": np.eye(2), "b": [0, 1]})
    assert model.W is weight
    assert weight.dtype == model.b.dtype == np.float32
    np.testing.assert_array_equal(model.b.data, [0, 1])


def test_loading_reaches_frozen_values_lists_and_shared_tensors():
    module = nn.Module()
    module.scale, module.steps = np.zeros(2), [np.zeros(1), Tensor([0.0])]
    module.again = module.steps[1]
    fresh = {"scale": [1, 2], "steps.0": [3], "steps.1": [4], "again": [4]}
    module.load_state_dict(fresh)
    same_values(module.state_dict(), {name: np.array(value) for name, value in fresh.items()})
    assert module.again is module.steps[1]


def test_everything_that_does_not_fit_is_named_and_nothing_is_changed():
    model = Pair()
    before = model.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    del state["first.b"], state["second.b"]
    state |= {"second.W": np.zeros((3, 5)), "third.W": np.zeros(1), "fourth": np.zeros(1)}
    with pytest.raises(ValueError, match="load_state_dict of Pair: ") as caught:
        model.load_state_dict(state)
    for sentence in (
        "missing 'first.b'",
        "missing 'second.b'",
        "unexpected 'third.W'",
        "unexpected 'fourth'",
        "'second.W' has shape (3, 5), expected (3, 3)",
        "nothing was loaded",
    ):
        assert sentence in str(caught.value)
    same_values(model.state_dict(), before)


@pytest.mark.parametrize("value", [np.array(["a", "b"]), np.array([1j, 2j])])
def test_values_that_are_no_real_numbers_are_refused(value):
    module = nn.Module()
    module.a = Tensor([1.0, 2.0])
    message = re.escape(f"'a': expected real numbers, got dtype {value.dtype}.")
    with pytest.raises(ValueError, match=message):
        module.load_state_dict({"a": value})


def test_fractions_are_not_cut_off_and_what_stands_in_a_tuple_is_not_half_loaded():
    module = nn.Module()
    module.a, module.counts, module.fixed = Tensor([1.0]), np.array([1, 2]), (np.zeros(2),)
    state = module.state_dict() | {"a": [5.0]}
    with pytest.raises(ValueError, match=r"'counts' has dtype float64, expected int64"):
        module.load_state_dict(state | {"counts": [1.5, 2.0]})
    with pytest.raises(ValueError, match=r"'fixed\.0' is an array in a tuple"):
        module.load_state_dict(state)
    assert module.a.data == 1


@pytest.mark.parametrize(
    ("dtype", "value", "largest"),
    [
        (np.float32, 1e39, "1e\\+39"),
        (np.float32, -3.5e38, "3.5e\\+38"),
        (np.float16, np.float32(70000), "7e\\+04"),
        (np.float16, 70000, "7e\\+04"),
        (np.int32, 2**31, "2.15e\\+09"),
        (np.int8, -129, "129"),
    ],
)
def test_values_beyond_the_range_of_the_dtype_are_refused_and_nothing_is_changed(
    dtype, value, largest
):
    module = nn.Module()
    module.a, module.b = Tensor([1.0]), np.ones(2, dtype)
    state = {"a": [5.0], "b": np.array([0, value])}
    with pytest.raises(
        ValueError, match=f"'b' holds {largest}, beyond the range of {module.b.dtype}"
    ):
        module.load_state_dict(state)
    with pytest.raises(ValueError, match="'b' holds"):
        module.check_state_dict(state)
    assert module.a.data == 1
    assert (module.b == 1).all()


def test_what_was_not_finite_before_and_the_largest_that_fits_are_loaded():
    model = nn.Linear(2, 2, dtype=np.float32)
    largest = float(np.finfo(np.float32).max)
    W = np.array([[np.inf, -np.inf], [np.nan, largest]])
    before = model.state_dict()
    model.check_state_dict({"W": W, "b": [0, -largest]})
    same_values(model.state_dict(), before)
    model.load_state_dict({"W": W, "b": [0, -largest]})
    np.testing.assert_array_equal(model.W.data, W.astype(np.float32))


TURNED = {
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "in Fortran's order": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "backwards": lambda x: x[::-1, ::-1],
}


@pytest.mark.parametrize("turned", TURNED.values(), ids=TURNED)
def test_a_state_dict_is_in_c_order_and_other_libraries_read_it_back(turned):
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    model, W = nn.Linear(2, 3), turned(np.arange(6.0).reshape(2, 3))
    model.W, model.frozen = Tensor(W), [turned(np.arange(12.0).reshape(3, 4))]
    state = model.state_dict()
    assert all(array.flags.c_contiguous for array in state.values())
    same_values(safetensors.load(safetensors.save(state)), state)
    np.testing.assert_array_equal(state["W"], W)
    model.load_state_dict({name: np.asfortranarray(array) for name, array in state.items()})
    assert all(array.flags.c_contiguous for array in model.state_dict().values())


def test_a_loss_from_before_loading_refuses_to_go_backward():
    model = Pair()
    loss = model(np.ones(3)).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(RuntimeError, match="got new data"):
        loss.backward()


def test_copies_are_independent_and_keep_what_is_shared_shared():
    for twin in (copy.deepcopy(model := Tied()), pickle.loads(pickle.dumps(model))):
        same_values(twin.state_dict(), model.state_dict())
        assert twin.read_out.W is twin.table.W
        assert twin.table.W is not model.table.W
        twin.table.W.data = twin.table.W.data + 1
        assert (twin.table.W.data != model.table.W.data).all()


def test_the_structure_tells_arrays_apart_by_shape_dtype_and_numbers():
    module, seen = nn.Module(), set()
    x = np.arange(6)
    different = [x, x.reshape(2, 3), x.reshape(3, 2), x.astype(np.uint64), x + 1, x[:0]]
    for module.constant in different:
        seen.add(module.structure())
    assert len(seen) == len(different)
