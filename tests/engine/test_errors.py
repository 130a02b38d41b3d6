"""Does every error say what was done, what was expected, and how to mend it?"""

import copy
import io

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, grad, nn, scope, stop_gradient, tanh
from tinygrad_rnn.engine.accumulate import backward
from tinygrad_rnn.engine.context import context
from tinygrad_rnn.engine.primitives import greater

A = np.ones((2, 3))


@pytest.fixture(autouse=True)
def context_is_left_as_it_was_found():
    before = context.get()
    yield
    assert context.get() == before


# -- shapes ----------------------------------------------------------------------------------------

MISFITS = {
    "add": lambda x: x + np.ones(4),
    "multiply": lambda x: np.ones((4, 1, 2)) * x,
    "maximum": lambda x: tg.maximum(x, np.ones(5)),
    "where": lambda x: tg.where(np.ones(7, bool), x, 0),
    "matmul": lambda x: x @ A,
    "reshape": lambda x: x.reshape(7),
    "transpose": lambda x: x.transpose(0, 1, 2),
    "broadcast_to": lambda x: tg.broadcast_to(x, shape=(4,)),
    "sum": lambda x: x.sum(axis=5),
    "concatenate": lambda x: tg.concatenate([x, np.ones((2, 2))]),
    "stack": lambda x: tg.stack([x, np.ones((2, 2))]),
    "getitem": lambda x: x[5],
}


@pytest.mark.parametrize("what", MISFITS)
def test_shapes_that_do_not_fit_are_named_with_primitive_and_scope(what):
    x = Tensor(A)
    wanted = pytest.raises((ValueError, IndexError), match=rf"^{what} at lstm · t = 3 · gate: ")
    with scope("lstm", t=3), scope("gate"), wanted as error:
        MISFITS[what](x)
    assert "(2, 3)" in str(error.value)
    with pytest.raises((ValueError, IndexError), match=rf"^{what}: "):
        MISFITS[what](x)


def test_operands_are_named_in_their_order_and_the_way_out_is_told():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(4,\).*broadcast"):
        Tensor(A) + np.ones(4)
    with pytest.raises(ValueError, match=r"\(4,\) and \(2, 3\)"):
        np.ones(4) * Tensor(A)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 3\).*last axis"):
        Tensor(A) @ Tensor(A)


def test_the_original_error_is_the_cause():
    with pytest.raises(ValueError, match="matmul") as error:
        Tensor(A) @ A
    assert isinstance(error.value.__cause__, ValueError)


def test_a_cell_with_the_wrong_input_names_cell_and_features():
    cell = nn.LSTMCell(3, 4, rng=0)
    with pytest.raises(ValueError, match=r"LSTMCell.*3 features.*\(5, 2, 7\)"):
        nn.unroll(cell, np.ones((5, 2, 7)))


# -- grad ------------------------------------------------------------------------------------------


def test_integers_have_no_derivative():
    k = Tensor([1, 2], name="k")
    with pytest.raises(TypeError, match=r"k.*holds int.*only floats.*dtype=float"):
        grad((k * 0.5).sum(), k)
    x = Tensor(1.0)
    with pytest.raises(TypeError, match=r"loss.*only floats"):
        grad((x > 0) + Tensor(1), x)


W = Tensor(2.0, name="w")
FLOATS_WANTED = {
    "a bias": lambda k: W * 3.0 + k,
    "a factor": lambda k: W * k,
    "a divisor": lambda k: W / k,
    "an exponent": lambda k: W**k,
    "by way of integers": lambda k: W * (k + 1 - k.reshape(1)).sum(),
    "a branch": lambda k: tg.where(W > 0, k, W),
    "stacked": lambda k: tg.stack([W, k]).sum(),
    "a bound": lambda k: tg.maximum(W, k),
}


