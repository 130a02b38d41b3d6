"""Can everything be written with single numbers, and does it give the same?"""

import itertools
import math

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, ancestors, grad, nn, no_grad, relu, scalars

# -- micrograd's expressions -----------------------------------------------------------------------


def test_a_relu_of_sums_and_products():
    x = Tensor(-4.0)
    z = 2 * x + 2 + x
    q = relu(z) + z * x
    h = relu(z * z)
    y = h + q + q * x
    y.backward()
    # z = 3x + 2 = -10, so relu(z) = 0: y = z² + zx + zx², and dz/dx = 3
    x0, z0 = -4.0, -10.0
    assert y.item() == z0**2 + z0 * x0 + z0 * x0**2
    assert x.grad == 2 * z0 * 3 + (3 * x0 + z0) + (3 * x0**2 + 2 * z0 * x0)
    assert (y.item(), float(x.grad)) == (-20.0, 46.0)


def more_operations(a, b, relu):
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + relu(b + a)
    d += 3 * d + relu(b - a)
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return g


def test_more_operations_have_the_value_and_slopes_of_plain_numbers():
    a, b = Tensor(-4.0), Tensor(2.0)
    g = more_operations(a, b, relu)
    g.backward()
    plain = lambda a, b: more_operations(a, b, lambda v: max(v, 0.0))  # noqa: E731
    assert g.item() == plain(-4.0, 2.0)
    # around (-4, 2), b + a < 0 and b - a > 0, so c = 3a + 4b + 3 and d = 12ab + 12b³ + b - a
    a0, b0 = -4.0, 2.0
    e = (3 * a0 + 4 * b0 + 3) - (12 * a0 * b0 + 12 * b0**3 + b0 - a0)
    by_e = e - 20 / e**3
    assert math.isclose(g.item(), e**2 / 2 + 10 / e**2, rel_tol=1e-12)
    assert math.isclose(a.grad, by_e * (3 - 12 * b0 + 1), rel_tol=1e-12)
    assert math.isclose(b.grad, by_e * (4 - 12 * a0 - 36 * b0**2 - 1), rel_tol=1e-12)
    eps = 1e-6
    slope = (plain(-4 + eps, 2.0) - plain(-4 - eps, 2.0)) / (2 * eps)
    assert math.isclose(a.grad, slope, rel_tol=1e-7)


def test_a_neuron_with_tanh_written_twice():
    def neuron(tanh):
        x1, x2, w1, w2, b = map(Tensor, (2.0, 0.0, -3.0, 1.0, 6.8813735870195432))
        o = tanh(x1 * w1 + x2 * w2 + b)
        return o, grad(o, [x1, w1, x2, w2])

    by_exp = lambda n: ((2 * n).exp() - 1) / ((2 * n).exp() + 1)  # noqa: E731
    for o, gradients in (neuron(tg.tanh), neuron(by_exp)):
        assert math.isclose(o.item(), math.sqrt(0.5), rel_tol=1e-12)
        np.testing.assert_allclose(gradients, [-1.5, 1.0, 0.5, 0.0], atol=1e-12)


# -- micrograd's demo ------------------------------------------------------------------------------


def two_moons(n, rng):
    angle = rng.uniform(0, np.pi, n)
    side = np.arange(n) % 2
    x = np.where(side, 1 - np.cos(angle), np.cos(angle))
    y = np.where(side, 0.5 - np.sin(angle), np.sin(angle))
    points = np.stack([x, y], axis=1) + 0.1 * rng.standard_normal((n, 2))
    return points.tolist(), (2 * side - 1).tolist()


def make_mlp(sizes, rng):
    """Layers of neurons, each a list of weights and a bias; every number is a Tensor."""
    return [
        [([Tensor(rng.uniform(-1, 1)) for _ in range(n)], Tensor(0.0)) for _ in range(m)]
        for n, m in itertools.pairwise(sizes)
    ]


def run_mlp(layers, x):
    for depth, layer in enumerate(layers, start=1):
        x = [sum((wi * xi for wi, xi in zip(w, x, strict=True)), start=b) for w, b in layer]
        if depth < len(layers):
            x = [a.relu() for a in x]
    return x[0]


def max_margin(layers, parameters, points, labels):
    scores = [run_mlp(layers, x) for x in points]
    losses = [(1 + -y * score).relu() for y, score in zip(labels, scores, strict=True)]
    data = sum(losses[1:], start=losses[0]) * (1.0 / len(losses))
    squares = [p * p for p in parameters]
    loss = data + 1e-4 * sum(squares[1:], start=squares[0])
    accuracy = np.mean([(s.item() > 0) == (y > 0) for s, y in zip(scores, labels, strict=True)])
    return loss, accuracy


