"""Do optimisers move parameters by their formulas, and nothing else?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn, train
from tinygrad_rnn.train import SGD, Adagrad, Adam, AdamW, RMSprop


def parameter(*values, dtype=float):
    return Tensor(np.array(values, dtype=dtype))


def walk(optimiser, p, *gradients):
    """Where `p` is after each step."""
    places = []
    for g in gradients:
        p.grad = np.array(g, dtype=p.dtype)
        optimiser.step()
        places.append(p.data.copy())
    return np.array(places)


# -- formulas, by hand ------------------------------------------------------------------------


def test_sgd_goes_down_the_gradient():
    p = parameter(1.0, -2.0)
    places = walk(SGD([p], lr=0.5), p, [2.0, 1.0], [-1.0, 0.0])
    np.testing.assert_array_equal(places, [[0.0, -2.5], [0.5, -2.5]])


def test_momentum_remembers():
    p = parameter(0.0)
    places = walk(SGD([p], lr=1.0, momentum=0.5), p, [1.0], [1.0], [0.0])
    # v = 1, then 0.5 + 1, then 0.75
    np.testing.assert_array_equal(places[:, 0], [-1.0, -2.5, -3.25])


def test_adams_first_step_is_lr_whatever_the_size_of_the_gradient():
    for size in (1e-4, 1.0, 1e6):
        p = parameter(0.0, 0.0)
        walk(Adam([p], lr=0.1, eps=0.0), p, [size, -size])
        np.testing.assert_allclose(p.data, [-0.1, 0.1], rtol=1e-14)


def test_adam_by_hand_for_two_steps():
    p = parameter(1.0)
    places = walk(Adam([p], lr=0.1, betas=(0.5, 0.75), eps=1.0), p, [2.0], [-4.0])
    # t=1: m = 1, v = 1; unbiased 2 and 4: step 0.1 * 2 / (2 + 1)
    # t=2: m = -1.5, v = 4.75; unbiased -2 and 76/7: step 0.1 * -2 / (√(76/7) + 1)
    first = 1 - 0.1 * 2 / 3
    second = first + 0.1 * 2 / (np.sqrt(4.75 / 0.4375) + 1)
    np.testing.assert_allclose(places[:, 0], [first, second], rtol=1e-15)


def test_adam_counts_the_steps_of_each_parameter():
    early, late = parameter(0.0), parameter(0.0)
    optimiser = Adam([early, late], lr=0.1, eps=0.0)
    walk(optimiser, early, [1.0], [1.0], [1.0])
    early.grad = None
    walk(optimiser, late, [5.0])
    np.testing.assert_allclose(late.data, [-0.1], rtol=1e-14)  # its first: corrected as such


def test_nesterov_looks_ahead():
    p = parameter(0.0)
    places = walk(SGD([p], lr=1.0, momentum=0.5, nesterov=True), p, [1.0], [1.0], [0.0])
    # v = 1, 1.5, 0.75; g + v/2 = 1.5, 1.75, 0.375
    np.testing.assert_array_equal(places[:, 0], [-1.5, -3.25, -3.625])


def test_adagrad_by_hand():
    p = parameter(0.0)
    places = walk(Adagrad([p], lr=1.0, eps=0.0), p, [3.0], [-4.0], [0.0])
    np.testing.assert_allclose(places[:, 0], [-1.0, -0.2, -0.2], rtol=1e-15)  # s = 9, then 25


def test_rmsprop_by_hand():
    p = parameter(0.0)
    places = walk(RMSprop([p], lr=1.0, alpha=0.75, eps=0.0), p, [2.0], [-1.0])
    # s = 1, then 0.75 + 0.25
    np.testing.assert_allclose(places[:, 0], [-2.0, -1.0], rtol=1e-15)


def test_centered_rmsprop_divides_by_the_deviation_and_momentum_goes_on():
    p = parameter(0.0)
    optimiser = RMSprop([p], lr=1.0, alpha=0.5, eps=0.0, momentum=0.5, centered=True)
    places = walk(optimiser, p, [2.0], [0.0])
    # s = 2, m = 1: variance 1, v = 2; then v = 1
    np.testing.assert_allclose(places[:, 0], [-2.0, -3.0], rtol=1e-15)


def test_centered_rmsprop_survives_a_gradient_that_never_changes():
    g = np.random.default_rng(0).standard_normal(300)  # a variance of 0, rounded up and down
    p = Tensor(np.zeros(300))
    walk(RMSprop([p], lr=1e-3, alpha=0.9, centered=True), p, *[g] * 400)
    assert np.isfinite(p.data).all()


@pytest.mark.parametrize("make", [SGD, Adagrad, RMSprop, Adam])
def test_weight_decay_is_the_gradient_of_half_the_squared_norm(make):
    p, q = parameter(1.0, -2.0), parameter(1.0, -2.0)
    decaying, plain = make([p], lr=0.1, weight_decay=0.3), make([q], lr=0.1)
    for g in ([0.5, 0.25], [-1.0, 0.0]):
        walk(plain, q, np.array(g) + 0.3 * q.data)
        walk(decaying, p, g)
    np.testing.assert_array_equal(p.data, q.data)


def test_adamw_decays_apart_from_the_gradient():
    p, q = parameter(1.0, -2.0), parameter(1.0, -2.0)
    walk(AdamW([p], lr=0.1, weight_decay=0.5), p, [1e-3, 1e3])
    walk(Adam([q], lr=0.1), q, [1e-3, 1e3])
    np.testing.assert_allclose(p.data, q.data - 0.1 * 0.5 * np.array([1.0, -2.0]), rtol=1e-15)
    still = parameter(3.0)
    walk(AdamW([still], lr=0.1, weight_decay=0.5), still, [0.0])
    np.testing.assert_allclose(still.data, [3.0 * 0.95], rtol=1e-15)


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_learning_rate_may_be_changed_on_the_way(make):
    p = parameter(1.0)
    optimiser = make([p], lr=0.1)
    walk(optimiser, p, [1.0])
    optimiser.lr = 0.0
    before = p.data
    walk(optimiser, p, [1.0])
    np.testing.assert_array_equal(p.data, before)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: SGD(p, 0.1),
        lambda p: SGD(p, 0.1, momentum=0.9),
        lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True),
        lambda p: Adagrad(p, 1.0),
        lambda p: Adam(p, 0.05),
        lambda p: AdamW(p, 0.05, weight_decay=0.0),
    ],
)
def test_every_optimiser_finds_the_bottom_of_a_bowl(make):
    p = parameter(3.0, -2.0)
    optimiser = make([p])
    for _ in range(400):
        optimiser.zero_grad()
        ((p - [1.0, 1.0]) ** 2).sum().backward()
        optimiser.step()
    np.testing.assert_allclose(p.data, [1.0, 1.0], atol=1e-3)


# -- and nothing else -------------------------------------------------------------------------

MAKERS = {
    "SGD": lambda p: SGD(p, 0.1),
    "momentum": lambda p: SGD(p, 0.1, momentum=0.9),
    "Nesterov": lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adagrad": lambda p: Adagrad(p, 0.1),
    "RMSprop": lambda p: RMSprop(p, 0.01),
    "centered": lambda p: RMSprop(p, 0.01, momentum=0.5, centered=True, weight_decay=0.01),
    "Adam": lambda p: Adam(p, 0.1),
    "AdamW": lambda p: AdamW(p, 0.1),
}
every_optimiser = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_optimiser
def test_steps_write_into_no_old_array(make):
    p = parameter(1.0, 2.0)
    optimiser = make([p])
    old, kept = [], []
    for k in range(3):
        p.grad = np.array([1.0 + k, -2.0])
        old += [p.data, p.grad]
        kept += [p.data.copy(), p.grad.copy()]
        optimiser.step()
    for array, copy in zip(old, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


@every_optimiser
def test_changing_a_gradient_afterwards_does_not_change_the_past(make):
    p, q = parameter(1.0), parameter(1.0)
    a, b = make([p]), make([q])
    walk(a, p, [1.0])
    walk(b, q, [1.0])
    p.grad *= 0
    np.testing.assert_array_equal(walk(a, p, [1.0]), walk(b, q, [1.0]))


@every_optimiser
def test_a_parameter_without_gradient_stays_where_it_is(make):
    moved, still = parameter(1.0), parameter(1.0)
    walk(make([moved, still]), moved, [1.0])
    assert moved.data != 1
    assert still.data == 1


@every_optimiser
def test_a_parameter_given_twice_is_moved_once(make):
    p, q = parameter(1.0), parameter(1.0)
    walk(make([p, p]), p, [1.0])
    walk(make([q]), q, [1.0])
    np.testing.assert_array_equal(p.data, q.data)


@every_optimiser
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_shape_and_dtype_are_kept_even_with_a_numpy_learning_rate(make, shape):
    p = Tensor(np.ones(shape), dtype=np.float32)
    optimiser = make([p])
    optimiser.lr = np.float64(0.1)
    for _ in range(2):
        p.grad = np.ones(shape, dtype=np.float32)
        optimiser.step()
    assert p.shape == shape
    assert p.dtype == np.float32
    assert (p.data < 1).all()


@every_optimiser
def test_zero_grad_forgets(make):
    p = parameter(1.0)
    optimiser = make([p])
    p.grad = np.ones(1)
    optimiser.zero_grad()
    assert p.grad is None
    optimiser.step()
    assert p.data == 1


@every_optimiser
def test_a_loss_from_before_the_step_refuses_to_go_backward(make):
    p = parameter(1.0)
    optimiser = make([p])
    loss = (p * p).sum()
    loss.backward()
    optimiser.step()
    with pytest.raises(RuntimeError, match="Compute the loss again after each step"):
        loss.backward()


@every_optimiser
def test_training_a_cell_lowers_its_loss_the_same_way_every_time(make):
    def losses():
        rng = np.random.default_rng(0)
        cell = nn.LSTMCell(2, 3, rng=rng)
        optimiser = make(cell.parameters())
        xs, target = rng.standard_normal((4, 5, 2)), rng.standard_normal((5, 3)) * 0.3
        found = []
        for _ in range(20):
            loss = nn.mse_loss(nn.unroll(cell, xs)[0][-1], target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            found.append(loss.item())
        return found

    first = losses()
    assert first == losses()
    assert first[-1] < 0.9 * first[0]


# -- giving back and taking over --------------------------------------------------------------


@every_optimiser
def test_a_twin_with_the_same_state_goes_on_to_the_same_bits(make):
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((2, 6, 2))
    p, q = (parameter(1.0, -2.0), parameter(3.0)), (parameter(1.0, -2.0), parameter(3.0))
    one, twin = make(p), make(q)
    walk(one, p[0], *gradients[0])
    one.lr = 0.03
    twin.load_state_dict(one.state_dict())
    assert twin.lr == 0.03
    for a, b in zip(p, q, strict=True):
        b.data = a.data
    np.testing.assert_array_equal(walk(one, p[0], *gradients[1]), walk(twin, q[0], *gradients[1]))
    np.testing.assert_array_equal(walk(one, p[1], [1.0]), walk(twin, q[1], [1.0]))


@every_optimiser
def test_a_state_is_a_copy_both_ways_and_goes_round(make):
    p = parameter(1.0, 2.0)
    optimiser = make([p])
    walk(optimiser, p, [1.0, -3.0], [0.5, 0.5])
    state = optimiser.state_dict()
    kept = {key: array.copy() for key, array in state.items()}
    for array in optimiser.state_dict().values():
        array[...] = 77
    optimiser.load_state_dict(state)
    for array in state.values():
        array[...] = 77
    again = optimiser.state_dict()
    assert again.keys() == kept.keys()
    for key, array in again.items():
        np.testing.assert_array_equal(array, kept[key], err_msg=key)
        assert array.dtype == kept[key].dtype


def test_a_state_that_does_not_fit_is_refused_by_name_and_nothing_is_changed():
    p = parameter(1.0, 2.0)
    optimiser = Adam([p], lr=0.1)
    walk(optimiser, p, [1.0, 1.0])
    before = optimiser.state_dict()
    wrong = {key: array + 1 for key, array in before.items()}
    del wrong["v.0"]
    wrong |= {"m.0": np.zeros(3), "m.1": np.zeros(2), "t": np.array([-1]), "lr": np.array(np.nan)}
    with pytest.raises(ValueError, match="load_state_dict of Adam: ") as caught:
        optimiser.load_state_dict(wrong)
    for sentence in (
        "missing 'v.0'",
        "unexpected 'm.1'",
        "'m.0' is float64 of shape (3,), expected float64 of shape (2,)",
        "'t' is [-1], expected at least 0",
        "'lr' is nan, expected at least 0",
        "nothing was loaded",
    ):
        assert sentence in str(caught.value)
    for key, array in optimiser.state_dict().items():
        np.testing.assert_array_equal(array, before[key])
    with pytest.raises(ValueError, match=r"'m\.0' is float32 of shape"):
        optimiser.load_state_dict(before | {"m.0": before["m.0"].astype(np.float32)})
    with pytest.raises(ValueError, match="'t' is float64 of shape"):
        optimiser.load_state_dict(before | {"t": np.array([1.0])})


def test_nan_in_a_state_is_no_reason_to_refuse_it():
    p = parameter(1.0)
    optimiser = SGD([p], lr=0.1, momentum=0.5)
    optimiser.load_state_dict(optimiser.state_dict() | {"v.0": np.array([np.nan])})
    assert np.isnan(optimiser.state_dict()["v.0"]).all()


def test_settings_are_the_numbers_of_the_formula_those_of_a_subclass_too():
    class Mine(SGD):
        def __init__(self, parameters):
            super().__init__(parameters, np.float32(0.5), 0.25)
            self.warm, self.bounds, self._hidden, self.array = True, (1, 2.0), 3, np.ones(2)

    assert Mine([parameter(1.0)]).settings() == {
        "lr": 0.5,
        "weight_decay": 0.0,
        "momentum": 0.25,
        "nesterov": False,
        "warm": True,
        "bounds": [1, 2.0],
    }


@every_optimiser
def test_arrays_of_a_state_are_in_c_order(make):
    p = Tensor(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    optimiser = make([p])
    p.grad = np.asfortranarray(np.ones((2, 3)))
    optimiser.step()
    assert all(array.flags.c_contiguous for array in optimiser.state_dict().values())


# -- refusals ---------------------------------------------------------------------------------


@every_optimiser
@pytest.mark.parametrize("lr", [None, "0.1", [0.1], np.ones(2)])
def test_a_learning_rate_that_is_no_number_is_refused(make, lr):
    optimiser = make([parameter(1.0)])
    with pytest.raises(TypeError, match="the learning rate must be a number, got") as caught:
        optimiser.lr = lr
    assert type(optimiser).__name__ in str(caught.value)
    assert optimiser.lr > 0


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_used_up_generator_is_refused(make):
    parameters = (p for p in [parameter(1.0)])
    list(parameters)
    message = rf"{make.__name__}: there are no parameters to optimise \(a used-up generator\?\)"
    with pytest.raises(ValueError, match=message):
        make(parameters, lr=0.1)


@pytest.mark.parametrize("make", [SGD, Adam])
@pytest.mark.parametrize("lr", [-0.1, float("nan"), float("inf")])
def test_a_learning_rate_below_zero_or_not_finite_is_refused_whenever_it_is_set(make, lr):
    message = f"{make.__name__}: the learning rate must be at least 0 and finite, got {lr}"
    with pytest.raises(ValueError, match=message):
        make([parameter(1.0)], lr=lr)
    optimiser = make([parameter(1.0)], lr=0.5)
    with pytest.raises(ValueError, match=message):
        optimiser.lr = lr
    assert optimiser.lr == 0.5
    with pytest.raises(ValueError, match=f"'lr' is {lr}, expected at least 0 and finite"):
        optimiser.load_state_dict({**optimiser.state_dict(), "lr": np.array(lr)})


@pytest.mark.parametrize("make", [SGD, Adam])
def test_only_float_leaves_can_be_optimised(make):
    p = parameter(1.0)
    for wrong in (p * 2, np.ones(2), Tensor([1, 2]), "W"):
        with pytest.raises(TypeError, match="expected float leaves"):
            make([p, wrong], lr=0.1)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, float("nan")])
def test_momentum_lies_below_one(momentum):
    with pytest.raises(ValueError, match=r"SGD: momentum must lie in \[0, 1\), got"):
        SGD([parameter(1.0)], lr=0.1, momentum=momentum)


def test_adams_numbers_lie_in_their_ranges():
    for betas in ((1.0, 0.9), (0.9, -0.1)):
        with pytest.raises(ValueError, match=r"Adam: betas are a pair of numbers in \[0, 1\)"):
            Adam([parameter(1.0)], betas=betas)
    with pytest.raises(ValueError, match="Adam: eps must be at least 0"):
        Adam([parameter(1.0)], eps=-1e-8)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: SGD(p, 0.1, nesterov=True), "SGD: nesterov looks ahead along the momentum"),
        (lambda p: SGD(p, 0.1, weight_decay=-1), "SGD: weight_decay must be at least 0"),
        (lambda p: AdamW(p, weight_decay=np.inf), "AdamW: weight_decay must be at least 0 and fin"),
        (lambda p: Adagrad(p, eps=-1), "Adagrad: eps must be at least 0"),
        (lambda p: RMSprop(p, alpha=1.0), r"RMSprop: alpha must lie in \[0, 1\), got 1.0"),
        (lambda p: RMSprop(p, momentum=np.nan), r"RMSprop: momentum must lie in \[0, 1\), got nan"),
    ],
)
def test_numbers_outside_their_range_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make([parameter(1.0)])


GIVEN = [
    (lambda: train.Adam(5), TypeError, "expected parameters or what has them, got 5"),
    (lambda: train.Adam(nn.Linear), TypeError, "Pass the model, or model.parameters()"),
    (lambda: train.Adam(ONE, betas=0.9), ValueError, "betas are a pair of numbers in [0, 1)"),
    (lambda: train.Adam(ONE, betas=(0.9,)), ValueError, "got (0.9,)"),
    (lambda: train.Adam(ONE, betas=("0.9", 0.9)), ValueError, "betas are a pair"),
    (lambda: train.SGD(ONE, 0.1, 0.9, nesterov="no"), TypeError, "nesterov is True or False"),
    (lambda: train.RMSprop(ONE, centered="no"), TypeError, "centered is True or False"),
]
ONE = [Tensor(1.0)]


@pytest.mark.parametrize(("make", "kind", "says"), GIVEN)
def test_what_an_optimiser_cannot_use_is_refused_when_it_is_given(make, kind, says):
    with pytest.raises(kind) as error:
        make()
    assert says in str(error.value)


def test_a_single_tensor_is_optimised():
    w = Tensor(1.0)
    assert train.SGD(w, 0.1).parameters == [w]