@pytest.mark.parametrize("what", FLOATS_WANTED)
def test_a_single_integer_in_place_of_a_float_is_refused_by_backward(what):
    k = Tensor(1, name="k")
    y = FLOATS_WANTED[what](k)
    with pytest.raises(TypeError, match=r"k holds the int64 1.*no gradient.*Tensor\(1\.0\)"):
        y.backward()
    assert W.grad is None
    assert grad(y, W) is not None
    assert backward(y, data=[k]) == [W]
    W.grad = None


def test_the_integer_and_its_user_are_named_with_their_place():
    with scope("neuron", t=2):
        b = Tensor(0)
        y = tanh(W * 3.0 + b)
    message = (
        r"a leaf at neuron · t = 2 holds the int64 0.*in add at neuron · t = 2 a float would. For "
        r"a parameter write Tensor\(0\.0\), for a constant 0\."
    )
    with pytest.raises(TypeError, match=message):
        y.backward()


INTEGERS_WANTED = {
    "an index": lambda k: A_TENSOR[k].sum(),
    "an index by way of arithmetic": lambda k: A_TENSOR[k - 1].sum(),
    "a class": lambda k: nn.cross_entropy(A_TENSOR[0], k),
    "a target in {0, 1}": lambda k: nn.binary_cross_entropy(A_TENSOR[0, 0], k),
    "a comparison": lambda k: (A_TENSOR * (A_TENSOR.data > k.data)).sum(),
    "a recorded comparison": lambda k: tg.where(greater(A_TENSOR, k), A_TENSOR, 0).sum(),
    "a conversion": lambda k: (A_TENSOR * k.astype(float)).sum(),
    "a stopped gradient": lambda k: (A_TENSOR * stop_gradient(k)).sum(),
}
A_TENSOR = Tensor(A)


@pytest.mark.parametrize("what", INTEGERS_WANTED)
def test_a_single_integer_that_no_float_could_replace_is_fine(what):
    INTEGERS_WANTED[what](Tensor(1)).backward()


def test_integers_with_axes_and_booleans_are_data():
    W, labels = Tensor(np.ones((3, 2))), Tensor([1, 0])
    code, mask = Tensor(np.eye(3, dtype=int)[:2]), Tensor([True, False])
    loss = nn.cross_entropy(code @ W, labels) + ((code @ W)[0] * mask).sum() * Tensor(True)
    loss.backward()
    assert W.grad.any()
    cell, xs = nn.RNNCell(3, 2, rng=0), Tensor(np.ones((4, 1, 3), dtype=int))
    outputs, _ = nn.unroll(cell, xs, np.zeros((1, 2)))
    outputs[-1].sum().backward()


def test_the_gradient_of_a_non_scalar_needs_a_cotangent():
    x = Tensor(A)
    with scope("rnn", t=1):
        y = tanh(x)
    message = r"tanh at rnn · t = 1.*\(2, 3\).*scalar.*cotangent"
    with pytest.raises(ValueError, match=message):
        grad(y, x)
    with pytest.raises(ValueError, match=message):
        y.backward()
    assert x.grad is None


@pytest.mark.parametrize("cotangent", [1.0, np.ones(3), np.ones((3, 2)), np.ones((1, 2, 3))])
def test_a_cotangent_of_the_wrong_shape_is_refused(cotangent):
    x = Tensor(A)
    with pytest.raises(ValueError, match=r"cotangent.*\(2, 3\), got"):
        grad(tanh(x), x, cotangent)


@pytest.mark.parametrize("cotangent", [np.ones((2, 3), complex), np.full((2, 3), "a")], ids=type)
def test_a_cotangent_that_holds_no_real_numbers_is_refused(cotangent):
    x = Tensor(A)
    with pytest.raises(TypeError, match="the cotangent of tanh: expected real numbers"):
        grad(tanh(x), x, cotangent)


