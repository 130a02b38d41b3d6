"""Does every cell keep the promises that all cells make?

A cell is enrolled by its classmethod `samples`: everything below holds for it.
"""

import copy
import pickle

import numpy as np
import pytest
from enrolled import enrolled

from tinygrad_rnn import Tensor, ancestors, check_grads, grad, named, nn, tanh
from tinygrad_rnn.nn import cells


class Sample:
    """A cell made anew by ``make(**how)``, its inputs and its state, around any axes of a batch."""

    def __init__(self, make, name):
        self.make, self.name = make, name
        _, xs, _ = make(rng=0)
        self.space, self.features = xs.shape[2:-1], xs.shape[-1]

    def __repr__(self):
        return self.name

    def inputs(self, *around):
        """Random inputs with these axes before those of space and the features."""
        rng = np.random.default_rng(1)
        return rng.standard_normal((*around, *self.space, self.features))

    def state(self, cell, *batch):
        """A state with random numbers where the first one has zeros; counters stay."""
        rng = np.random.default_rng(2)
        return mapped(
            lambda a: rng.standard_normal(a.shape).astype(a.dtype) if is_float(a) else a,
            cell.initial_state(*batch, *self.space),
        )


class OwnCell:
    """A user's cell: it inherits from nothing and is registered nowhere."""

    def __init__(self, rng=None, dtype=np.float64, bias=True):
        draw = np.random.default_rng(rng).uniform(-0.5, 0.5, (3, 3))
        self.W, self.b = Tensor(draw, dtype, name="W"), Tensor(np.ones(3) * bias, dtype, name="b")

    def initial_state(self, *batch):
        return np.zeros((*batch, 3), self.W.dtype)

    def __call__(self, x, h):
        return named(h=tanh(x * h + h @ self.W + self.b))


def is_float(a):
    return a.dtype.kind == "f"


def mapped(f, tree):
    return (
        type(tree)(mapped(f, part) for part in tree) if isinstance(tree, (tuple, list)) else f(tree)
    )


def parts(tree):
    if isinstance(tree, (tuple, list)):
        return [leaf for part in tree for leaf in parts(part)]
    return [tree]


def arrays(tree):
    return [a.data if isinstance(a, Tensor) else a for a in parts(tree)]


# The letters of what each records; of each variant, where they differ.
GATES = "ifgoch"
LETTERS = {
    "h": "RNNCell IRNNCell IndRNNCell ClockworkCell EchoStateCell OrthogonalCell",
    GATES: "LSTMCell PeepholeLSTMCell CoupledLSTMCell ProjectedLSTMCell LayerNormLSTMCell "
    "ConvLSTM1dCell ConvLSTM2dCell ChildSumTreeLSTMCell NaryTreeLSTMCell Zoneout "
    "VariationalDropout ClippedGradient LearnedState",
    "rznh": "GRUCell LayerNormGRUCell MUT1Cell MUT2Cell MUT3Cell",
    "fnh": "MGUCell SimplifiedMGUCell",
    "mifgoch": "MultiplicativeLSTMCell",
    "sfgh": "JANETCell",
    "uvh": "TwoInputCell",
    "hy": "JordanCell",
    "rznhy": "ReadOutCell",
}
LETTERS = {kind: [letters] for letters, kinds in LETTERS.items() for kind in kinds.split()} | {
    "GreffLSTMCell": [GATES, "fgoch", "igoch", "ifgch", *[GATES] * 6, "gch"],
    "MemoryBlockCell": ["iogch", "ifogch", "igc", GATES],  # in the third, h is c
    "LeakyCell": [GATES, "h"],
}


def around_own(make):
    def made(**how):
        cell = make(OwnCell(**how))
        return nn.sampled(cell, features=3)

    return made


OWN = [
    Sample(around_own(lambda cell: nn.LeakyCell(cell, 0.5)), "LeakyCell of one's own"),
    Sample(
        around_own(lambda cell: nn.ReadOutCell(cell, 2, "tanh", rng=1)), "ReadOutCell of one's own"
    ),
]
SAMPLES = [*(Sample(x, repr(x)) for x in enrolled()), *OWN]
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=repr)
with_and_without_bias = pytest.mark.parametrize("bias", [True, False])


