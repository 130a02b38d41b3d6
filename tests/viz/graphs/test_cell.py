"""Is a cell drawn from its record: every element, and equations that compute the same?"""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import viz
from tinygrad_rnn import Tensor, ancestors, nn, sigmoid, split, stop_gradient, tanh
from tinygrad_rnn.nn.cells.orthogonal import householder
from viz.record.circuit import Circuit
from viz.record.equations import Equations
from viz.record.one_step import of_cell, of_record
from viz.record.rich import text_of

SAMPLES = [
    pytest.param(sample, id=f"{name} {k}")
    for name, kind in nn.cells_of(nn).items()
    for k, sample in enumerate(kind.samples(rng=0))
]
FUNCTIONS = {
    "σ": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sqrt": np.sqrt,
    "conv": lambda x, W: nn_conv(x, W),
    "cut": lambda x: x,
    "where": np.where,
    "Σ": np.sum,
    "layer_norm": nn.layer_norm,
    "householder": householder,
    "row": lambda *xs: np.concatenate(
        [x if np.ndim(x) else np.full_like(xs[0], x) for x in xs], -1
    ),
}


def nn_conv(x, W):
    from tinygrad_rnn import conv

    return conv(Tensor(x), W).data


def lines(cell, **given):
    return [
        f"{text_of(x.left)} = {text_of(x.right)}" for x in viz.cell(cell, **given).formulas.lines
    ]


def read(cell, x=None, state=None):
    circuit = Circuit(of_cell(cell, x, state))
    return circuit, Equations(circuit)


def test_an_lstm_is_written_as_in_a_lecture():
    assert lines(nn.LSTMCell(3, 4, rng=0)) == [
        "i = σ(x_t W_i + h_t−1 U_i + b_i)",
        "f = σ(x_t W_f + h_t−1 U_f + b_f)",
        "g = tanh(x_t W_g + h_t−1 U_g + b_g)",
        "o = σ(x_t W_o + h_t−1 U_o + b_o)",
        "c_t = f ⊙ c_t−1 + i ⊙ g",
        "h_t = o ⊙ tanh(c_t)",
    ]


def test_where_a_gru_resets_is_seen():
    after, before = nn.GRUCell(3, 4, rng=0), nn.GRUCell(3, 4, reset="before", rng=0)
    assert "n = tanh(x_t W_n + r ⊙ (h_t−1 U_n + b_h,n) + b_x,n)" in lines(after)
    assert "n = tanh(x_t W_n + (r ⊙ h_t−1) U_n + b_n)" in lines(before)


def values_of_weights(circuit, equations):
    """What each letter of a weight stands for, by its text."""
    leaves = {id(x): x for node in ancestors(*circuit.step.nodes) for x in (node, *node.inputs)}
    for x in list(leaves.values()):
        if type(x) is np.ndarray and x.base is not None:
            leaves[id(x.base)] = x.base

    def value(key):
        x = leaves[key.leaf]
        x = x.data if type(x) is Tensor else x
        for index in key.slices:
            # of an index into the sum, a bias or a matrix has only the last axes
            x = x[eval(index, {"slice": slice, "Ellipsis": ...})[-x.ndim :]]
        return sum(map(value, key.others), x)

    return {text_of(name): value(key) for key, name in equations._names.items()}


def computed(text, known):
    """The value of a formula: names become variables, the signs Python's."""
    variables = {}
    text = text.replace("ᵀ", ".T").replace("√", "sqrt").replace("²", "**2")
    for k, name in enumerate(sorted(known, key=len, reverse=True)):
        pattern = rf"(?<![\w′]){re.escape(name)}(?![\w′])"
        text, found = re.subn(pattern, f"v{k}v", text)
        if found:
            variables[f"v{k}v"] = known[name]
    text = text.replace("−", "-")
    text = re.sub(r"(?<![v.\w)\]])\[((?:[^\[\]]|\[[^\]]*\])*)\]", r"row(\1)", text)
    text = re.sub(r"(\d) (?=[\w(])", r"\1 * ", text)  # a number times
    text = re.sub(r"(?<=[\w)T]) (?=[\w(])", " @ ", text)
    text = re.sub(r", axis (-?\d+)", r", axis=\1", text.replace("⊙", "*"))
    text = text.replace(", keepdims", ", keepdims=True")
    return eval(text, {}, {**FUNCTIONS, **variables})


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_equations_of_every_cell_compute_what_the_cell_computes(sample):
    cell, xs, state = sample
    circuit, equations = read(cell, xs[0], state)
    known = values_of_weights(circuit, equations)
    for at in circuit.sources:
        source = next(
            x
            for x in [x for _, x in circuit.step.inputs] + [s.enters for s in circuit.step.states]
            if id(x) == at
        )
        known[text_of(equations.name(source))] = source.data
    for line in equations.lines:
        text = text_of(line.right)
        if "function of" not in text:
            np.testing.assert_allclose(computed(text, known), line.of.data, err_msg=text)
        known[text_of(line.left)] = line.of.data


