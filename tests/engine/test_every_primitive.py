"""Does every primitive keep the promises that all primitives make?

A primitive is enrolled by its samples: add a line to `SAMPLES` and everything below holds for it.
"""

import copy
import inspect
import operator
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_rnn import Primitive, Tensor, check_grads, grad
from tinygrad_rnn.engine import functions as fs
from tinygrad_rnn.engine import operators, tensor
from tinygrad_rnn.engine import primitives as p
from tinygrad_rnn.engine.kinds import BOTH, UNKNOWN
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.primitives import Input
from tinygrad_rnn.engine.recorder import Recorder
from tinygrad_rnn.engine.rules import RULES
from tinygrad_rnn.program.record.abstract import Shapes

rng = np.random.default_rng(7)

A = rng.uniform(0.4, 1.6, (3, 4)) * np.where(rng.random((3, 4)) < 0.5, -1, 1)  # no zeros, no ties
B = A[::-1] * rng.uniform(1.1, 1.9, (3, 4))
POSITIVE = np.abs(A)
ROW = np.array([0.7, -1.3, 0.45, 1.9])
COLUMN = np.array([[-0.6], [1.2], [0.35]])
CUBE = rng.uniform(-1.5, 1.5, (2, 3, 4))
SCALAR = np.array(0.65)
MASK = np.array([[True, False, True, False]] * 2 + [[False] * 4])
PLACES = np.array([2, 0, 2])
KERNEL = rng.uniform(-1, 1, (3, 4, 2))
IMAGES = rng.uniform(-1, 1, (2, 4, 3, 2))
KERNEL_2D = rng.uniform(-1, 1, (2, 3, 2, 1))


class Sample:
    """Arguments to check a primitive at: smooth there, float arrays are differentiated."""

    def __init__(self, *inputs, **options):
        self.inputs, self.options = inputs, options

    def __repr__(self):
        given = [np.array2string(np.array(np.shape(x))) for x in self.inputs]
        return ",".join(given + [f"{k}={v}" for k, v in self.options.items()])

    def function(self, op):
        """`op` as a function of the float arrays alone, and these arrays."""

        def f(*xs):
            remaining = iter(xs)
            inputs = [next(remaining) if is_float(x) else x for x in self.inputs]
            return op(*inputs, **self.options)

        return f, [x for x in self.inputs if is_float(x)]

    def arguments(self, dtype):
        """The inputs, floats in the wanted precision."""
        return [x.astype(dtype)[()] if is_float(x) else x for x in self.inputs]


def is_float(x):
    return isinstance(x, (np.ndarray, np.floating)) and x.dtype.kind == "f"


S = Sample
BINARY = [S(A, B), S(A, ROW), S(COLUMN, A), S(COLUMN, ROW), S(SCALAR, CUBE), S(A, 2), S(0.5, A)]
UNARY = [S(A), S(CUBE), S(SCALAR)]
UNARY_POSITIVE = [S(POSITIVE), S(np.abs(CUBE) + 0.1), S(SCALAR)]
AXES = [{}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)}, {"keepdims": True}]
REDUCTIONS = [S(x, **options) for x in (A, CUBE) for options in AXES] + [S(SCALAR)]
ALL = slice(None)

