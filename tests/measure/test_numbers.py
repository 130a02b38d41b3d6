"""Is every number what the Jacobian says, and is it found in linear work?"""

import csv
import importlib

import numpy as np
import pytest

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, ancestors, grad, jacobian, measure, nn

CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


@pytest.fixture(params=CELLS)
def net(request):
    """A cell, its inputs (a Tensor), and its outputs and losses at six steps."""
    cell = CELLS[request.param](3, 4, rng=0)
    xs = Tensor(np.random.default_rng(1).standard_normal((6, 2, 3)))
    outputs, state = nn.unroll(cell, xs)
    return cell, xs, outputs, [(h * h).sum() for h in outputs], state


def assert_near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


# -- gradients of states ---------------------------------------------------------------------------


def test_state_gradients_are_jacobians_of_the_loss(net):
    *_, losses, _ = net
    loss = sum(losses[1:], losses[0])
    for row in measure.state_gradients(loss).rows:
        states = measure.lanes(loss)[0].values[row.letter]
        for x, g, length in zip(states, row.gradients, row.norms, strict=True):
            assert_near(g, jacobian(loss, x))
            assert_near(length, np.linalg.norm(jacobian(loss, x)))
        assert row.reached.all()


def test_the_matrix_is_the_gradient_of_every_loss_by_every_state(net):
    *_, outputs, losses, _ = net
    found = measure.gradient_matrix(losses)
    expected = [[np.linalg.norm(jacobian(L, h)) for h in outputs] for L in losses]
    assert_near(found.norms, expected)
    assert (found.reached == np.tri(6, dtype=bool)).all()


def test_by_distance_adds_up_to_the_column(net):
    found = measure.gradient_matrix(net[3])
    assert_near(found.by_distance().sum(axis=1), found.norms.sum(axis=0))
    assert_near(found.by_distance()[:, 0], np.diag(found.norms))


def test_the_matrix_takes_one_walk_per_loss_over_what_it_depends_on(net, monkeypatch):
    module = importlib.import_module("tinygrad_rnn.measure.matrix")
    walked = []
    monkeypatch.setattr(module, "grad", lambda y, *a, **k: walked.append(y) or grad(y, *a, **k))
    measure.gradient_matrix(net[3])
    assert len(walked) == 6
    sizes = [len(ancestors(y)) for y in walked]
    assert sizes == sorted(sizes)


def test_a_gradient_that_vanished_is_told_from_one_that_was_cut():
    h, zeros = Tensor(np.ones(2), name="h0"), []
    for t in range(4):
        with tr.scope("step", t=t):
            h = tr.named(h=(tr.stop_gradient(h) if t == 1 else h) * (0.0 if t == 3 else 2.0))
    zeros = measure.state_gradients(h.sum())["h"]
    assert zeros.norms.tolist()[:3] == [0, 0, 0]
    assert zeros.reached.tolist() == [False, True, True, True]


# -- step Jacobians --------------------------------------------------------------------------------


def test_step_jacobians_are_jacobians_of_one_step_example_by_example(net):
    cell, xs, *_, state = net
    found = measure.step_jacobians(list(state) if isinstance(state, tuple) else state)
    lane = measure.lanes(list(state) if isinstance(state, tuple) else state)[0]
    for t in range(5):
        now = {s: Tensor(lane.values[s][t].data) for s in found.letters}
        given = (now["h"], now["c"]) if "c" in now else now["h"]
        made = cell(xs.data[t + 1], given)
        after = dict(zip(("h", "c"), made if isinstance(made, tuple) else (made,), strict=False))
        blocks = [[jacobian(after[a], now[b]) for b in found.letters] for a in found.letters]
        for example in range(2):
            expected = np.block([[J[example][:, example] for J in row] for row in blocks])
            assert_near(found.matrices[t, example], expected)


def test_their_product_is_the_jacobian_over_all_steps(net):
    *_, state = net
    roots = list(state) if isinstance(state, tuple) else [state]
    found = measure.step_jacobians(roots, batch_axes=1)
    lane = measure.lanes(roots)[0]
    last, first = lane.values["h"][5], lane.values["h"][0]
    block = slice(*np.cumsum([0, *found.sizes])[found.letters.index("h") :][:2])
    if len(found.letters) == 1:
        for example in range(2):
            assert_near(found.product()[example], jacobian(last, first)[example][:, example])
    norms = [np.linalg.norm(found.product(t, 5), 2, axis=(1, 2)) for t in range(6)]
    assert_near(np.exp(found.log_norms()), norms)
    assert found.product(2, 2)[0, block, block].shape == (4, 4)


