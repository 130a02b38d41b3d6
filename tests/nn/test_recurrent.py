"""Are layers and directions the compositions of single runs that they claim to be?"""

import copy

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, concatenate, grad, nn, stack

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
T, BATCH = 6, 3
LENGTHS = [6, 2, 0]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def assert_close(found, expected, tolerance=1e-12):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= tolerance * max(1.0, np.linalg.norm(b))


# -- what comes out ---------------------------------------------------------------------------


@every_layer
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_shapes_are_torchs(make, num_layers, bidirectional):
    layer = make(3, 4, num_layers, bidirectional=bidirectional, rng=0)
    D = 1 + bidirectional
    outputs, state = layer(normal(T, BATCH, 3))
    assert outputs.shape == (T, BATCH, D * 4)
    assert all(part.shape == (num_layers * D, BATCH, 4) for part in parts(state))
    outputs, state = layer(normal(T, 3))
    assert outputs.shape == (T, D * 4)
    assert all(part.shape == (num_layers * D, 4) for part in parts(state))
    first = make(3, 4, num_layers, bidirectional=bidirectional, batch_first=True, rng=0)
    outputs, state = first(normal(BATCH, T, 3))
    assert outputs.shape == (BATCH, T, D * 4)
    assert all(part.shape == (num_layers * D, BATCH, 4) for part in parts(state))


@every_layer
def test_one_layer_is_unroll(make):
    layer, xs = make(3, 4, rng=0), normal(T, BATCH, 3)
    outputs, state = layer(xs, lengths=LENGTHS)
    expected, end = nn.unroll(layer.layers[0][0], xs, lengths=LENGTHS)
    np.testing.assert_array_equal(outputs.data, stack(expected).data)
    for a, b in zip(parts(state), parts(end), strict=True):
        np.testing.assert_array_equal(a.data[0], b.data)


@every_layer
def test_stacked_layers_are_one_run_on_the_outputs_of_another(make):
    layer, xs = make(3, 4, 2, rng=0), normal(T, BATCH, 3)
    (below,), (above,) = layer.layers
    outputs, state = layer(xs, lengths=LENGTHS)
    middle, first = nn.unroll(below, xs, lengths=LENGTHS)
    expected, second = nn.unroll(above, middle, lengths=LENGTHS)
    np.testing.assert_array_equal(outputs.data, stack(expected).data)
    for k, ends in enumerate((first, second)):
        for a, b in zip(parts(state), parts(ends), strict=True):
            np.testing.assert_array_equal(a.data[k], b.data)
    found = grad((outputs**2).sum(), layer.parameters())
    assert_close(found, grad((stack(expected) ** 2).sum(), layer.parameters()))


MERGES = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": np.add,
    "mean": lambda a, b: (a + b) / 2,
    "multiply": np.multiply,
}


@every_layer
@pytest.mark.parametrize("merge", MERGES)
def test_two_directions_are_two_runs(make, merge):
    layer, xs = make(3, 4, bidirectional=True, merge=merge, rng=0), normal(T, BATCH, 3)
    ((forward, backward),) = layer.layers
    outputs, state = layer(xs)
    there, end = nn.unroll(forward, xs)
    back, start = nn.unroll(backward, xs[::-1])
    expected = MERGES[merge](stack(there).data, stack(back[::-1]).data)
    np.testing.assert_array_equal(outputs.data, expected)
    for k, ends in enumerate((end, start)):
        for a, b in zip(parts(state), parts(ends), strict=True):
            np.testing.assert_array_equal(a.data[k], b.data)


@every_layer
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_padded_batch_is_one_sequence_at_a_time(make, batch_first):
    layer = make(3, 4, 2, bidirectional=True, batch_first=batch_first, rng=0)
    xs = normal(T, BATCH, 3)
    xs[2:, 1] = xs[:, 2] = np.nan
    given = Tensor(xs.swapaxes(0, 1) if batch_first else xs)
    outputs, state = layer(given, lengths=LENGTHS)
    by_time = outputs.data.swapaxes(0, 1) if batch_first else outputs.data
    for k, n in enumerate(LENGTHS):
        assert not by_time[n:, k].any()
        if n:
            alone, end = layer(xs[:n, k])
            assert_close([by_time[:n, k]], [alone.data])
            assert_close([p.data[:, k] for p in parts(state)], [p.data for p in parts(end)])
    slopes = grad((outputs**2).sum(), [*layer.parameters(), given])
    assert all(np.isfinite(g).all() for g in slopes)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_reverse_reads_from_the_end(bidirectional):
    layer, xs = nn.GRU(3, 4, 2, bidirectional=bidirectional, rng=0), normal(T, BATCH, 3)
    outputs, state = layer(xs, reverse=True)
    flipped, end = layer(xs[::-1])
    np.testing.assert_array_equal(outputs.data, flipped.data[::-1])
    np.testing.assert_array_equal(state.data, end.data)