def test_no_equation_of_a_cell_is_too_long_to_be_written_out():
    for param in SAMPLES:
        cell, xs, state = param.values[0]
        _, equations = read(cell, xs[0], state)
        assert not any(line.short for line in equations.lines), type(cell).__name__


def test_of_an_equation_that_is_too_long_it_is_said_what_it_is_a_function_of():
    W = [Tensor(np.ones((4, 4)), name=f"W_{k}") for k in range(20)]

    def cell(x, h):
        return tanh(sum((x @ w for w in W), h))

    lines_of = viz.cell(cell, x=np.ones((1, 4)), state=np.ones((1, 4))).formulas.lines
    assert any(text_of(line.right).startswith("function of") for line in lines_of)


def test_two_letters_never_stand_for_two_things():
    for param in SAMPLES:
        cell, xs, state = param.values[0]
        _, equations = read(cell, xs[0], state)
        names = list(equations._names.values())
        merged = [k for k in equations._names if k.others]
        assert len(set(names)) >= len(names) - len(merged)


@pytest.mark.parametrize("make", [nn.LSTMCell, nn.GRUCell, nn.RNNCell, nn.PeepholeLSTMCell])
def test_a_record_and_its_cell_give_the_same_circuit(make):
    cell = make(3, 4, rng=0)
    outputs, state = nn.unroll(cell, np.ones((4, 1, 3)))
    recorded = viz.cell([outputs[-1], state])
    assert lines(cell) == [
        f"{text_of(x.left)} = {text_of(x.right)}" for x in recorded.formulas.lines
    ]
    assert recorded.source == viz.cell(cell).source


def test_only_a_step_with_a_state_from_before_is_drawn_of_a_record():
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((1, 1, 3)))
    with pytest.raises(ValueError, match="Record two steps"):
        viz.cell(outputs[0])
    with pytest.raises(ValueError, match="a record has its own"):
        viz.cell(outputs[0], x=np.ones((1, 3)))


def test_ones_own_function_is_drawn_without_names_too():
    W, U = np.ones((3, 8)), np.ones((4, 8))

    def cell(x, h):
        z, n = split(x @ W + h @ U, 2)
        return sigmoid(z) * h + (1 - sigmoid(z)) * tanh(n)

    picture = viz.cell(cell, x=np.zeros((1, 3)), state=np.zeros((1, 4)))
    assert picture.letters == ["a_1", "a_2", "a_3", "h"]
    assert lines(cell, x=np.zeros((1, 3)), state=np.zeros((1, 4)))[0] == (
        "a_1 = σ(x_t W_1 + h_t−1 U_1)"
    )
    with pytest.raises(ValueError, match="how many features"):
        viz.cell(cell)
    with pytest.raises(ValueError, match="no initial_state"):
        viz.cell(cell, x=np.zeros((1, 3)))


def test_what_a_circuit_cannot_show_is_said():
    counted = viz.cell(nn.ClockworkCell(3, 4, (1, 2), rng=0))
    assert "counted, not recorded" in counted.svg()
    merged = viz.cell(nn.LSTMCell(3, 4, rng=0))
    assert [text_of(note) for note in merged.notes()] == ["b stands for b_x + b_h"]
    unread = viz.cell(nn.ReadOutCell(nn.GRUCell(3, 4, rng=0), 2, rng=0))
    assert "The cell does not read y." in [text_of(note) for note in unread.notes()]