def test_what_is_not_chosen_is_held_constant():
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((4, 2, 3)))
    f = measure.lanes(outputs[-1])[0].array("f")
    found = measure.step_jacobians(outputs[-1], "c")
    for t in range(3):
        assert_near(found.matrices[t, 0], np.diag(f[t + 1, 0]))


def test_jacobians_of_an_upper_layer_do_not_go_down_to_the_first_step(monkeypatch):
    module = importlib.import_module("tinygrad_rnn.measure.jacobians")
    seen = []

    def counted(y, wrt, *a, **k):
        seen.append(len(ancestors(y, known=wrt)))
        return grad(y, wrt, *a, **k)

    monkeypatch.setattr(module, "grad", counted)
    totals = []
    for steps in (10, 20, 30):
        outputs, _ = nn.GRU(2, 3, num_layers=2, rng=0)(np.ones((steps, 1, 2)))
        seen.clear()
        measure.step_jacobians(outputs[steps - 1])
        totals.append(sum(seen))
    assert totals[2] - totals[1] == totals[1] - totals[0]


def test_lyapunov_exponents_of_a_linear_net_are_the_logarithms_of_its_eigenvalues():
    cell = nn.RNNCell(1, 2, activation=lambda x: x, bias=False, rng=0)
    cell.W_h.data = np.array([[0.5, 0.3], [0.0, 1.2]])
    _, h = nn.unroll(cell, np.ones((400, 1, 1)))
    np.testing.assert_allclose(
        measure.step_jacobians(h).lyapunov()[0], np.log([1.2, 0.5]), atol=5e-3
    )


def test_no_step_stretches_more_than_the_bound():
    for activation in ("tanh", "sigmoid", "relu"):
        cell = nn.RNNCell(3, 8, activation, rng=0)
        _, h = nn.unroll(cell, np.random.default_rng(0).standard_normal((20, 2, 3)))
        bound = measure.growth_bound(cell.W_h, activation)
        assert (measure.step_jacobians(h).singular_values() <= bound * (1 + 1e-12)).all()
    with pytest.raises(ValueError, match="activation is one of tanh"):
        measure.growth_bound(np.eye(2), "swish")


def test_examples_that_see_each_other_are_refused():
    def mixed(x, h):
        return tr.named(h=tr.tanh(x + h - tr.mean(h, axis=0, keepdims=True)))

    _, h = nn.unroll(mixed, np.ones((4, 3, 2)), Tensor(np.zeros((3, 2))))
    with pytest.raises(ValueError, match=r"one example's state depends on another's.*batch_axes=0"):
        measure.step_jacobians(h)
    lane = measure.lanes(h)[0]
    whole = measure.step_jacobians(h, batch_axes=0).matrices[0, 0]
    J = jacobian(lane.values["h"][1], lane.values["h"][0]).reshape(6, 6)
    assert_near(whole, J)


@pytest.mark.parametrize("read", [1, 2, 3])
def test_a_single_example_that_sees_one_other_is_refused(read):
    seen = np.zeros((4, 4))
    seen[0, read] = 1

    def mixed(x, h):
        return tr.named(h=tr.tanh(x + h + Tensor(seen) @ h))

    _, h = nn.unroll(mixed, np.ones((3, 4, 2)), Tensor(np.zeros((4, 2))))
    with pytest.raises(ValueError, match="one example's state depends on another's"):
        measure.step_jacobians(h)


# -- the carousel ----------------------------------------------------------------------------------


def test_the_forget_gates_account_for_the_carousel_when_the_way_by_h_is_cut():
    xs = np.random.default_rng(0).standard_normal((12, 2, 3))
    _, (h, c) = nn.unroll(nn.LSTMCell(3, 4, rng=0), xs)
    found = measure.carousel([h, c])
    np.testing.assert_allclose(found.direct, found.gates, rtol=1e-12)
    assert not found.mixed.any()
    first = [measure.lanes([h, c])[0].values[letter][0] for letter in "ch"]
    for example, unit in np.ndindex(2, 4):
        pick = np.zeros((2, 4))
        pick[example, unit] = 1
        by_c, _ = grad(c, first, pick, partial=True)  # the first h is left as it is
        assert_near(found.total[0, example, unit], by_c[example, unit])
    assert np.abs(found.total[0] - found.gates[0]).max() > 1e-4  # the way by h is one