def test_a_mask_is_batch_first_too():
    layer = nn.GRU(3, 4, batch_first=True, rng=0)
    xs, mask = normal(BATCH, T, 3), np.arange(T) < np.array(LENGTHS)[:, None]
    expected = layer(xs, lengths=LENGTHS)[0].data
    np.testing.assert_array_equal(layer(xs, mask=mask)[0].data, expected)


@every_layer
def test_a_state_is_carried_from_batch_to_batch(make):
    layer, xs = make(3, 4, 2, rng=0), normal(T, BATCH, 3)
    whole, end = layer(xs)
    first, state = layer(xs[:2])
    second, last = layer(xs[2:], nn.detach(state))
    np.testing.assert_array_equal(concatenate([first, second]).data, whole.data)
    for a, b in zip(parts(last), parts(end), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    before = {node.serial for node in ancestors(first) if node.op}
    assert not before & {node.serial for node in ancestors(second)}


def test_layers_of_different_cells_and_sizes_give_their_states_as_a_list():
    layer = nn.Recurrent(nn.LSTMCell(3, 5, rng=0), nn.GRUCell(5, 2, rng=1))
    outputs, state = layer(normal(T, BATCH, 3))
    assert outputs.shape == (T, BATCH, 2)
    (h, c), g = state
    assert (h.shape, c.shape, g.shape) == ((BATCH, 5), (BATCH, 5), (BATCH, 2))
    again, _ = layer(normal(T, BATCH, 3), state)
    assert (again.data != outputs.data).any()


def test_symbols_are_read_with_an_embedding_as_a_cell():
    class Reader(nn.Module):
        def __init__(self):
            self.table, self.cell = nn.Embedding(5, 3, rng=0), nn.GRUCell(3, 4, rng=1)

        def initial_state(self, *batch):
            return self.cell.initial_state(*batch)

        def __call__(self, symbol, h):
            return self.cell(self.table(symbol), h)

    text = np.array([[0, 1, 4], [2, 2, 2]])
    layer = nn.Recurrent(Reader(), batch_first=True)
    outputs, h = layer(text, lengths=[3, 1])
    assert (outputs.shape, h.shape) == ((2, 3, 4), (1, 2, 4))
    np.testing.assert_allclose(layer(text[0])[0].data, outputs.data[0], rtol=0, atol=1e-15)


def test_a_projection_makes_outputs_narrower():
    layer = nn.LSTM(3, 5, 2, bidirectional=True, proj_size=2, rng=0)
    outputs, (h, c) = layer(normal(T, BATCH, 3))
    assert (outputs.shape, h.shape, c.shape) == ((T, BATCH, 4), (4, BATCH, 2), (4, BATCH, 5))


# -- how it is run ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [{"checkpoint": True}, {"truncate": (6, 6)}, {"truncate": (1, 6), "checkpoint": True}],
    ids=str,
)
def test_all_ways_to_run_give_the_same(how):
    layer, xs = nn.LSTM(3, 4, 2, bidirectional=True, rng=0), normal(T, BATCH, 3)
    found = []
    for more in ({}, how):
        outputs, _ = layer(xs, lengths=LENGTHS, **more)
        found.append([outputs.data, *grad((outputs**2).sum(), layer.parameters())])
    assert_close(*found)


def test_dropout_is_between_layers_and_only_with_a_generator():
    xs = normal(T, BATCH, 3)
    one = nn.GRU(3, 4, dropout=0.5, rng=0)
    two = nn.GRU(3, 50, 2, dropout=0.5, rng=0)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(one(xs)[0].data, one(xs, rng=rng)[0].data)
    plain, dropped = two(xs), two(xs, rng=rng)
    np.testing.assert_array_equal(plain[0].data, two(xs)[0].data)
    np.testing.assert_array_equal(plain[1].data[0], dropped[1].data[0])  # below nothing changes
    assert (plain[0].data != dropped[0].data).all()
    assert dropped[0].data.all()  # the outputs of the last layer are whole
    again = two(xs, rng=np.random.default_rng(1))[0].data
    np.testing.assert_array_equal(again, two(xs, rng=np.random.default_rng(1))[0].data)


