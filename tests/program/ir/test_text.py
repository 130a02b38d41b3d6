"""Is a graph that was written as text read as the same graph?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.program.ir.text import graph_from, text_of

LINES = [
    "h[t] = tanh(a[t]); h[-1] = h0",
    "h[t] = add(h[t - 1], x[t]); h[-1] = 0.0",
    "d[t] = multiply(d[t + 1], x[t]); t = 1 … 3; d[4] = g",
    "x[t] = getitem(X, index=(t + 1,))\ny[t] = square(x[t])",
    "x[t] = getitem(X, index=(-t + 4, slice(2), None))\ny = copy(x[3])",
    "s = sum_t(h[0:5], axis=(0, 1))",
    "y = getitem(x, r, c, index=(Input(1), Input(2)))",
]


@pytest.mark.parametrize("lines", LINES)
def test_text_is_read_as_it_was_written(lines):
    assert text_of(*graph_from(lines)) == lines


OPS = st.sampled_from(["add", "multiply", "subtract"])


@given(
    st.lists(st.tuples(OPS, st.integers(0, 9), st.integers(0, 9), st.integers(-2, 2)), min_size=1)
)
def test_chains_of_sequences_are_read_as_they_were_written(drawn):
    names = ["x"]
    lines = []
    for k, (op, i, j, away) in enumerate(drawn):
        left, right = names[i % len(names)], names[j % len(names)]
        at = f"t {'-' if away < 0 else '+'} {abs(away)}" if away else "t"
        lines.append(f"v{k}[t] = {op}({left}[t], {right}[{at}])")
        names.append(f"v{k}")
    values, _ = graph_from("\n".join(lines))
    outputs = [v for v in values if v.op != "leaf"]
    assert text_of(values, outputs) == "\n".join(lines)


def test_equal_names_are_told_apart_by_a_number():
    values, outputs = graph_from("k[t] = tanh(x[t])\nd[t] = square(k[t])")
    outputs[0].name = "k"
    assert text_of(values, outputs).splitlines()[1] == "k2[t] = square(k[t])"


def test_an_array_that_is_known_is_a_constant():
    values, _ = graph_from("y = add(x, b)", b=np.arange(3.0))
    assert [a.kind for a in values[-1].args] == ["one", "const"]