SAMPLES = {
    p.add: BINARY,
    p.subtract: BINARY,
    p.multiply: BINARY,
    p.divide: [*BINARY, S(1, A)],
    p.power: [
        S(POSITIVE, B),
        S(POSITIVE, ROW),
        S(A, 2),
        S(A, 3.0),
        S(A, -1.0),
        S(2.0, A),
        S(SCALAR, SCALAR),
    ],
    p.negative: UNARY,
    p.exp: UNARY,
    p.log: UNARY_POSITIVE,
    p.log1p: UNARY_POSITIVE,
    p.expm1: UNARY,
    p.sqrt: UNARY_POSITIVE,
    p.absolute: UNARY,
    p.sin: UNARY,
    p.cos: UNARY,
    p.tanh: UNARY,
    p.sigmoid: UNARY,
    p.relu: UNARY,
    p.softplus: UNARY,
    p.maximum: [S(A, B), S(A, ROW), S(COLUMN, ROW), S(A, 0.1), S(0, A)],
    p.minimum: [S(A, B), S(A, ROW), S(COLUMN, ROW), S(A, 0.1), S(0, A)],
    p.where: [
        S(MASK, A, B),
        S(MASK, A, 0.0),
        S(MASK, 0, A),
        S(MASK, COLUMN, ROW),
        S(MASK[0], A, SCALAR),
    ],
    p.stop_gradient: UNARY,
    p.pass_gradient: [S(A), S(CUBE, limit=100.0), S(SCALAR, scale=1)],
    p.cut_gradient: [S(A, np.array(False)), S(CUBE, np.array(False)), S(SCALAR, False, scale=1)],
    p.clip: [S(A, low=-1.0, high=0.9), S(A, high=0.5), S(A, low=0), S(SCALAR, low=0, high=1)],
    p.astype: [
        S(A, dtype=np.dtype(np.float64)),
        S(A, dtype=np.dtype(np.float32)),
        S(SCALAR, dtype=np.dtype(np.float64)),
    ],
    p.matmul: [
        S(A, B.T),
        S(ROW, A.T),
        S(A, ROW),
        S(ROW, ROW * COLUMN[1]),
        S(CUBE, A.T),
        S(A, CUBE.swapaxes(1, 2)),
        S(CUBE, ROW),
        S(CUBE[:, None], CUBE.swapaxes(1, 2)),
        S(ROW, CUBE.swapaxes(1, 2)),
    ],
    p.conv: [
        S(CUBE, KERNEL),
        S(CUBE, KERNEL, padding="valid"),
        S(CUBE[0], KERNEL),
        S(CUBE[:, None], KERNEL, padding=((2, 0),)),
        S(CUBE[:, :1], KERNEL),  # a kernel wider than the space
        S(CUBE, KERNEL[:2], padding=((-1, 1),)),
        S(IMAGES, KERNEL_2D),
        S(IMAGES, KERNEL_2D, padding="valid"),
        S(IMAGES[0], KERNEL_2D[:1, :2]),
    ],
    fs.tan: UNARY,
    fs.arctan: UNARY,
    fs.sinh: UNARY,
    fs.cosh: UNARY,
    fs.log2: UNARY_POSITIVE,
    fs.log10: UNARY_POSITIVE,
    fs.erf: UNARY,
    fs.floor: UNARY,
    fs.sign: UNARY,
    fs.mod: BINARY,
    fs.cumsum_p: [S(A, axis=0), S(A, axis=-1), S(CUBE, axis=1), S(ROW, axis=0)],
    p.sum: REDUCTIONS,
    p.max: REDUCTIONS,
    p.min: REDUCTIONS,
    p.logsumexp: REDUCTIONS,
    p.softmax: [S(A), S(A, axis=0), S(CUBE, axis=1), S(ROW)],
    p.log_softmax: [S(A), S(A, axis=0), S(CUBE, axis=1), S(ROW)],
    p.reshape: [
        S(A, shape=(2, 6)),
        S(A, shape=-1),
        S(CUBE, shape=(4, -1)),
        S(SCALAR, shape=(1, 1)),
    ],
    p.transpose: [S(A), S(CUBE), S(CUBE, axes=(1, 2, 0)), S(CUBE, axes=(0, -1, 1)), S(ROW)],
    p.broadcast_to: [
        S(ROW, shape=(3, 4)),
        S(COLUMN, shape=(2, 3, 4)),
        S(SCALAR, shape=(2, 2)),
        S(A, shape=(3, 4)),
    ],
    p.getitem: [
        S(A, index=(1,)),
        S(A, index=(ALL, slice(None, None, -2))),
        S(CUBE, index=(..., None, 2)),
        S(A, PLACES, index=(Input(1),)),
        S(A, MASK, index=(Input(1),)),
        S(A, index=(1, 2)),
        S(CUBE, PLACES, index=(slice(1), Input(1))),
        S(A, PLACES, PLACES[:, None], index=(Input(1), Input(2))),
    ],
    p.scatter: [
        S(A, indices=((ALL,),), shape=(3, 4)),
        S(ROW, SCALAR, indices=((1,), (2, 3)), shape=(3, 4)),
        S(CUBE[0], PLACES, indices=((Input(1),),), shape=(5, 4)),
        S(ROW, CUBE[0], PLACES, indices=((2,), (Input(2),)), shape=(3, 4)),
    ],
    p.concatenate_p: [
        S(A, B, axis=0, starts=(0, 3, 6)),
        S(A, COLUMN, B, axis=-1, starts=(0, 4, 5, 9)),
    ],
    p.stack_p: [S(A, B, axis=0), S(A, B, A, axis=-1), S(SCALAR, SCALAR, axis=0)],
    p.segment: [
        S(
            A,
            B,
            again=lambda g: [p.reshape(g * k, shape=A.shape) for k in (2, 3)],
            size=12,
            dtype=A.dtype,
        )
    ],
}

