"""Does a cell run over trees as over sequences, however deep and wide they are?"""

import sys

import numpy as np
import pytest

from tinygrad_rnn import Tensor, ancestors, check_grads, grad, nn

A, B, C, D, E = np.random.default_rng(1).standard_normal((5, 2, 3))
TREE = [A, [B, C, D], E]  # A has the children B and E, B has the leaves C and D
KINDS = [nn.ChildSumTreeLSTMCell, nn.NaryTreeLSTMCell]
both_kinds = pytest.mark.parametrize("kind", KINDS)


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)


@both_kinds
def test_children_come_first_from_left_to_right(kind):
    cell = kind(3, 4, rng=0)
    outputs, (h, c) = nn.unroll_tree(cell, TREE)
    leaves = [cell(x, []) for x in (C, D, E)]
    inner = cell(B, leaves[:2])
    root = cell(A, [inner, leaves[2]])
    expected = [leaves[0], leaves[1], inner, leaves[2], root]
    for found, (there, _) in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(found.data, there.data)
    np.testing.assert_array_equal(c.data, root[1].data)
    assert outputs[-1] is h
    scopes = [(frame.name, frame.t) for frame in (node.scope[0] for node in outputs)]
    assert scopes == [("tree", t) for t in range(5)]


def by_hand(cell, tree):
    """The equations of Tai et al., in plain NumPy and by recursion."""
    x, *children = tree if isinstance(tree, list) else [tree]
    states = [by_hand(cell, child) for child in children]
    H, N = 4, getattr(cell, "children", None)
    W, b = cell.W_x.data, cell.b_x.data
    net = {s: b[k * H : (k + 1) * H] for k, s in enumerate("ifgo")}
    if x is not None:
        net = {s: x @ W[:, k * H : (k + 1) * H] + net[s] for k, s in enumerate("ifgo")}
    f = []
    if N is None:
        U = dict(zip("ifgo", np.split(cell.W_h.data, 4, axis=1), strict=True))
        total = sum(h for h, _ in states)
        f = [net["f"] + h @ U["f"] for h, _ in states]
        net = {s: net[s] + (total @ U[s] if states else 0) for s in "igo"}
    else:
        columns = ["i", *range(N), "g", "o"]
        for k, (h, _) in enumerate(states):
            blocks = np.split(cell.W_h.data[k * H : (k + 1) * H], 3 + N, axis=1)
            U = dict(zip(columns, blocks, strict=True))
            f = f or [net["f"]] * len(states)
            f = [a + h @ U[m] for m, a in enumerate(f)]
            net = {s: net[s] + (h @ U[s] if s != "f" else 0) for s in "ifgo"}

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    c = sigmoid(net["i"]) * np.tanh(net["g"])
    for a, (_, c_k) in zip(f, states, strict=True):
        c = c + sigmoid(a) * c_k
    return sigmoid(net["o"]) * np.tanh(c), c


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.ChildSumTreeLSTMCell(3, 4, rng=0),
        lambda: nn.NaryTreeLSTMCell(3, 4, rng=0),
        lambda: nn.NaryTreeLSTMCell(3, 4, 3, rng=0),
    ],
)
@pytest.mark.parametrize(
    "tree", [TREE, A, [A], [A, B], [None, A, B], [None, [None, [A, B], C], [D]]]
)
def test_a_tree_is_its_equations(make, tree):
    cell = make()
    _, (h, c) = nn.unroll_tree(cell, tree)
    there = by_hand(cell, tree)
    same(h.data, there[0])
    same(c.data, there[1])


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.ChildSumTreeLSTMCell(3, 4, rng=0),
        lambda: nn.NaryTreeLSTMCell(3, 4, 1, rng=0),
    ],
)
def test_a_chain_is_an_lstm(make):
    cell, lstm = make(), nn.LSTMCell(3, 4)
    lstm.load_state_dict(cell.state_dict() | {"b_h": np.zeros(16)})
    xs = np.array([A, B, C, D, E])
    chain = A
    for x in xs[1:]:
        chain = [x, chain]
    expected = nn.unroll(lstm, xs)[0]
    for found in (nn.unroll_tree(cell, chain)[0], nn.unroll(cell, xs)[0]):
        for a, b in zip(found, expected, strict=True):
            same(a.data, b.data)


