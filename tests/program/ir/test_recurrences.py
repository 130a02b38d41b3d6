"""Does a compiled step give the gradients of the record, whatever recurs in it?"""

from functools import partial

import numpy as np
import pytest
from agreeing import agrees, leaves_of
from enrolled import every_sample
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn import (
    Tensor,
    compile,
    concatenate,
    exp,
    maximum,
    named,
    nn,
    relu,
    scope,
    sigmoid,
    softmax,
    softplus,
    split,
    stack,
    stop_gradient,
    tanh,
)


class Model(nn.Module):
    def __init__(self, **parts):
        for name, part in parts.items():
            setattr(self, name, part)


def agree(loss_fn, params, *args):
    """Compile to NumPy and to C, call each twice with other values, compare with eager gradients.

    A step that fell back from C to NumPy would warn, and a warning is an error here.
    """
    steps = [compile(loss_fn), compile(loss_fn, target="c")]
    for _ in range(2):
        for step in steps:
            agrees(step, loss_fn, params, *args)
        for p in leaves_of(params):
            p.data = p.data * 0.9 - 0.01
        args = tuple(x * 0.8 if x.dtype.kind == "f" else x[::-1] for x in args)
    return steps[0]


def sequence(T, B=2, V=3):
    rng = np.random.default_rng(T)
    return rng.standard_normal((T, B, V)), rng.integers(V, size=(T, B))


def language_model(m, x, y):
    outputs, _ = nn.unroll(m.cell, x)
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def own_cell(W, U, x, h):
    z = named(z=sigmoid(x @ W + h @ U))
    return named(h=z * h + (1 - z) * tanh(h @ U - x @ W))


def own_loss(p, x, y):
    outputs, _ = nn.unroll(partial(own_cell, p["W"], p["U"]), x, np.zeros((x.shape[1], 4)))
    return nn.cross_entropy(stack(outputs), y)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("T", [1, 2, 3, 50])
@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell, nn.PeepholeLSTMCell])
def test_gradients_of_cells_are_the_eager_ones(cell, T):
    m = Model(cell=cell(3, 4, rng=0), readout=nn.Linear(4, 3, rng=1))
    agree(language_model, m, *sequence(T))


@pytest.mark.parametrize("T", [1, 2, 3, 50])
def test_gradients_of_your_own_five_line_cell_are_the_eager_ones(T):
    rng = np.random.default_rng(0)
    p = {"W": Tensor(rng.standard_normal((3, 4))), "U": Tensor(rng.standard_normal((4, 4)))}
    agree(own_loss, p, *sequence(T))


@pytest.mark.parametrize("T", [6, 50, 100])
def test_a_language_model_is_two_loops_and_six_sums_whatever_its_length(T):
    # W_x, W_h, b, W_y, b_y and the loss, which is added up step by step, are sums over time
    rng = np.random.default_rng(0)
    shapes = {"W_x": (3, 16), "W_h": (4, 16), "b": (16,), "W_y": (4, 3), "b_y": (3,)}
    p = {name: Tensor(rng.standard_normal(shape)) for name, shape in shapes.items()}

    def lstm(p, x, state):
        h, c = state
        i, f, g, o = split(x @ p["W_x"] + h @ p["W_h"] + p["b"], 4)
        i, f, g, o = named(i=sigmoid(i), f=sigmoid(f), g=tanh(g), o=sigmoid(o))
        c = named(c=f * c + i * g)
        return named(h=o * tanh(c)), c

    def loss_fn(p, x, y):
        outputs, _ = nn.unroll(partial(lstm, p), x, (np.zeros((2, 4)), np.zeros((2, 4))))
        loss = 0.0
        for t, h in enumerate(outputs):
            loss = loss + nn.cross_entropy(h @ p["W_y"] + p["b_y"], y[t])
        return loss / len(outputs)

    step = agree(loss_fn, p, *sequence(T))
    told = step.explain()
    assert told.count("loop forward") == told.count("loop backward") == 1
    assert "\n6 sums over time" in told
    assert step.source.count("for t in range(T)") == 1
    assert step.source.count("for t in reversed(range(T))") == 1
    assert step.source.count("\n") <= 80
    assert "not repeated" not in told


@pytest.mark.parametrize("T", [4, 9])
def test_two_layers_are_four_loops(T):
    layers = nn.LSTM(3, 4, num_layers=2, rng=0)
    m = Model(layers=layers, readout=nn.Linear(4, 3, rng=1))

    def loss_fn(m, x, y):
        outputs, _ = m.layers(x)
        return nn.cross_entropy(m.readout(outputs), y)

    step = agree(loss_fn, m, *sequence(T))
    assert step.source.count("for t in") == 4