def test_dropout_drops_other_units_at_each_step():
    seen = []

    class Watching(nn.GRUCell):
        def __call__(self, x, h):
            seen.append(x.data == 0)
            return super().__call__(x, h)

    layer = nn.Recurrent(nn.GRUCell(3, 50, rng=0), Watching(50, 4, rng=0), dropout=0.3)
    layer(normal(T, BATCH, 3), rng=np.random.default_rng(0))
    masks = np.array(seen)
    assert abs(masks.mean() - 0.3) < 4 * np.sqrt(0.21 / masks.size)
    assert (masks[0] != masks[1]).any()


def test_cells_can_be_wrapped():
    layer = nn.LSTM(3, 4, 2, wrap=lambda cell: nn.LearnedState(nn.Zoneout(cell, 0.2)), rng=0)
    xs, rng = normal(T, BATCH, 3), np.random.default_rng(0)
    assert len(layer.parameters()) == 2 * (4 + 2)
    outputs, _ = layer(xs, rng=rng)
    slopes = grad(outputs.sum(), layer.parameters())
    assert all(g.any() for g in slopes)
    assert (layer(xs)[0].data != outputs.data).any()


def test_directions_that_share_their_weights_add_up_their_gradients():
    cell, xs = nn.GRUCell(3, 4, rng=0), normal(T, BATCH, 3)
    tied = nn.Recurrent((cell, cell), merge="sum")
    assert len(tied.parameters()) == 4
    other = nn.Recurrent((cell, copy.deepcopy(cell)), merge="sum")
    (ones, others) = other.layers[0]
    slopes = grad((tied(xs)[0] ** 2).sum(), cell.parameters())
    apart = grad((other(xs)[0] ** 2).sum(), [ones.parameters(), others.parameters()])
    assert_close(slopes, [a + b for a, b in zip(*apart, strict=True)])


# -- the record -------------------------------------------------------------------------------


def test_layers_and_directions_are_scopes_around_the_steps():
    layer = nn.LSTM(3, 4, 2, bidirectional=True, rng=0)
    outputs, _ = layer(normal(T, BATCH, 3))
    paths = {tuple(f.name for f in node.scope) for node in ancestors(outputs) if node.op}
    assert paths == {
        (),
        *((f"layer {k}", way, "lstm") for k in (1, 2) for way in ("forward", "reverse")),
        *((f"layer {k}", "concat") for k in (1, 2)),
    }
    for node in ancestors(outputs):
        if node.op and node.scope:
            assert [f.t is None for f in node.scope] == [True] * (len(node.scope) - 1) + [False]


def test_nodes_grow_by_the_same_number_with_every_step():
    layer = nn.GRU(3, 4, 2, bidirectional=True, rng=0)
    counts = [len(ancestors(layer(normal(steps, BATCH, 3))[0])) for steps in (2, 3, 4, 20)]
    assert counts[1] - counts[0] == counts[2] - counts[1]
    assert counts[3] - counts[2] == 16 * (counts[1] - counts[0])


# -- refusals ---------------------------------------------------------------------------------


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="merge must be one of concat, sum, mean, multiply, got"):
        nn.LSTM(3, 4, bidirectional=True, merge="max")
    with pytest.raises(ValueError, match="num_layers must be a whole number"):
        nn.LSTM(3, 4, 0)
    with pytest.raises(ValueError, match=r"dropout is a probability in \[0, 1\), got 1"):
        nn.LSTM(3, 4, 2, dropout=1)
    with pytest.raises(ValueError, match="expected one cell for each layer, or a pair"):
        nn.Recurrent()
    cell = nn.GRUCell(4, 4)
    with pytest.raises(ValueError, match="expected one cell for each layer, or a pair"):
        nn.Recurrent((cell, cell), cell)
    with pytest.raises(ValueError, match="expects 3 features per step"):
        nn.LSTM(3, 4, batch_first=True)(normal(T, BATCH, 4))