def test_micrograds_network_learns_two_moons_with_scalars_alone():
    rng = np.random.default_rng(2)
    points, labels = two_moons(40, rng)
    layers = make_mlp([2, 16, 16, 1], rng)
    parameters = [p for layer in layers for w, b in layer for p in (*w, b)]
    assert len(parameters) == 337

    history = []
    for step in range(6):
        loss, accuracy = max_margin(layers, parameters, points, labels)
        history.append((loss.item(), accuracy))
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data = p.data - (0.3 - 0.02 * step) * p.grad
    with no_grad():
        loss, accuracy = max_margin(layers, parameters, points, labels)
    assert loss.item() < 0.6 * history[0][0]
    assert accuracy > max(0.8, history[0][1])
    assert all(node.ndim == 0 for node in ancestors(loss))


def test_the_scalar_network_has_the_gradients_of_the_same_network_of_arrays():
    rng = np.random.default_rng(5)
    points, labels = two_moons(10, rng)
    layers = make_mlp([2, 4, 4, 1], rng)
    parameters = [p for layer in layers for w, b in layer for p in (*w, b)]
    loss, _ = max_margin(layers, parameters, points, labels)
    found = np.array(grad(loss, parameters))

    arrays = [
        (Tensor([[w.data for w in ws] for ws, _ in layer]), Tensor([b.data for _, b in layer]))
        for layer in layers
    ]
    h = np.array(points)
    for k, (W, b) in enumerate(arrays):
        h = h @ W.T + b
        h = relu(h) if k < len(arrays) - 1 else h
    whole = relu(1 - h[:, 0] * np.array(labels)).mean()
    whole = whole + 1e-4 * sum((p * p).sum() for pair in arrays for p in pair)
    expected = []
    for gW, gb in grad(whole, arrays):
        for row, g in zip(gW, gb, strict=True):
            expected += [*row, g]
    assert math.isclose(loss.item(), whole.item(), rel_tol=1e-12)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13)


# -- cells on object arrays ------------------------------------------------------------------------

CELLS = {
    "rnn": lambda: nn.RNNCell(2, 3, rng=0),
    "rnn relu": lambda: nn.RNNCell(2, 3, "relu", rng=0),
    "rnn sigmoid": lambda: nn.RNNCell(2, 3, "sigmoid", rng=0),
    "rnn without bias": lambda: nn.RNNCell(2, 3, bias=False, rng=0),
    "lstm": lambda: nn.LSTMCell(2, 3, rng=0),
    "lstm without bias": lambda: nn.LSTMCell(2, 3, bias=False, rng=0),
    "gru": lambda: nn.GRUCell(2, 3, rng=0),
    "gru, reset before": lambda: nn.GRUCell(2, 3, reset="before", rng=0),
    "gru, update replaces": lambda: nn.GRUCell(2, 3, update="replaces", rng=0),
}


@pytest.mark.parametrize("batch", [(), (2,)], ids=["single", "batch"])
@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
def test_a_cell_of_scalars_has_the_values_and_gradients_of_the_cell(make, batch):
    cell = make()
    twin = scalars(cell)
    xs = np.random.default_rng(1).standard_normal((3, *batch, 2))

    outputs, _ = nn.unroll(cell, xs)
    loss = sum((h * h).sum() for h in outputs)
    state = cell.initial_state(*batch)
    scalar_loss = 0.0
    for x, output in zip(xs, outputs, strict=True):
        state = twin(x, state)
        h = state[0] if isinstance(state, tuple) else state
        assert h.dtype == object
        values = np.array([e.item() for e in h.ravel()]).reshape(h.shape)
        np.testing.assert_allclose(values, output.data, rtol=0, atol=1e-12)
        scalar_loss = (h * h).sum() + scalar_loss
    assert math.isclose(scalar_loss.item(), loss.item(), rel_tol=1e-12)
    assert all(node.ndim == 0 for node in ancestors(scalar_loss))

    names = list(cell.named_parameters().keys())
    for name, expected in zip(names, grad(loss, cell.parameters()), strict=True):
        elements = getattr(twin, name)
        found = np.array(grad(scalar_loss, list(elements.ravel()))).reshape(elements.shape)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_scalars_leave_the_cell_alone_and_name_their_elements():
    cell = nn.RNNCell(2, 3, rng=0)
    before = cell.state_dict()
    twin = scalars(cell)
    assert twin is not cell
    assert twin.W_x.dtype == object
    assert twin.W_x[1, 2].name == "W_x[1,2]"
    assert twin.b_x[0].name == "b_x[0]"
    assert all(np.array_equal(before[k], v) for k, v in cell.state_dict().items())
    assert all(type(p) is Tensor for p in cell.parameters())


