"""Do all languages write the same formula, with the brackets that it needs?"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written import evaluated

from tinygrad_rnn.program.formula.letters import Letter
from tinygrad_rnn.program.formula.python import Python
from tinygrad_rnn.program.formula.shapes import Shapes
from tinygrad_rnn.program.formula.tex import Tex
from tinygrad_rnn.program.formula.text import Label, Rich, Wide
from tinygrad_rnn.program.formula.tree import Formula, Step

LETTERS = {name: np.random.default_rng(k).uniform(0.5, 1.5, (3, 3)) for k, name in enumerate("abc")}
VALUES = {
    "sum": lambda *xs: sum(xs[1:], xs[0]),
    "negative": lambda x: -x,
    "product": lambda *xs: np.prod(np.stack(np.broadcast_arrays(*xs)), 0),
    "quotient": lambda x, y: x / y,
    "matmul": lambda x, y: x @ y,
    "square": lambda x: x * x,
    "transpose": lambda x: x.T,
    "tanh": np.tanh,
}


def value(x):
    if x.head == "letter":
        return LETTERS[x.what]
    return float(x.what) if x.head == "number" else VALUES[x.head](*map(value, x.parts))


def tree(head, *parts):
    return Formula(head, parts)


letters = st.sampled_from("abc").map(lambda name: Formula("letter", what=name))
numbers = st.sampled_from([Fraction(-3), Fraction(2), Fraction(1, 2), Fraction(-1)]).map(
    lambda k: Formula("number", what=k)
)


UNARY = ("negative", "square", "transpose", "tanh")


def larger(inner):
    return st.one_of(
        *(st.builds(tree, st.just(head), inner, inner) for head in ("quotient", "matmul")),
        *(st.builds(tree, st.just(head), inner) for head in UNARY),
        st.builds(lambda *xs: tree("sum", *xs), inner, inner, st.one_of(inner, numbers)),
        st.builds(lambda *xs: tree("product", *xs), st.one_of(inner, numbers), inner, inner),
    )  # fmt: skip


formulas = st.recursive(letters, larger, max_leaves=8)
PYTHON = Python(lambda key, step: key, str, {}, Shapes(lambda x: (3, 3), {}))
PYTHON.is_bool = lambda x: False


@settings(deadline=None, max_examples=200)
@given(formulas)
def test_what_each_language_writes_has_the_value_of_the_formula(x):
    with np.errstate(all="ignore"):
        wanted = value(x)
        said = [evaluated(writer().text(x), LETTERS) for writer in (Label, Wide)]
        said.append(eval(PYTHON.text(x), {"np": np, **LETTERS}))
    for found in said:
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@settings(deadline=None)
@given(formulas)
def test_pieces_and_brackets_of_latex_are_those_of_the_text(x):
    names = {name: Letter(name) for name in LETTERS}
    pieces = Rich().text(lettered(x))
    assert sum(text.count("(") - text.count(")") for _, text in pieces) == 0
    text = Tex(names).text(x)
    assert text.count("{") == text.count("}")
    assert text.count("\\left(") == text.count("\\right)")


def lettered(x):
    if x.head == "letter":
        return Formula("letter", what=(("i", x.what),))
    return Formula(x.head, tuple(map(lettered, x.parts)), x.what)


@pytest.mark.parametrize(
    ("head", "wanted"),
    [("quotient", "\\tanh\\left(\\frac{a}{b}\\right)"), ("product", "\\tanh(a \\odot b)")],
)
def test_brackets_are_as_high_as_what_is_in_them(head, wanted):
    a, b = (Formula("letter", what=name) for name in "ab")
    names = {name: Letter(name) for name in LETTERS}
    assert Tex(names).text(tree("tanh", tree(head, a, b))) == wanted


def test_names_of_several_letters_are_upright():
    assert Letter.of("W_enc_out").tex("t") == "W_{\\mathrm{enc\\_out},t}"
    assert Letter.of("scale_x").tex() == "\\mathrm{scale}_x"
    assert Letter.of("W_x").tex(Step(1, -1).tex()) == "W_{x,t-1}"
