"""Is a composite function one node of its name, unless it is opened?"""

import numpy as np
import pytest

import viz
from tinygrad_rnn import Tensor, composite, named, nn, stack, tanh
from viz.layout.edges import placed

LSTM = nn.LayerNormLSTMCell(3, 4, rng=0)


@pytest.fixture(scope="module")
def loss():
    outputs, _ = nn.unroll(LSTM, np.ones((3, 2, 3)))
    return nn.cross_entropy(nn.Linear(4, 5, rng=0)(outputs[-1]), np.array([1, 2]))


def labels(picture):
    return {n.label.replace("\n", " ") for b in picture.parts.blocks for n in b.nodes}


def test_functions_are_drawn_by_their_names(loss):
    found = labels(viz.unrolled(loss, "gate"))
    assert "h = o×tanh(layer_norm(c, g_c) + b_c)" in found
    assert "loss = cross_entropy(h@W + b, labels)" in found
    assert not any("√" in label or "1e−05" in label for label in found)


def test_what_is_opened_is_drawn_operation_by_operation(loss):
    found = labels(viz.unrolled(loss, "gate", opened=("layer_norm",)))
    assert any("√" in label for label in found)
    assert "loss = cross_entropy(h@W + b, labels)" in found
    assert any("√" in label for label in labels(viz.unrolled(loss, "op")))
    with pytest.raises(TypeError, match="opened expects names in a tuple"):
        viz.unrolled(loss, "gate", opened="layer_norm")


def test_a_circuit_has_a_box_for_it_and_an_equation():
    picture = viz.cell(nn.OrthogonalCell(3, 4, rng=0))
    assert [e.text for e in picture.circuit.elements.values()] == ["householder", "tanh"]
    assert not picture.formulas.lines[-1].short


def test_a_function_of_which_an_inner_value_is_read_is_opened():
    kept = []

    @composite
    def leaky(a):
        kept.append(named(u=tanh(a)))
        return kept[0] * 2.0 + 1.0

    x = Tensor(np.ones(3), name="x")
    found = labels(viz.unrolled(named(y=leaky(x) + kept[0]), "gate"))
    assert "u = tanh(x)" in found
    assert not any("leaky" in label for label in found)


def test_a_function_with_steps_of_its_own_stands_where_it_is_called():
    outputs, _ = nn.unroll(nn.RNNCell(3, 4, rng=0), np.ones((4, 1, 3)))
    loss = nn.ctc_loss(stack(outputs), np.array([[1, 2]]))
    for detail in ("cell", "gate"):
        picture = viz.unrolled(loss, detail)
        assert {b.lane for b in picture.parts.blocks if b.lane} == {"rnn"}
        assert placed(picture.parts).width > 0
    assert {b.lane for b in viz.unrolled(loss, "op").parts.blocks if b.lane} > {"rnn"}


def test_an_option_belongs_to_the_formula():
    @composite
    def bent(a, slope=1.0):
        return tanh(a * slope)

    x = Tensor(np.ones(3), name="x")
    assert "y = bent(x, slope 0.5)" in labels(viz.unrolled(named(y=bent(x, slope=0.5)), "gate"))
    assert "y = bent(x, 0.5)" in labels(viz.unrolled(named(y=bent(x, 0.5)), "gate"))