COMPARISONS = {
    op: [S(A, B), S(A, A), S(A, ROW), S(A, 0.5)]
    for op in (p.less, p.less_equal, p.greater, p.greater_equal, p.equal, p.not_equal)
}
COMPARISONS |= {op: [S(MASK, MASK[0]), S(MASK, True)] for op in (p.logical_and, p.logical_or)}
COMPARISONS |= {p.logical_not: [S(MASK)]}
WITHOUT_RULE = {p.stop_gradient, fs.floor, fs.sign, *COMPARISONS}
PYTHON = {  # their names among Python's operators
    p.less: "lt",
    p.less_equal: "le",
    p.greater: "gt",
    p.greater_equal: "ge",
    p.equal: "eq",
    p.not_equal: "ne",
    p.logical_and: "and_",
    p.logical_or: "or_",
    p.logical_not: "invert",
}
NOT_ITS_OWN_SLOPE = {p.segment}  # its value is -0 whatever its inputs are


def all_primitives():
    found = [x for x in OPS.values() if isinstance(x, Primitive)]
    return list(dict.fromkeys([*found, *RULES]))


def enrolled(known, without=(), wanted=lambda sample: True):
    pairs = [
        pytest.param(op, sample, id=f"{op.name}-{k}")
        for op, samples in known.items()
        if op not in without
        for k, sample in enumerate(samples)
        if wanted(sample)
    ]
    return pytest.mark.parametrize(("op", "sample"), pairs)


every_sample = enrolled(SAMPLES)
every_differentiable_sample = enrolled(SAMPLES, WITHOUT_RULE)
# central differences drown in float32
every_float64_sample = enrolled(
    SAMPLES,
    WITHOUT_RULE | NOT_ITS_OWN_SLOPE,
    wanted=lambda sample: sample.options.get("dtype") != np.float32,
)
both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def refuse_missing(op, samples, rules):
    assert op in samples, (
        f"{op!r} has no samples, so nothing is known about it. Add a line "
        f"`p.{op.name}: [S(array, ..., option=...)]` to SAMPLES in "
        "tests/engine/test_every_primitive.py."
    )
    assert op in rules or op in WITHOUT_RULE, (
        f"{op!r} has no rule, so gradients would stop there without a word. Add a line to RULES in "
        "tinygrad_rnn/engine/rules.py; only stop_gradient and what is constant nearly everywhere "
        "have none."
    )


@pytest.mark.parametrize("op", all_primitives(), ids=lambda op: op.name)
def test_every_primitive_has_samples_and_a_rule(op):
    refuse_missing(op, SAMPLES | COMPARISONS, RULES)
    assert (SAMPLES | COMPARISONS)[op]


@enrolled(COMPARISONS)
def test_comparisons_give_arrays_and_tensors_where_the_record_becomes_a_program(op, sample):
    first, *rest = sample.inputs
    exact = getattr(np, op.name)(first, *rest)
    python = getattr(operator, PYTHON.get(op, op.name))
    plain = python(Tensor(first), *rest)
    assert type(plain) is np.ndarray
    np.testing.assert_array_equal(plain, exact)
    with Recorder():
        recorded = python(Tensor(first), *rest)
        turned = [python(x, Tensor(first)) for x in rest]
    assert recorded.op is op
    np.testing.assert_array_equal(recorded.data, exact)
    for x, y in zip(rest, turned, strict=True):
        np.testing.assert_array_equal(y.data, getattr(np, op.name)(x, first))