def make(sample, bias=True, **how):
    return sample.make(**how if bias else how | {"bias": False})[0]


def parameters(cell):
    """All parameters by path, those of a cell that is no module included."""
    box = nn.Module()
    box.cell = cell
    found = box.named_parameters()
    inner = getattr(cell, "around", None)
    if isinstance(inner, OwnCell):
        found |= {"cell.around.W": inner.W, "cell.around.b": inner.b}
    return found


def weights_of(cell):
    """The parameters that a step reads: all but a first state that is learned."""
    first = parts(cell.initial_state())
    return {name: p for name, p in parameters(cell).items() if not any(p is x for x in first)}


def with_parameters(cell, names, weights):
    """A copy of the cell that computes with these."""
    box = nn.Module()
    box.cell = copy.deepcopy(cell)
    for name, weight in zip(names, weights, strict=True):
        *path, last = name.split(".")
        owner = box
        for key in path:
            owner = getattr(owner, key)
        setattr(owner, last, weight)
    return box.cell


def test_every_cell_that_is_shown_has_samples():
    shown = {name for name in nn.__all__ if name.endswith("Cell")}
    missing = shown - {"Cell", "SizedCell", "GatedCell", *nn.cells_of(nn)}
    assert not missing, f"give a classmethod `samples` to {missing}"
    for kind in nn.cells_of(nn).values():
        assert kind.samples(rng=0)


def test_a_cell_that_is_shown_is_enrolled(monkeypatch):
    class ToyCell(nn.GatedCell):
        def __call__(self, x, h):
            return named(h=tanh(nn.affine(x, self.W_x, self.b_x) + h @ self.W_h))

    monkeypatch.setattr(nn, "ToyCell", ToyCell, raising=False)
    monkeypatch.setattr(nn, "__all__", [*nn.__all__, "ToyCell"])
    (toy,) = [x for x in enrolled() if x.kind is ToyCell]
    cell, xs, h = toy(bias=False)
    assert len(nn.unroll(cell, xs, h)[0]) == 3
    assert repr(toy) == "ToyCell-0"


def test_every_cell_is_shown_by_nn_too():
    for name in cells.__all__:
        assert getattr(nn, name) is getattr(cells, name)


@every_sample
@with_and_without_bias
def test_unrolled_it_is_differentiated_twice_by_everything_it_is_given(sample, bias):
    cell = make(sample, bias, rng=0)
    named_weights = weights_of(cell)
    first = sample.state(cell, 2)
    floats = [a for a in parts(first) if is_float(a)]

    def unrolled(xs, *moved):
        fresh = iter(moved[: len(floats)])
        state = mapped(lambda a: next(fresh) if is_float(a) else a, first)
        twin = with_parameters(cell, named_weights, moved[len(floats) :])
        outputs, state = nn.unroll(twin, xs, state)
        total = (outputs[0] * outputs[1]).sum()
        for part in parts(state):
            total = total + (part * part).sum() if is_float(part) else total
        return total

    weights = [p.data for p in named_weights.values()]
    xs, leaves = sample.inputs(3, 2), [Tensor(a) for a in floats]
    record = {*ancestors(unrolled(xs, *leaves, *map(Tensor, weights)))}
    read = [x in record for x in leaves]  # a part of the first state may be overwritten unread

    def of_what_is_read(xs, *moved):
        fresh = iter(moved)
        states = [next(fresh) if r else a for a, r in zip(floats, read, strict=True)]
        return unrolled(xs, *states, *fresh)

    states = [a for a, r in zip(floats, read, strict=True) if r]
    # normalising divides by small numbers, so that differences of differences lose a digit more
    check_grads(of_what_is_read, xs, *states, *weights, order=2, rtol=1e-5)


