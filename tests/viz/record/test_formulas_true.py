"""Is what a picture writes true? Every label is parsed, evaluated, and compared with its node."""

import numpy as np
import pytest
from enrolled import every_sample
from hypothesis import given, settings
from hypothesis import strategies as st
from written import evaluated

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, ancestors, call_of, named, nn
from viz.record.calls import calls
from viz.record.collapse import view
from viz.record.formula import text_of
from viz.record.lanes import sections
from viz.record.node_text import called, letters, text
from viz.record.roles import read


def labels_of(*roots, detail="gate"):
    """Every label with the operation it stands for, and the letters in it with their values."""
    record = ancestors(*roots)
    nodes = [node for node in record if node.op is not None]
    inside = {} if detail == "op" else calls(nodes, ())
    where = sections(nodes, inside)
    seen = view(nodes, where, detail, 10_000, set(roots), inside=inside)
    roles = read(record, list(roots), seen)
    for owner, members in roles.members.items():
        if not isinstance(owner, Tensor):
            continue
        label = text(owner, roles, every=detail == "op").replace("\n", " ")
        yield owner, label, members, roles


def array(x):
    return np.asarray(x.data if type(x) is Tensor else x)


def values_of(members, roles):
    """The value of each letter, which is one alone, and of dots in the order they are read."""
    own, found, dots = set(members), {}, {}
    known = letters(members, roles)
    names = {text_of(formula) for formula in known.values()}
    for node in members:
        if (call := call_of(node)) is not None:
            given = zip(call.call.names, call.call.inputs, strict=True)
            found |= {name: array(x) for name, x in given if name not in names}
        for k, x in enumerate(node.inputs):
            inner = type(x) is Tensor and x in own and (node, k) not in known
            if (node, k) in roles.absent or inner:
                continue
            if (node, k) not in known:
                if type(x) is Tensor:
                    dots[id(x)] = array(x)
                continue
            letter = text_of(known[node, k])
            value = array(x)
            if letter in found:
                assert np.array_equal(found[letter], value), f"two values are called {letter}"
            found[letter] = value
    assert len(dots) < 2, "two values are called ·"
    return found, dots


def compare(owner, label, members, roles):
    """Whether a label is a formula at all, and is true if it is."""
    if any(sign in label for sign in ("→", "…", "sum of")):
        return False
    if any((n, k) in roles.absent for n in members for k in range(len(n.inputs))):
        return False  # written as later steps compute it, from a state that was not recorded
    name, sign, formula = label.partition(" = ")
    assert not sign or owner.name is None or name.rstrip("′") == owner.name
    found, dots = values_of(members, roles)
    dot = next(iter(dots.values()), None)
    t = roles.view.step[owner].t
    formula = formula if sign else label
    value = evaluated(formula, found | {"t": t}, [dot] * 9, CONVOLUTION)
    np.testing.assert_allclose(value, owner.data, rtol=2e-3, atol=1e-6, err_msg=label)
    return True


CONVOLUTION = {"conv": lambda x, w, **how: tr.conv(Tensor(x), w, **how).data}


@every_sample()
@pytest.mark.parametrize("last", [False, True])
def test_every_label_of_every_cell_is_true(sample, last):
    cell, xs, state = sample()
    outputs, _ = nn.unroll(cell, Tensor(xs) if xs.dtype.kind == "f" else xs, state)
    loss = tr.sum(outputs[-1]) if last else tr.sum(tr.stack(outputs) ** 2)
    if type(loss) is not Tensor:
        pytest.skip("nothing is recorded")
    found = [compare(*label) for label in labels_of(loss)]
    assert any(found)


MIXED = {
    "product of matrices, then a gate": lambda x, r, h, W: r * (h @ W),
    "gate, then product of matrices": lambda x, r, h, W: (r * h) @ W,
    "softmax over rows and columns": lambda x, r, h, W: tr.softmax(h, axis=0) * tr.softmax(h),
    "steps": lambda x, r, h, W: h[:, ::2] * h[:, 1::2],
    "flip": lambda x, r, h, W: h * tr.flip(h, 1),
    "both flips": lambda x, r, h, W: tr.flip(h, 0) - tr.flip(h, 1),
    "sums": lambda x, r, h, W: h - tr.sum(h, axis=1, keepdims=True) / 4,
    "sum of squares of a product": lambda x, r, h, W: tr.sum(r * (h * h)),
    "taken away": lambda x, r, h, W: h - (r - (x - h)),
    "power of a power": lambda x, r, h, W: (r * r + 1) ** (h * h) ** 2,
    "divided": lambda x, r, h, W: h / (r / (x / (h + 9.0))),
    "divided by a product": lambda x, r, h, W: h / (r * x + 9.0),
    "minus": lambda x, r, h, W: h + (-r) - (-x),
    "minus a number": lambda x, r, h, W: (h * -2.0) * (-h) + -3.5,
    "products of three": lambda x, r, h, W: h @ (W @ W),
    "transposed": lambda x, r, h, W: (h @ W).T @ h,
    "masked": lambda x, r, h, W: tr.where(h > 0, h + 1.0, 0.0),
    "clipped": lambda x, r, h, W: tr.clip(h, low=-0.5) + tr.clip(h, -0.1, 0.2),
    "joined": lambda x, r, h, W: tr.concatenate([h, r], axis=1) @ np.ones((8, 2)),
    "stacked": lambda x, r, h, W: tr.transpose(tr.stack([h, r], axis=1), axes=(1, 0, 2)),
    "reshaped": lambda x, r, h, W: tr.reshape(h, shape=(4, 4)) * 12345.0,
    "largest": lambda x, r, h, W: tr.max(h, axis=0) - tr.min(h, axis=(0, 1), keepdims=True),
    "logsumexp": lambda x, r, h, W: h - tr.logsumexp(h, axis=1, keepdims=True),
    "element": lambda x, r, h, W: h[:, [0, 2]] * h[1, None, 3],
}  # fmt: skip


