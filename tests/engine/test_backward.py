"""Do gradients flow as the chain rule says, whatever the graph looks like?"""

from collections import namedtuple

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, ancestors, grad, scope, sin, stop_gradient, tanh
from tinygrad_rnn.engine.context import context

rng = np.random.default_rng(11)


# -- fan-out, diamonds, repeats --------------------------------------------------------------------


def test_a_value_used_many_times_collects_from_every_use():
    x = Tensor(3.0)
    assert grad(x + x, x) == 2
    assert grad(x * x, x) == 6
    assert grad(x * x * x, x) == 27
    assert grad(x - x, x) == 0
    assert grad(x / x, x) == 0
    y = sum((x * k for k in range(1, 101)), start=x)
    assert grad(y, x) == 5051


def test_micrograds_bug_a_node_and_what_is_made_of_it_meet_again():
    a, b = Tensor(-2.0), Tensor(3.0)
    d, e = a * b, a + b
    f = d * e
    assert grad(f, [a, b]) == [-3.0, -8.0]
    a = Tensor(3.0)
    assert grad(a + a, a) == 2


@pytest.mark.parametrize("depth", [1, 5, 60])
def test_a_ladder_of_diamonds_is_walked_once_per_node(depth, monkeypatch):
    from tinygrad_rnn.engine.rules import RULES

    calls = []
    first, second = RULES[tg.add]
    counted = (lambda *a: calls.append(0) or first(*a), lambda *a: calls.append(1) or second(*a))
    monkeypatch.setitem(RULES, tg.add, counted)
    x = y = Tensor(1.0)
    for _ in range(depth):
        y = y + y
    assert grad(y, x) == 2.0**depth
    assert len(calls) == 2 * depth


def test_a_long_and_a_short_way_arrive_before_the_gradient_goes_on():
    x = Tensor(0.5)
    h = x
    for _ in range(20):
        h = sin(h)
    y = h + x * x + h * x
    eps = 1e-6

    def f(v):
        u = v
        for _ in range(20):
            u = np.sin(u)
        return u + v * v + u * v

    assert np.isclose(grad(y, x), (f(0.5 + eps) - f(0.5 - eps)) / (2 * eps), rtol=1e-8)


def test_random_graphs_equal_central_differences():
    ops = [lambda a, b: a * b, lambda a, b: a + sin(b), lambda a, b: tanh(a - b)]
    for seed in range(20):
        plan = np.random.default_rng(seed)
        picks = [plan.integers((3, n, n)) for n in range(2, 14)]

        def f(x, z, picks=picks):
            nodes = [x, z]
            for op, i, j in picks:
                nodes.append(ops[op](nodes[i], nodes[j]))
            return nodes[-1] + nodes[-2] + nodes[3] + x * z

        tg.check_grads(f, plan.standard_normal(3), plan.standard_normal(3), order=2)


# -- backward() ------------------------------------------------------------------------------------


def test_backward_fills_grad_of_leaves_with_arrays():
    x, w = Tensor(rng.standard_normal(3)), Tensor(rng.standard_normal(3))
    inner = x * w
    inner.sum().backward()
    assert type(x.grad) is np.ndarray
    assert np.array_equal(x.grad, w.data)
    assert np.array_equal(w.grad, x.data)
    assert inner.grad is None


def test_backward_adds_up():
    x = Tensor(3.0)
    y = x * x * x
    y.backward()
    assert x.grad == 27
    y.backward()
    assert x.grad == 54
    (x * 2).backward()
    assert x.grad == 56


def test_backward_of_two_losses_is_backward_of_their_sum():
    x = Tensor(rng.standard_normal(4))
    h = tanh(x)
    h.sum().backward()
    (h * h).sum().backward()
    assert np.allclose(x.grad, grad(h.sum() + (h * h).sum(), x), rtol=1e-14)


def test_grad_of_an_earlier_backward_is_not_changed_by_a_later_one():
    x = Tensor([1.0, 2.0])
    (x * 3).sum().backward()
    before = x.grad
    (x * 3).sum().backward()
    assert before.tolist() == [3, 3]
    assert x.grad.tolist() == [6, 6]


