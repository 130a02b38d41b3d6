"""Can a network read and write sequences of every shape, and look back while it writes?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, check_grads, grad, nn, stack, train


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# -- decode -----------------------------------------------------------------------------------


def echo(seen):
    """A step that notes what it reads and scores that symbol plus one highest, of five."""

    def step(x, state):
        seen.append(np.array(x))
        return np.eye(5)[(np.asarray(x) + 1) % 5], state + 1

    return step


def test_free_running_reads_what_was_written():
    seen = []
    ys, state = nn.decode(echo(seen), np.array([0, 3]), 0, steps=4)
    np.testing.assert_array_equal(seen, [[0, 3], [1, 4], [2, 0], [3, 1]])
    assert (len(ys), state) == (4, 4)


def test_teacher_forcing_reads_the_targets():
    seen, targets = [], np.array([[2, 2], [0, 1], [4, 4]])
    ys, _ = nn.decode(echo(seen), np.array([0, 3]), 0, targets)
    np.testing.assert_array_equal(seen, [[0, 3], [2, 2], [0, 1]])
    np.testing.assert_array_equal(np.argmax(ys, axis=-1), [[1, 4], [3, 3], [1, 2]])
    seen.clear()
    nn.decode(echo(seen), np.array([0, 3]), 0, targets, teacher=0)
    np.testing.assert_array_equal(seen, [[0, 3], [1, 4], [2, 0]])


def test_scheduled_sampling_trusts_the_teacher_as_often_as_it_says():
    seen, targets = [], np.full((40, 200), 9)
    rng = np.random.default_rng(0)

    def step(x, state):
        seen.append(x)
        return np.zeros((200, 5)), state

    nn.decode(step, np.zeros(200, int), 0, targets, teacher=0.7, rng=rng)
    read = np.array(seen[1:])
    assert set(np.unique(read)) == {0, 9}
    assert abs((read == 9).mean() - 0.7) < 4 * np.sqrt(0.21 / read.size)
    assert (read[0] != read[1]).any()


def test_numbers_can_be_fed_back_with_their_gradient():
    cell, read = nn.RNNCell(2, 3, rng=0), nn.Linear(3, 2, rng=1)

    def step(x, h):
        h = cell(x, h)
        return read(h), h

    def run(x, W):
        cell.W_x = W
        return stack(nn.decode(step, x, np.zeros((1, 3)), steps=4, choose=lambda y: y)[0])

    check_grads(run, normal(1, 2), cell.W_x.data, order=2)


def test_through_an_example_that_follows_the_teacher_no_gradient_flows():
    read = nn.Linear(2, 2, rng=1)
    x, rng = Tensor(normal(50, 2)), np.random.default_rng(0)
    free = {"teacher": 0.5, "rng": rng, "choose": lambda y: y}
    ys, _ = nn.decode(lambda x, h: (read(x), h), x, 0, normal(1, 50, 2), steps=2, **free)
    assert 10 < grad(ys[1].sum(), x).any(axis=1).sum() < 40


def test_steps_know_where_they_are():
    cell = nn.GRUCell(5, 5, rng=0)

    def step(x, h):
        h = cell(np.eye(5)[x], h)
        return h, h

    ys, _ = nn.decode(step, np.array([0, 3]), np.zeros((2, 5)), steps=3, name="writer")
    assert [str(y.scope[0]) for y in ys] == [f"writer · t = {t}" for t in range(3)]


def test_who_does_not_say_enough_is_told():
    step = echo([])
    with pytest.raises(ValueError, match="pass targets, or steps="):
        nn.decode(step, np.array([0]), 0)
    with pytest.raises(ValueError, match=r"5 steps need 4 targets to read, got 2"):
        nn.decode(step, np.array([0]), 0, np.zeros((2, 1), int), steps=5)
    with pytest.raises(ValueError, match=r"probability in \[0, 1\], got 2"):
        nn.decode(step, np.array([0]), 0, steps=5, teacher=2)
    with pytest.raises(TypeError, match=r"pass rng=, a generator"):
        nn.decode(step, np.array([0]), 0, np.zeros((2, 1), int), teacher=0.5)


# -- attention --------------------------------------------------------------------------------


def test_attention_is_its_formula():
    query, memory = normal(2, 3), normal(5, 2, 3, seed=1)
    context, weights = nn.dot_attention(Tensor(query), Tensor(memory))
    scores = np.einsum("sbf,bf->sb", memory, query)
    expected = np.exp(scores) / np.exp(scores).sum(axis=0)
    np.testing.assert_allclose(weights.data, expected, rtol=1e-13)
    np.testing.assert_allclose(context.data, np.einsum("sb,sbf->bf", expected, memory), rtol=1e-13)
    assert (context.name, weights.name) == ("context", "attention")
    check_grads(lambda q, m: nn.dot_attention(q, m)[0], query, memory, order=2)


def test_attention_does_not_see_what_is_masked():
    query, memory = normal(3, 4), normal(5, 3, 4, seed=1)
    mask = np.arange(5)[:, None] < [5, 2, 0]
    context, weights = nn.dot_attention(query, Tensor(memory), mask)
    assert not weights.data[~mask].any()
    alone, _ = nn.dot_attention(query[1], memory[:2, 1])
    np.testing.assert_allclose(context.data[1], alone, rtol=1e-13)
    assert not context.data[2].any()


def test_attention_to_something_else_is_refused():
    with pytest.raises(ValueError, match=r"memory must be \(S, \*query.shape\) = \(S, 2, 3\)"):
        nn.dot_attention(normal(2, 3), normal(5, 2, 4))


# -- five shapes ------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_the_five_shapes(cell):
    how = {"cell": cell, "rng": 0}
    x, xs = normal(2, 3), normal(6, 2, 3)
    assert nn.one_to_one(3, 4, 5, **how)(x).shape == (2, 5)
    assert nn.one_to_many(3, 4, **how)(x, steps=7).shape == (7, 2, 3)
    assert nn.many_to_one(3, 4, 5, **how)(xs).shape == (2, 5)
    assert nn.many_to_many(3, 4, 5, **how)(xs).shape == (6, 2, 5)
    writer = nn.sequence_to_sequence(3, 4, 5, **how)
    assert writer(xs, steps=8).shape == (8, 2, 5)
    for model, given, more in (
        (nn.one_to_one(3, 4, 5, **how), x, {}),
        (nn.one_to_many(3, 4, **how), x, {"steps": 3}),
        (nn.many_to_one(3, 4, 5, **how), xs, {}),
        (nn.many_to_many(3, 4, 5, **how), xs, {}),
        (writer, xs, {"steps": 3}),
    ):
        slopes = grad((model(given, **more) ** 2).sum(), model.named_parameters())
        silent = {name for name, g in slopes.items() if not g.any()}
        # one step from a state of zeros has no use for what the state is multiplied with
        assert silent == ({"cell.W_h"} if len(more) < 1 and given is x else set())


def test_each_shape_is_the_composition_it_says():
    xs = normal(6, 2, 3)
    one, many = nn.many_to_one(3, 4, 5, rng=0), nn.many_to_many(3, 4, 5, rng=0)
    outputs = stack(nn.unroll(many.cell, xs)[0])
    np.testing.assert_array_equal(many(xs).data, many.read(outputs).data)
    np.testing.assert_allclose(one(xs).data, many(xs).data[-1], rtol=0, atol=1e-15)
    short = one(xs, lengths=[6, 2]).data
    np.testing.assert_allclose(short[1], many(xs).data[1, 1], rtol=0, atol=1e-15)
    single = nn.one_to_one(3, 4, 5, rng=0)
    np.testing.assert_allclose(single(xs[0]).data, many(xs).data[0], rtol=0, atol=1e-15)
    writer = nn.one_to_many(3, 4, rng=0)
    x, h, expected = xs[0], writer.cell.initial_state(2), []
    for _ in range(4):
        h = writer.cell(x, h)
        x = writer.read(h)
        expected.append(x.data)
    np.testing.assert_allclose(writer(xs[0], steps=4).data, expected, rtol=0, atol=1e-15)


# -- encoder and decoder ----------------------------------------------------------------------


@pytest.mark.parametrize("attention", [False, True])
def test_padding_of_the_source_does_not_show(attention):
    model = nn.sequence_to_sequence(3, 4, 5, attention=attention, rng=0)
    xs, targets = normal(6, 2, 3), np.array([[1, 2], [3, 4], [0, 0]])
    xs[2:, 1] = np.nan
    scores = model(xs, targets, lengths=[6, 2])
    alone = model(xs[:2, 1:], targets[:, 1:])
    np.testing.assert_allclose(scores.data[:, 1], alone.data[:, 0], rtol=0, atol=1e-14)
    longer = np.concatenate([xs, np.full((3, 2, 3), np.inf)])
    found = model(longer, targets, lengths=[6, 2])
    expected = grad(nn.cross_entropy(scores, targets), model.parameters())
    for a, b in zip(
        grad(nn.cross_entropy(found, targets), model.parameters()), expected, strict=True
    ):
        assert np.linalg.norm(a - b) <= 1e-12 * max(1.0, np.linalg.norm(b))


def test_only_with_attention_the_first_input_is_one_step_away():
    def ways(attention):
        model = nn.sequence_to_sequence(3, 4, 5, attention=attention, rng=0)
        record = ancestors(model(normal(6, 1, 3), steps=2))
        return any(node.name == "context" for node in record)

    assert ways(True)
    assert not ways(False)


def test_it_learns_to_write_a_sequence_backwards():
    rng = np.random.default_rng(0)
    model = nn.sequence_to_sequence(4, 16, 4, attention=True, rng=1)
    optimiser = train.Adam(model.parameters(), 0.02)
    for _ in range(120):
        symbols = rng.integers(1, 4, (4, 16))
        loss = nn.cross_entropy(model(np.eye(4)[symbols], symbols[::-1]), symbols[::-1])
        model.zero_grad()
        loss.backward()
        optimiser.step()
    symbols = rng.integers(1, 4, (4, 200))
    written = np.argmax(model(np.eye(4)[symbols], steps=4).data, axis=-1)
    assert (written == symbols[::-1]).mean() > 0.9


# -- weight tying -----------------------------------------------------------------------------


def test_a_tied_read_out_shares_the_embedding():
    table = nn.Embedding(5, 3, rng=0)
    read = nn.TiedLinear(table)
    assert read.W is table.W
    h = normal(2, 3)
    np.testing.assert_array_equal(read(h).data, h @ table.W.data.T)

    class Model(nn.Module):
        def __init__(self):
            self.table, self.cell = table, nn.GRUCell(3, 3, rng=1)
            self.read = read

    model = Model()
    assert len(model.parameters()) == 1 + 4 + 1
    symbols = np.array([1, 2])
    y = read(model.cell(table(symbols), np.zeros((2, 3))))
    once, again = Tensor(table.W.data), Tensor(table.W.data)
    apart = model.cell(once[symbols], np.zeros((2, 3))) @ again.T
    expected = sum(grad((apart**2).sum(), [once, again]))
    np.testing.assert_allclose(grad((y**2).sum(), table.W), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("make", [nn.one_to_one, nn.many_to_one, nn.many_to_many])
def test_models_of_one_dtype_compute_in_it(make):
    model = make(3, 4, 2, cell=nn.GRUCell, rng=0, dtype=np.float32)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    assert model(np.zeros((5, 2, 3), np.float32)).dtype == np.float32


def test_an_encoder_and_decoder_have_the_dtype_asked_for():
    model = nn.sequence_to_sequence(3, 4, 5, rng=0, dtype=np.float32)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