def test_two_directions_are_four_loops_two_of_them_from_the_end():
    m = Model(layers=nn.GRU(3, 4, bidirectional=True, rng=0), readout=nn.Linear(8, 3, rng=1))

    def loss_fn(m, x, y):
        outputs, _ = m.layers(x)
        return nn.cross_entropy(m.readout(outputs), y)

    step = agree(loss_fn, m, *sequence(7))
    assert step.source.count("for t in range") == 2
    assert step.source.count("for t in reversed") == 2


def test_an_encoder_and_a_decoder_are_four_loops():
    m = Model(
        encoder=nn.RNNCell(3, 4, rng=0), decoder=nn.GRUCell(3, 4, rng=1), readout=nn.Linear(4, 3)
    )

    def loss_fn(m, x, y):
        _, h = nn.unroll(m.encoder, x, name="encoder")
        outputs, _ = nn.unroll(m.decoder, x, h, name="decoder")
        return nn.cross_entropy(m.readout(stack(outputs)), y)

    step = agree(loss_fn, m, *sequence(6))
    assert step.source.count("for t in") == 4


def test_an_embedding_gathers_and_its_gradient_is_one_scatter():
    m = Model(
        table=nn.Embedding(3, 5, rng=0), cell=nn.RNNCell(5, 4, rng=1), readout=nn.Linear(4, 3)
    )

    def loss_fn(m, y):
        outputs, _ = nn.unroll(lambda s, h: m.cell(m.table(s), h), y, m.cell.initial_state(2))
        return nn.cross_entropy(m.readout(stack(outputs)), y)

    step = agree(loss_fn, m, sequence(8)[1])
    assert step.source.count("np.add.at") == 1


def test_the_last_state_alone_can_make_the_loss():
    m = Model(cell=nn.LSTMCell(3, 4, rng=0))

    def loss_fn(m, x):
        _, (h, c) = nn.unroll(m.cell, x)
        return (h * c).sum()

    agree(loss_fn, m, sequence(6)[0])


def test_a_learned_first_state_has_its_gradient():
    m = Model(cell=nn.LearnedState(nn.GRUCell(3, 4, rng=0)))

    def loss_fn(m, x):
        outputs, _ = nn.unroll(m.cell, x)
        return (stack(outputs) ** 2).mean()

    agree(loss_fn, m, sequence(6)[0])


def test_a_last_state_that_is_used_once_more_starts_the_backward_recurrence():
    m = Model(cell=nn.GRUCell(3, 4, rng=0))

    def loss_fn(m, x):  # attention from the last state to all
        outputs, _ = nn.unroll(m.cell, x)
        hs = stack(outputs)
        weights = softmax((hs * outputs[-1]).sum(axis=-1), axis=0)
        return ((hs * weights[..., None]).sum(axis=0) ** 2).sum()

    step = agree(loss_fn, m, sequence(8)[0])
    assert step.source.count("for t in") == 2


def test_outputs_that_are_fed_back_are_two_loops():
    m = Model(cell=nn.GRUCell(3, 4, rng=0), readout=nn.Linear(4, 3, rng=1))

    def loss_fn(m, y):
        h, p, loss = m.cell.initial_state(2), np.zeros((2, 3)), 0.0
        for t in range(len(y)):
            with scope("decode", t=t):
                h = m.cell(p, h)
                logits = m.readout(h)
                p = softmax(logits)
                loss = loss + nn.cross_entropy(logits, y[t])
        return loss

    step = agree(loss_fn, m, sequence(8)[1])
    assert step.source.count("for t in") == 2


@pytest.mark.sampled(3)
@every_sample(first=True, without=["EchoStateCell"])  # which learns nothing: there is no backward
def test_every_recurrent_cell_is_one_loop_forward_and_one_backward(sample):
    cell, xs, _ = sample()
    m = Model(cell=cell)

    def loss_fn(m, x):
        outputs, _ = nn.unroll(m.cell, x)
        return (stack(outputs) ** 2).mean()

    step = agree(loss_fn, m, np.concatenate([xs, xs[::-1], -xs])[:8])
    assert step.source.count("for t in range(T)") == 1
    assert step.source.count("for t in reversed(range(T))") == 1