def test_going_back_from_what_has_no_history_is_refused():
    x = Tensor(A)
    with tg.no_grad():
        loss = (x * x).sum()
    for nothing in (loss, (x * x).sum().detach(), Tensor([1, 2]).sum() * 0.5):
        with pytest.raises(ValueError, match=r"^backward\(\): .*no_grad\(\), detached"):
            nothing.backward()
    assert x.grad is None


@pytest.mark.parametrize("x", [3.0, None, [Tensor(1.0)], A], ids=type)
def test_only_tensors_have_ancestors(x):
    with pytest.raises(TypeError, match="ancestors: expected Tensors, got"):
        tg.ancestors(x)


def test_a_tensor_outside_the_graph_is_named():
    x, y = Tensor(A, name="W_x"), Tensor(1.0, name="b")
    with pytest.raises(
        ValueError, match=r"^grad: b \(shape \(\)\) is not in the graph.*not at all"
    ):
        grad(x.sum(), y)
    with pytest.raises(ValueError, match="only through stop_gradient"):
        grad(stop_gradient(x).sum() + y, [y, x])
    with pytest.raises(ValueError, match='unused="zero"'):
        grad(x.sum(), [x, y])


@pytest.mark.parametrize("wrt", [A, 1.0, None, "x", [Tensor(1.0), A], {"x": 2}], ids=type)
def test_only_tensors_can_be_differentiated_by(wrt):
    x = Tensor(A)
    with pytest.raises((TypeError, ValueError), match=r"grad: .*(wrt|not in the graph)"):
        grad(x.sum(), wrt)


def test_a_loss_that_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match=r"loss.*float"):
        grad(3.0, Tensor(1.0))
    with pytest.raises(TypeError, match=r"loss.*ndarray.*Tensor\(array\)"):
        grad(A, Tensor(1.0))


@pytest.mark.parametrize("wrt", [[], (), {}, [[], {}]], ids=repr)
def test_nothing_to_differentiate_by_is_refused(wrt):
    with pytest.raises(ValueError, match="nothing to differentiate"):
        grad(Tensor(1.0) * 2, wrt)


def test_a_generator_of_parameters_is_refused():
    x = Tensor(1.0)
    with pytest.raises(TypeError, match="generator"):
        grad(x * x, (p for p in [x]))


def test_the_misshapen_result_of_a_rule_names_the_rule(monkeypatch):
    from tinygrad_rnn.engine.rules import RULES

    monkeypatch.setitem(RULES, tanh, (lambda g, y, x: np.ones((5, 5)),))
    with scope("cell"):
        x = Tensor(A)
        y = tanh(x)
    with pytest.raises(ValueError, match=r"at cell.*\(5, 5\); expected \(2, 3\)") as error:
        grad(y, x, A)
    assert "tanh" in str(error.value)


# -- what NumPy and Python would do silently -------------------------------------------------------


def test_assigning_to_elements_is_refused_with_the_way_out():
    t = Tensor(A)
    for index in (0, (0, 1), slice(None), A > 0):
        with pytest.raises(TypeError, match=r"t\[i\] = v.*where.*t\.data"):
            t[index] = 5.0
    with pytest.raises(TypeError, match="t\\[i\\] = v"):
        t[0] += 1
    assert np.array_equal(t.data, A)


def test_if_on_many_elements_is_refused():
    t = Tensor(A)
    with pytest.raises(ValueError, match=r"if t:.*6 elements.*\.any\(\)"):
        bool(t)
    with pytest.raises(ValueError, match="if t:"):
        _ = t and 1
    with pytest.raises(ValueError, match=r"if t:.*0 elements"):
        bool(Tensor([]))


