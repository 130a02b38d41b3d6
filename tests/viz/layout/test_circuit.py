"""Does a circuit keep its promises: no wire on a box, a text or another wire, all connected?"""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_rnn import Tensor, named, nn, relu, sigmoid, tanh
from viz.layout.circuit import UNIT, place
from viz.layout.maze import cells
from viz.record.circuit import Circuit
from viz.record.equations import Equations
from viz.record.one_step import of_cell
from viz.record.rich import width

SAMPLES = [
    pytest.param(sample, id=f"{name} {k}")
    for name, kind in nn.cells_of(nn).items()
    for k, sample in enumerate(kind.samples(rng=0))
]


def laid_out(cell, x, state):
    circuit = Circuit(of_cell(cell, x, state))
    return circuit, place(circuit, Equations(circuit))


def passed(wire):
    return [cell for a, b in pairwise(wire.corners) for cell in cells(a, b)]


def check_places(plan):
    """Boxes apart from each other, and wires apart from boxes and texts."""
    for a, b in combinations(plan.boxes, 2):
        assert abs(a.x - b.x) > a.w + b.w or abs(a.y - b.y) > a.h + b.h
    texts = [(t.x, t.y, width(t.rich, 18) / UNIT / 2, 0.8) for t in plan.texts]
    for wire in plan.wires:
        inside = passed(wire)
        for x, y in inside:
            assert not any(abs(x - b.x) < b.w and abs(y - b.y) < b.h for b in plan.boxes)
            assert not any(abs(x - tx) < w and abs(y - ty) < h for tx, ty, w, h in texts)
        ends = {wire.corners[0], wire.corners[-1]}
        for x, y in set(inside) - ends:  # along no side of a box either
            assert not any(abs(x - b.x) <= b.w and abs(y - b.y) <= b.h for b in plan.boxes)


def check_crossings(plan):
    """Wires of two values meet at right angles, where both go straight on, or at a dot."""
    dots = {dot.cell for dot in plan.dots}
    for one, other in combinations(plan.wires, 2):
        if one.of == other.of:
            continue
        for cell in set(passed(one)) & set(passed(other)) - dots:
            ways = []
            for wire in (one, other):
                if cell in wire.corners:
                    # a lane that becomes another, or goes up into a gate
                    assert cell in (wire.corners[0], wire.corners[-1])
                    continue
                a, b = next(p for p in pairwise(wire.corners) if cell in cells(*p))
                ways.append(a[0] == b[0])
            assert len(ways) != 2 or ways[0] != ways[1]
            assert len(ways) != 1 or {type(one.of), type(other.of)} & {tuple}


def check_connected(circuit, plan):
    """Each box is reached by a wire of each value that it reads, and nothing else ends at it."""
    box_of = {id(box.element.node): box for box in plan.boxes}
    for at, element in circuit.elements.items():
        box = box_of[at]
        ends = [
            wire
            for wire in plan.wires
            if wire.arrow
            and abs(wire.corners[-1][0] - box.x) <= box.w
            and abs(wire.corners[-1][1] - box.y) <= box.h
        ]
        values = {wire.of for wire in ends if not isinstance(wire.of, tuple)}
        lanes = {id(x) for x in element.lanes}
        operands = {id(x) for x in element.operands}
        assert operands <= values <= operands | lanes
        assert len(ends) == len(operands) + bool(lanes)


@pytest.mark.parametrize("sample", SAMPLES)
def test_of_every_cell_wires_keep_off_boxes_texts_and_each_other(sample):
    cell, xs, state = sample
    circuit, plan = laid_out(cell, xs[0], state)
    check_places(plan)
    check_crossings(plan)
    check_connected(circuit, plan)


UPDATES = (
    lambda s, other, a, b, U: a * s + b * tanh(other),
    lambda s, other, a, b, U: (1 - a) * s + a * b,
    lambda s, other, a, b, U: s + a * b,
    lambda s, other, a, b, U: tanh(s * a + other),
    lambda s, other, a, b, U: a * tanh(other) + 0.5 * s,
    lambda s, other, a, b, U: (a * s) @ U,
)


@st.composite
def own_cells(draw):
    """A cell of up to three states whose gates and updates are drawn."""
    states = draw(st.integers(1, 3))
    updates = draw(st.lists(st.integers(0, len(UPDATES) - 1), min_size=states, max_size=states))
    gates = draw(st.integers(1, 4))
    picks = draw(st.lists(st.integers(0, 99), min_size=24, max_size=24))
    rng = np.random.default_rng(0)
    W = [rng.standard_normal((3, 4)) for _ in range(4)]
    U = [rng.standard_normal((4, 4)) for _ in range(4)]

    def cell(x, state):
        numbers = iter(picks)
        state = list(state)
        made = []
        for k in range(gates):
            h = state[next(numbers) % states]
            f = (sigmoid, tanh, relu)[next(numbers) % 3]
            made.append(named(**{"abcd"[k]: f(x @ W[k] + h @ U[k])}))
        for k, kind in enumerate(updates):
            a, b = made[next(numbers) % gates], made[next(numbers) % gates]
            other = state[next(numbers) % states]
            state[k] = UPDATES[kind](state[k], other, a, b, U[k])
            state[k] = named(**{"hcs"[k]: state[k]})
        return tuple(state)

    return cell, tuple(np.ones((1, 4)) for _ in range(states))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(own_cells())
def test_of_random_cells_wires_keep_off_boxes_texts_and_each_other(drawn):
    cell, state = drawn
    circuit, plan = laid_out(cell, np.ones((1, 3)), state)
    check_places(plan)
    check_crossings(plan)
    check_connected(circuit, plan)


def test_a_state_with_a_straight_way_is_a_straight_line():
    circuit, plan = laid_out(nn.LSTMCell(3, 4, rng=0), None, None)
    (c,) = {s.letter: s for s in circuit.step.states if s.letter in circuit.carries}.values()
    rails = [wire for wire in plan.wires if wire.rail]
    assert c.letter == "c"
    assert len({y for wire in rails for _, y in wire.corners}) == 1
    assert min(y for w in rails for _, y in w.corners) >= max(b.y for b in plan.boxes)


def test_gates_stand_in_one_row():
    _, plan = laid_out(nn.GRUCell(3, 4, rng=0), None, None)
    assert len({box.y for box in plan.boxes if box.element.gate}) == 1


def test_what_is_read_from_a_tensor_of_the_cell_is_no_wire():
    W = Tensor(np.ones((3, 4)), name="W")
    circuit, plan = laid_out(lambda x, h: tanh(x @ W + h), np.ones((1, 3)), np.ones((1, 4)))
    assert {wire.of for wire in plan.wires if not isinstance(wire.of, tuple)} == {
        *circuit.sources, *circuit.elements,
    }  # fmt: skip
