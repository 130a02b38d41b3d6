"""What do lectures on recurrent networks teach, and where does each of it run here?

A concept is a function. It computes the number that belongs to it, and gives a picture. The tests
run all of them and compare the numbers; the page "Concepts" is made of this list.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import viz
from tinygrad_rnn import (
    Tensor,
    ancestors,
    grad,
    measure,
    named,
    nn,
    relu,
    scope,
    sigmoid,
    stack,
    tanh,
    tasks,
)
from tinygrad_rnn.train import SGD, clip_grad_norm


@dataclass
class Concept:
    """One row: what is claimed, the lesson that teaches it, what runs, and what must come out."""

    number: int
    claim: str
    lesson: int
    value: float
    within: float
    run: Callable[[], tuple[float, Callable[[], Any]]]


CONCEPTS: list[Concept] = []


def concept(claim, *, lesson, value, within=1e-12):
    """Enlist a function that gives its number, and a function that draws its picture."""

    def enlist(run):
        CONCEPTS.append(Concept(len(CONCEPTS) + 1, claim, lesson, value, within, run))
        return run

    return enlist


def picture_of(draw):
    """The name of the function of `viz` that a picture is drawn with."""
    return next(name for name in draw.__code__.co_names if name in viz.__all__)


def table():
    """The rows as Markdown; the pictures are not drawn."""
    lessons = {int(p.name[:2]): p.stem for p in Path(__file__).parent.glob("[0-9]*.py")}
    rows = ["| | concept | number | runs, and draws | lesson |", "|---|---|---|---|---|"]
    for c in CONCEPTS:
        _, draw = c.run()
        picture, within = picture_of(draw), "" if c.within < 1e-4 else f" ± {c.within:g}"
        rows.append(
            f"| {c.number} | {c.claim} | {c.value:.6g}{within} | `{c.run.__name__}`, "
            f"{{py:func}}`~viz.{picture}` | [{c.lesson}](lessons/{lessons.get(c.lesson)}.ipynb) |"
        )
    return "\n".join(rows) + "\n"


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def unrolled(cell, steps=4, features=3, seed=0):
    """The outputs of a few steps on random inputs."""
    return nn.unroll(cell, random(steps, 1, features, seed=seed))[0]


def squared(outputs):
    return (outputs[-1] * outputs[-1]).sum()


def operations(*tensors):
    return sum(node.op is not None for node in ancestors(*tensors))


def farthest(xs, ys):
    """The largest distance between two lists of arrays."""
    return max(np.abs(np.asarray(x) - np.asarray(y)).max() for x, y in zip(xs, ys, strict=True))


@concept(
    "A feed-forward network has no memory: its score is bounded by what one input says "
    "(nats per letter of the embedded Reber grammar)",
    lesson=1,
    value=1.27175,
    within=1e-5,
)
def no_memory():
    W = Tensor(random(3, 4), name="W")
    with scope("net", t=0, x=(x := random(1, 3))):
        outputs = [named(h=tanh(x @ W))]
    return tasks.reber_entropy("symbol"), lambda: viz.unrolled(outputs, "gate")


@concept(
    "The state is reset between independent sequences; without, a counter counts on (heads)",
    lesson=1,
    value=0,
)
def reset():
    coins, W = (random(6, 10, 1, seed=1) > 0).astype(float), Tensor(np.eye(1), name="W")

    def count(x, h):
        return named(h=h + x @ W)

    state, carried = np.zeros(1), 0.0
    for tosses in coins:
        carried = nn.unroll(count, tosses, state)[1].item()
        state = np.array([carried])
    outputs, fresh = nn.unroll(count, coins[-1], np.zeros(1))
    assert carried == coins.sum()
    return fresh.item() - coins[-1].sum(), lambda: viz.folded(outputs)


@concept(
    "Elements are processed in order: T steps record T times the operations of one",
    lesson=1,
    value=0,
)
def in_order():
    cell = nn.RNNCell(3, 4, rng=0)
    one, ten = (operations(*unrolled(cell, T)) for T in (1, 10))
    return ten - 10 * one, lambda: viz.unrolled(unrolled(cell, 4), "cell")


@concept("Sequences of any length: padding changes nothing, whatever it holds", lesson=11, value=0)
def any_length():
    strings, cell = tasks.embedded_reber(4, 0), nn.LSTMCell(7, 5, rng=0)
    readout, xs = nn.Linear(5, 7, rng=1), tasks.one_hot(strings.xs, 7)
    nothing = np.full((9, *xs.shape[1:]), np.nan)
    losses = []
    for inputs in (xs, np.concatenate([xs, nothing])):
        outputs, _ = nn.unroll(cell, inputs, lengths=strings.lengths)
        padded = np.zeros((len(inputs), 4), int)
        padded[: len(xs)] = strings.targets
        losses.append(
            nn.cross_entropy(readout(stack(outputs)), padded, lengths=strings.lengths).item()
        )
    return losses[1] - losses[0], lambda: viz.padded_batch(strings, letters=tasks.REBER_SYMBOLS)


@concept("h_t = tanh(W_h h_{t−1} + W_x x_t): equal to the formula in NumPy", lesson=1, value=0)
def formula():
    cell, xs = nn.RNNCell(3, 4, rng=0), random(6, 2, 3)
    W_x, W_h, b_x, b_h = (p.data for p in cell.parameters())
    h, outputs = np.zeros((2, 4)), nn.unroll(cell, xs)[0]
    for x in xs:
        h = np.tanh(x @ W_x + b_x + h @ W_h + b_h)
    return farthest([h], [outputs[-1].data]), lambda: viz.cell(cell)


@concept(
    "Sigmoid, tanh or ReLU: the largest slopes are 1/4, 1 and 1 (their sum)", lesson=1, value=2.25
)
def slopes():
    z = Tensor(np.linspace(-6, 6, 1201))
    largest = [grad(f(z).sum(), z).max() for f in (sigmoid, tanh, relu)]
    return sum(largest), lambda: viz.activation(["sigmoid", "tanh", "relu"])


@concept("All steps share their weights: the gradient is the sum over the steps", lesson=2, value=0)
def shared():
    cell, parts = nn.RNNCell(3, 4, rng=0), []
    loss = squared(unrolled(cell, 6))

    def note(node, argument, g):
        if node.inputs[argument] is cell.W_h:
            parts.append(g)

    (total,) = grad(loss, [cell.W_h])
    grad(loss, [cell.W_h], on_edge=note)
    return farthest([sum(parts)], [total]), lambda: viz.unrolled(loss, "gate", weights="hub")


@concept(
    "Unfolding in time: nodes grow along a line (operations per step of a small cell)",
    lesson=2,
    value=4,
)
def unfolding():
    W, U = Tensor(random(3, 4), name="W"), Tensor(random(4, 4), name="U")

    def cell(x, h):
        return named(h=tanh(x @ W + h @ U))

    counts = [operations(nn.unroll(cell, random(k, 1, 3), np.zeros((1, 4)))[1]) for k in (5, 6, 7)]
    assert counts[2] - counts[1] == counts[1] - counts[0]
    outputs, _ = nn.unroll(cell, random(3, 1, 3), np.zeros((1, 4)))
    return counts[1] - counts[0], lambda: viz.unfolding(outputs)


@concept(
    "An unfolded network trains like a feed-forward one: the same gradient at k = 1",
    lesson=2,
    value=0,
)
def feed_forward():
    cell, xs = nn.RNNCell(3, 4, rng=0), random(1, 2, 3)
    recurrent = grad(squared(nn.unroll(cell, xs)[0]), cell.W_x)
    plain = named(h=tanh(xs[0] @ cell.W_x + cell.b_x + cell.b_h))
    return (
        farthest([recurrent], [grad((plain * plain).sum(), cell.W_x)]),
        lambda: viz.differences({"one step": nn.unroll(cell, xs)[0], "two": unrolled(cell, 2)}),
    )


@concept(
    "The six stages of a training step: the loss before less the loss after is positive",
    lesson=3,
    value=1,
    within=0,
)
def stages():
    cell = nn.RNNCell(3, 4, rng=0)
    optimiser, losses = SGD(cell.parameters(), lr=0.1), []
    for _ in range(2):
        optimiser.zero_grad()
        loss = squared(unrolled(cell, 3))
        losses.append(loss.item())
        loss.backward()
        optimiser.step()
    return losses[1] < losses[0], lambda: viz.forward_backward(squared(unrolled(cell, 2)))


@concept(
    "One to one, one to many, many to one, many to many, and delayed: five shapes",
    lesson=3,
    value=5,
    within=0,
)
def shapes():
    return len(viz.sequence_shapes().panels), lambda: viz.sequence_shapes()


@concept(
    "Backpropagation through time is `backward` on the record: equal to real-time recurrent "
    "learning",
    lesson=3,
    value=0,
)
def bptt():
    cell, xs = nn.GRUCell(3, 4, rng=0), random(6, 1, 3)
    _, forward = nn.rtrl(cell, xs, lambda h, t: (h * h).sum())
    loss = sum((h * h).sum() for h in nn.unroll(cell, xs)[0])
    small = squared(unrolled(nn.RNNCell(2, 2, rng=0), 2, features=2))
    backward = grad(small, [x for x in ancestors(small) if x.name == "W_h"], create_graph=True)
    return farthest(forward, grad(loss, cell.parameters())), lambda: viz.graph(backward[0])


@concept(
    "An update at every step is expensive: 1 + 2 + … + T steps instead of T (T = 40)",
    lesson=3,
    value=20.5,
)
def online():
    cell = nn.RNNCell(3, 4, rng=0)
    steps = [operations(unrolled(cell, T)[-1]) for T in range(1, 41)]
    return sum(steps) / steps[-1], lambda: viz.gradient_flow(squared(unrolled(cell, 4)), "cell")


@concept(
    "Memory of BPTT grows with T, with checkpoints more slowly: bytes of a record at T = 400 "
    "over those at T = 100",
    lesson=6,
    value=4,
    within=0.05,
)
def memory():
    cell = nn.LSTMCell(4, 16, rng=0)

    def record(T, **options):
        return stack(nn.unroll(cell, random(T, 1, 4), **options)[0])

    ways = {"all states": record, "checkpoints": lambda T: record(T, checkpoint=True)}
    found = {way: measure.bytes_by_length(f, [100, 400]) for way, f in ways.items()}
    assert (found["checkpoints"].bytes < 0.3 * found["all states"].bytes).all()
    return np.divide(*found["all states"].bytes[::-1]), lambda: viz.bytes_by_length(found)


@concept(
    "Truncation approximates the gradient: its cosine to the whole one at k = 8 is above 0.9",
    lesson=6,
    value=1,
    within=0.1,
)
def truncation():
    cell, xs = nn.RNNCell(3, 8, rng=0), random(32, 1, 3)

    def gradient(**options):
        outputs, _ = nn.unroll(cell, xs, **options)
        return grad(sum((h * h).sum() for h in outputs), cell.W_h).ravel()

    whole, cut = gradient(), gradient(truncate=(1, 8))
    outputs, _ = nn.unroll(cell, xs[:9], truncate=3)
    cosine = whole @ cut / np.linalg.norm(whole) / np.linalg.norm(cut)
    return cosine, lambda: viz.truncation(stack(outputs).sum())


@concept(
    "The gradient vanishes at least as fast as σ_max(W_h) to the power of the steps "
    "(1: it keeps to the bound)",
    lesson=5,
    value=1,
    within=0,
)
def vanishing():
    cell = nn.RNNCell(3, 8, rng=0)
    cell.W_h.data = 0.7 * np.linalg.qr(random(8, 8))[0]
    loss = squared(unrolled(cell, 40))
    norms = measure.gradient_norms(loss).norms[:, 0]
    bound = norms[-1] * measure.growth_bound(cell.W_h) ** np.arange(39, -1, -1)
    return (norms <= bound * (1 + 1e-9)).all(), lambda: viz.gradient_norms(loss, W=cell.W_h)


@concept("An exploding gradient is clipped to a norm of 1", lesson=5, value=1, within=1e-9)
def exploding():
    cell = nn.RNNCell(3, 8, activation=relu, rng=0)
    cell.W_h.data = 1.5 * np.linalg.qr(random(8, 8))[0]
    squared(unrolled(cell, 40)).backward()
    before = clip_grad_norm(cell.parameters(), 1.0)
    assert before > 1e3
    after = np.sqrt(sum((p.grad**2).sum() for p in cell.parameters()))
    return after, lambda: viz.gradient_norms(squared(unrolled(cell, 40)))


@concept(
    "Training a recurrent network is hard: at Pascanu's wall the slope is 100 times that of "
    "most places (1: it is)",
    lesson=5,
    value=1,
    within=0,
)
def wall():
    places = np.linspace(4.5, 6.5, 81), np.linspace(-3.2, -2.6, 61)
    surface = measure.loss_surface(measure.pascanu_wall, *places)
    slopes = np.hypot(surface.slope_a, surface.slope_b)
    return slopes.max() > 100 * np.median(slopes), lambda: viz.loss_surface(surface)


@concept(
    '"Cannot process very long sequences with ReLU": from the identity, the gradient after '
    "1,000 steps is as long as at the end",
    lesson=12,
    value=1,
    within=1e-9,
)
def long_with_relu():
    cell = nn.IRNNCell(1, 4, rng=0)
    outputs, _ = nn.unroll(cell, np.zeros((1000, 1, 1)), np.ones((1, 4)))
    norms = measure.gradient_norms(outputs[-1].sum()).norms[:, 0]
    return norms[0] / norms[-1], lambda: viz.success_by_length({10: [True], 1000: [True]})


@concept(
    '"Remembers each and every information": a state of 32 units tells the letter 10 steps '
    "ago as well as a guess does (12.5 %)",
    lesson=12,
    value=0.125,
    within=0.03,
)
def remembers():
    letters = np.random.default_rng(0).integers(8, size=(60, 200))
    outputs, _ = nn.unroll(nn.RNNCell(8, 32, rng=1), tasks.one_hot(letters, 8))
    probe = measure.memory_probe([h.data for h in outputs], letters, range(12))
    return float(probe.scores[10]), lambda: viz.memory_probe(probe)


@concept(
    "With weights by hand a network keeps one bit for ever (1: it does, for 100 noisy steps)",
    lesson=5,
    value=1,
    within=0,
)
def latch():
    cell = nn.RNNCell(1, 1, rng=0)
    W_x, W_h, b_x, b_h = cell.parameters()
    W_x.data, W_h.data = np.array([[2.0]]), np.array([[1.5]])
    b_x.data = b_h.data = np.zeros(1)
    xs = 0.05 * random(101, 2, 1)
    xs[0] = [[1.0], [-1.0]]
    states = np.stack([h.data for h in nn.unroll(cell, xs)[0]])
    kept = (states[:, 0] > 0.5).all() and (states[:, 1] < -0.5).all()
    return kept, lambda: viz.attractors(cell, [0.0])


@concept(
    "The LSTM's long-term track: ∂c_T/∂c_0 is the product of forget gates, h cut (ratio)",
    lesson=7,
    value=1,
    within=1e-9,
)
def carousel():
    outputs = unrolled(nn.LSTMCell(3, 4, rng=0), 20)
    found = measure.carousel(outputs[-1])
    return (found.direct[0] / found.gates[0]).mean(), lambda: viz.carousel(squared(outputs))


@concept(
    "Memory blocks of 1997: weights of the network for temporal order (6a)",
    lesson=7,
    value=156,
    within=0,
)
def blocks():
    net = nn.historic_net("6a", rng=0)
    cell = nn.MemoryBlockCell(3, 2, rng=0)
    return sum(p.size for p in net.parameters()), lambda: viz.cell(cell)


@concept(
    "Gates lie between 0 and 1 (the smallest and the largest are inside: 1)",
    lesson=8,
    value=1,
    within=0,
)
def gates():
    outputs = unrolled(nn.LSTMCell(3, 8, rng=0), 30)
    values = np.concatenate([g.ravel() for g in measure.gates(outputs[-1]).values.values()])
    inside = 0 < np.abs(values).max() < 1
    return inside, lambda: viz.gate_map(outputs, ["i", "f", "o"])


@concept(
    "Gating is controlled by the data: other inputs, other gates (1: they differ)",
    lesson=8,
    value=1,
    within=0,
)
def data_gates():
    cell = nn.LSTMCell(3, 8, rng=0)
    losses = {name: squared(unrolled(cell, 12, seed=k)) for k, name in enumerate(("a", "b"))}
    found = measure.gate_differences(*losses.values())
    differ = any(np.abs(d).max() > 0.01 for d in found.difference.values())
    return differ, lambda: viz.gate_differences(losses)


@concept(
    '"The inner memory has no activation, so vanishing does not occur": true for f = 1 '
    "alone; 0.9 to the power of 100 is",
    lesson=12,
    value=2.656e-5,
    within=1e-8,
)
def activation_free():
    nets = {
        f"forget bias {bias:g}": squared(
            unrolled(nn.start.forget_bias(nn.LSTMCell(3, 4, rng=0), bias), 60)
        )
        for bias in (0.0, 2.2, 5.0)
    }
    return 0.9**100, lambda: viz.carousel(nets)


@concept(
    "An LSTM can count: the best score on aⁿbⁿ, nats per letter",
    lesson=8,
    value=tasks.counting_entropy(2),
)
def counting():
    def count(x, c):
        with scope("counter"):
            return named(c=c + x @ Tensor(np.array([[1.0], [-1.0]]), name="W"))

    xs = tasks.one_hot(np.array([0] * 6 + [1] * 6)[:, None], 2)
    outputs, last = nn.unroll(count, xs, np.zeros((1, 1)))
    assert last.item() == 0  # as many b as a
    return tasks.counting_entropy(2), lambda: viz.trajectories(outputs, "c", text="a" * 6 + "b" * 6)


@concept(
    "A cell remembers over any interval: drift of a stored value in 1,000 steps with f = 1",
    lesson=10,
    value=0,
)
def stored():
    store = Tensor(np.ones((1, 1)), name="c0")

    def keep(x, c):
        return named(c=1.0 * c + x)

    outputs, last = nn.unroll(keep, np.zeros((1000, 1, 1)), store)
    return last.item() - 1.0, lambda: viz.trajectories(outputs[:50], "c")


@concept("A GRU is cheaper than an LSTM: its share of the parameters", lesson=9, value=0.75)
def cheaper():
    cells = {"LSTM": nn.LSTMCell(3, 8, rng=0), "GRU": nn.GRUCell(3, 8, rng=0)}
    sizes = {name: sum(p.size for p in cell.parameters()) for name, cell in cells.items()}
    return sizes["GRU"] / sizes["LSTM"], lambda: viz.differences(
        {name: unrolled(cell, 2) for name, cell in cells.items()}
    )


@concept(
    "From a simple network to an LSTM: operations of a step that are new",
    lesson=7,
    value=10,
    within=10,
)
def grown():
    simple, lstm = nn.RNNCell(3, 4, rng=0), nn.LSTMCell(3, 4, rng=0)
    new = operations(*unrolled(lstm, 1)) - operations(*unrolled(simple, 1))
    nets = {"RNN": unrolled(simple, 2), "LSTM": unrolled(lstm, 2)}
    return new, lambda: viz.differences(nets)


@concept(
    "The variants that Greff et al. compared, the vanilla LSTM among them: how many",
    lesson=9,
    value=9,
    within=0,
)
def variants():
    switches = ["NIG", "NFG", "NOG", "NIAF", "NOAF", "NP", "CIFG", "FGR"]
    cells = {"vanilla": nn.GreffLSTMCell(3, 4, rng=0)}
    cells |= {switch: nn.GreffLSTMCell(3, 4, switch, rng=0) for switch in switches}
    scores = {
        name: [squared(unrolled(cell, 5, seed=s)).item() for s in range(3)]
        for name, cell in cells.items()
    }
    return len(cells), lambda: viz.seed_spread(scores)


@concept(
    "LSTM against RNN: how much more of the gradient is left after 60 steps (1: a million times)",
    lesson=10,
    value=1,
    within=0,
)
def against():
    lstm = nn.start.forget_bias(nn.LSTMCell(3, 16, rng=0), 3.0)
    losses = {
        "RNN": squared(unrolled(nn.RNNCell(3, 16, rng=0), 60)),
        "LSTM": squared(unrolled(lstm, 60)),
    }
    norms = {
        "RNN": measure.gradient_norms(losses["RNN"]).norms[:, 0],
        "LSTM": measure.gradient_norms(losses["LSTM"], "c").norms[:, 0],
    }
    left = {name: n[0] / n[-1] for name, n in norms.items()}
    return left["LSTM"] > 1e6 * left["RNN"], lambda: viz.carousel(losses)


@concept(
    "Layers are stacked, and read in both directions: features of the last of two layers of 5",
    lesson=11,
    value=10,
    within=0,
)
def stacked():
    layers = nn.GRU(3, 5, num_layers=2, bidirectional=True, rng=0)
    outputs, _ = layers(random(4, 1, 3))
    return outputs.shape[-1], lambda: viz.unrolled(outputs, "cell")


@concept(
    "Convolution and recurrence: pixels that a pixel sees after four pictures",
    lesson=11,
    value=81,
    within=0,
)
def pixels():
    film = Tensor(random(4, 1, 11, 11, 1), name="x")
    frames, _ = nn.unroll(nn.ConvLSTM2dCell(1, 2, rng=0), film)
    field = measure.receptive_norms(frames[-1][0, 5, 5].sum(), film)
    return field.reached.sum(axis=(1, 2))[0], lambda: viz.receptive_field(field)


@concept(
    'Time series: the error to beat is that of "as last year" (sunspots, whole series)',
    lesson=11,
    value=tasks.persistence(tasks.sunspots()[1]),
)
def series():
    _, spots = tasks.sunspots()
    error = float(np.mean(np.diff(spots) ** 2))
    return error, lambda: viz.forecast([spots[-12] + np.zeros(11)], spots[-40:-11], spots[-11:])


@concept(
    "Sequential data: the receptive field of a step, measured by the gradient (inputs)",
    lesson=1,
    value=10,
    within=0,
)
def receptive():
    xs = Tensor(random(10, 1, 3), name="x")
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), xs)
    reached = measure.receptive_field(outputs[-1], xs).any(axis=(1, 2)).sum()
    return reached, lambda: viz.windows(tasks.sunspots()[1][:60], 20)


@concept("To practise: sheets of exercises, one per lesson", lesson=0, value=13, within=0)
def practice():
    sheets = list((Path(__file__).parent / "solutions").glob("[0-9]*.py"))
    return len(sheets), lambda: viz.learning_curves({"lesson": np.arange(13)[::-1] + 1.0})
