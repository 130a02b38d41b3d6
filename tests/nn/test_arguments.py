"""Is every wrong argument refused with a sentence, and does nothing broadcast in silence?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


XS = normal(5, 2, 3)
SOURCE, TARGETS = normal(6, 2, 3), np.array([[1, 2], [3, 4], [0, 1]])


def rnn():
    return nn.RNNCell(3, 4, rng=0)


def layer(**how):
    return nn.LSTM(3, 4, 2, bidirectional=True, rng=0, **how)


def refused(cases):
    """Parametrised with (call, kind, sentence); the ids are the sentences."""
    return pytest.mark.parametrize(("call", "kind", "says"), cases, ids=[c[2] for c in cases])


# -- what is made ----------------------------------------------------------------------------------


@refused(
    [
        (lambda: nn.LSTM(True, 4), ValueError, "input_size must be a whole number"),
        (lambda: nn.LSTM(3, 4, True), ValueError, "num_layers must be a whole number"),
        (lambda: nn.LSTM(3, 4, bidirectional=2), TypeError, "bidirectional is True or False"),
        (lambda: nn.LSTM(3, 4, merge=["sum"]), ValueError, "merge must be one of"),
        (lambda: nn.LSTM(3, 4, dropout="0.1"), ValueError, "dropout is a probability"),
        (lambda: nn.LSTM(3, 4, dtype=int), TypeError, "LSTMCell: parameters are floats"),
        (lambda: nn.Linear(3, 4, dtype=int), TypeError, "Linear: parameters are floats"),
        (lambda: nn.Embedding(3, 4, dtype=int), TypeError, "Embedding: parameters are floats"),
        (lambda: nn.RNN(3, 4, activation=["tanh"]), ValueError, "activation must be one of"),
        (lambda: nn.Recurrent(3), TypeError, "Recurrent: expected a cell, called as"),
        (lambda: nn.Recurrent(nn.GRUCell), TypeError, "got the class GRUCell. Make one"),
        (lambda: nn.Zoneout(None, 0.1), TypeError, "Zoneout: expected a cell"),
        (lambda: nn.Zoneout(rnn(), "a"), ValueError, "p is a probability in [0, 1], got 'a'"),
        (lambda: nn.ClippedGradient(rnn(), None), ValueError, "must be a positive number"),
        (lambda: nn.LearnedState(lambda x, h: h), TypeError, "has no initial_state"),
        (lambda: nn.ReadOutCell(None, 2), TypeError, "ReadOutCell: expected a cell"),
        (lambda: nn.LeakyCell(rnn(), "a"), ValueError, "alpha must lie in (0, 1], got 'a'"),
        (lambda: nn.RandomTruncation("a"), ValueError, "probability is a probability"),
        (lambda: nn.EchoStateCell(3, 4, radius=-1), ValueError, "expected a positive radius"),
        (lambda: nn.EchoStateCell(3, 4, density=2), ValueError, "a density in [0, 1]"),
        (lambda: nn.ClockworkCell(3, 4, 2), ValueError, "periods are a list of numbers"),
        (lambda: nn.TwoInputCell(5, 4), ValueError, "input_sizes are two numbers, got 5"),
        (lambda: nn.TiedLinear(nn.Linear(3, 2)), TypeError, "expected the Embedding"),
        (lambda: nn.SequenceModel(rnn(), abs, "few", "one"), ValueError, 'reads is "one" or'),
        (lambda: nn.many_to_many(3, 4, 2, cell=nn.LSTM), TypeError, "LSTM has no initial_state"),
        (lambda: nn.start.forget_bias(rnn(), "a"), ValueError, "the value is a number"),
        (lambda: nn.start.chrono(rnn(), "a"), ValueError, "t_max must be more than 2"),
        (lambda: nn.start.glorot(None), ValueError, "has no matrices of its own"),
        (lambda: nn.start.uniform_all(rnn(), "a"), ValueError, "bound must be positive"),
    ]
)
def test_what_cannot_be_made_is_refused(call, kind, says):
    with pytest.raises(kind) as error:
        call()
    assert says in str(error.value)


# -- what is run -----------------------------------------------------------------------------------


def forgetful(x, h):
    pass


def doubling(x, h):
    return h, h


def last(n, shape=(2, 4)):
    """A state for n layers and directions of an LSTM."""
    return np.zeros((n, *shape)), np.zeros((n, *shape))


@refused(
    [
        (lambda: nn.unroll(nn.LSTMCell, XS), TypeError, "unroll: expected a cell, got the class"),
        (lambda: nn.unroll(None, XS), TypeError, "unroll: expected a cell, called as"),
        (lambda: nn.unroll(rnn(), XS, reverse="no"), TypeError, "reverse is True or False"),
        (lambda: nn.unroll(rnn(), XS, checkpoint=5), TypeError, "checkpoint is True or False"),
        (lambda: nn.unroll(rnn(), XS, truncate=True), ValueError, "1 ≤ k1 ≤ k2, got True"),
        (lambda: nn.unroll(rnn(), XS, truncate=(1, 2, 3)), ValueError, "got (1, 2, 3)"),
        (lambda: nn.unroll(forgetful, XS, np.zeros((2, 4))), TypeError, "forgetful returned None"),
        (
            lambda: nn.unroll(doubling, XS, np.zeros((2, 4))),
            TypeError,
            "returned (ndarray, ndarray)",
        ),
        (
            lambda: nn.unroll(rnn(), [normal(1, 3), normal(2, 3)]),
            ValueError,
            "same examples at each step, got shape (1, 3) at t = 0 and (2, 3) at t = 1",
        ),
        (lambda: layer()(XS, last(6)), ValueError, "(layers · directions, batch, …) = (4, …)"),
        (lambda: layer()(XS, last(4, (3, 4))), ValueError, "for a batch of (2,)"),
        (lambda: layer()(XS, last(4, (4,))), ValueError, "got ((4,), (4,))"),
        (lambda: layer()(XS, [1, 2]), ValueError, "or a list of 4 states"),
        (lambda: nn.GRU(3, 4)(XS, np.zeros((2, 4))), ValueError, "= (1, …)"),
        (lambda: layer()(XS[:0], last(4)), ValueError, "LSTM: expected at least one time step"),
        (
            lambda: layer(batch_first=True)(normal(2, 0, 3), mask=np.ones((2, 0), bool)),
            ValueError,
            "at least one time step, got xs of shape (0, 2, 3)",
        ),
        (lambda: layer()(XS, 3), ValueError, "LSTM: expected a state whose parts are"),
        (lambda: layer(batch_first=True)(x for x in XS), TypeError, "LSTM: expected xs as"),
        (
            lambda: layer(batch_first=True)(normal(2, 5, 3), mask=np.ones((5, 2), bool)),
            ValueError,
            "expected mask as bool (2, 5)",
        ),
        (
            lambda: nn.Recurrent((nn.RNNCell(3, 4), nn.RNNCell(3, 1)), merge="sum")(XS),
            ValueError,
            "merge='sum' needs directions of equal width, got outputs (2, 4) and (2, 1)",
        ),
        (
            lambda: nn.ReadOutCell(rnn(), 2)(XS[0], np.zeros((2, 4))),
            ValueError,
            "the pair (y, state of the cell)",
        ),
        (
            lambda: nn.TwoInputCell((1, 2), 4)((normal(2, 1), normal(1, 2)), np.zeros((2, 4))),
            ValueError,
            "a pair of (1, 2) features of the same examples, got [(2, 1), (1, 2)]",
        ),
        (
            lambda: nn.ChildSumTreeLSTMCell(3, 4)(XS[0], None),
            ValueError,
            "a list of the children's (h, c)",
        ),
    ]
)
def test_what_cannot_be_run_is_refused(call, kind, says):
    with pytest.raises(kind) as error:
        call()
    assert says in str(error.value)


def square(h, t):
    return (h * h).sum()


def writer(**how):
    return nn.sequence_to_sequence(3, 4, 5, rng=0, **how)


def free(targets, **how):
    def step(x, state):
        return x, state

    same = {"choose": lambda y: y, "teacher": 0.5, "rng": np.random.default_rng(0)}
    return nn.decode(step, normal(2, 4), 0, targets, **same | how)


@refused(
    [
        (lambda: writer()(SOURCE, steps=0), ValueError, "decode: steps must be a whole number"),
        (lambda: writer()(SOURCE, steps=2.0), ValueError, "steps must be a whole number"),
        (lambda: writer()(SOURCE, (x for x in TARGETS)), TypeError, "Turn a generator into a list"),
        (lambda: writer()(SOURCE, TARGETS, teacher="a"), ValueError, "teacher is a probability"),
        (lambda: writer(attention="yes"), TypeError, "attention is True or False"),
        (lambda: free(np.ones((3, 2, 1))), ValueError, "expected targets of shape (2, 4) per step"),
        (lambda: free(np.ones((3, 2, 4)), rng=3), TypeError, "decode: expected rng as a generator"),
        (
            lambda: nn.dot_attention(normal(2, 4), normal(6, 2, 4), np.ones((6, 1), bool)),
            ValueError,
            "expected mask as bool (6, 2)",
        ),
        (
            lambda: nn.dot_attention(normal(2, 4), normal(6, 2, 4), np.ones((6, 2))),
            ValueError,
            "got float64 (6, 2)",
        ),
        (lambda: nn.dot_attention(normal(2, 4), normal(0, 2, 4)), ValueError, "got (0, 2, 4)"),
        (lambda: nn.rtrl(rnn(), iter(XS), square), TypeError, "rtrl: expected xs as"),
        (lambda: nn.rtrl(rnn(), XS[:0], square), ValueError, "rtrl: expected at least one"),
        (lambda: nn.rtrl(rnn(), XS, square, rnn().W_h), TypeError, "wrt as a list of leaves"),
        (lambda: nn.rtrl(rnn(), XS, square, [rnn().W_h * 2]), TypeError, "wrt as a list of"),
        (
            lambda: nn.rtrl(lambda x, h: h, XS, square, None, np.zeros((2, 4))),
            TypeError,
            "no parameters() of its own",
        ),
        (lambda: nn.many_to_one(3, 4, 2)(XS, TARGETS), TypeError, "are for 1→n"),
        (lambda: nn.one_to_many(3, 4)(XS[0], steps=2, lengths=[1, 2]), TypeError, "no lengths"),
        (
            lambda: nn.dropout(np.ones(4, int), 0.1, np.random.default_rng(0)),
            TypeError,
            "symbols cannot be scaled",
        ),
        (
            lambda: nn.cross_entropy(normal(5, 3), np.ones(5, int), ignore_index="a"),
            TypeError,
            "ignore_index is a label",
        ),
    ]
)
def test_what_cannot_be_written_or_learned_is_refused(call, kind, says):
    with pytest.raises(kind) as error:
        call()
    assert says in str(error.value)


# -- what is allowed -------------------------------------------------------------------------------


def test_batch_first_takes_lists_and_any_mask():
    net, xs, mask = layer(batch_first=True), normal(2, 5, 3), np.arange(5) < [[5], [3]]
    expected = net(xs, lengths=[5, 3])[0].data
    for given in (mask, mask.tolist(), Tensor(mask)):
        assert np.array_equal(net(list(xs), mask=given)[0].data, expected)
    row = net(xs[1], mask=mask[1])[0].data  # without a batch
    np.testing.assert_allclose(row, expected[1], rtol=0, atol=1e-15)


def test_the_last_axes_of_a_batch_may_be_missing_in_lengths_and_mask():
    expected = layer()(XS, lengths=[3, 3])[0].data
    for how in ({"lengths": 3}, {"mask": np.arange(5) < 3}):
        assert np.array_equal(layer()(XS, **how)[0].data, expected)


def test_attention_does_not_see_what_the_mask_of_the_source_hides():
    net, mask = writer(attention=True), np.arange(6)[:, None] < [6, 3]
    expected = net(SOURCE, TARGETS, lengths=[6, 3])
    assert np.array_equal(net(SOURCE, TARGETS, mask=mask).data, expected.data)
    expected = net(SOURCE, TARGETS, lengths=[3, 3])
    assert np.array_equal(net(SOURCE, TARGETS, lengths=3).data, expected.data)


def test_a_cell_that_writes_draws_too():
    def wrapped(inputs, hidden, rng):
        return nn.Zoneout(nn.RNNCell(inputs, hidden, rng=rng), 0.5)

    ones = nn.one_to_many(3, 4, cell=wrapped, rng=0)
    both = nn.sequence_to_sequence(3, 4, 5, cell=wrapped, rng=0)
    both.encoder = both.encoder.around  # what is drawn is drawn by the one that writes
    for run in (
        lambda rng: ones(XS[0], steps=4, rng=rng),
        lambda rng: both(SOURCE, TARGETS, rng=rng),
    ):
        first, again, other = (run(np.random.default_rng(seed)).data for seed in (0, 0, 1))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


def test_one_to_many_starts_from_the_state_it_is_given():
    net, state = nn.one_to_many(3, 4, rng=0), normal(2, 4)
    found = net(XS[0], steps=1, state=state).data[0]
    assert np.array_equal(found, net.read(net.cell(XS[0], state)).data)