def test_the_sum_of_children_does_not_know_their_order():
    cell = nn.ChildSumTreeLSTMCell(3, 4, rng=0)
    there, back = (nn.unroll_tree(cell, [A, *order])[1][0] for order in ([B, C, D], [D, B, C]))
    same(there.data, back.data)
    binary = nn.NaryTreeLSTMCell(3, 4, rng=0)
    there, back = (nn.unroll_tree(binary, [A, *order])[1][0] for order in ([B, C], [C, B]))
    assert np.abs(there.data - back.data).max() > 1e-3


@both_kinds
def test_a_tree_is_differentiated_twice(kind):
    def root(*weights):
        cell = kind(3, 4, rng=0)
        cell.W_x, cell.W_h, cell.b_x, leaf = weights
        h, c = nn.unroll_tree(cell, [None, [A, leaf, B], leaf])[1]
        return h * c

    check_grads(root, *(p.data for p in kind(3, 4, rng=0).parameters()), C, order=2)


@both_kinds
def test_without_bias_and_in_float32(kind):
    cell = kind(3, 4, bias=False, rng=0, dtype=np.float32)
    x = A.astype(np.float32)
    _, (h, c) = nn.unroll_tree(cell, [None, [x, x], x])
    assert h.dtype == c.dtype == np.float32
    assert all(g.dtype == np.float32 for g in grad((h * c).sum(), cell.parameters()))


def test_a_deep_tree_needs_no_recursion():
    cell, tree = nn.ChildSumTreeLSTMCell(1, 1, rng=0), np.zeros(1)
    depth = 2 * sys.getrecursionlimit()
    for _ in range(depth):
        tree = [np.ones(1), tree]
    outputs, (h, _) = nn.unroll_tree(cell, tree)
    assert len(outputs) == depth + 1
    assert np.isfinite(grad(h.sum(), cell.W_h)).all()
    while isinstance(tree, list):  # taken apart from the root, which needs no recursion either
        tree = tree[1]


def test_a_users_cell_runs_over_trees_with_no_registration():
    def cell(x, states):
        return x + sum(states) if states else x

    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 5.0])
    outputs, root = nn.unroll_tree(cell, [a, b, [a, b]], name="sums")
    np.testing.assert_array_equal(root.data, 2 * a.data + 2 * b.data)
    assert len(outputs) == 4
    assert {str(node.scope[0]) for node in ancestors(root) if node.op} == {
        "sums · t = 2",
        "sums · t = 3",
    }


@pytest.mark.parametrize("tree", [[], None, [None], [1.0, A], "tree", [A, (B, C)], [A, []]])
def test_what_is_no_tree_is_refused_with_its_place(tree):
    with pytest.raises(TypeError, match=r"unroll_tree: node \d has a .* for its x\. A tree is"):
        nn.unroll_tree(nn.ChildSumTreeLSTMCell(3, 4), tree)


def test_too_many_children_and_a_leaf_without_x_are_refused():
    with pytest.raises(ValueError, match=r"at most 2 children, got 3\. .*ChildSumTreeLSTMCell"):
        nn.unroll_tree(nn.NaryTreeLSTMCell(3, 4), [A, B, C, D])
    with pytest.raises(ValueError, match="ChildSumTreeLSTMCell: a leaf needs an x, got None"):
        nn.ChildSumTreeLSTMCell(3, 4)(None, [])


@both_kinds
def test_a_child_of_another_size_is_refused(kind):
    cell = kind(3, 4)
    with pytest.raises(ValueError, match=r"expected h of shape \(2, 4\)"):
        cell(A, [(np.zeros((2, 5)), np.zeros((2, 5)))])
    with pytest.raises(ValueError, match=r"expected c of shape \(2, 4\)"):
        cell(None, [(np.zeros((2, 4)), np.zeros((2, 5)))])
