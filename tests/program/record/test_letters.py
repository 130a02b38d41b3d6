"""Does a letter decide anything but what a thing is called?"""

import re

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, grad, named, scope, stack, tanh

T, B, H = 6, 2, 3
PLAIN = ("qa", "qb", "qc", "qd", "qe")
ODD = [
    ("transposed", "transpose_", "inside_of_", "backwards_", "x_inside__"),
    ("time", "forward", "k", "ks", "T"),
    ("t", "T", "N", "K", "L"),
    ("np", "out", "step", "loss", "range"),
    ("d", "dd", "dh", "da", "dda"),
    ("a", "ba", "cba", "a_b", "b_a"),
    ("packed", "each", "ones", "top", "unit"),
    ("x_f", "exp_d", "room", "long", "EOF"),
    ("_", "__", "_x", "x__y", "1st"),
    ("α", "größe", "名", "x y", "%&#$"),
    ("delta", "ell", "gate", "top", "total"),
]


def net(letters):
    """A loss whose every value bears one of the letters."""
    h_, y_, z_, w_, u_ = letters

    def f(p, x):
        W, U = p[w_], p[u_]
        h, found = Tensor(np.zeros((B, H))), []
        for t in range(len(x)):
            with scope("cell", t=t):
                h = named(**{h_: tanh(x[t] @ W + h @ U * 0.37)})
            found.append(h)
        y = named(**{y_: stack(found) @ U})
        z = named(**{z_: tanh(h @ U)})
        return (y * y).sum() * 0.83 + (z @ W).sum()

    return f


def parameters(letters, T=T):
    rng = np.random.default_rng(0)
    p = {name: Tensor(rng.standard_normal((H, H))) for name in letters[3:]}
    return p, rng.standard_normal((T, B, H))


def program(letters, target, T=T):
    step = compile(net(letters), target=target)
    p, x = parameters(letters, T)
    loss, grads = step(p, x)
    assert step.stats["eager"] == 0, step.reason
    return step, loss, grads


def words(text):
    """A text with its identifiers numbered, and nothing said of how it is set."""
    text = re.sub(r'"""[^"]*"""|#.*|/\*.*?\*/', "", text, flags=re.DOTALL if "/*" in text else 0)
    known = {}
    return [
        known.setdefault(x, len(known)) if re.match(r"[^\W\d]", x) else x
        for x in re.findall(r"[^\W\d]\w*|\d+\.?\d*|[^\w\s]", text)
    ]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("target", ["numpy", "c"])
@pytest.mark.parametrize("letters", ODD, ids=" ".join)
def test_results_are_the_same_bits_whatever_things_are_called(letters, target):
    _, loss, grads = program(PLAIN, target)
    _, again, others = program(letters, target)
    assert loss == again
    for g, other in zip(grads.values(), others.values(), strict=True):
        np.testing.assert_array_equal(g, other)


@pytest.mark.parametrize("letters", ODD[:1] + ODD[4:6] + ODD[10:], ids=" ".join)
def test_programs_differ_by_letters_alone(letters):
    """Where no name is a reserved one, and all are as long."""
    wide = max(map(len, letters))
    plain, odd = (tuple(x.ljust(wide, "v") for x in some) for some in (PLAIN, letters))
    for target in ("numpy", "c"):
        sources = [program(some, target)[0] for some in (plain, odd)]
        texts = [step.c_source if target == "c" else step.source for step in sources]
        assert words(texts[0]) == words(texts[1])


def test_the_name_of_a_product_says_nothing_of_how_it_is_computed():
    def f(p, x, name):
        return (named(**{name: x @ p["U"]}) * 2.0).sum()

    texts = []
    for name in ("transposed", "elementary"):
        step = compile(lambda p, x, name=name: f(p, x, name))
        step({"U": Tensor(np.eye(3))}, np.ones((2, 3)))
        texts.append(step.source.replace(name, "y"))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("letter", ["k", "n", "ks", "each", "ones", "top", "x", "unit", "T2"])
def test_a_letter_is_not_given_to_a_constant(letter):
    def f(p, x):
        total = Tensor(0.0)
        for t in range(len(x)):
            with scope("cell", t=t):
                total = total + named(**{letter: x[t] * 0.3 + 0.7 * p["w"]}).sum() * 3
        return total + (p["w"] ** 7).sum() * 11

    step = compile(lambda p, sequence: f(p, sequence))
    step({"w": Tensor(np.ones(3))}, np.ones((5, 3)))
    header, body = step.source.split("\n\n", 2)[1:]
    assert not re.search(rf"\b{letter}s?\b", header)
    assert re.search(rf"\b({letter}|{letter}_?s)\b", body)
    assert not re.search(rf"\b{letter}2s?\b", step.source) or letter in "kn"


def test_gradients_are_right_whatever_things_are_called():
    for letters in (PLAIN, *ODD):
        _, loss, grads = program(letters, "numpy")
        p, x = parameters(letters)
        exact = net(letters)(p, x)
        np.testing.assert_allclose(loss, exact.data, rtol=1e-13)
        for g, e in zip(grads.values(), grad(exact, list(p.values())), strict=True):
            np.testing.assert_allclose(g, e, rtol=1e-12)