def test_the_cell_of_1997_truncated_is_its_forget_gates_with_all_ways_open():
    cell = nn.MemoryBlockCell(3, 3, gates="ifo", truncated=True, rng=0)
    xs = np.random.default_rng(0).standard_normal((8, 2, 3))
    _, state = nn.unroll(cell, xs)
    found = measure.carousel(list(state))
    np.testing.assert_allclose(found.total, found.gates, rtol=1e-12)


def test_the_carousel_of_one_step_has_kept_all():
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((1, 2, 3)))
    found = measure.carousel(outputs[0].sum())
    for kept in (found.gates, found.direct, found.total):
        np.testing.assert_array_equal(kept, np.ones((1, 2, 4)))


def test_a_gate_that_does_not_fit_is_refused():
    _, state = nn.unroll(nn.MemoryBlockCell(3, 2, 2, gates="ifo", rng=0), np.ones((4, 1, 3)))
    with pytest.raises(ValueError, match=r"one value for each of the 4 units of 'c'"):
        measure.carousel(list(state))


# -- gates, inputs, parameters ---------------------------------------------------------------------


def test_gates_are_the_values_in_the_record():
    xs = np.random.default_rng(0).standard_normal((6, 2, 3))
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), 9 * xs)
    found, lane = measure.gates(outputs[-1]), measure.lanes(outputs[-1])[0]
    assert set(found.values) == set("ifo")
    np.testing.assert_array_equal(found.values["f"], lane.array("f"))
    fractions = found.saturated()["o"]
    np.testing.assert_array_equal(fractions[:, 0], (lane.array("o") < 0.1).mean(axis=(0, 1)))
    assert ((fractions >= 0) & (fractions.sum(axis=1, keepdims=True) <= 1)).all()
    distance = measure.saturation(outputs[-1]).distance
    np.testing.assert_array_equal(distance, 1 - np.abs(lane.array("h")))


def test_a_cell_without_gates_says_so():
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((3, 2, 3)))
    with pytest.raises(ValueError, match=r"rnn has no named value that a sigmoid made.*are: h"):
        measure.gates(outputs[-1])


def test_connectivity_is_the_jacobian_by_each_input(net):
    _, xs, outputs, *_ = net
    y = outputs[4][0, 1]
    found = measure.connectivity(y)
    J = jacobian(y, xs)
    assert_near(found.gradients, J[:5])
    assert_near(found.squared, (J[:5] ** 2).sum(axis=(1, 2)))
    assert not measure.receptive_field(y, xs)[5].any()
    assert measure.receptive_field(y, xs)[:5, 0].all()
    assert not measure.receptive_field(y, xs)[:, 1].any()  # another example


def test_inputs_that_are_arrays_have_no_connectivity():
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((3, 2, 3)))
    with pytest.raises(ValueError, match=r"arrays are constants. Unroll over Tensor\(xs\)"):
        measure.connectivity(outputs[-1].sum())


@pytest.mark.parametrize("reset", ["after", "before"])
def test_the_gradient_of_a_parameter_is_the_sum_over_its_steps(reset, net):
    cell, xs, _, losses, _ = net
    if isinstance(cell, nn.GRUCell):  # which takes slices of its matrix, or the whole
        cell = nn.GRUCell(3, 4, reset=reset, rng=0)
        outputs, _ = nn.unroll(cell, xs)
        losses = [(h * h).sum() for h in outputs]
    loss = sum(losses[1:], losses[0])
    found = measure.parameter_gradients(loss, cell.parameters())
    for total, direct in zip(found.total(), grad(loss, cell.parameters()), strict=True):
        np.testing.assert_allclose(total, direct, rtol=1e-12, atol=1e-12)
    assert found.norms.shape == (len(cell.parameters()), 6)
    assert not any(rest.any() for rest in found.outside)


def test_what_a_parameter_is_asked_for_outside_of_time_is_kept_apart():
    W = Tensor(np.eye(2), name="W")
    outputs, _ = nn.unroll(
        lambda x, h: tr.named(h=tr.tanh(x + h @ W)), np.ones((3, 1, 2)), Tensor(np.zeros((1, 2)))
    )
    loss = (outputs[-1] @ W).sum()
    found = measure.parameter_gradients(loss, [W])
    assert found.outside[0].any()
    np.testing.assert_allclose(found.total()[0], grad(loss, W), rtol=1e-12)


# -- memory, reach, cost ---------------------------------------------------------------------------