LENGTHS = np.array([5, 20, 1])
HOW = {
    "truncate": ({"truncate": 5}, 1),
    "truncate, the last shorter": ({"truncate": 7}, 1),
    "truncate, from the end": ({"truncate": 5, "reverse": True}, 1),
    "windows that overlap": ({"truncate": (5, 10)}, 4),
    "checkpoint": ({"checkpoint": True}, 1),
    "checkpoint in windows": ({"checkpoint": True, "truncate": 5}, 1),
    "reverse": ({"reverse": True}, 1),
    "lengths": ({"lengths": LENGTHS}, 1),
    "lengths, from the end": ({"lengths": LENGTHS, "reverse": True}, 1),
    "lengths in windows": ({"lengths": LENGTHS, "truncate": 5}, 1),
    "mask": ({"mask": np.arange(60).reshape(20, 3) % 4 != 1}, 1),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
@pytest.mark.parametrize("how", HOW)
def test_every_option_of_unroll_is_a_loop_forward_and_one_backward(how, cell):
    options, loops = HOW[how]
    m = Model(cell=cell(3, 4, rng=0), readout=nn.Linear(4, 3, rng=1))

    def loss_fn(m, x, y):
        outputs, state = nn.unroll(m.cell, x, **options)
        last = state[0] if isinstance(state, tuple) else state
        return nn.cross_entropy(m.readout(stack(outputs)), y) + (last**2).sum()

    told = agree(loss_fn, m, *sequence(20, B=3)).explain()
    assert told.count("loop forward") + told.count("loop backward") == 2 * loops
    assert told.count("loop forward") == loops
    assert "not repeated" not in told


@pytest.mark.parametrize(
    ("cell", "space"), [(nn.ConvLSTM1dCell, (5,)), (nn.ConvLSTM2dCell, (4, 3))]
)
def test_a_convolution_is_slices_and_a_product_in_each_loop(cell, space):
    m = Model(cell=cell(3, 4, 3, rng=0))
    x = np.random.default_rng(0).standard_normal((6, 2, *space, 3))

    def loss_fn(m, x):
        return (stack(nn.unroll(m.cell, x)[0]) ** 2).mean()

    told = agree(loss_fn, m, x).explain()
    assert told.count("loop forward") == told.count("loop backward") == 1
    assert "not repeated" not in told


def test_a_state_of_three_axes_times_a_matrix_is_two_loops():
    rng = np.random.default_rng(0)
    p = {"W": Tensor(rng.standard_normal((3, 3))), "h": Tensor(rng.standard_normal((2, 5, 3)))}

    def loss_fn(p, x):
        outputs, _ = nn.unroll(lambda x, h: tanh(x + h @ p["W"]), x, p["h"])
        return (stack(outputs) ** 2).sum()

    assert agree(loss_fn, p, rng.standard_normal((6, 2, 5, 3))).source.count("for t in") == 2


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", nn.HISTORIC)
@pytest.mark.parametrize("truncated", [False, True])
def test_every_historic_net_is_a_loop_forward_and_one_backward(name, truncated):
    m = Model(net=nn.historic_net(name, truncated=truncated, rng=0))
    x = np.random.default_rng(0).standard_normal((8, 2, m.net.input_size))

    def loss_fn(m, x):
        return (stack(nn.unroll(m.net, x)[0]) ** 2).mean()

    told = agree(loss_fn, m, x).explain()
    assert told.count("loop forward") == told.count("loop backward") == 1
    assert "not repeated" not in told


@pytest.mark.parametrize("part", [slice(5), slice(5, None), slice(3, 9)], ids=str)
def test_a_loss_on_a_part_of_the_steps_is_a_loop_forward_and_one_backward(part):
    m = Model(cell=nn.LSTMCell(3, 4, rng=0))

    def loss_fn(m, x):
        return (stack(nn.unroll(m.cell, x)[0][part]) ** 2).mean()

    told = agree(loss_fn, m, sequence(12)[0]).explain()
    assert told.count("loop forward") == told.count("loop backward") == 1


def test_one_net_called_twice_is_four_loops():
    m = Model(cell=nn.LSTMCell(3, 4, rng=0))

    def loss_fn(m, x):
        a, _ = nn.unroll(m.cell, x, lengths=[8, 3])
        b, _ = nn.unroll(m.cell, x * 0.5)
        return (stack(a) * stack(b)).mean()

    assert agree(loss_fn, m, sequence(8)[0]).source.count("for t in") == 4


NETS = {
    "two layers": (lambda: nn.LSTM(3, 4, num_layers=2, rng=0), {}, 2, 2),
    "two directions": (lambda: nn.GRU(3, 4, bidirectional=True, rng=0), {}, 2, 2),
    "two directions, added": (
        lambda: nn.Recurrent((nn.RNNCell(3, 4, rng=0), nn.RNNCell(3, 4, rng=1)), merge="sum"),
        {},
        2,
        2,
    ),
    "two layers of two directions": (
        lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True, rng=0),
        {},
        4,
        4,
    ),
    "two layers, truncated": (lambda: nn.LSTM(3, 4, num_layers=2, rng=0), {"truncate": 4}, 2, 2),
    "two layers, lengths": (lambda: nn.GRU(3, 4, num_layers=2, rng=0), {"lengths": [9, 3]}, 2, 2),
    "two directions, lengths": (
        lambda: nn.LSTM(3, 4, bidirectional=True, rng=0),
        {"lengths": [9, 3]},
        2,
        2,
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("net", NETS)
def test_every_layer_and_direction_is_a_loop_of_its_own(net):
    make, options, forward, backward = NETS[net]
    m = Model(net=make())
    step = agree(lambda m, x: (m.net(x, **options)[0] ** 2).mean(), m, sequence(9)[0])
    told = step.explain()
    # a second direction goes back in time forward, and forward in time backward
    assert told.count("loop forward") + told.count("loop backward") == forward + backward
    assert "not repeated" not in told


@pytest.mark.parametrize("options", [{}, {"truncate": 5}, {"lengths": [5, 9]}], ids=str)
def test_the_source_is_as_long_whatever_the_length(options):
    m = Model(cell=nn.LSTMCell(3, 4, rng=0))

    def loss_fn(m, x):
        return (stack(nn.unroll(m.cell, x, **options)[0]) ** 2).mean()

    sources = [compiled(loss_fn, m, sequence(T)[0]).source for T in (10, 20, 80)]
    assert len({source.partition("def step")[2].count("\n") for source in sources}) == 1


def compiled(loss_fn, *args):
    step = compile(loss_fn)
    step(*args)
    return step


def test_a_tree_is_straight_line_code():
    m = Model(cell=nn.NaryTreeLSTMCell(3, 4, rng=0))

    def loss_fn(m, x):
        outputs, _ = nn.unroll_tree(m.cell, [x[0], x[1], x[2]])
        return (stack(outputs) ** 2).mean()

    assert "for t in" not in agree(loss_fn, m, sequence(3)[0]).source


def test_without_a_batch_agrees():
    m = Model(cell=nn.LSTMCell(3, 4, rng=0))

    def loss_fn(m, x):
        outputs, _ = nn.unroll(m.cell, x)
        return (stack(outputs) ** 2).sum()

    agree(loss_fn, m, sequence(6)[0][:, 0])


def test_masks_from_comparisons_are_recorded_not_baked_in():
    m = Model(cell=nn.RNNCell(3, 4, "relu", rng=0))

    def loss_fn(m, x):
        outputs, _ = nn.unroll(m.cell, x)
        return (relu(stack(outputs) - 0.1) ** 2).sum()

    agree(loss_fn, m, sequence(6)[0])


UNARY = [tanh, sigmoid, relu, softplus, lambda x: exp(-x * x), stop_gradient, lambda x: -x]
BINARY = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a - b,
    maximum,
    lambda a, b: a / (b * b + 1),
    lambda a, b: concatenate([a[..., :2], b[..., 2:]], axis=-1),
]


@st.composite
def cells(draw):
    """Any few operations on x, h, c and weights, ending in the next h and c."""
    steps = draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("unary"), st.integers(0, 6), st.integers(0, 99)),
                st.tuples(
                    st.just("binary"), st.integers(0, 5), st.integers(0, 99), st.integers(0, 99)
                ),
                st.tuples(st.just("matmul"), st.integers(0, 1), st.integers(0, 99)),
            ),
            min_size=1,
            max_size=7,
        )
    )
    return steps, draw(st.integers(0, 99)), draw(st.integers(0, 99))