@every_sample
@with_and_without_bias
def test_float32_stays_float32(sample, bias):
    cell = make(sample, bias, rng=0, dtype=np.float32)
    xs = Tensor(sample.inputs(3, 2), dtype=np.float32)
    outputs, state = nn.unroll(cell, xs)
    assert {a.dtype for a in parts(state) if is_float(a)} == {np.dtype(np.float32)}
    loss = (outputs[0] * outputs[-1]).sum()
    weights = [p for p in parameters(cell).values() if p.shape]
    assert {p.dtype for p in weights} <= {np.dtype(np.float32)}
    for g in grad(loss, [xs, *weights], unused="zero"):
        assert g.dtype == np.float32
        assert np.isfinite(g).all()


@every_sample
def test_every_parameter_has_a_gradient_that_is_not_zero(sample):
    cell = make(sample, rng=0)
    outputs, state = nn.unroll(cell, sample.inputs(4, 2), sample.state(cell, 2))
    loss = sum((a * a).sum() for a in [*outputs, *parts(state)] if isinstance(a, Tensor))
    if weights_of(cell):
        for name, g in grad(loss, weights_of(cell)).items():
            assert np.abs(g).max() > 0, name


@every_sample
def test_a_row_of_a_batch_is_computed_as_if_alone(sample):
    cell = make(sample, rng=0)
    x, state = sample.inputs(5), sample.state(cell, 5)
    together = arrays(cell(x, state))
    for k in range(5):
        alone = arrays(cell(x[k], mapped(lambda a, k=k: a[k], state)))
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[k], b, rtol=0, atol=1e-14)


@every_sample
def test_a_call_changes_neither_cell_nor_input_nor_state(sample):
    cell = make(sample, rng=0)
    x, state = sample.inputs(2), sample.state(cell, 2)
    for a in (x, *parts(state)):
        a.setflags(write=False)
    before = {name: np.array(p.data) for name, p in parameters(cell).items()}
    first, second = cell(x, state), cell(x, state)
    for a, b in zip(arrays(first), arrays(second), strict=True):
        np.testing.assert_array_equal(a, b)
    for name, p in parameters(cell).items():
        np.testing.assert_array_equal(p.data, before[name])


@every_sample
def test_the_first_state_is_constant_zero_and_new_every_time(sample):
    cell = make(sample, rng=0)
    for batch in [(), (2,), (2, 5)]:
        states = [parts(cell.initial_state(*batch, *sample.space)) for _ in range(2)]
        for a, b in zip(*states, strict=True):
            if type(a) is Tensor:  # learned
                continue
            assert type(a) is np.ndarray
            assert a.shape[: len(batch)] == batch
            assert not a.any()
            assert a is not b
    assert [a.shape for a in arrays(cell(sample.inputs(2), cell.initial_state(2, *sample.space)))]


@every_sample
def test_the_state_keeps_its_shapes_and_structure(sample):
    cell = make(sample, rng=0)
    first = cell.initial_state(2, *sample.space)
    after = cell(sample.inputs(2), first)
    assert type(after) is type(first) or isinstance(after, Tensor)
    for a, b in zip(parts(first), parts(after), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)


