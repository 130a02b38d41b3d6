"""Is everything that a step is called with an argument of its program, and nothing baked in?"""

import numpy as np
import pytest
from agreeing import agrees

from tinygrad_rnn import Primitive, Tensor, compile, grad, nn, sigmoid, stack, tanh, where
from tinygrad_rnn.engine.rules import RULES

T, B = 7, 3
LENGTHS = [np.array(n) for n in ([7, 4, 1], [7, 7, 7], [2, 0, 5], [1, 1, 1])]
TARGETS = pytest.mark.parametrize("target", ["numpy", "c"])


class Model(nn.Module):
    def __init__(self, **parts):
        for name, part in parts.items():
            setattr(self, name, part)


def agree(loss_fn, m, calls, target="numpy"):
    """One program for all calls, each with the eager gradients."""
    step = compile(loss_fn, target=target)
    for args in calls:
        agrees(step, loss_fn, m, *args)
    assert step.stats["recorded"] == 1
    return step


def numbers(seed=0, *shape):
    return np.random.default_rng(seed).standard_normal(shape or (T, B, 3))


def labels(seed=0):
    return np.random.default_rng(seed).integers(3, size=(T, B))


def model(cell=nn.LSTMCell):
    return Model(cell=cell(3, 4, rng=0), readout=nn.Linear(4, 3, rng=1))


@pytest.mark.sampled(3)
@TARGETS
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_one_program_serves_all_lengths(cell, reverse, target):
    def loss_fn(m, x, y, lengths):
        outputs, _ = nn.unroll(m.cell, x, lengths=lengths, reverse=reverse)
        return nn.cross_entropy(m.readout(stack(outputs)), y, lengths=lengths)

    calls = [(numbers(k), labels(k), n) for k, n in enumerate(LENGTHS)]
    told = agree(loss_fn, model(cell), calls, target).explain()
    assert told.count("loop forward") == told.count("loop backward") == 1
    assert "not repeated" not in told


@TARGETS
def test_lengths_may_be_a_list(target):
    def loss_fn(m, x, lengths):
        outputs, (h, c) = nn.unroll(m.cell, x, lengths=lengths)
        return (h * c).sum() + nn.mse_loss(stack(outputs), np.zeros((T, B, 4)), lengths=lengths)

    agree(loss_fn, model(), [(numbers(k), n.tolist()) for k, n in enumerate(LENGTHS)], target)


@TARGETS
def test_one_sequence_has_one_length(target):
    def loss_fn(m, x, n):
        outputs, (h, _) = nn.unroll(m.cell, x, lengths=n)
        return (stack(outputs) ** 2).sum() + h.sum()

    step = agree(
        loss_fn, model(), [(numbers(k)[:, 0], np.array(n)) for k, n in enumerate([3, 7, 0])], target
    )
    assert step.source.count("for t in") == 2


@TARGETS
def test_one_program_serves_all_masks(target):
    def loss_fn(m, x, y, mask):
        outputs, _ = nn.unroll(m.cell, x, mask=mask)
        return nn.cross_entropy(m.readout(stack(outputs)), y, mask=mask)

    masks = [numbers(k)[..., 0] < 0.5 for k in range(3)]
    agree(loss_fn, model(), [(numbers(k), labels(k), n) for k, n in enumerate(masks)], target)


@TARGETS
def test_padding_may_hold_nan(target):
    def loss_fn(m, x, y, lengths):
        outputs, _ = nn.unroll(m.cell, x, lengths=lengths)
        return nn.cross_entropy(m.readout(stack(outputs)), y, lengths=lengths)

    x = numbers()
    x[4:, 1] = np.nan
    agree(loss_fn, model(), [(numbers(1), labels(), [7, 7, 7]), (x, labels(), [7, 4, 7])], target)


@pytest.mark.sampled(3)
@TARGETS
@pytest.mark.parametrize(
    "options", [{"num_layers": 2}, {"bidirectional": True}, {"batch_first": True}], ids=str
)
def test_layers_take_lengths_masks_and_first_states(options, target):
    net = nn.LSTM(3, 4, rng=0, **options)
    parts = 2 if len(net.layers) * net.directions == 2 else 1
    first = options.get("batch_first", False)

    def loss_fn(m, x, lengths, mask, h, c):
        a, (hn, _) = m.net(x, (h, c), lengths=lengths)
        b, _ = m.net(x, mask=mask)
        return (a**2).mean() + (b * b * 0.5).sum() + (hn**2).sum()

    calls = []
    for k, n in enumerate(LENGTHS):
        x, mask = numbers(k), numbers(9 - k)[..., 0] < 0.3
        x, mask = (x.swapaxes(0, 1), mask.T) if first else (x, mask)
        calls.append((x, n, mask, numbers(k, parts, B, 4), numbers(k + 1, parts, B, 4)))
    agree(loss_fn, Model(net=net), calls, target)