def random_arrays(rng):
    return [Tensor(rng.uniform(-1, 1, (4, 4)), name=name) for name in "xrhW"]


@pytest.mark.parametrize("name", MIXED)
def test_what_is_mixed_is_written_as_it_is_computed(name):
    y = named(y=MIXED[name](*random_arrays(np.random.default_rng(0))))
    (label,) = labels_of(y)
    assert compare(*label), label[1]


@pytest.mark.parametrize("mask", [None, np.array([[True, False], [True, True], [False, True]])])
def test_losses_and_attention_are_written_as_they_are_computed(mask):
    rng = np.random.default_rng(0)
    q, memory = (Tensor(rng.normal(size=n), name=x) for n, x in (((2, 4), "q"), ((3, 2, 4), "m")))
    context, _ = nn.dot_attention(q, memory, mask)
    losses = (
        nn.cross_entropy(context, np.array([1, 3])),
        nn.binary_cross_entropy(context, np.ones((2, 4))),
    )
    found = list(labels_of(*losses))
    assert [compare(*label) for label in found] == [True] * len(found)
    assert len(found) == 3


def test_two_products_in_another_order_are_two_formulas():
    def label(f):
        x, r, h, W = random_arrays(np.random.default_rng(0))
        return next(iter(labels_of(named(y=f(x, r, h, W)))))[1]

    assert label(lambda x, r, h, W: r * (h @ W)) == "y = r×(h@W)"
    assert label(lambda x, r, h, W: (r * h) @ W) == "y = (r×h)@W"


UNARY = [tr.tanh, tr.sigmoid, tr.exp, lambda x: -x, lambda x: x * x, lambda x: x.T,
         lambda x: x[::-1], lambda x: x[:, ::-1], lambda x: tr.softmax(x, axis=0), tr.softmax,
         lambda x: tr.sum(x, axis=0, keepdims=True), lambda x: tr.max(x, axis=1, keepdims=True),
         lambda x: 2.0 - x, lambda x: x / 4.0, lambda x: -1.5 * x, lambda x: x**2,
         lambda x: x[:, 1:3][:, [0, 1, 0, 1]]]  # fmt: skip
BINARY = [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a @ b,
          lambda a, b: a / (b * b + 1.0), tr.maximum]  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.integers(0, 9)), max_size=6))
def test_random_expressions_are_written_as_they_are_computed(program):
    found = random_arrays(np.random.default_rng(0))
    for which, i, j in program:
        a, b = found[i % len(found)], found[j % len(found)]
        f = (UNARY + 3 * BINARY)[which % (len(UNARY) + 3 * len(BINARY))]
        y = f(a) if f in UNARY else f(a, b)
        found.append(y if y.shape == (4, 4) else y + np.zeros((4, 4)))
    if found[-1].op is not None:
        with np.errstate(all="ignore"):
            for label in labels_of(named(y=found[-1])):
                compare(*label)


def test_a_value_and_another_of_its_letter_have_two_names():
    outputs, _ = nn.unroll(nn.Zoneout(nn.RNNCell(3, 4, rng=0), 0.5), np.ones((3, 2, 3)))
    found = {label for _, label, *_ in labels_of(outputs[-1])}
    assert "h = 0.5×h[t−1] + 0.5×h′" in found
    assert "h = 0.5×h + 0.5×h" not in found


def test_two_values_without_a_letter_get_one():
    outputs, _ = nn.unroll(nn.GRUCell(3, 4, rng=0), np.ones((3, 2, 3)))
    found = [label for _, label, *_ in labels_of(outputs[-1])]
    assert found.count("a = x@W_x + b_x") == 3
    assert found.count("r = σ(a_r + u_r)") == found.count("n = tanh(a_n + r×u_n)") == 3


def test_an_element_is_no_step_though_its_number_is_that_of_the_step():
    W, h = Tensor(np.ones((3, 2)), name="W"), Tensor(np.zeros(2), name="h0")
    xs = Tensor(np.ones((3, 2)), name="xs")
    for t in range(3):
        with tr.scope("own", t=t):
            h = named(h=tr.tanh(h * W[0] + xs[t]))
    found = {label for _, label, *_ in labels_of(h)}
    assert found == {"h = tanh(h[t−1]×W[0] + xs[t])"}


def test_names_are_those_of_the_record():
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((3, 2, 3)))
    for owner, label, _, roles in labels_of(*outputs):
        if owner.name:
            assert label.startswith(f"{called(owner, roles)} = ")