def test_a_probe_reads_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    xs = rng.standard_normal((40, 30, 1))
    h = np.concatenate([np.roll(xs, k, axis=0) for k in range(3)], axis=-1)
    h[:3] = 0
    found = measure.memory_probe(h, xs, range(6))
    assert measure.memory_probe(h, xs, np.int64(2)).scores == found.scores[2]
    assert (found.scores[:3] > 0.9).all()
    assert (found.scores[3:] < 0.1).all()


def test_a_probe_of_symbols_gives_the_fraction_read_correctly():
    xs = np.random.default_rng(0).integers(3, size=(30, 40))
    found = measure.memory_probe(np.eye(3)[xs], xs, [0, 1])
    assert found.scores[0] == 1
    np.testing.assert_allclose(found.scores[1], 1 / 3, atol=0.06)
    np.testing.assert_allclose(found.chance, 1 / 3, atol=0.06)


def test_a_probe_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"expected states \(T, examples, units\)"):
        measure.memory_probe(np.ones((5, 2, 3)), np.ones((4, 2, 3)))
    with pytest.raises(ValueError, match="lags must be whole numbers in 0 … 3 for 5 steps"):
        measure.memory_probe(np.ones((5, 2, 3)), np.ones((5, 2, 3)), [4])
    with pytest.raises(ValueError, match="not finite"):
        measure.memory_probe(np.full((5, 2, 3), np.nan), np.ones((5, 2, 3)))


@pytest.mark.parametrize("k", [1, 2, 3, 7])
def test_reach_is_where_the_gradient_is_not_zero(k):
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((7, 2, 3)), truncate=k)
    for row in measure.reach(tr.stack(outputs)):
        assert row.back.tolist() == [t % k for t in range(7)]
        assert row.cuts.tolist() == list(range(k, 7, k))
        for t, first in zip(row.steps, row.first, strict=True):
            reached = measure.gradient_matrix([outputs[t].sum()], row.letter).reached[0]
            if row.letter == "h":
                assert np.nonzero(reached)[0].min() == first


def test_cost_counts_every_operation_once():
    net = nn.GRU(3, 4, num_layers=2, rng=0)
    outputs, _ = net(np.ones((5, 2, 3)))
    loss = (outputs * outputs).mean()
    found = measure.cost(loss)
    operations = [x for x in ancestors(loss) if x.op is not None]
    assert sum(row.nodes.sum() for row in found) == len(operations)
    inner = next(row for row in found if row.lane == "layer 1 · gru")
    assert len(set(inner.nodes[1:])) == len(set(inner.operations[1:])) == 1
    affine = 2 * 2 * 12 * (3 + 4)  # two products for two examples
    assert affine < inner.operations[1] < 1.6 * affine
    assert 0 < inner.bytes[1] < 8 * sum(x.size for x in operations)


def test_operations_and_bytes_of_a_step_are_those_counted_by_hand():
    W = Tensor(np.ones(3), name="W")

    def step(x, h):
        return tr.named(h=tr.softmax(h + tr.reshape(W, (1, 3)), axis=-1))

    outputs, _ = nn.unroll(step, np.ones((4, 2, 3)), Tensor(np.zeros((2, 3))))
    inner = measure.cost(outputs[-1])[0]
    assert set(inner.nodes) == {3}
    assert set(inner.operations) == {6 + 4 * 6}  # the sum; subtract, exp, sum and divide
    assert set(inner.bytes) == {8 * (6 + 6)}  # the reshaped W is a view


def test_more_steps_cost_more_in_proportion():
    totals = []
    for steps in (10, 20, 30):
        outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((steps, 2, 3)))
        totals.append(sum(row.bytes.sum() for row in measure.cost(outputs[-1])))
    assert totals[2] - totals[1] == totals[1] - totals[0]


# -- surfaces and attractors -----------------------------------------------------------------------


def test_the_wall_has_the_slope_that_differences_show():
    w, b = np.array([4.0, 5.5]), np.array([-2.5, -1.0])
    found = measure.loss_surface(measure.pascanu_wall, w, b)
    for i in range(2):
        for j in range(2):
            point = Tensor(w[i]), Tensor(b[j])
            loss = measure.pascanu_wall(*point)
            assert_near(found.loss[i, j], loss.data)
            slopes = grad(loss, list(point))
            assert_near([found.slope_a[i, j], found.slope_b[i, j]], slopes)
    with pytest.raises(ValueError, match=r"expected a Tensor of the grid's shape \(2, 2\)"):
        measure.loss_surface(lambda a, b: (a * b).sum(), w, b)


def test_the_steepest_point_is_where_the_gradient_is_longest():
    found = measure.loss_surface(lambda a, b: a * a + b, [1.0, 2.0, -3.0], [5.0, 6.0])
    assert found.steepest() == (-3.0, 5.0)


