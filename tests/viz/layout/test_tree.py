"""Is a tree drawn as a tree: each step left of its parent, and no line crosses another?"""

from itertools import combinations

import numpy as np
import pytest
from crossing import bezier, crossed
from hypothesis import given, settings
from hypothesis import strategies as st

import viz
from tinygrad_rnn import Tensor, grad, nn
from viz.layout.edges import _route, placed

CELL = nn.ChildSumTreeLSTMCell(2, 2, rng=0)
X = np.ones((1, 2))


def grown(inner):
    return st.lists(inner, min_size=1, max_size=3).map(lambda children: [X, *children])


trees = st.recursive(st.just(X), grown, max_leaves=6)


def loss_of(tree):
    _, (h, _) = nn.unroll_tree(CELL, tree)
    return (h * h).sum()


def families(tree, found=None):
    """For each node, in the order of t, the numbers of its children."""
    found = [] if found is None else found
    children = tree[1:] if isinstance(tree, list) else []
    below = [len(families(child, found)) - 1 for child in children]
    found.append(below)
    return found


def meet(one, other):
    """Whether two lines, as points, come closer than a point apart, but for their ends."""
    a, b = one[3:-3, None], other[None, 3:-3]
    return bool((np.abs(a - b).max(-1) < 0.7).any())


@settings(deadline=None, max_examples=25)
@given(trees)
def test_children_stand_left_of_their_parent_which_is_in_their_middle(tree):
    family = families(tree)
    plan = placed(viz.unrolled(loss_of(tree), "cell").parts)
    at = {b.steps[0]: plan.frames[b] for b in plan.parts.blocks if b.kind == "cell"}
    if max(map(len, family)) < 2:
        return  # a sequence
    for t, children in enumerate(family):
        for k in children:
            assert at[k].right < at[t].left
        if children:
            middle = (at[children[0]].low + at[children[-1]].high) / 2
            assert (at[t].low + at[t].high) / 2 == pytest.approx(middle)
    for a, b in combinations(at.values(), 2):
        assert a.right < b.left or b.right < a.left or a.high < b.low or b.high < a.low


@settings(deadline=None, max_examples=15)
@given(trees)
def test_no_line_of_a_tree_crosses_another_or_a_node(tree):
    picture = viz.unrolled(loss_of(tree), "cell")
    assert not crossed(picture)
    plan = placed(picture.parts)
    if not plan.tree.slot:
        return
    links = [bezier(_route(e, plan)[0]) for e in plan.parts.links if e.kind == "state"]
    assert not any(meet(a, b) for a, b in combinations(links, 2))


@pytest.mark.parametrize("draw", [viz.gradient_flow, viz.folded, viz.unrolled])
@pytest.mark.parametrize("detail", ["cell", "gate"])
def test_every_picture_of_a_tree_has_positions(draw, detail):
    assert placed(draw(loss_of([X, [X, X, X], X]), detail).parts).width > 0


def test_gradients_run_through_the_same_tree():
    x = Tensor(X, name="x")
    loss = loss_of([x, x, [x, x]])
    plan = placed(viz.graph(grad(loss, x, create_graph=True)).parts)
    rows = {(b.order, b.steps[0]): plan.tree.slot[b] for b in plan.tree.slot}
    assert all(rows[1, t] == rows[0, t] for _, t in rows)


def test_a_sequence_is_no_tree():
    outputs, _ = nn.unroll(nn.LSTMCell(2, 2, rng=0), np.ones((4, 1, 2)))
    assert not placed(viz.unrolled(outputs[-1], "cell").parts).tree.slot