NUMPY_CALLS = {
    "np.add": lambda t: np.add(t, 1.0),
    "np.add, array first": lambda t: np.add(A, t),
    "np.tanh": np.tanh,
    "np.exp": np.exp,
    "np.asarray": np.asarray,
    "np.array": np.array,
    "np.sum": np.sum,
    "np.mean": np.mean,
    "np.concatenate": lambda t: np.concatenate([t, t]),
    "np.stack": lambda t: np.stack([t, t]),
    "np.where": lambda t: np.where(A > 0, t, t),
    "np.matmul": lambda t: np.matmul(A.T, t),
    "np.dot": lambda t: np.dot(A.T, t),
    "np.maximum": lambda t: np.maximum(t, 0),
    "np.array of a list": lambda t: np.array([t, t]),
    "np.isfinite": np.isfinite,
    "out": lambda t: np.add(A, 1.0, out=t),
}


@pytest.mark.parametrize("call", NUMPY_CALLS.values(), ids=NUMPY_CALLS)
@pytest.mark.parametrize("shape", [(2, 3), (1,), ()])
def test_numpy_functions_refuse_a_tensor_with_a_sentence(call, shape):
    with pytest.raises(TypeError):
        call(Tensor(np.ones(shape)))


@pytest.mark.parametrize("call", [np.asarray, lambda t: np.add(t, 1.0), np.tanh])
def test_the_sentence_tells_the_two_ways_out(call):
    with pytest.raises(TypeError, match=r"record.*tinygrad_rnn.*t\.data"):
        call(Tensor(A))


@pytest.mark.parametrize("update", ["+=", "*=", "-="])
def test_an_array_is_not_changed_in_place_by_a_tensor(update):
    array = A.copy()
    before = array
    namespace = {"array": array, "t": Tensor(A)}
    try:
        exec(f"array {update} t", namespace)
    except TypeError:
        assert np.array_equal(before, A)
    else:
        assert isinstance(namespace["array"], Tensor)
        assert np.array_equal(before, A)


# -- foreign objects -------------------------------------------------------------------------------


class Foreign:
    pass


FOREIGN = {
    "NoneType": None,
    "str": "2",
    "object": object(),
    "Foreign": Foreign(),
    "generator": (k for k in range(3)),
    "dict": {},
    "set": {1.0},
    "StringIO": io.StringIO(),
    "complex": 1j,
    "list of Tensors": [Tensor(1.0), Tensor(2.0)],
    "list of None": [None, 1.0],
    "dates": np.array(["2020-01-01"] * 3, dtype="M8[D]"),
    "function": len,
    "type": Tensor,
}


