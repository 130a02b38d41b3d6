"""What may be done with parameters between two records: step, freeze, copy, save, switch off?"""

import copy
import pickle

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, grad, named, nn, stop_gradient, train

XS = np.random.default_rng(0).standard_normal((4, 2, 3))
CELLS = [nn.RNNCell, nn.LSTMCell, nn.GRUCell]


class Model(nn.Module):
    def __init__(self, rng=0):
        self.cells = [nn.LSTMCell(3, 4, rng=rng), nn.GRUCell(4, 4, rng=rng)]
        self.head = nn.Linear(4, 2, rng=rng)
        self.scale = Tensor(2.0)

    def __call__(self, xs):
        for cell in self.cells:
            xs, _ = nn.unroll(cell, xs)
        return self.head(xs[-1]) * self.scale

    def loss(self, xs):
        y = self(xs)
        return (y * y).mean()


# -- stepping --------------------------------------------------------------------------------------


def rebind(p):
    p.data = p.data * 0.5


def in_place(p):
    p.data -= 0.5


def multiplied_in_place(p):
    p.data *= 0.5


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("step", [rebind, in_place, multiplied_in_place])
def test_a_loss_older_than_a_step_of_its_parameters_goes_nowhere(step, shape):
    w = Tensor(np.ones(shape), name="W")
    loss = (w * w).sum()
    step(w)
    with pytest.raises(RuntimeError, match=r"W \(shape .*new data after.*Compute the loss again"):
        loss.backward()
    with pytest.raises(RuntimeError, match="new data"):
        grad(loss, w)
    assert w.grad is None
    again = (w * w).sum()
    assert np.array_equal(grad(again, w), 2 * w.data)


def test_an_optimisers_step_makes_the_old_loss_unusable():
    model = Model()
    optimiser = train.SGD(model.parameters(), lr=0.1)
    loss = model.loss(XS)
    loss.backward()
    optimiser.step()
    with pytest.raises(RuntimeError, match="new data"):
        loss.backward()
    fresh = model.loss(XS)
    optimiser.zero_grad()
    fresh.backward()
    assert fresh.item() < loss.item()


def test_a_step_elsewhere_does_not_disturb_a_record():
    w, other = Tensor(1.0), Tensor(2.0)
    loss = w * w
    other.data = np.float64(3.0)
    assert grad(loss, w) == 2


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_a_leaf_owns_what_it_is_given(shape):
    given, again = np.full(shape, 5.0), np.full(shape, 6.0)
    w = Tensor(given)
    given[...] = 0
    assert np.all(w.data == 5)
    for source in (again, again[...]):
        w.data = source
        again[...] = 0
        assert np.all(w.data == 6)
        again[...] = 6


def test_a_leaf_without_axes_is_an_immutable_number():
    for given in (np.array(2.0), np.float64(2.0), 2.0):
        w = Tensor(given)
        assert type(w.data) is np.float64
        w.data = given
        assert type(w.data) is np.float64
    assert type(Tensor(np.array(2, np.int8)).data) is np.int8


def test_values_computed_before_a_step_stay_as_they_were():
    w = Tensor([1.0, 2.0])
    y = w * 3
    w.data = np.array([10.0, 20.0])
    assert y.data.tolist() == [3, 6]
    assert (w * 3).data.tolist() == [30, 60]


def test_a_gradient_recorded_before_a_step_goes_nowhere_either():
    w = Tensor(3.0)
    g = grad(w * w * w, w, create_graph=True)
    w.data = np.float64(1.0)
    with pytest.raises(RuntimeError, match="new data"):
        grad(g, w)


# -- freezing --------------------------------------------------------------------------------------


def test_a_frozen_parameter_is_a_constant_of_the_same_values():
    cell = nn.RNNCell(3, 4, rng=0)
    outputs, _ = nn.unroll(cell, XS)
    expected = outputs[-1].data
    W_h = cell.W_h
    cell.W_h = cell.W_h.data
    outputs, _ = nn.unroll(cell, XS)
    assert np.array_equal(outputs[-1].data, expected)
    assert list(cell.named_parameters().keys()) == ["W_x", "b_x", "b_h"]
    assert "W_h" in cell.state_dict()
    assert W_h not in set(ancestors(outputs[-1]))
    grad(outputs[-1].sum(), cell.parameters())


