"""Does what is put around a cell do what its paper says, in training and in testing?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, grad, nn, stack

CELLS = {
    "rnn": lambda: nn.RNNCell(3, 4, rng=0),
    "lstm": lambda: nn.LSTMCell(3, 4, rng=0),
    "gru": lambda: nn.GRUCell(3, 4, rng=0),
}
every_cell = pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def generator(seed=0):
    return np.random.default_rng(seed)


def run(cell, xs, **how):
    return stack(nn.unroll(cell, xs, **how)[0]).data


@every_cell
def test_wrappers_that_do_nothing_change_nothing(make):
    cell, xs = make(), normal(5, 2, 3)
    plain = run(cell, xs)
    for around in (
        nn.Zoneout(cell, 0.0),
        nn.VariationalDropout(cell),
        nn.ClippedGradient(cell, 1e9),
        nn.LearnedState(cell),
        nn.VariationalDropout(nn.Zoneout(nn.LearnedState(cell), 0.0)),
    ):
        np.testing.assert_array_equal(run(around, xs), plain)
        np.testing.assert_array_equal(run(around, xs, rng=generator()), plain)
        assert {p.name for p in around.parameters()} >= {"W_x", "W_h", "b_x", "b_h"}


@every_cell
def test_steps_keep_the_name_of_the_cell_inside(make):
    cell = make()
    name = nn.unroll(cell, normal(1, 2, 3))[0][0].scope[0].name
    around = nn.Zoneout(nn.VariationalDropout(cell, 0.5), 0.5)
    for rng in (None, generator()):
        outputs, _ = nn.unroll(around, normal(1, 2, 3), rng=rng)
        assert (outputs[0].scope[0].name, outputs[0].name) == (name, "h")


def test_a_wrong_number_of_features_is_still_refused():
    with pytest.raises(ValueError, match="expects 3 features"):
        nn.unroll(nn.Zoneout(nn.GRUCell(3, 4), 0.1), normal(5, 2, 7))


# -- zoneout ----------------------------------------------------------------------------------


@every_cell
def test_zoneout_is_its_formula_in_testing(make):
    cell, x = make(), normal(2, 3)
    old = cell(normal(2, 3, seed=1), cell.initial_state(2))
    new, found = cell(x, old), nn.Zoneout(cell, 0.3)(x, old)
    for a, b, c in zip(parts(found), parts(old), parts(new), strict=True):
        np.testing.assert_allclose(a.data, 0.3 * b.data + 0.7 * c.data, rtol=0, atol=1e-15)


@every_cell
def test_zoneout_keeps_whole_units_in_training_as_often_as_it_says(make):
    cell, x = make(), normal(500, 3)
    old = cell(normal(500, 3, seed=1), cell.initial_state(500))
    new = cell(x, old)
    found = nn.Zoneout(cell, 0.3).sample(generator(), x, old)(x, old)
    for a, b, c in zip(parts(found), parts(old), parts(new), strict=True):
        kept = a.data == b.data
        assert (kept | (a.data == c.data)).all()
        assert abs(kept.mean() - 0.3) < 4 * np.sqrt(0.21 / kept.size)


def test_zoneout_has_a_probability_for_each_part():
    cell, x = nn.LSTMCell(3, 4, rng=0), normal(2, 3)
    old = cell(normal(2, 3, seed=1), cell.initial_state(2))
    h, c = nn.Zoneout(cell, (0.0, 1.0)).sample(generator(), x, old)(x, old)
    np.testing.assert_array_equal(h.data, cell(x, old)[0].data)
    np.testing.assert_array_equal(c.data, old[1].data)


def test_zoneout_draws_anew_at_each_step():
    cell = nn.Zoneout(nn.RNNCell(1, 50, rng=0), 0.5)
    outputs = run(cell, normal(4, 1, 1), rng=generator())
    kept = outputs[1:] == outputs[:-1]
    assert not (kept[0] == kept[1]).all()


def test_where_a_unit_is_kept_its_gradient_goes_straight_back():
    cell = nn.Zoneout(nn.RNNCell(3, 4, rng=0), 1.0)
    first = Tensor(normal(2, 4))
    _, state = nn.unroll(cell, normal(50, 2, 3), first, rng=generator())
    np.testing.assert_array_equal(grad(state.sum(), first), np.ones((2, 4)))


# -- the same mask ----------------------------------------------------------------------------


def test_variational_dropout_has_one_mask_per_sequence():
    seen = []

    class Watching(nn.LSTMCell):
        def __call__(self, x, state):
            seen.append((np.array(x), state[0], state[1]))
            return super().__call__(x, state)

    cell = nn.VariationalDropout(Watching(3, 4, rng=0), inputs=0.5, state=0.5)
    nn.unroll(cell, np.ones((6, 5, 3)), rng=generator())
    for x, h, c in seen[1:]:
        np.testing.assert_array_equal(x, seen[0][0])
        np.testing.assert_array_equal(h.data == 0, seen[1][1].data == 0)
        assert (c.data != 0).all()
    assert set(np.unique(seen[0][0])) == {0, 2}
    assert 0 < (seen[1][1].data == 0).mean() < 1
    first = seen[0][0]
    seen.clear()
    nn.unroll(cell, np.ones((6, 5, 3)), rng=generator(1))
    assert (seen[0][0] != first).any()


def test_variational_dropout_of_symbols_is_refused():
    def step(symbol, h):
        return h + np.eye(4)[symbol]

    cell = nn.VariationalDropout(step, inputs=0.5)
    with pytest.raises(TypeError, match="symbols cannot be scaled"):
        nn.unroll(cell, np.array([[0, 1]]), np.zeros((2, 4)), rng=generator())


# -- clipping inside the recurrence -----------------------------------------------------------


def test_a_gradient_clipped_at_every_step_does_not_explode():
    cell = nn.RNNCell(1, 3, "relu", rng=0)
    cell.W_h.data = np.eye(3) * 2.0
    first, xs = Tensor(np.full((1, 3), 0.5)), np.zeros((60, 1, 1))
    assert grad(nn.unroll(cell, xs, first)[1].sum(), first).max() > 1e17
    clipped = nn.unroll(nn.ClippedGradient(cell, 5.0), xs, first)
    np.testing.assert_array_equal(clipped[1].data, nn.unroll(cell, xs, first)[1].data)
    np.testing.assert_array_equal(grad(clipped[1].sum(), first), np.full((1, 3), 5.0))


def test_clipping_is_what_clipping_by_hand_between_two_steps_is():
    cell, xs, first = (
        nn.LSTMCell(3, 4, rng=0),
        normal(2, 2, 3),
        (normal(2, 4), normal(2, 4, seed=1)),
    )
    middle = tuple(Tensor(p.data) for p in cell(xs[0], first))
    arrived = grad((cell(xs[1], middle)[0] ** 2).sum(), middle)
    clipped = [np.clip(g, -0.05, 0.05) for g in arrived]
    assert any((a != b).any() for a, b in zip(arrived, clipped, strict=True))
    expected = grad(
        sum((p * g).sum() for p, g in zip(cell(xs[0], first), clipped, strict=True)), cell.W_x
    )
    outputs, _ = nn.unroll(nn.ClippedGradient(cell, 0.05), xs, first)
    last = cell(xs[1], tuple(p.detach() for p in middle))
    expected = expected + grad((last[0] ** 2).sum(), cell.W_x)
    found = grad((outputs[1] ** 2).sum(), cell.W_x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


# -- learned first state ----------------------------------------------------------------------


@every_cell
def test_a_learned_state_has_the_gradient_of_all_examples(make):
    cell = nn.LearnedState(make())
    xs = normal(3, 5, 3)
    start = parts(cell.start)
    for k, p in enumerate(start):
        p.data = normal(4, seed=k)
    (_, state), given_ = nn.unroll(cell, xs), tuple(Tensor(np.tile(p.data, (5, 1))) for p in start)
    assert set(start) <= set(cell.parameters())
    plain = nn.unroll(cell.around, xs, given_ if len(given_) > 1 else given_[0])[1]
    expected = grad(parts(plain)[0].sum(), given_)
    for a, b in zip(grad(parts(state)[0].sum(), start), expected, strict=True):
        np.testing.assert_allclose(a, b.sum(axis=0), rtol=1e-13, atol=1e-14)
    alone = nn.unroll(cell, xs[:, 0])[1]
    np.testing.assert_allclose(parts(alone)[0].data, parts(state)[0].data[0], rtol=0, atol=1e-15)


# -- composition ------------------------------------------------------------------------------


def test_any_object_may_draw_for_itself():
    class Noisy:
        def initial_state(self, *batch):
            return np.zeros((*batch, 3))

        def __call__(self, x, h):
            return h + x

        def sample(self, rng, x, h):
            return lambda x, h: h + x + rng.standard_normal(x.shape)

    xs = Tensor(normal(5, 2, 3))
    np.testing.assert_allclose(run(Noisy(), xs), np.cumsum(xs.data, axis=0), atol=1e-14)
    drawn = run(Noisy(), xs, rng=generator())
    assert (drawn == run(Noisy(), xs, rng=generator())).all()
    assert (drawn != run(Noisy(), xs)).all()
    inside = run(nn.Zoneout(Noisy(), 0.0), xs, rng=generator())
    assert inside.shape == drawn.shape
    assert (inside != run(Noisy(), xs)).any()


def test_windows_draw_the_same_again():
    cell = nn.VariationalDropout(nn.Zoneout(nn.LSTMCell(3, 4, rng=0), 0.4), 0.3, 0.3)
    xs = normal(9, 2, 3)
    plain = run(cell, xs, rng=generator())
    for truncate in ((2, 2), (2, 5), (1, 9)):
        np.testing.assert_array_equal(run(cell, xs, rng=generator(), truncate=truncate), plain)


def test_impossible_probabilities_and_limits_are_refused():
    cell = nn.GRUCell(3, 4)
    for p in (-0.1, 1.1, (0.1, 2.0)):
        with pytest.raises(ValueError, match="Zoneout: p is a probability"):
            nn.Zoneout(cell, p)
    for p in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"VariationalDropout: .* is a probability"):
            nn.VariationalDropout(cell, state=p)
    with pytest.raises(ValueError, match="limit must be a positive number"):
        nn.ClippedGradient(cell, 0)