@pytest.mark.parametrize("x", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize(
    "call",
    [
        lambda t, x: t + x,
        lambda t, x: tg.multiply(x, t),
        lambda t, x: tg.where(A[0] > 0, t, x),
        lambda t, x: tanh(x),
        lambda t, x: t @ x,
    ],
    ids=["add", "multiply", "where", "tanh", "matmul"],
)
def test_foreign_objects_are_refused_by_primitive_and_scope(call, x):
    wanted = pytest.raises((TypeError, ValueError), match=r"^\w+ at rnn · t = 2: ")
    with scope("rnn", t=2), wanted:
        call(Tensor(A[0]), x)


def test_a_masked_array_is_refused_because_its_mask_would_be_lost():
    masked = np.ma.array(A, mask=A > 2)
    t = Tensor(A)
    for call in (
        lambda: t + masked,
        lambda: masked + t,
        lambda: masked / t,
        lambda: Tensor(masked),
    ):
        with pytest.raises(TypeError, match=r"mask would be lost|lose its mask"):
            call()


def test_a_foreign_object_is_named_by_its_type():
    t = Tensor(A)
    for x, message in [
        (np.ones(3, complex), "expected real numbers, got dtype complex128"),
        (None, "expected real numbers, got a NoneType"),
        ("2", "expected real numbers, got a str"),
        (Foreign(), "Foreign"),
        ((k for k in range(3)), "generator.*used up"),
        ([t, t], "stack"),
    ]:
        with pytest.raises(TypeError, match=message):
            t * x


BAD_DATA = {
    "strings": ["a", "b"],
    "a string": "hello",
    "complex": [1j, 2.0],
    "ragged": [[1.0], [1.0, 2.0]],
    "objects": [object()],
    "None": None,
    "dates": np.array(["2020-01-01"], dtype="M8[D]"),
    "object array": np.array([1.0, None]),
    "list of Tensors": [Tensor(1.0), Tensor(2.0)],
    "generator": (k for k in range(3)),
    "dict": {"a": 1.0},
    "bytes": b"abc",
}


@pytest.mark.parametrize("data", BAD_DATA.values(), ids=BAD_DATA)
def test_a_tensor_holds_real_numbers_only(data):
    with pytest.raises((TypeError, ValueError), match="Tensor"):
        Tensor(data)


@pytest.mark.parametrize("dtype", [complex, object, str, "M8[D]"], ids=str)
def test_a_dtype_that_holds_no_real_numbers_is_refused(dtype):
    with pytest.raises((TypeError, ValueError), match="Tensor"):
        Tensor([1.0], dtype=dtype)


@pytest.mark.parametrize("join", [tg.concatenate, tg.stack])
@pytest.mark.parametrize("xs", [Tensor(A), [], None, (k for k in [A, A]), 3.0], ids=type)
def test_joining_needs_a_sequence_of_at_least_one(join, xs):
    with pytest.raises(TypeError, match=rf"{join.__name__}.*expected a list"):
        join(xs)


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda t: tg.sum(t, 0, True, 3),
        lambda t: tg.sum(),
        lambda t: tg.sum(t, 0, axis=1),
        lambda t: tg.sum(t, axes=0),
        lambda t: tg.add(t),
        lambda t: tg.add(t, t, t),
        lambda t: tg.tanh(t, 1),
        lambda t: tg.tanh(t, axis=1),
        lambda t: tg.where(A > 0, t),
        lambda t: tg.clip(t, 0, 1, 2),
        lambda t: tg.reshape(t),
    ],
)
def test_misplaced_options_name_the_primitive(call):
    with scope("here"), pytest.raises(TypeError, match=r"^\w+ at here: "):
        call(Tensor(A))


def test_misplaced_options_tell_what_is_taken():
    with pytest.raises(TypeError, match=r"sum: 4 arguments given.*1 input .*axis, keepdims"):
        tg.sum(Tensor(A), 0, True, 3)
    with pytest.raises(TypeError, match=r"add: 3 arguments given.*2 inputs"):
        tg.add(1.0, 2.0, Tensor(A))
    with pytest.raises(TypeError, match="axis is given by place and by name"):
        tg.sum(Tensor(A), 0, axis=1)


# -- a record and what changed under it ------------------------------------------------------------


def test_a_misspelt_attribute_is_an_error():
    with pytest.raises(AttributeError):
        Tensor(A).requires_grad = True
    with pytest.raises(AttributeError):
        _ = Tensor(A).nunpy
    with pytest.raises(AttributeError):
        Tensor(A).shape = (3, 2)


def test_copying_a_recorded_result_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"recorded result.*detach\(\)"):
        copy.deepcopy(Tensor(A) * 2)


@pytest.mark.parametrize(
    "kind",
    [iter, set, lambda xs: {"x": xs[0]}.values()],
    ids=["iterator", "set", "values"],
)
def test_what_is_not_opened_goes_into_a_list(kind):
    x = Tensor(3.0)
    with pytest.raises(TypeError, match=r"wrt to be a Tensor.*: put what is in it into a list"):
        grad(x * x, kind([x]))
    with pytest.raises(TypeError, match=r"wrt to be a Tensor, got ndarray\. Arrays are constants"):
        grad(x * x, np.ones(2))


def test_nothing_to_differentiate_by_is_said():
    with pytest.raises(ValueError, match="nothing to differentiate by: wrt holds no Tensor"):
        grad(Tensor(3.0) * 2, [])