def test_a_thawed_parameter_has_its_name_and_gradient_again():
    cell = nn.RNNCell(3, 4, rng=0)
    cell.W_h = cell.W_h.data
    cell.W_h = Tensor(cell.W_h)
    assert cell.W_h.name == "W_h"
    outputs, _ = nn.unroll(cell, XS)
    assert np.abs(grad(outputs[-1].sum(), cell.W_h)).max() > 0


def test_training_leaves_frozen_values_alone():
    cell = nn.RNNCell(3, 4, rng=0)
    cell.W_x = cell.W_x.data
    frozen = cell.W_x.copy()
    outputs, _ = nn.unroll(cell, XS)
    optimiser = train.SGD(cell.parameters(), lr=0.1)
    outputs[-1].sum().backward()
    optimiser.step()
    assert np.array_equal(cell.W_x, frozen)


# -- copies ----------------------------------------------------------------------------------------

COPIERS = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "old pickle": lambda x: pickle.loads(pickle.dumps(x, protocol=2)),
}
every_copier = pytest.mark.parametrize("duplicate", COPIERS.values(), ids=COPIERS)


@every_copier
@pytest.mark.parametrize("make", [*[lambda c=c: c(3, 4, rng=0) for c in CELLS], Model])
def test_a_copy_of_a_module_has_its_values_names_and_nothing_in_common(make, duplicate):
    module = make()
    twin = duplicate(module)
    ours, theirs = module.named_parameters(), twin.named_parameters()
    assert list(ours.keys()) == list(theirs.keys())
    for path, p in ours.items():
        q = theirs[path]
        assert q is not p
        assert q.name == p.name is not None
        assert q.dtype == p.dtype
        assert np.array_equal(q.data, p.data)
        assert not np.shares_memory(q.data, p.data)
    before = module.state_dict()
    for q in twin.parameters():
        q.data = q.data + 1
    assert all(np.array_equal(before[k], v) for k, v in module.state_dict().items())


@every_copier
def test_a_copied_model_computes_the_same_and_trains_alone(duplicate):
    model = Model()
    twin = duplicate(model)
    assert np.array_equal(model(XS).data, twin(XS).data)
    loss = twin.loss(XS)
    loss.backward()
    assert all(p.grad is None for p in model.parameters())
    for a, b in zip(
        grad(model.loss(XS), model.parameters()), [q.grad for q in twin.parameters()], strict=True
    ):
        assert np.array_equal(a, b)


@every_copier
def test_a_shared_parameter_stays_shared_in_the_copy(duplicate):
    model = Model()
    model.tied = model.head.W
    twin = duplicate(model)
    assert twin.tied is twin.head.W


@every_copier
def test_a_leaf_is_copied_with_its_gradient(duplicate):
    w = Tensor([1.0, 2.0], name="w")
    (w * w).sum().backward()
    twin = duplicate(w)
    assert twin.name == "w"
    assert np.array_equal(twin.data, w.data)
    assert np.array_equal(twin.grad, w.grad)
    assert not np.shares_memory(twin.grad, w.grad)
    (twin * 1.0).sum().backward()
    assert w.grad.tolist() == [2, 4]
    scalar = duplicate(Tensor(np.float32(0.5)))
    assert (scalar.dtype, scalar.item(), scalar.grad) == (np.float32, 0.5, None)


@every_copier
def test_a_recorded_result_refuses_to_be_copied(duplicate):
    y = Tensor([1.0]) * 2
    for what in (y, [y], {"loss": y}):
        with pytest.raises(TypeError, match=r"recorded result.*detach"):
            duplicate(what)
    assert duplicate(y.detach()).data.tolist() == [2]