@pytest.mark.parametrize("sample", SAMPLES[p.conv], ids=repr)
def test_a_complete_record_has_the_parts_of_a_convolution_and_the_same_gradients(sample):
    x, w = map(Tensor, sample.inputs)
    whole = p.conv(x, w, **sample.options)
    with Recorder():
        parts = p.conv(x, w, **sample.options)
    assert parts.op is p.matmul
    np.testing.assert_allclose(parts.data, whole.data, rtol=1e-12, atol=1e-13)
    g = np.random.default_rng(0).standard_normal(whole.shape)
    for a, b in zip(grad(parts, [x, w], g), grad(whole, [x, w], g), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@both_precisions
@enrolled(SAMPLES | COMPARISONS)
def test_without_values_it_has_the_same_shape_and_dtype(op, sample, dtype):
    inputs, shapes = sample.arguments(dtype), Shapes()
    exact = op.forward(*inputs, **sample.options)
    unknown = [shapes.leaf(Tensor(x)) if is_float(x) else x for x in inputs]
    with Recorder(shapes):
        found = op(*unknown, **sample.options)
    assert (found.shape, found.dtype) == (exact.shape, exact.dtype)
    assert not shapes.asked


def test_logic_is_for_conditions():
    with pytest.raises(TypeError, match="expected bool"):
        p.logical_and(Tensor([1, 2]), 3)


def test_a_primitive_without_samples_or_rule_is_refused_by_name():
    cube_root = Primitive("cbrt", np.cbrt, 1)
    with pytest.raises(AssertionError, match=r"cbrt.* no samples.*SAMPLES"):
        refuse_missing(cube_root, SAMPLES, RULES)
    with pytest.raises(AssertionError, match=r"cbrt.* no rule.*RULES"):
        refuse_missing(cube_root, {cube_root: [S(A)]}, RULES)


def test_only_stop_gradient_and_what_is_constant_nearly_everywhere_have_no_rule():
    assert {op for op in all_primitives() if op not in RULES} == WITHOUT_RULE


def test_every_fixed_primitive_has_one_rule_per_input():
    for op, rules in RULES.items():
        if op.arity is None:
            assert callable(rules) or rules, op
        else:
            assert len(rules) == op.arity, op


def leaves(arguments):
    return [Tensor(x) if is_float(x) else x for x in arguments]


@every_float64_sample
def test_gradients_of_both_orders_are_those_of_central_differences(op, sample):
    f, arrays = sample.function(op)
    check_grads(f, *arrays, order=2)


@every_float64_sample
def test_each_entry_of_the_gradient_is_that_of_central_differences(op, sample):
    f, arrays = sample.function(op)
    check_grads(f, *arrays, order=1, entrywise=True)


@both_precisions
@every_sample
def test_recorded_values_are_those_computed_from_arrays_bit_for_bit(op, sample, dtype):
    arguments = sample.arguments(dtype)
    plain = op(*arguments, **sample.options)
    recorded = op(*leaves(arguments), **sample.options)
    assert isinstance(recorded, Tensor)
    assert not isinstance(plain, Tensor)
    assert recorded.dtype == plain.dtype
    assert np.array_equal(recorded.data, plain)


@both_precisions
@every_differentiable_sample
def test_each_rule_recorded_equals_itself_run_on_arrays_bit_for_bit(op, sample, dtype):
    xs = leaves(sample.arguments(dtype))
    wrt = [x for x in xs if isinstance(x, Tensor)]
    y = op(*xs, **sample.options)
    cotangent = np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype)
    weights = [np.random.default_rng(2).standard_normal(x.shape).astype(dtype) for x in wrt]

    plain = grad(y, wrt, cotangent)
    seed = Tensor(cotangent)
    recorded = grad(y, wrt, seed, create_graph=True)
    for x, g, G in zip(wrt, plain, recorded, strict=True):
        assert isinstance(G, Tensor)
        assert not isinstance(g, Tensor)
        assert x.dtype == g.dtype == G.dtype == dtype
        assert np.array_equal(g, G.data)

    # the rules of whatever primitives the rules are made of, in the same way
    total = 0
    for G, w in zip(recorded, weights, strict=True):
        total = (G * w).sum() + total
    plain = grad(total, [*wrt, seed], unused="zero")
    recorded = grad(total, [*wrt, seed], create_graph=True, unused="zero")
    for g, G in zip(plain, recorded, strict=True):
        assert g.dtype == G.dtype
        assert np.array_equal(g, G.data)


@every_sample
def test_float32_stays_float32(op, sample):
    y = op(*leaves(sample.arguments(np.float32)), **sample.options)
    assert y.dtype == sample.options.get("dtype", np.float32)