def test_a_cut_is_seen():
    W = Tensor(np.ones((4, 4)), name="W")
    picture = viz.cell(
        lambda x, h: tanh(x + stop_gradient(h) @ W), x=np.ones((1, 4)), state=np.ones((1, 4))
    )
    assert text_of(picture.formulas.lines[-1].right) == "tanh(x_t + cut(h_t−1) W)"


def test_a_circuit_is_a_drawing(tmp_path, parsed):
    picture = viz.cell(nn.LSTMCell(3, 4, rng=0))
    svg = parsed(picture)
    assert {"×", "+", "σ", "tanh"} <= set(svg.texts)
    for form in ("svg", "png", "pdf", "dot"):
        assert picture.save(tmp_path / f"lstm.{form}").stat().st_size > 1000
    assert "σ(" not in "".join(parsed(viz.cell(nn.LSTMCell(3, 4), equations=False)).texts)
    assert repr(picture) == "<circuit of i, f, g, o, c, h>"


def test_the_gate_style_is_that_of_folded():
    assert "f = σ" in viz.cell(nn.LSTMCell(3, 4, rng=0), "gate").source
    with pytest.raises(ValueError, match="unknown style 'colah'"):
        viz.cell(nn.LSTMCell(3, 4, rng=0), "colah")
    with pytest.raises(TypeError, match="the class LSTMCell"):
        viz.cell(nn.LSTMCell)


def test_steps_light_one_part_after_the_other_and_nothing_moves(tmp_path):
    cell = nn.LSTMCell(3, 4, rng=0)
    frames = viz.steps(cell, ["f", "i g", "c", "o h"])
    assert frames.captions[0] == "f = σ(x_t W_f + h_t−1 U_f + b_f)"
    places = [
        re.findall(
            r'(?:cx|x)="([-.\d]+)"', ElementTree.tostring(ElementTree.fromstring(s)).decode()
        )
        for s in frames.svgs
    ]
    assert all(sorted(p) == sorted(places[0]) for p in places)
    assert len(viz.steps(cell)) == 6
    assert frames.save(tmp_path / "lstm.png").name == "lstm3.png"
    document = frames.save(tmp_path / "lstm.pdf")
    assert document.name == "lstm.pdf"
    assert b"/Count 4 >>" in document.read_bytes()
    assert frames.save(tmp_path / "lstm.html").exists()
    with pytest.raises(ValueError, match="'q' is no letter of this cell; it has i, f, g, o, c, h"):
        viz.steps(cell, ["f", "q"])
    with pytest.raises(TypeError, match="a list of letters"):
        viz.steps(cell, "f")


def test_nothing_of_a_step_is_lost():
    for param in SAMPLES:
        cell, xs, state = param.values[0]
        circuit, equations = read(cell, xs[0], state)
        written = {at for line in equations.lines for at in line.members}
        assert set(circuit.elements) <= written, type(cell).__name__


def test_a_record_has_states_and_input():
    outputs, _ = nn.unroll(nn.LSTMCell(3, 4, rng=0), np.ones((3, 1, 3)))
    step = of_record([outputs[-1]])
    assert [s.letter for s in step.states] == ["h", "c"]
    assert [letter for letter, _ in step.inputs] == ["x"]


def test_two_weights_of_one_name_are_told_apart_by_the_cells_that_hold_them():
    class Two(nn.Module):
        input_size = 3

        def __init__(self):
            self.first, self.second = nn.RNNCell(3, 4, rng=0), nn.RNNCell(4, 4, rng=1)

        def initial_state(self, *batch):
            return self.first.initial_state(*batch), self.second.initial_state(*batch)

        def __call__(self, x, state):
            a = self.first(x, state[0])
            return a, self.second(a, state[1])

    text = " ".join(lines(Two()))
    assert {"first.W_x", "second.W_x", "first.W_h", "second.W_h"} <= set(
        re.findall(r"\w+\.W_\w", text)
    )


def test_a_transposed_weight_is_written_so():
    W = Tensor(np.ones((4, 3)), name="W")
    picture = lines(lambda x, h: tanh(x @ W.T + h), x=np.ones((1, 3)), state=np.ones((1, 4)))
    assert picture == ["h_t = tanh(x_t Wᵀ + h_t−1)"]