def test_leaves_do_not_share_one_gradient_array():
    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    (a + b).sum().backward()
    a.grad *= 100
    assert b.grad.tolist() == [1, 1]
    ga, gb = grad((a + b).sum(), [a, b])
    ga *= 100
    assert gb.tolist() == [1, 1]


def test_the_cotangent_is_not_changed_nor_given_away():
    x = Tensor([1.0, 2.0])
    v = np.array([5.0, 6.0])
    g = grad(x + 0.0, x, v)
    g *= 2
    assert v.tolist() == [5, 6]
    g = grad(x, x, v)
    g *= 2
    assert v.tolist() == [5, 6]


def test_backward_takes_a_cotangent():
    x = Tensor([1.0, 2.0])
    (x * x).backward([10.0, 100.0])
    assert x.grad.tolist() == [20, 400]


def test_backward_passes_over_integers_and_what_no_gradient_reaches():
    k, x, cut = Tensor([1, 2]), Tensor([1.0, 2.0]), Tensor([1.0, 1.0])
    (x * k + stop_gradient(cut)).sum().backward()
    assert k.grad is None
    assert x.grad.tolist() == [1, 2]


def test_backward_does_not_record():
    x = Tensor(2.0)
    y = x * x
    y.backward()
    assert not isinstance(x.grad, Tensor)