@TARGETS
@pytest.mark.parametrize("loss", [nn.mse_loss, nn.huber_loss, nn.binary_cross_entropy])
def test_losses_take_lengths_and_masks(loss, target):
    def loss_fn(m, x, y, lengths, mask):
        z = m.readout(tanh(x))
        return loss(z, y, lengths=lengths) + loss(z, y, mask=mask)

    m = Model(readout=nn.Linear(3, 2, rng=0))
    calls = [
        (numbers(k), (numbers(k)[..., :2] > 0) * 1.0, n, numbers(k)[..., 0] > -0.5)
        for k, n in enumerate(LENGTHS)
    ]
    agree(loss_fn, m, calls, target)


@TARGETS
def test_labels_that_are_left_out_are_found_at_each_call(target):
    def loss_fn(m, x, y):
        return nn.cross_entropy(m.readout(x), y, ignore_index=0)

    m = Model(readout=nn.Linear(3, 3, rng=0))
    agree(loss_fn, m, [(numbers(k), labels(k)) for k in range(3)], target)


@pytest.mark.sampled(2)
@TARGETS
@pytest.mark.parametrize("attention", [False, True])
def test_an_encoder_and_a_decoder_with_lengths_are_loops(attention, target):
    m = nn.sequence_to_sequence(3, 4, 5, attention=attention, rng=0)

    def loss_fn(m, x, y, lengths):
        return nn.cross_entropy(m(x, y, lengths=lengths), y)

    calls = [
        (numbers(k), np.random.default_rng(k).integers(5, size=(6, B)), n)
        for k, n in enumerate([LENGTHS[0], LENGTHS[1], LENGTHS[3]])
    ]
    step = agree(loss_fn, m, calls, target)
    told = step.explain()
    assert told.count("loop forward") == told.count("loop backward") == 2


@TARGETS
def test_masks_of_dropout_and_uniform_numbers_are_arguments(target):
    def loss_fn(m, x, keep, u):
        outputs, _ = nn.unroll(m.cell, x * keep)
        h = stack(outputs)
        return (where(u < 0.3, 0, h / 0.7) ** 2).mean()

    calls = [
        (numbers(k), (numbers(k) > 0) * 2.0, np.random.default_rng(k).random((T, B, 4)))
        for k in range(3)
    ]
    agree(loss_fn, model(), calls, target)


def test_draws_of_a_generator_are_those_of_the_function():
    def dropped(m, x, rng):
        return (nn.dropout(m.readout(x), 0.5, rng) ** 2).sum()

    def zoned(m, x, rng):
        outputs, _ = nn.unroll(nn.Zoneout(m.cell, 0.2), x, rng=rng)
        return (stack(outputs) ** 2).sum()

    class Net(nn.Module):  # with a generator that no argument shows
        def __init__(self, rng):
            self.parts, self.readout, self.cell = [rng], nn.Linear(3, 4, rng=0), None

    hidden = Net(np.random.default_rng(0))
    m = Model(cell=nn.LSTMCell(3, 4, rng=0), readout=nn.Linear(3, 4, rng=0))
    for f in (dropped, zoned):
        step, drawn = compile(f), np.random.default_rng(5)
        losses = [float(step(m, numbers(), drawn)[0]) for _ in range(3)]
        again = np.random.default_rng(5)
        exact = [f(m, numbers(), again).item() for _ in range(3)]
        np.testing.assert_allclose(losses, exact, rtol=1e-12)
        assert len(set(losses)) == 3
        assert drawn.bit_generator.state == again.bit_generator.state
        assert step.stats["eager"] == 0
    step = compile(lambda m, x: dropped(m, x, m.parts[0]))
    losses = [float(step(hidden, numbers())[0]) for _ in range(3)]
    again = np.random.default_rng(0)
    exact = [dropped(hidden, numbers(), again).item() for _ in range(3)]
    np.testing.assert_allclose(losses, exact, rtol=1e-12)
    assert step.stats["eager"] == 0


