"""How do gradients flow?

From the loss back along the record, youngest node first: a node's rules turn its cotangent into
cotangents of its inputs, and those that reach one node by several ways are added up. That is all of
backpropagation, and on the record of an unrolled network it is backpropagation through time.
Nothing here recurses, so the record may be as deep as it likes.
"""

from __future__ import annotations

from collections.abc import Collection
from operator import attrgetter
from typing import Any, Literal

import numpy as np

from tinygrad_rnn.engine import messages, tree
from tinygrad_rnn.engine.arguments import check_arguments, seed_of
from tinygrad_rnn.engine.cotangents import Cotangents, own
from tinygrad_rnn.engine.marks import context_restored, mark
from tinygrad_rnn.engine.overloads import gradients
from tinygrad_rnn.engine.rules import RULES, FanIn, one_each
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.engine.unchanged import check_unchanged
from tinygrad_rnn.engine.watchers import OnEdge, watching

__all__ = ["ancestors", "grad", "walk"]


def ancestors(*tensors: Tensor, known: Collection[Tensor] = ()) -> list[Tensor]:
    """All Tensors that `tensors` were made from and they themselves, in the order of birth.

    Those in `known` are listed too, but not their own ancestors.

    >>> from tinygrad_rnn import Tensor
    >>> x = Tensor(3.0)
    >>> [node.op.name if node.op else "leaf" for node in ancestors(x * x + x)]
    ['leaf', 'multiply', 'add']
    """
    for x in tensors:
        if type(x) is not Tensor:
            raise TypeError(
                f"ancestors: expected Tensors, got {type(x).__name__}; a list is passed as *list."
            )
    seen = {*tensors, *known}
    todo = list({*tensors}.difference(known))
    while todo:
        for x in todo.pop().inputs:
            if type(x) is Tensor and x not in seen:
                seen.add(x)
                todo.append(x)
    return sorted(seen, key=attrgetter("serial"))


@gradients
def grad(
    loss: Tensor,
    wrt: Any = None,
    cotangent: Any = None,
    *,
    create_graph: bool = False,
    unused: Literal["error", "zero"] = "error",
    partial: bool = False,
    on_edge: OnEdge | None = None,
) -> Any:
    """Gradients of `loss` with respect to `wrt`, in the structure of `wrt`.

    Parameters
    ----------
    loss
        The recorded Tensor to differentiate.
    wrt
        A Tensor (leaf or inner node of the record), a Module, or a list, tuple, dict … of such,
        nested as you like (see `tree`).
    cotangent
        The gradient of what comes after `loss`, in its shape; 1 by default if `loss` is a scalar.
    create_graph
        Record the gradients too, as Tensors that can be differentiated, drawn and printed in turn.
    unused
        A Tensor that the loss does not depend on is an error, or has a gradient of zeros.
    partial
        Take the Tensors in `wrt` as independent of each other: no gradient flows through one of
        them to its own inputs.
    on_edge
        Called as ``on_edge(node, argument, g)`` with the gradient that flows from `node` to its
        input number `argument`, to be read only, in the shape of that input; of a slice (getitem)
        in the shape of the slice, since all slices are put back at once. Edges that lead to no
        Tensor in `wrt` are not reported.

    Returns
    -------
    Arrays of the shape and dtype of each Tensor in `wrt` (Tensors with `create_graph`); yours to
    change. Those of a Module's parameters are a dict by path.

    Raises
    ------
    ValueError
        `loss` is no scalar and no cotangent is given, or one of another shape; a Tensor in `wrt` is
        not in the record.
    TypeError
        `loss` or something in `wrt` is no Tensor, or holds integers.
    RuntimeError
        A parameter got new data, or an array was written into, after `loss` was recorded.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor, grad
    >>> x = Tensor(3.0)
    >>> float(grad(x * x, x))
    6.0
    >>> slope = grad(x * x * x, x, create_graph=True)
    >>> float(grad(slope, x))
    18.0
    """
    if unused not in ("error", "zero"):
        raise ValueError(f'grad: unused must be "error" or "zero", got {unused!r}.')
    targets = tree.leaves(wrt)
    check_arguments(loss, targets)
    nodes = ancestors(loss, known=targets if partial else ())
    found = walk(loss, cotangent, nodes, {*targets}, create_graph, partial, on_edge)
    missing = [x for x in targets if x not in found]
    if missing and unused == "error":
        raise ValueError(messages.unused(missing[0], missing[0] in set(nodes)))
    for x in missing:
        zero = np.zeros(x.shape, x.dtype)[()]
        found[x] = Tensor(zero) if create_graph else zero
    return tree.rebuild(wrt, [own(found[x]) for x in targets])


@context_restored()
def walk(
    loss: Tensor,
    cotangent: Any,
    nodes: list[Tensor],
    targets: set[Tensor],
    create_graph: bool = False,
    partial: bool = False,
    on_edge: OnEdge | None = None,
) -> dict[Tensor, Any]:
    """Reverse mode: cotangents by node, from the loss back; those of `targets` are returned."""
    sums = {loss: seed_of(loss, cotangent, create_graph)}
    needed = _needed(nodes, targets)
    check_unchanged(nodes, needed)
    tell = watching(nodes, on_edge)
    cotangents = Cotangents(sums, nodes, together=not (create_graph or tell))
    found: dict[Tensor, Any] = {}
    for node in reversed([x for x in nodes if x in needed]):
        g = cotangents.pop(node)
        if g is None:
            continue
        if tell and node is not loss:
            tell(node, None, g, None)
        if node in targets:
            found[node] = g if create_graph else g[()]
        op: Any = node.op
        rules: Any = RULES.get(op)
        if rules is None or (partial and node in targets):  # no rule: a leaf, say
            continue
        inputs, options = node.inputs, node.options
        if create_graph:
            y, args = node, inputs
        else:
            y = node._data
            args: Any = []
            for x in inputs:  # a comprehension would cost a call
                args.append(x._data if type(x) is Tensor else x)
        if type(rules) is not tuple:
            if create_graph:
                mark(node)
            rules, args = one_each(rules, g, y, args, options), (args,)
        for k, x in enumerate(inputs):
            rule = rules[k] if type(x) is Tensor and x in needed else None
            if rule is None:
                continue
            if type(rule) is FanIn and cotangents.waits(rule, x, (g, args, options)):
                if tell:
                    tell(node, k, g, None)
                continue
            if create_graph:
                mark(node, k)
            gx = rule(g, y, *args, **options) if options else rule(g, y, *args)
            if tell:
                tell(node, k, gx, g)
            if x in sums:
                cotangents.add_to(x, gx)
            else:
                sums[x] = gx
    return found


def _needed(nodes: list[Tensor], targets: set[Tensor]) -> set[Tensor]:
    """The nodes through which a gradient passes on its way to a target."""
    needed = set(targets)
    for node in nodes:
        for x in node.inputs:
            if type(x) is Tensor and x in needed:
                if node.op in RULES and node._data.dtype.kind == "f":
                    needed.add(node)
                break
    return needed
