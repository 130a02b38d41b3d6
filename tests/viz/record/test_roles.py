"""Does every value have one role, the same at every step, and are states those that go on?"""

import numpy as np
import pytest

import tinygrad_rnn as tr
from tinygrad_rnn import Tensor, ancestors, named, nn, scope
from viz.record.collapse import view
from viz.record.lanes import sections
from viz.record.roles import mark, read, sum_of


def roles_of(*roots, detail="op", budget=10_000):
    record = ancestors(*roots)
    nodes = [node for node in record if node.op is not None]
    return read(record, list(roots), view(nodes, sections(nodes), detail, budget, set(roots)))


def unrolled(cell, steps=4, **how):
    return nn.unroll(cell, np.random.default_rng(0).standard_normal((steps, 2, 3)), **how)


@pytest.mark.parametrize(
    ("cell", "states"),
    [(nn.RNNCell, {"h 1"}), (nn.GRUCell, {"h 1"}), (nn.LSTMCell, {"h 1", "c 1"})],
)
def test_the_states_of_a_cell_are_what_its_next_step_reads(cell, states):
    outputs, _ = unrolled(cell(3, 4, rng=0))
    roles = roles_of(tr.sum(tr.stack(outputs) ** 2))
    assert {role for _, role in roles.states} == states
    assert all(roles.is_state(h) for h in outputs)  # the last, too, which no step reads
    assert roles.timed


def test_a_value_has_the_role_of_its_twins_at_other_steps_and_of_no_other_value():
    outputs, _ = unrolled(nn.LSTMCell(3, 4, rng=0))
    roles = roles_of(*outputs)
    by_step = {}
    for node, role in roles.role.items():
        by_step.setdefault(roles.view.step[node], []).append(role)
    assert all(len(set(found)) == len(found) for found in by_step.values())
    # nobody reads the last c, but h is made of it: all steps have the same roles
    assert len({tuple(found) for found in by_step.values()}) == 1


def test_a_value_without_a_name_that_goes_on_is_a_state_too():
    h = Tensor(np.ones(2))
    for t in range(3):
        with scope("step", t=t):
            h = h * 2.0
    roles = roles_of(h)
    assert {role for _, role in roles.states} == {"· 1"}


def test_a_value_that_another_lane_reads_is_no_state_of_its_own():
    first, _ = unrolled(nn.RNNCell(3, 4, rng=0))
    last, _ = nn.unroll(lambda x, h: named(y=x * 2.0), tr.stack(first), Tensor(np.zeros((2, 4))))
    roles = roles_of(*last)
    assert not any(roles.is_state(y) for y in last)


def test_steps_before_and_behind_a_cut_have_the_same_roles():
    outputs, _ = unrolled(nn.RNNCell(3, 4, rng=0), steps=6, truncate=3)
    roles = roles_of(tr.stack(outputs))
    assert len({roles.role[h] for h in outputs}) == 1
    cuts = [node for node in roles.role if node.op.name == "stop_gradient"]
    assert cuts
    assert all("cut" in roles.role[cut] for cut in cuts)


@pytest.mark.parametrize("given", [None, "array", "parameter", "computed"])
def test_the_first_state_stands_where_later_steps_have_the_state(given):
    h0 = np.full((2, 4), 0.1)
    start = {"array": h0, "parameter": Tensor(h0, name="h0"), "computed": Tensor(h0) * 2.0}
    outputs, _ = unrolled(nn.RNNCell(3, 4, rng=0), state=start.get(given))
    roles = roles_of(*outputs)
    assert set(roles.initial.values()) == {"h 1"}
    for node, k in roles.initial:
        assert roles.view.step[node].t == 0
        if given == "computed":
            assert node.inputs[k] is start[given]


def test_an_input_that_the_scope_declares_is_no_first_state():
    outputs, _ = unrolled(nn.RNNCell(3, 4, rng=0))
    roles = roles_of(*outputs)
    given = [node.inputs[k] for node, k in roles.initial]
    declared = [x for h in outputs for frame in h.scope for x in frame.arrays.values()]
    assert declared
    assert not any(x is y for x in given for y in declared)


def test_a_leaf_is_at_home_in_every_section_that_uses_it():
    cell = nn.RNNCell(3, 4, rng=0)
    outputs, _ = unrolled(cell, steps=5)
    roles = roles_of(*outputs)
    assert sorted(section.t for section in roles.homes[cell.W_h]) == list(range(5))
    assert set(roles.homes[cell.W_h].values()) == {1}


def test_only_sums_to_which_more_is_added_are_partial():
    x = Tensor(np.ones(3), name="x")
    slope = tr.grad(tr.sum(tr.exp(x) + tr.sin(x) + x * x), x, create_graph=True)
    roles = roles_of(slope)
    assert sum_of(slope) == x.serial
    assert slope not in roles.partial
    assert roles.partial
    assert all(sum_of(node) == x.serial for node in roles.partial)


def test_the_mark_of_a_gradient_names_what_it_differentiates():
    x = Tensor(np.ones(3))
    y = tr.exp(x)
    slope = tr.grad(tr.sum(y), x, create_graph=True)
    assert mark(y) is None
    assert mark(slope).of in {node.serial for node in ancestors(y)}


def test_members_are_every_operation_once_by_what_stands_for_it():
    outputs, _ = unrolled(nn.LSTMCell(3, 4, rng=0))
    loss = tr.sum(tr.stack(outputs) ** 2)
    nodes = [node for node in ancestors(loss) if node.op is not None]
    for detail in ("op", "gate", "cell"):
        roles = roles_of(loss, detail=detail)
        members = [node for found in roles.members.values() for node in found]
        assert sorted(members, key=lambda x: x.serial) == nodes


def test_what_has_no_steps_has_no_states():
    x = Tensor(np.ones(3))
    roles = roles_of(tr.sum(tr.exp(x) * x))
    assert (roles.timed, roles.states, roles.initial) == (False, set(), {})