@every_sample
def test_one_step_of_time_is_one_call(sample):
    cell, xs = make(sample, rng=0), sample.inputs(1, 2)
    outputs, state = nn.unroll(cell, xs)
    called = cell(xs[0], cell.initial_state(2, *sample.space))
    for a, b in zip(arrays(state), arrays(called), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(outputs) == 1
    assert any(outputs[0] is part for part in parts(state))


@every_sample
def test_gates_carry_their_letters(sample):
    cell = make(sample, rng=0)
    state = nn.unroll(cell, Tensor(sample.inputs(2, 2)))[1]
    record = ancestors(*[part for part in parts(state) if isinstance(part, Tensor)])
    letters = {node.name for node in record if node.op and node.scope and node.name} - {"x"}
    kind, _, k = sample.name.partition("-")
    known = LETTERS.get(kind)
    if known is None:  # a new one, or one's own
        assert "h" in letters
    else:
        assert letters == set(known[int(k)] if len(known) > 1 else known[0])


@every_sample
def test_it_copies_and_pickles(sample):
    cell = make(sample, rng=0)
    x, state = sample.inputs(2), sample.state(cell, 2)
    expected = arrays(cell(x, state))
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        for a, b in zip(arrays(twin(x, state)), expected, strict=True):
            np.testing.assert_array_equal(a, b)
        ids = {id(p) for p in parameters(cell).values()}
        assert not ids & {id(p) for p in parameters(twin).values()}


@every_sample
def test_a_state_dict_makes_another_cell_the_same(sample):
    cell, other = make(sample, rng=0), make(sample, rng=1)
    if isinstance(getattr(cell, "around", None), OwnCell):
        pytest.skip("the cell inside is no module: its owner saves it")
    xs, state = sample.inputs(3, 2), sample.state(cell, 2)
    expected = arrays(nn.unroll(cell, xs, state))
    assert any(
        (a != b).any() for a, b in zip(arrays(nn.unroll(other, xs, state)), expected, strict=True)
    )
    other.load_state_dict(cell.state_dict())
    for a, b in zip(arrays(nn.unroll(other, xs, state)), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@every_sample
def test_the_seed_decides_the_start_values(sample):
    a, b, other = (parameters(make(sample, rng=seed)) for seed in (0, 0, 1))
    for name, p in a.items():
        np.testing.assert_array_equal(p.data, b[name].data)
    if a:
        assert any((p.data != other[name].data).any() for name, p in a.items())


@every_sample
def test_an_input_with_other_features_is_refused(sample):
    cell = make(sample, rng=0)
    if isinstance(getattr(cell, "around", None), OwnCell):
        pytest.skip("a user's cell refuses what it likes")
    wrong = np.zeros((2, *sample.space, 7))
    with pytest.raises(ValueError, match=r"Cell: expected x of \(\*batch, \d\), got \(2, .*7\)"):
        cell(wrong, cell.initial_state(2, *sample.space))


@every_sample
def test_a_state_of_another_width_is_refused(sample):
    cell = make(sample, rng=0)
    if isinstance(getattr(cell, "around", None), OwnCell):
        pytest.skip("a user's cell refuses what it likes")
    state = mapped(
        lambda a: np.zeros((*a.shape[:-1], 9), a.dtype), cell.initial_state(2, *sample.space)
    )
    with pytest.raises(ValueError, match=r"Cell: expected \w of shape .*, got .*9"):
        cell(sample.inputs(2), state)


# -- through time --------------------------------------------------------------------------------


@every_sample
def test_a_row_that_ends_early_is_as_if_it_had_been_given_alone(sample):
    cell, xs = make(sample, rng=0), sample.inputs(4, 2)
    first = sample.state(cell, 2)
    padded = np.array(xs)
    padded[2:, 0] = np.nan
    outputs, state = nn.unroll(cell, padded, first, lengths=np.array([2, 4]))
    for row, length in enumerate([2, 4]):
        alone, end = nn.unroll(cell, xs[:length, row], mapped(lambda a, row=row: a[row], first))
        for t in range(4):
            expected = arrays(alone[t])[0] if t < length else 0
            np.testing.assert_allclose(arrays(outputs[t])[0][row], expected, rtol=0, atol=1e-14)
        for a, b in zip(arrays(state), arrays(end), strict=True):
            np.testing.assert_allclose(a[row], b, rtol=0, atol=1e-14)


@every_sample
def test_checkpoints_change_no_value_and_no_gradient(sample):
    cell, xs = make(sample, rng=0), Tensor(sample.inputs(5, 2))
    wrt, found = [xs, *parameters(cell).values()], []
    for checkpoint in (False, True):
        outputs, _ = nn.unroll(cell, xs, sample.state(cell, 2), checkpoint=checkpoint)
        loss = sum((y * y).sum() for y in outputs)
        found.append((loss.item(), grad(loss, wrt, unused="zero")))
    assert found[0][0] == found[1][0]
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@every_sample
def test_truncation_behind_the_whole_sequence_is_no_truncation(sample):
    cell, xs = make(sample, rng=0), Tensor(sample.inputs(4, 2))
    g = []
    for truncate in (None, 4, 1):
        outputs, _ = nn.unroll(cell, xs, sample.state(cell, 2), truncate=truncate)
        g.append(grad((outputs[-1] * outputs[-1]).sum(), xs, unused="zero"))
    np.testing.assert_allclose(g[0], g[1], rtol=0, atol=1e-13)
    assert not g[2][:-1].any()
