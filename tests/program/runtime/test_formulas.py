"""Are the formulas of a cell those of its paper, gate by gate, and can they be set and saved?"""

import re

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import compile, named, nn, sigmoid, tanh

LSTM = r"""\begin{align*}
  i_t &= \sigma(x_t\, W_{x i} + b_{x i} + h_{t-1}\, W_{h i} + b_{h i}) \\
  f_t &= \sigma(x_t\, W_{x f} + b_{x f} + h_{t-1}\, W_{h f} + b_{h f}) \\
  g_t &= \tanh(x_t\, W_{x g} + b_{x g} + h_{t-1}\, W_{h g} + b_{h g}) \\
  o_t &= \sigma(x_t\, W_{x o} + b_{x o} + h_{t-1}\, W_{h o} + b_{h o}) \\
  c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
  h_t &= o_t \odot \tanh(c_t)
\end{align*}"""
GRU = r"""\begin{align*}
  r_t &= \sigma(x_t\, W_{x r} + b_{x r} + h_{t-1}\, W_{h r} + b_{h r}) \\
  z_t &= \sigma(x_t\, W_{x z} + b_{x z} + h_{t-1}\, W_{h z} + b_{h z}) \\
  n_t &= \tanh(x_t\, W_{x n} + b_{x n} + r_t \odot (h_{t-1}\, W_{h n} + b_{h n})) \\
  h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}
\end{align*}"""


@pytest.mark.parametrize(("cell", "formulas"), [(nn.LSTMCell, LSTM), (nn.GRUCell, GRU)])
def test_a_cell_is_written_gate_by_gate(cell, formulas):
    assert tg.equations(cell).environments == [formulas]
    assert tg.equations(cell(5, 7, rng=3)).environments == [formulas]


def test_which_columns_a_gate_has_is_said():
    text = tg.equations(nn.LSTMCell)
    assert "% W_h = [W_{h i}, W_{h f}, W_{h g}, W_{h o}] in equal parts." in text


def test_columns_have_the_letter_of_their_own_gate():
    """W_h of MUT1 has columns for r and n alone, W_x for z and r."""
    text = tg.equations(nn.MUT1Cell)
    assert r"r_t &= \sigma(x_t\, W_{x r} + h_{t-1}\, W_{h r} + b_{x r})" in text
    assert r"n_t &= \tanh((r_t \odot h_{t-1})\, W_{h n} + \tanh(x_t) + b_{x n})" in text


def test_a_norm_over_all_gates_stays_in_one_piece():
    text = tg.equations(nn.LayerNormLSTMCell)
    assert r"f_t &= \sigma(u_t^{(f)})" in text
    assert "% u_t = [u_t^{(i)}, u_t^{(f)}, u_t^{(g)}, u_t^{(o)}] in equal parts." in text


def test_a_cell_of_ones_own():
    class Minimal(nn.GatedCell):
        gates = 2

        def __call__(self, x, h):
            a_f, a_n = tg.split(x @ self.W_x + self.b_x, 2)
            f = named(f=sigmoid(a_f + h))
            return named(h=(1 - f) * tanh(a_n) + f * h)

    assert tg.equations(Minimal(3, 4, rng=0)).environments[0].splitlines()[1:3] == [
        r"  f_t &= \sigma(x_t\, W_{x f} + b_{x f} + h_{t-1}) \\",
        r"  h_t &= (1 - f_t) \odot \tanh(x_t\, W_{x h} + b_{x h}) + f_t \odot h_{t-1}",
    ]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", nn.cells_of(nn).values(), ids=lambda kind: kind.__name__)
def test_every_cell_has_formulas_of_one_step(kind):
    text = tg.equations(kind)
    (block,) = text.environments
    lines = re.split(r" \\\\\n(?!  &)", block)
    assert not [line for line in lines if r"\qquad" in line]  # all steps are alike
    for opening, closing in ("{}", "()", "[]"):
        assert block.count(opening) == block.count(closing)
    assert "L &=" not in text


@pytest.mark.parametrize("wrong", [nn.Linear, nn.Linear(3, 4, rng=0), tanh, dict])
def test_what_is_no_cell_is_refused(wrong):
    with pytest.raises(TypeError, match="equations: expected a class of cells"):
        tg.equations(wrong)


def stepped():
    def loss(cell, x):
        return nn.mse_loss(nn.unroll(cell, x)[0][-1], x[0])

    step = compile(loss)
    step(nn.RNNCell(4, 4, rng=0), np.ones((5, 2, 4)))
    return step


@pytest.mark.parametrize("text", [tg.equations(nn.GRUCell), stepped().latex], ids=["cell", "step"])
def test_equations_are_a_document_and_shown_in_notebooks(text, tmp_path):
    assert isinstance(text, str)
    document = text.save(tmp_path / "equations.tex").read_text()
    assert document.startswith("\\documentclass")
    assert document.endswith("\\end{document}\n")
    assert r"\allowdisplaybreaks" in document
    assert str(text) in document
    for begun in re.findall(r"\\begin\{(.*?)\}", document):
        assert document.count(f"\\begin{{{begun}}}") == document.count(f"\\end{{{begun}}}")
    shown = text._repr_markdown_()
    assert shown.count("$$") == 2 * len(text.environments)
    assert "%" not in shown
    assert text._repr_latex_() == "\n".join(text.environments)


def test_without_equations_nothing_is_saved(tmp_path):
    with pytest.raises(ValueError, match="there are no equations"):
        compile(tanh).latex.save(tmp_path / "x.tex")
    assert not [*tmp_path.iterdir()]