def test_two_units_that_inhibit_each_other_hold_one_bit():
    latch = nn.RNNCell(2, 2, bias=False, rng=0)
    latch.W_h.data = np.array([[1.5, -1.0], [-1.0, 1.5]])
    starts = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    found = measure.attractors(latch, np.zeros(2), starts)
    assert len(found.points) == 3
    assert (found.radius < 1).tolist() == [True, True, False]
    np.testing.assert_allclose(found.points[2], 0, atol=1e-6)  # between them, and unstable
    np.testing.assert_allclose(found.radius[2], 2.5, rtol=1e-6)
    np.testing.assert_allclose(found.points[0], -found.points[1], atol=1e-4)
    side = starts[:, 0] > starts[:, 1]
    assert len({(bool(s), int(e)) for s, e in zip(side, found.ends, strict=True)}) == 2


# -- as a file -------------------------------------------------------------------------------------


def at_every_step(cell, T):
    outputs, _ = nn.unroll(cell(1, 2, rng=0), np.ones((T, 1, 1)))
    return sum((h * h).sum() for h in outputs)


def pixels():
    xs = Tensor(np.ones((3, 1, 5, 1)))
    outputs, _ = nn.unroll(nn.ConvLSTM1dCell(1, 2, 3, rng=0), xs)
    return outputs[-1][0, 2, 0], xs


def test_every_result_can_be_written_as_csv(net, tmp_path):
    _, _, outputs, losses, _ = net
    gated = len(measure.lanes(losses[-1])[0].values) > 2
    expected = {x for x in vars(measure).values() if isinstance(x, type)}
    expected = {x for x in expected if issubclass(x, measure.Table)} - {measure.Table}
    results = [
        measure.state_gradients(losses[-1]),
        measure.gradient_matrix(losses),
        measure.step_jacobians(losses[-1]),
        measure.saturation(losses[-1]),
        measure.connectivity(losses[-1]),
        measure.parameter_gradients(losses[-1]),
        measure.reach(losses[-1])[0],
        measure.cost(losses[-1])[0],
        measure.memory_probe(outputs, np.ones((6, 2, 1)), [0, 1]),
        measure.loss_surface(measure.pascanu_wall, [2.0, 5.0], [-3.0]),
        measure.attractors(nn.RNNCell(1, 2, rng=0), [0.0], np.eye(2), 20),
        measure.trajectories(losses[-1]),
        measure.bytes_by_length(lambda T: at_every_step(nn.RNNCell, T), [2, 3]),
        measure.seed_spread({"RNN": [[3.0, 1.0], [2.0, 1.5]]}),
        measure.learning_curves([[3.0, 1.0], [2.0, 1.5]]),
        measure.success_by_length({10: [True, False], 20: [False, False]}),
        measure.forecast(np.ones((3, 4)), np.zeros(2)),
        measure.gradient_norms(losses[-1]),
        measure.activation("tanh"),
        *([measure.gate_differences(losses[-1], losses[-1])] if gated else []),
        measure.receptive_norms(*pixels()),
        *([measure.gates(losses[-1])] if gated else []),
        *([measure.carousel(losses[-1])] if "c" in measure.lanes(losses[-1])[0].states else []),
    ]
    results.append(measure.Tables({"a": results[0], "b": results[1]}))
    assert {type(result) for result in results} >= expected - {
        measure.Gates,
        measure.Carousel,
        measure.GateDifferences,
    }
    for k, result in enumerate(results):
        with result.csv(tmp_path / f"{k}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        columns = result.columns()
        assert list(rows[0]) == list(columns)
        for name, column in columns.items():
            assert [row[name] for row in rows] == [str(x) for x in np.asarray(column).tolist()]
    assert len(list(tmp_path.iterdir())) == len(results)


def test_a_csv_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"to_csv: cannot write .*folder that exists"):
        measure.to_csv(tmp_path / "no" / "a.csv", {"t": [1]})
    with pytest.raises(ValueError, match=r"columns of one length, got \{'t': 1, 'k': 2\}"):
        measure.to_csv(tmp_path / "a.csv", {"t": [1], "k": [1, 2]})
    assert not list(tmp_path.iterdir())


def test_every_function_stands_in_the_list():
    listed = measure.__doc__ or ""
    functions = [name for name in measure.__all__ if not isinstance(getattr(measure, name), type)]
    assert [name for name in functions if f"``{name}" not in listed] == ["to_csv"]
