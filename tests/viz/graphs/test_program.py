"""Does the picture of a compiled step show each of its operations once, where it runs?"""

import numpy as np
import pytest

import viz
from tinygrad_rnn import Tensor, compile, nn, stack


def language_model(parts, x, y):
    outputs = x
    for cell in parts["cells"]:
        outputs = stack(nn.unroll(cell, outputs)[0])
    return nn.cross_entropy(parts["readout"](outputs), y)


def stepped(*cells, steps=6, loss_fn=language_model):
    rng = np.random.default_rng(0)
    parts = {"cells": list(cells), "readout": nn.Linear(4, 3, rng=0)}
    step = compile(loss_fn)
    step(parts, rng.standard_normal((steps, 2, 4)), rng.integers(3, size=(steps, 2)))
    assert not step.reason
    return step


def blocks(drawing):
    return {block.title: block for block in drawing.parts.blocks}


def nodes_of(drawing):
    return [n for block in drawing.parts.blocks for n in block.nodes]


CELLS = [nn.RNNCell, nn.LSTMCell, nn.GRUCell, nn.PeepholeLSTMCell, nn.MGUCell]


@pytest.mark.parametrize("cell", CELLS)
def test_every_operation_is_drawn_once_and_every_read_is_an_edge(cell):
    step = stepped(cell(4, 4, rng=0))
    outline, drawing = step.outline, viz.program(step)
    operations = [x for part in outline.parts for x in part.operations]
    nodes = [n for b in drawing.parts.blocks for n in b.nodes]
    quoted = ("reference", "parameter", "input")
    assert sum(n.kind not in quoted for n in nodes) == len(operations)
    reads = sum(len(set(x.reads)) for x in operations)
    assert sum(1 for _ in drawing.parts.edges()) == reads


@pytest.mark.parametrize("cell", CELLS)
def test_the_outline_says_what_explain_counts(cell):
    step = stepped(cell(4, 4, rng=0))
    loops = [part for part in step.outline.parts if part.kind == "loop"]
    assert [part.backward for part in loops] == [False, True]
    assert [part.steps for part in loops] == [(0, 5), (5, 0)]
    for part, way in zip(loops, ("forward", "backward"), strict=True):
        told = f"loop {way} in time: {len(part.operations)} operations per step"
        assert told in step.explain()


def test_parts_run_after_what_they_read():
    outline = stepped(nn.LSTMCell(4, 4, rng=0), nn.GRUCell(4, 4, rng=1)).outline
    assert sum(part.kind == "loop" for part in outline.parts) == 4
    known = {x.number for x in outline.arguments}
    for part in outline.parts:
        here = {x.number for x in part.operations}
        for x in part.operations:
            assert {read.of for read in x.reads} <= known | here
            if part.kind != "loop":
                assert x.number not in {read.of for read in x.reads}
                known.add(x.number)
        known |= here
    assert [x.number for x in outline.operations] == list(range(len(outline.operations)))


def test_arrows_over_time_are_in_loops_alone_and_say_which_way():
    drawing = viz.program(stepped(nn.LSTMCell(4, 4, rng=0)))
    found = {
        title.partition(":")[0]: {edge.label for edge in block.edges if edge.kind == "recurrent"}
        for title, block in blocks(drawing).items()
    }
    assert found.pop("forward · for t in 0 … 5") == {"t → t+1"}
    assert found.pop("backward · for t in 5 … 0") == {"t+1 → t"}
    assert set().union(*found.values()) == set()


def test_names_are_those_of_the_source():
    step = stepped(nn.LSTMCell(4, 4, rng=0))
    names = {x.name for x in step.outline.operations if x.name}
    assert {"W_h", "x", "c", "h"} <= names
    assert all(name in step.source for name in names)
    arguments = {x.name: x.op for x in step.outline.arguments}
    assert arguments["W_h"] == "parameter"
    assert arguments["x"] == arguments["y"] == "argument"


def test_the_picture_has_the_letters_of_the_mathematics():
    step = stepped(nn.LSTMCell(4, 4, rng=0))
    letters = [x.letter for x in step.outline.operations if x.letter]
    assert {"c", "h", "z", "loss", "dh", "dc", "dc_next", "da", "dW_h"} <= {*letters}
    assert len(set(letters)) == len(letters)
    assert all(letter in step.plain for letter in letters)
    assert {"a = +", "da = put", "z = +"} <= {n.label for n in nodes_of(viz.program(step))}


def test_weight_gradients_are_sums_over_time():
    outline = stepped(nn.RNNCell(4, 4, rng=0)).outline
    (sums,) = [part for part in outline.parts if part.kind == "sums"]
    assert {"dW_h", "dW_x", "dW", "db"} <= {x.name for x in sums.operations}
    assert sums is outline.parts[-1]


def test_the_picture_is_no_larger_for_more_steps(parsed):
    few, many = (viz.program(stepped(nn.LSTMCell(4, 4, rng=0), steps=T)) for T in (6, 60))
    assert few.source.replace("0 … 5:", "0 … 59:").replace("5 … 0:", "59 … 0:") == many.source
    assert "forward · for t in 0 … 59: 12 operations a step" in parsed(many).texts


def test_a_step_without_time_is_drawn_without_loops():
    step = compile(lambda p, x: (x @ p["W"]).sum())
    step({"W": Tensor(np.eye(2))}, np.ones((3, 2)))
    assert "t in" not in viz.program(step).source
    assert viz.program(step).source.count("subgraph") == 2


def test_what_is_no_program_is_said_in_a_sentence():
    with pytest.raises(TypeError, match=r"program: expected what compile.* got a Tensor"):
        viz.program(Tensor(1.0))
    with pytest.raises(ValueError, match=r"nothing is compiled yet\. Call the step once"):
        viz.program(compile(language_model))
    eager = compile(lambda p, x: (p["W"] * float(np.random.default_rng().normal())).sum())
    eager({"W": Tensor(np.ones(2))}, np.ones(2))
    with pytest.raises(ValueError, match=r"there is no program\. not compiled: .* runs eagerly"):
        viz.program(eager)
