"""Are equal neighbours in plain parts drawn once, and is nothing else?"""

from itertools import pairwise

import pytest

from viz.record.fold import fold
from viz.record.parts import Block, Edge, Node, Parts

CUT = {"class": "cut"}


def chain(*labels, row=0, order=0, backwards=False, first=0):
    """Steps of one lane, one node each, and a state from each to the next."""
    count = len(labels)
    times = range(first, first + count)
    parts = Parts()
    for t, label in zip(reversed(times) if backwards else times, labels, strict=True):
        block = Block("step", steps=(t, t), column=t, row=row, order=order)
        block.nodes.append(Node(f"r{row}t{t}", "op", label))
        parts.blocks.append(block)
    names = [block.nodes[0].id for block in parts.blocks]
    for tail, head in pairwise(names):
        parts.links.append(Edge(tail, head, "state", role="h"))
    return parts


def shown(parts):
    return [(block.nodes[0].label, block.steps) for block in parts.blocks]


def test_equal_neighbours_become_one_with_an_edge_back_to_itself():
    folded = fold(chain("tanh", "tanh", "tanh"))
    assert shown(folded) == [("tanh", (0, 2))]
    (edge,) = folded.links
    assert (edge.tail, edge.head, edge.kind) == ("r0t0", "r0t0", "recurrent")
    assert edge.label == "h  t → t+1"


def test_a_step_of_another_look_keeps_a_block_of_its_own():
    folded = fold(chain("tanh", "tanh", "relu", "tanh", "tanh", "tanh"))
    assert shown(folded) == [("tanh", (0, 1)), ("relu", (2, 2)), ("tanh", (3, 5))]
    assert [edge.kind for edge in folded.links].count("recurrent") == 2
    assert [edge.kind for edge in folded.links].count("state") == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda block: setattr(block.nodes[0], "note", "2×3"),
        lambda block: setattr(block.nodes[0], "kind", "value"),
        lambda block: block.nodes.append(Node("more", "op")),
        lambda block: block.edges.append(Edge("r0t1", "r0t1")),
    ],
    ids=["shape", "kind", "node", "edge"],
)
def test_all_that_a_step_shows_counts(change):
    parts = chain("tanh", "tanh", "tanh")
    change(parts.blocks[1])
    assert [steps for _, steps in shown(fold(parts))] == [(0, 0), (1, 1), (2, 2)]


def test_a_cut_between_steps_parts_them():
    parts = chain("tanh", "tanh", "tanh", "tanh")
    parts.links[1].style = CUT
    folded = fold(parts)
    assert len(folded.blocks) > 1
    assert [edge for edge in folded.links if edge.style == CUT]


def test_lanes_fold_each_for_itself_and_so_do_gradients():
    parts = chain("tanh", "tanh")
    for more in (chain("tanh", "tanh", row=1), chain("tanh", "tanh", row=2, order=1)):
        parts.blocks += more.blocks
        parts.links += more.links
    assert shown(fold(parts)) == [("tanh", (0, 1))] * 3


def test_a_lane_against_time_says_so_and_stands_at_its_first_column():
    folded = fold(chain("tanh", "tanh", "tanh", backwards=True))
    (block,) = folded.blocks
    assert (block.steps, block.column) == ((0, 2), 0)
    assert folded.links[0].label == "h  t+1 → t"


@pytest.mark.parametrize(
    ("steps", "label"), [([0, 1, 2], "every t"), ([1], "t = 1"), ([0, 2], "some t")]
)
def test_an_edge_to_the_outside_says_of_which_steps_it_is(steps, label):
    parts = chain("tanh", "tanh", "tanh")
    parts.blocks.append(Block("after", nodes=[Node("loss", "result", "loss")]))
    parts.links += [Edge(f"r0t{t}", "loss", "link") for t in steps]
    (edge,) = [edge for edge in fold(parts).links if edge.head == "loss"]
    assert edge.label == label


def test_what_is_outside_of_time_does_not_fold():
    parts = Parts(blocks=[Block("after", nodes=[Node(f"n{k}", "op", "sum")]) for k in range(3)])
    assert len(fold(parts).blocks) == 3


def test_a_picture_of_different_steps_stays_as_it_is():
    parts = chain("a", "b", "c")
    folded = fold(parts)
    assert shown(folded) == [("a", (0, 0)), ("b", (1, 1)), ("c", (2, 2))]
    assert [(e.tail, e.head, e.kind) for e in folded.links] == [
        (e.tail, e.head, e.kind) for e in parts.links
    ]