@every_copier
def test_a_long_record_refuses_without_recursion(duplicate):
    y = Tensor(1.0)
    for _ in range(5000):
        y = y * 1.0
    with pytest.raises(TypeError, match="recorded result"):
        duplicate(y)


def test_a_shallow_copy_of_a_leaf_is_a_leaf_of_its_own():
    w = Tensor([1.0, 2.0], name="w")
    twin = copy.copy(w)
    twin.data = np.zeros(2)
    assert w.data.tolist() == [1, 2]


# -- state carried from batch to batch -------------------------------------------------------------


def test_a_detached_state_starts_a_new_record():
    cell = nn.LSTMCell(3, 4, rng=0)
    _, (h, c) = nn.unroll(cell, XS)
    state = h.detach(), c.detach()
    _, (h2, _) = nn.unroll(cell, XS, state)
    assert h not in set(ancestors(h2))
    assert np.array_equal(state[0].data, h.data)
    carried = grad(h2.sum(), cell.W_h)
    _, (h3, _) = nn.unroll(cell, XS, (h, c))
    assert np.array_equal(h3.data, h2.data)
    assert not np.allclose(grad(h3.sum(), cell.W_h), carried)


def test_stop_gradient_gives_the_gradient_of_detach_and_keeps_the_record():
    cell = nn.LSTMCell(3, 4, rng=0)
    _, (h, c) = nn.unroll(cell, XS)
    _, (cut, _) = nn.unroll(cell, XS, (stop_gradient(h), stop_gradient(c)))
    _, (new, _) = nn.unroll(cell, XS, (h.detach(), c.detach()))
    assert np.array_equal(grad(cut.sum(), cell.W_h), grad(new.sum(), cell.W_h))
    assert h in set(ancestors(cut))


# -- train and eval --------------------------------------------------------------------------------


def test_dropout_is_switched_by_passing_a_generator():
    x = Tensor(np.ones((50, 40)))
    assert nn.dropout(x, 0.5, None) is x
    assert nn.dropout(x, 0.0, np.random.default_rng(0)) is x
    y = nn.dropout(x, 0.25, np.random.default_rng(0))
    assert set(np.unique(y.data)) == {0.0, 1 / 0.75}
    assert abs(y.data.mean() - 1) < 0.05


def test_whoever_passes_the_generator_owns_the_draws():
    x = Tensor(np.ones(100))
    draws = [nn.dropout(x, 0.5, np.random.default_rng(3)).data for _ in range(2)]
    assert np.array_equal(*draws)
    rng = np.random.default_rng(3)
    first, second = nn.dropout(x, 0.5, rng).data, nn.dropout(x, 0.5, rng).data
    assert np.array_equal(first, draws[0])
    assert not np.array_equal(first, second)


def test_no_hidden_generator_is_drawn_from():
    np_state = np.random.get_state()[1].copy()  # noqa: NPY002
    nn.dropout(Tensor(np.ones(100)), 0.5, np.random.default_rng(0))
    nn.LSTMCell(2, 3, rng=0)
    assert np.array_equal(np_state, np.random.get_state()[1])  # noqa: NPY002


def test_the_gradient_passes_where_dropout_let_the_value_pass():
    x = Tensor(np.ones(30))
    y = nn.dropout(x, 0.5, np.random.default_rng(0))
    assert np.array_equal(grad(y.sum(), x), y.data)
    x32 = Tensor(np.ones(30, np.float32))
    assert nn.dropout(x32, 0.5, np.random.default_rng(0)).dtype == np.float32


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0, np.nan])
def test_a_probability_out_of_range_is_refused(p):
    with pytest.raises(ValueError, match="dropout"):
        nn.dropout(Tensor(np.ones(3)), p, np.random.default_rng(0))


# -- names -----------------------------------------------------------------------------------------


def test_parameters_are_named_by_their_attribute_once():
    cell = nn.LSTMCell(3, 4, rng=0)
    assert [p.name for p in cell.parameters()] == ["W_x", "W_h", "b_x", "b_h"]
    kept = named(U=Tensor(1.0))
    cell.extra = kept
    assert kept.name == "U"