@both_precisions
@every_sample
def test_inputs_are_never_written_into_and_results_are_read_only(op, sample, dtype):
    arguments = sample.arguments(dtype)
    xs = leaves(arguments)
    before = [np.array(x.data) for x in xs if isinstance(x, Tensor)]
    y = op(*xs, **sample.options)
    if op in RULES:
        grad(y, [x for x in xs if isinstance(x, Tensor)], np.ones(y.shape, y.dtype))
    after = [x.data for x in xs if isinstance(x, Tensor)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.ndim(y.data) == 0 or not y.data.flags.writeable


BROADCASTING = [p.add, p.subtract, p.multiply, p.divide, p.power, p.maximum, p.minimum]
pair_of_shapes = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3)


@pytest.mark.parametrize("op", BROADCASTING, ids=lambda op: op.name)
@given(shapes=pair_of_shapes, seed=st.integers(0, 99))
def test_broadcasting_is_undone_by_summing_over_what_was_repeated(op, shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (Tensor(rng.uniform(0.5, 2, shape)) for shape in shapes.input_shapes)
    y = op(a, b)
    assert y.shape == shapes.result_shape
    cotangent = rng.standard_normal(y.shape)
    found = grad(y, [a, b], cotangent)
    wide = [Tensor(np.broadcast_to(x.data, y.shape)) for x in (a, b)]
    expected = grad(op(*wide), wide, cotangent)
    for x, g, e in zip((a, b), found, expected, strict=True):
        assert g.shape == x.shape
        extra = tuple(range(y.ndim - x.ndim))
        kept = tuple(k + len(extra) for k, n in enumerate(x.shape) if n == 1)
        e = e.sum(axis=(*extra, *kept), keepdims=True).reshape(x.shape)
        np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-12)


@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3),
    seed=st.integers(0, 99),
)
def test_broadcasting_of_where_is_undone_for_both_values(shapes, seed):
    rng = np.random.default_rng(seed)
    mask, *values = (rng.standard_normal(shape) for shape in shapes.input_shapes)
    a, b = map(Tensor, values)
    y = p.where(mask > 0, a, b)
    ga, gb = grad(y, [a, b], np.ones(y.shape))
    assert (ga.shape, gb.shape) == (a.shape, b.shape)
    chosen = np.broadcast_to(mask > 0, y.shape).sum()
    assert ga.sum() == chosen
    assert gb.sum() == y.size - chosen


@given(shapes=pair_of_shapes, seed=st.integers(0, 99))
def test_broadcast_to_and_sum_are_adjoint(shapes, seed):
    rng = np.random.default_rng(seed)
    x = Tensor(rng.standard_normal(shapes.input_shapes[0]))
    y = p.broadcast_to(x, shape=shapes.result_shape)
    v, u = rng.standard_normal(y.shape), rng.standard_normal(x.shape)
    pulled = grad(y, x, v)
    pushed = p.broadcast_to(u, shape=shapes.result_shape)
    np.testing.assert_allclose(np.sum(pulled * u), np.sum(v * pushed), rtol=1e-10, atol=1e-10)


def test_a_primitive_is_one_object_when_it_is_pickled():
    for op in all_primitives():
        assert pickle.loads(pickle.dumps(op)) is op


def test_the_registry_has_all_that_a_tensor_looks_up_and_only_what_is_the_engines_own():
    asked = re.findall(
        r"""(?:OPS\[|_compared\()"(\w+)\"""",
        inspect.getsource(operators) + inspect.getsource(tensor),
    )
    assert len(asked) > 40
    assert not {*asked}.difference(OPS)
    before = dict(OPS)
    Primitive("tanh", np.tanh, 1)
    Primitive("mine", np.tanh, 1)
    assert before == OPS
    assert {op.name for op in all_primitives()} <= {*OPS}


def test_a_primitive_of_yours_stays_itself_whatever_its_name(monkeypatch):
    mine = Primitive("tanh", lambda x, /: x + 1)
    monkeypatch.setitem(RULES, mine, (lambda g, y, x: g,))
    assert mine(Tensor(1.0)).op is mine
    assert Tensor(1.0).tanh().op is p.tanh
    assert copy.deepcopy(mine) is copy.copy(mine) is mine
    with pytest.raises(LookupError, match=r"finds another primitive.*a name of its own"):
        pickle.dumps(mine)


