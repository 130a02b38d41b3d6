"""How does a cell run over a tree instead of a sequence?

A tree is a nested list: ``[x, child, child, …]``, each child a tree; a leaf may be just x. An inner
node without an input has ``None`` for x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.engine.context import scope
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.state import output_of

__all__ = ["unroll_tree"]


def unroll_tree(cell: Any, tree: Any, *, name: str = "tree") -> tuple[list[Tensor], Any]:
    """Run a cell over a tree, children first, recording one copy of it per node.

    Parameters
    ----------
    cell
        Called as ``cell(x, states)`` with the list of the children's states from left to right,
        empty for a leaf.
    tree
        A nested list as above; x of any shape the cell takes.
    name
        Name of the scope of each node; its t counts the nodes, children before parents.

    Returns
    -------
    outputs, state
        The output of each node, children before parents, and the state of the root.

    Raises
    ------
    TypeError
        A node has no array or Tensor for its x, or None without children.
    """
    outputs: list[Any] = []
    found: list[Any] = []
    todo: list[tuple[Any, list[Any], list[Any] | None]] = [(tree, found, None)]
    while todo:
        node, siblings, children = todo.pop()
        x, *below = node if isinstance(node, list) and node else [node]
        if children is None:  # its children have not had their turn yet
            children = []
            todo.append((node, siblings, children))
            todo.extend((child, children, None) for child in reversed(below))
            continue
        if not isinstance(x, (Tensor, np.ndarray)) and not (x is None and below):
            raise TypeError(
                f"unroll_tree: node {len(outputs)} has a {type(x).__name__} for its x. A tree is "
                "[x, child, child, …] with x an array or Tensor, or None where there are children."
            )
        with scope(name, t=len(outputs), x=x):
            state = cell(x, children)
        siblings.append(state)
        outputs.append(output_of(cell, state))
    return outputs, found[0]