def of_this_cell_all_agree(cell, T, last):
    steps, pick_h, pick_c = cell
    rng = np.random.default_rng(0)
    p = {
        "W": Tensor(rng.standard_normal((4, 4)) / 2),
        "U": Tensor(rng.standard_normal((4, 4)) / 2),
        "b": Tensor(rng.standard_normal(4)),
    }
    xs = rng.standard_normal((T, 2, 4))

    def loss_fn(p, xs):
        h = c = np.zeros((2, 4))
        total = (p["b"] * p["b"]).sum()
        for t in range(T):
            with scope("cell", t=t):
                found = [xs[t], h + p["b"], c, h]
                for kind, which, *places in steps:
                    inputs = [found[k % len(found)] for k in places]
                    if kind == "matmul":
                        found.append(inputs[0] @ p["WU"[which]])
                    else:
                        found.append((UNARY if kind == "unary" else BINARY)[which](*inputs))
                h, c = tanh(found[-1]), tanh(found[pick_h % len(found)]) * 0.5 + found[pick_c % 2]
            if not last or t == T - 1:
                total = total + (h * c).sum()
        return total

    agree(loss_fn, p, xs)


@pytest.mark.parametrize("examples", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_cells_drawn_at_random_agree(examples):
    drawn = given(cell=cells(), T=st.sampled_from([1, 2, 3, 4, 7]), last=st.booleans())
    settings(max_examples=examples)(drawn(of_this_cell_all_agree))()