def test_a_primitive_of_yours_with_a_rule_is_one_object_when_it_is_pickled(monkeypatch):
    mine = Primitive("mine", lambda x, /: x + 1)
    assert copy.deepcopy(mine) is mine
    with pytest.raises(LookupError, match="no primitive 'mine' with a rule"):
        pickle.dumps(mine)
    monkeypatch.setitem(RULES, mine, (lambda g, y, x: g,))
    assert pickle.loads(pickle.dumps(mine)) is mine


# -- what is known of a primitive without running it ----------------------------------------------


def test_every_primitive_of_the_engine_has_a_kind():
    assert not [op.name for op in all_primitives() if op.kind is UNKNOWN]


def linear_in(op, sample, group):
    """Whether a primitive is linear in these float inputs together, the others as they are."""
    other = np.random.default_rng(3)
    pairs = [
        (x, other.permutation(np.ravel(x)).reshape(np.shape(x)) + 0.3)
        if k in group and is_float(x)
        else (x, x)
        for k, x in enumerate(sample.inputs)
    ]

    def f(a, b):
        mixed = [a * x + b * y if k in group else x for k, (x, y) in enumerate(pairs)]
        return op(*mixed, **sample.options)

    with np.errstate(all="ignore"):
        return np.allclose(f(2, 3), 2 * f(1, 0) + 3 * f(0, 1), rtol=1e-6, atol=1e-9)


@enrolled(SAMPLES, WITHOUT_RULE)
def test_it_is_linear_in_the_inputs_it_says(op, sample):
    floats = [k for k, x in enumerate(sample.inputs) if is_float(x)]
    for group in op.linear:
        group = floats if group == (...,) else [k for k in group if k in floats]
        numbers = [x for k, x in enumerate(sample.inputs) if k not in floats]
        if group and not (op.linear == BOTH and numbers):  # a + 2 is affine
            assert linear_in(op, sample, group)


@pytest.mark.parametrize(
    "op", [op for op in SAMPLES if op not in NOT_ITS_OWN_SLOPE], ids=lambda op: op.name
)
def test_alone_it_is_linear_in_no_other_input(op):
    alone = {group[0] for group in op.linear if len(group) == 1} - {...}
    for k in range(max(len(sample.inputs) for sample in SAMPLES[op])):
        fits = [s for s in SAMPLES[op] if k < len(s.inputs) and is_float(s.inputs[k])]
        if fits and k not in alone:
            assert not all(linear_in(op, sample, [k]) for sample in fits), k


@enrolled(SAMPLES | COMPARISONS)
def test_what_is_exact_takes_its_elements_from_the_inputs(op, sample):
    if op.kind.exact and op is not p.scatter:  # which adds where a place is named twice
        y = np.asarray(op(*sample.inputs, **sample.options))
        known = [np.ravel(x) for x in (*sample.inputs, *sample.options.values()) if is_number(x)]
        known = np.concatenate([*known, [0.0]])
        assert y.dtype == bool or np.isin(y, np.concatenate([known, -known])).all()


def is_number(x):
    return isinstance(x, (int, float, np.ndarray)) and np.asarray(x).dtype.kind in "fiub"


@enrolled(SAMPLES | COMPARISONS)
def test_elementwise_means_element_by_element(op, sample):
    if op.kind.form in ("elementwise", "identity"):
        whole = np.asarray(op(*sample.inputs, **sample.options))
        spread = np.broadcast_arrays(*sample.inputs)
        for at in list(np.ndindex(whole.shape))[:3]:
            one = op(*[np.asarray(x[at]) for x in spread], **sample.options)
            np.testing.assert_allclose(one, whole[at], rtol=1e-14)


UFUNCS = [op for op in OPS.values() if isinstance(op, Primitive) and type(op.forward) is np.ufunc]


@pytest.mark.parametrize("op", UFUNCS, ids=lambda op: op.name)
@pytest.mark.parametrize("wrap", [Tensor, np.asarray], ids=["Tensor", "array"])
def test_a_keyword_of_numpys_ufuncs_is_refused_and_nothing_is_written(op, wrap):
    out = np.full(2, 7.0)
    for option in ({"out": out}, {"where": np.zeros(2, bool)}, {"dtype": "float32"}):
        with pytest.raises(TypeError, match=rf"{op.name}\b.*{next(iter(option))}"):
            op(*[wrap(np.array([0.25, 0.5]))] * op.arity, **option)
    assert (out == 7.0).all()