def test_scalars_reach_into_lists_dicts_and_modules_of_modules():
    class Net(nn.Module):
        def __init__(self):
            self.cells = [nn.RNNCell(1, 2, rng=0), nn.LSTMCell(2, 2, rng=1)]
            self.heads = {"out": nn.Linear(2, 1, rng=2)}
            self.scale = Tensor(2.0)

    twin = scalars(Net())
    assert twin.cells[1].W_h.dtype == object
    assert twin.heads["out"].W[0, 0].name == "W[0,0]"
    assert np.asarray(twin.scale, dtype=object).item().item() == 2.0


def test_scalars_of_arrays_and_tensors():
    w = scalars(Tensor([[1.0, 2.0]], name="w"))
    x = scalars(np.array([3.0, 4.0]))
    y = (w @ x)[0]
    assert y.item() == 11
    assert [float(g) for g in grad(y, [w[0, 0], w[0, 1], x[0], x[1]])] == [3, 4, 1, 2]


def test_a_tensor_beside_scalars_stays_in_the_record():
    objects, x, w = scalars(np.array([3.0, 4.0])), Tensor(2.0), Tensor([10.0, 20.0])
    for y in (objects * x, x * objects):
        assert [e.item() for e in y] == [6, 8]
        assert grad(y[1], x) == 4
    for y in (objects * w, w * objects, objects * (w * 1.0)):
        assert [e.item() for e in y] == [30, 80]
        assert grad(y[0], w).tolist() == [3, 0]
    assert grad(scalars(w * w)[1], w).tolist() == [0, 40]


def test_a_shared_tensor_is_shared_among_scalars_wherever_it_is_held():
    class Net(nn.Module):
        def __init__(self):
            self.W = Tensor([1.0, 2.0])
            self.again = (self.W, [self.W])
            self.itself = self

    twin = scalars(Net())
    assert twin.W.dtype == object
    assert twin.again[0] is twin.again[1][0] is twin.W
    assert twin.itself is twin
    assert scalars([Tensor([1.0, 2.0])])[0].dtype == object


@pytest.mark.parametrize("x", [3.0, None, "W", [], {"a": 1.0}, object()], ids=type)
def test_what_holds_no_tensor_has_no_scalars(x):
    with pytest.raises(TypeError, match=r"scalars: expected a Tensor.*holds none"):
        scalars(x)


def test_the_scalar_graph_is_made_of_the_same_primitives():
    twin = scalars(nn.LSTMCell(1, 1, rng=0))
    h, _ = twin(np.array([0.5]), (np.zeros(1), np.zeros(1)))
    used = {node.op.name for node in ancestors(h[0]) if node.op}
    assert used == {"multiply", "add", "sigmoid", "tanh"}


ELEMENTWISE = [
    "exp", "log", "log1p", "expm1", "sqrt", "absolute", "sin", "cos", "tanh", "tan", "arctan",
    "sinh", "cosh", "log2", "log10", "erf", "floor", "sign",
]  # fmt: skip


@pytest.mark.parametrize(
    "name", [*ELEMENTWISE, "sigmoid", "relu", "softplus", "negative", "stop_gradient"]
)
def test_elementwise_functions_run_on_each_element(name):
    f = getattr(tg, name)
    x = np.array([[0.5, 1.5], [2.5, 0.25]])
    y = f(scalars(x))
    assert y.dtype == object
    assert np.array_equal([[e.item() for e in row] for row in y], f(x))


def test_sums_up_to_each_run_on_scalars():
    x = np.array([[0.5, 1.5], [2.5, 0.25]])
    y = tg.cumsum(scalars(x), axis=1)
    assert y[1, 1].op.name == "add"
    assert np.array_equal([[e.item() for e in row] for row in y], np.cumsum(x, axis=1))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("where", (np.array([True, False]), 0.0)),
        ("maximum", (0.0,)),
        ("minimum", (0.0,)),
        ("max", ()),
        ("min", ()),
        ("clip", ()),
        ("softmax", ()),
        ("log_softmax", ()),
        ("logsumexp", ()),
    ],
)
def test_what_cannot_run_on_scalars_refuses_with_a_sentence(name, arguments):
    x = scalars(np.array([1.0, 2.0]))
    arguments = (arguments[0], x, *arguments[1:]) if name == "where" else (x, *arguments)
    with pytest.raises(TypeError, match=rf"{name} cannot run on an array of scalar Tensors.*"):
        getattr(tg, name)(*arguments)