def test_zero_grad_forgets_and_keeps_the_parameters():
    model = tg.nn.Linear(2, 3, rng=0)
    model(np.ones((1, 2))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    before = model.state_dict()
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


# -- grad: structures, targets, cotangents ---------------------------------------------------------


def test_gradients_come_in_the_structure_of_wrt():
    a, b = Tensor(2.0), Tensor(3.0)
    y = a * b
    Pair = namedtuple("Pair", "first second")
    assert grad(y, a) == 3
    assert grad(y, [a, b]) == [3, 2]
    assert grad(y, (b, a)) == (2, 3)
    assert grad(y, {"a": a, "b": b}) == {"a": 3, "b": 2}
    assert grad(y, {"deep": [(a,), {"b": b}]}) == {"deep": [(3,), {"b": 2}]}
    pair = grad(y, Pair(a, b))
    assert type(pair) is Pair
    assert (pair.first, pair.second) == (3, 2)
    assert grad(y, [a, a, a]) == [3, 3, 3]
    assert grad(y, [a, []]) == [3, []]


def test_a_gradient_has_shape_and_dtype_of_what_it_belongs_to():
    for dtype in (np.float32, np.float64):
        for shape in ((), (3,), (1, 3), (2, 1), (2, 3)):
            x = Tensor(np.ones(shape), dtype=dtype)
            y = (x * np.ones((2, 3), dtype)).sum()
            g = grad(y, x)
            assert (g.shape, g.dtype) == (shape, dtype)


def test_unused_tensors_are_an_error_or_zeros():
    x, other = Tensor([1.0, 2.0], name="x"), Tensor(np.ones((2, 3), np.float32), name="other")
    y = (x * x).sum()
    with pytest.raises(ValueError, match=r"other \(shape \(2, 3\)\) is not in the graph"):
        grad(y, [x, other])
    gx, zero = grad(y, [x, other], unused="zero")
    assert gx.tolist() == [2, 4]
    assert (zero.shape, zero.dtype, zero.any()) == ((2, 3), np.float32, False)
    _, recorded = grad(y, [x, other], unused="zero", create_graph=True)
    assert isinstance(recorded, Tensor)
    assert not recorded.data.any()


def test_the_gradient_of_a_tensor_by_itself_is_its_cotangent():
    x = Tensor([1.0, 2.0])
    assert grad(x, x, [3.0, 4.0]).tolist() == [3, 4]
    assert grad(Tensor(2.0), x, unused="zero").tolist() == [0, 0]
    y = x.sum()
    assert grad(y, y) == 1


def test_gradients_of_inner_nodes():
    x = Tensor([0.3, 0.7])
    h = tanh(x)
    y = (h * h).sum() + h[0]
    gh, gx = grad(y, [h, x])
    assert np.allclose(gh, 2 * h.data + [1, 0])
    assert np.allclose(gx, gh * (1 - h.data**2))


def test_an_inner_node_may_be_asked_for_alone_and_the_walk_stops_there(monkeypatch):
    from tinygrad_rnn.engine.rules import RULES

    def never(*_):
        raise AssertionError("walked past the target")

    x = Tensor(0.5)
    h = sin(x)
    y = h * h
    monkeypatch.setitem(RULES, sin, (never,))
    assert grad(y, h) == 2 * h.item()


def test_branches_that_lead_to_no_target_are_not_walked(monkeypatch):
    from tinygrad_rnn.engine.rules import RULES

    def never(*_):
        raise AssertionError("walked a branch that nobody asked for")

    x, z = Tensor(0.5), Tensor(0.25)
    y = tanh(x) * sin(z)
    monkeypatch.setitem(RULES, sin, (never,))
    assert np.isclose(grad(y, x), (1 - np.tanh(0.5) ** 2) * np.sin(0.25))


def test_a_cotangent_weights_the_rows():
    x = Tensor(rng.standard_normal((2, 3)))
    v = rng.standard_normal((2, 3))
    y = sin(x)
    expected = v * np.cos(x.data)
    for cotangent in (v, v.tolist(), Tensor(v)):
        assert np.allclose(grad(y, x, cotangent), expected, rtol=1e-15)
    assert isinstance(grad(y, x, v, create_graph=True), Tensor)


def test_the_gradient_is_linear_in_its_cotangent():
    x = Tensor(rng.standard_normal(3))
    y = tanh(x) * x
    u, v = rng.standard_normal((2, 3))
    both = grad(y, x, 2 * u - v)
    assert np.allclose(both, 2 * grad(y, x, u) - grad(y, x, v), rtol=1e-12)


def test_a_scalar_loss_may_have_axes_of_length_1():
    x = Tensor([[2.0]])
    assert grad(x * x, x).tolist() == [[4]]


# -- edges -----------------------------------------------------------------------------------------


def edges_of(loss, wrt, **options):
    found = []
    grad(loss, wrt, on_edge=lambda *edge: found.append(edge), **options)
    return found


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_edge_is_reported_in_the_scope_of_whoever_asked(create_graph):
    seen = []

    def on_edge(node, argument, g):
        seen.append((context.get(), (Tensor(1.0) * 2).scope))

    with scope("forward", t=3):
        x, E = Tensor(rng.standard_normal((2, 3))), Tensor(rng.standard_normal((3, 3)))
        y = ((x @ E)[:, 1:] * x[:, :2] + x[[0, 1]] @ E[:, :2]).sum()
    with scope("asking"):
        asking = context.get()
        grad(y, [x, E], on_edge=on_edge, create_graph=create_graph)
    assert len(seen) > 8
    assert all(now == asking and made == asking.scope for now, made in seen)


def test_an_edge_shows_arrays_that_cannot_be_written_into():
    x = Tensor(rng.standard_normal((2, 3)))
    y = ((x * x)[:, 1:] * 2).sum()
    expected = grad(y, x)

    def spoil(node, argument, g):
        with pytest.raises(ValueError, match="read-only"):
            g *= 0

    assert np.array_equal(grad(y, x, on_edge=spoil), expected)


def test_a_square_has_two_edges():
    x = Tensor(3.0)
    y = x * x
    edges = edges_of(y, x)
    assert [(node is y, k, float(g)) for node, k, g in edges] == [(True, 0, 3.0), (True, 1, 3.0)]


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_edges_into_a_node_add_up_to_its_gradient(create_graph):
    x = Tensor(rng.standard_normal((2, 3)), name="x")
    w = Tensor(rng.standard_normal(3), name="w")
    h = tanh(x * w)
    y = (h * h + h * 2 + x).sum()
    nodes = [n for n in ancestors(y) if n.dtype.kind == "f"]
    gradients = grad(y, nodes)
    total = dict.fromkeys(nodes, 0.0)
    for node, k, g in edges_of(y, nodes, create_graph=create_graph):
        source = node.inputs[k]
        assert g.shape == source.shape
        total[source] = total[source] + tg.engine.tensor.values(g)
    for node, g in zip(nodes, gradients, strict=True):
        if node is not y:
            np.testing.assert_allclose(total[node], g, rtol=1e-13, atol=1e-14)


def test_an_edge_from_a_slice_carries_what_flows_through_the_slice():
    x = Tensor([1.0, 2.0, 3.0])
    y = (x[1:] * np.array([10.0, 20.0])).sum()
    slices = [g for node, _, g in edges_of(y, x) if node.op is tg.getitem]
    assert [g.tolist() for g in slices] == [[10, 20]]


def test_edges_that_lead_to_no_target_are_not_reported():
    x, z = Tensor(1.0), Tensor(2.0)
    y = sin(x) * sin(z)
    assert all(node.inputs[k] is not z for node, k, _ in edges_of(y, x))
    assert len(edges_of(y, x)) == 2


def test_an_edge_is_kept_as_it_was_when_the_sums_go_on():
    x = Tensor(np.ones(3))
    edges = edges_of(((x * 1.0) + (x * 2.0) + (x * 3.0) + (x * 4.0)).sum(), x)
    assert sorted(g[0] for node, _, g in edges if node.inputs[0] is x) == [1, 2, 3, 4]


# -- used again ------------------------------------------------------------------------------------


def test_a_record_can_be_differentiated_again_and_again():
    x = Tensor([1.0, 2.0])
    y = (tanh(x) * x).sum()
    first = grad(y, x)
    assert all(np.array_equal(first, grad(y, x)) for _ in range(3))


def test_two_losses_share_a_record():
    x = Tensor(2.0)
    h = x * x
    a, b = h * 3, h * h
    assert (grad(a, x), grad(b, x), grad(a + b, x)) == (12, 32, 44)


def test_the_gradient_inside_no_grad_is_plain_and_right():
    x = Tensor(3.0)
    y = x * x
    with tg.no_grad():
        assert grad(y, x) == 6


# -- many uses of one source -----------------------------------------------------------------------

MANY_USES = {
    "one matrix, many rows": lambda w, xs: sum((tanh(x @ w) ** 2).sum() for x in xs),
    "one matrix, single rows": lambda w, xs: sum((tanh(x[0] @ w) ** 2).sum() for x in xs),
    "from the left": lambda w, xs: sum((w @ x[:, [0, 1, 2, 0]].T).sum() ** 2 for x in xs),
    "both sides": lambda w, xs: sum(((x @ w) @ w.T @ w).sum() ** 2 for x in xs),
    "batched": lambda w, xs: (xs @ w).sum() ** 2 + (xs[0] @ w).sum(),
    "matrix and elementwise": lambda w, xs: sum(((x @ w) * w[0]).sum() for x in xs) + (w * w).sum(),
    "slices of slices": lambda w, xs: sum((x @ w[:, k % 3]).sum() ** 2 for k, x in enumerate(xs)),
}


@pytest.mark.parametrize("f", MANY_USES.values(), ids=MANY_USES)
def test_many_uses_of_one_source_have_one_gradient_however_it_is_asked_for(f):
    w, xs = Tensor(rng.standard_normal((3, 4)), name="w"), rng.standard_normal((5, 2, 3))
    y = f(w, xs)
    plain = grad(y, w)
    recorded = grad(y, w, create_graph=True).data
    watched = grad(y, w, on_edge=lambda *_: None)
    y.backward()
    for other in (recorded, watched, w.grad):
        np.testing.assert_allclose(other, plain, rtol=1e-12, atol=1e-12)
    tg.check_grads(lambda w: f(w, xs), w, order=2)


def test_the_edges_into_a_matrix_used_many_times_add_up():
    w, xs = Tensor(rng.standard_normal((3, 4))), rng.standard_normal((5, 2, 3))
    y = sum((tanh(x @ w) ** 2).sum() for x in xs)
    edges = [g for node, k, g in edges_of(y, w) if node.inputs[k] is w]
    assert len(edges) == 5
    np.testing.assert_allclose(sum(edges), grad(y, w), rtol=1e-12)


def test_uses_of_different_shape_and_precision_add_up():
    x = Tensor(np.array([1.0, 2.0], np.float32))
    y = (x * np.ones((3, 2))).sum() + x.sum() + (x[0] * 2.0) + (np.ones((4, 1, 2)) * x).sum()
    g = grad(y, x)
    assert g.dtype == np.float32
    assert g.tolist() == [3 + 1 + 2 + 4, 3 + 1 + 4]
    s = Tensor(2.0)
    y = (s * np.ones(3)).sum() + s + (s * np.ones((2, 2))).sum() + s * s
    assert grad(y, s) == 3 + 1 + 4 + 4