def test_a_primitive_of_your_own_runs_eagerly_and_its_composition_compiles(monkeypatch):
    cube = Primitive("cube", lambda x, /: x * x * x)
    monkeypatch.setitem(RULES, cube, (lambda g, y, x: 3.0 * g * x * x,))
    m = Model(readout=nn.Linear(3, 3, rng=0))
    step = compile(lambda m, x: cube(m.readout(x)).sum())
    loss, grads = step(m, numbers())
    assert "your primitive cube" in step.explain()
    assert step.stats["eager"] == 1
    composed = agree(
        lambda m, x: (m.readout(x) * m.readout(x) * m.readout(x)).sum(), m, [(numbers(),)]
    )
    again, others = composed(m, numbers())
    np.testing.assert_allclose(loss, again, rtol=1e-12)
    for a, b in zip(grads.values(), others.values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@TARGETS
def test_numbers_are_arguments(target):
    def loss_fn(m, x, a, b):
        return ((sigmoid(m.readout(x)) * a) ** 2).sum() * b

    m = Model(readout=nn.Linear(3, 3, rng=0))
    agree(loss_fn, m, [(numbers(), 0.5, 2.0), (numbers(1), -3.0, 0.1)], target)


@TARGETS
def test_conditions_are_joined_at_each_call(target):
    def loss_fn(m, x, low, high):
        y = m.readout(x)
        inside = (y > low) & (y <= high) | ~(x[..., :1] != 0.5)
        return where(inside, y * y, -y).sum()

    m = Model(readout=nn.Linear(3, 3, rng=0))
    agree(loss_fn, m, [(numbers(k), -0.5 + 0.1 * k, 0.2 * k) for k in range(3)], target)
    assert not isinstance(Tensor([1.0]) > 0, Tensor)  # elsewhere they are arrays, as ever


class Two(nn.Module):
    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.U, self.V, self.W = (Tensor(rng.standard_normal((3, 3))) for _ in range(3))

    def __call__(self, x):
        return tanh(tanh(x @ self.U) @ self.V) @ self.W


def calls_agree(loss_fn, target, calls):
    """One step for all of them, each with its eager loss and gradients."""
    step = compile(loss_fn, target=target)
    for p, *args in calls:
        loss, grads = step(p, *args)
        exact = loss_fn(p, *args)
        wrt = p if isinstance(p, dict) else p.named_parameters()
        np.testing.assert_allclose(loss, exact.data, rtol=1e-12)
        for name, e in grad(exact, dict(wrt.items())).items():
            np.testing.assert_allclose(grads[name], e, rtol=1e-9, atol=1e-12)
    assert not step.reason
    return step


@TARGETS
def test_which_parameters_are_shared_is_part_of_the_signature(target):
    def changed(m, **parts):
        for name, x in parts.items():
            setattr(m, name, x)
        return m

    m, x = Two(0), numbers()

    def calls():
        yield changed(m, W=m.V), x
        yield changed(m, W=m.U), x
        yield changed(m, W=m.U.data), x  # frozen: the same paths as before
        yield changed(m, W=Tensor(m.U.data)), x

    assert calls_agree(lambda m, x: m(x).sum(), target, calls()).stats["recorded"] == 4


@TARGETS
def test_which_parameter_stands_where_is_part_of_the_signature(target):
    a, b, c = (Tensor(numbers(k, 3, 3), name="W") for k in range(3))
    x = numbers()
    calls_agree(
        lambda p, x: (tanh(x @ p["first"]) @ p["then"]).sum(),
        target,
        [({"first": a, "then": b}, x), ({"then": b, "first": a}, x), ({"first": c, "then": a}, x)],
    )


@TARGETS
def test_a_module_among_the_arguments_is_one(target):
    def loss_fn(p, x, teacher):
        return ((x @ p["W"] - teacher[0](x)) ** 2.0).sum()

    m, p, x = Two(0), {"W": Tensor(numbers(1, 3, 3))}, numbers()

    def calls():
        yield p, x, [m]
        m.U.data = -m.V.data
        yield p, x, [m]
        yield p, x, [Two(2)]

    assert calls_agree(loss_fn, target, calls()).stats["recorded"] == 1


def test_a_module_among_the_arguments_that_holds_parameters_runs_eagerly():
    m, x = Two(0), numbers()
    step = compile(lambda p, x, m: (m(x) * p["U"].sum()).sum())
    loss, grads = step({"U": m.U}, x, m)
    exact = (m(x) * m.U.sum()).sum()
    np.testing.assert_allclose(loss, exact.data)
    np.testing.assert_allclose(grads["U"], grad(exact, [m.U])[0])
    assert "holds Tensors of params" in step.reason


class Scale:
    def __init__(self, k):
        self.k = k

    def __call__(self, x):
        return x * self.k


@TARGETS
def test_what_is_no_array_is_known_by_itself_and_not_by_its_address(target):
    p, x, scale = {"W": Tensor(numbers(1, 3, 3))}, numbers(), Scale(1.0)

    def calls():
        for k in (2.0, 3.0):
            yield p, x, lambda y, k=k: y * k
            yield p, x, Scale(k)
            scale.k = k
            yield p, x, scale

    calls_agree(lambda p, x, f: f(x @ p["W"]).sum(), target, calls())


def test_keys_are_told_apart_by_their_types():
    p, x = {"W": Tensor(numbers(1, 3, 3))}, numbers()
    calls_agree(
        lambda p, x, d: (x @ p["W"] * (d[1] if 1 in d else d["1"] * 2.0)).sum(),
        "numpy",
        [(p, x, {1: 2.0}), (p, x, {"1": 2.0})],
    )
