"""Do optimisers move parameters by their formulas, and nothing else?"""

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.train import SGD, Adam


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
    "make", [lambda p: SGD(p, 0.1), lambda p: SGD(p, 0.1, momentum=0.9), lambda p: Adam(p, 0.05)]
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

every_optimiser = pytest.mark.parametrize(
    "make",
    [lambda p: SGD(p, 0.1), lambda p: SGD(p, 0.1, momentum=0.9), lambda p: Adam(p, 0.1)],
    ids=["SGD", "momentum", "Adam"],
)


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


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [SGD, Adam])
def test_a_used_up_generator_is_refused(make):
    parameters = (p for p in [parameter(1.0)])
    list(parameters)
    message = rf"{make.__name__}: there are no parameters to optimise \(a used-up generator\?\)"
    with pytest.raises(ValueError, match=message):
        make(parameters, lr=0.1)


@pytest.mark.parametrize("make", [SGD, Adam])
@pytest.mark.parametrize("lr", [-0.1, float("nan")])
def test_a_learning_rate_below_zero_is_refused(make, lr):
    with pytest.raises(ValueError, match=f"the learning rate must be at least 0, got {lr}"):
        make([parameter(1.0)], lr=lr)


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
        with pytest.raises(ValueError, match=r"Adam: both betas must lie in \[0, 1\)"):
            Adam([parameter(1.0)], betas=betas)
    with pytest.raises(ValueError, match="Adam: eps must be at least 0"):
        Adam([parameter(1.0)], eps=-1e-8)
