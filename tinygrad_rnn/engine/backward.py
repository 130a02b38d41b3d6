"""How do gradients flow?

From the loss back along the record, youngest node first: a node's rules turn its cotangent into
cotangents of its inputs, and what reaches one node by several ways is added up. That is all of
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
from tinygrad_rnn.engine.cotangents import Cotangents
from tinygrad_rnn.engine.integers import check_integers
from tinygrad_rnn.engine.marks import context_restored, mark
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.rules import RULES, FanIn, one_each
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.engine.unchanged import check_unchanged
from tinygrad_rnn.engine.watchers import OnEdge, Watcher, watching

__all__ = ["ancestors", "backward", "grad"]


def ancestors(*tensors: Tensor, known: Collection[Tensor] = ()) -> list[Tensor]:
    """All Tensors that `tensors` were made from and they themselves, in the order of birth.

    Those in `known` are listed too, but not what they were made from.

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


def grad(
    loss: Tensor,
    wrt: Any,
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
        What is differentiated: a recorded Tensor.
    wrt
        A Tensor (leaf or inner node of the record), a Module, or a list, tuple, dict … of such,
        nested as you like (see `tree`).
    cotangent
        An array of the shape of `loss` that its gradient is weighted with; 1 by default if `loss`
        is a scalar.
    create_graph
        Record the gradients too, as Tensors that can be differentiated, drawn and printed in turn.
    unused
        What a Tensor gets that the loss does not depend on: an error, or zeros.
    partial
        Take the Tensors in `wrt` for independent of each other: no gradient flows on through one of
        them to what it was made from.
    on_edge
        Called as ``on_edge(node, argument, g)`` with the gradient that flows from `node` to its
        input number `argument`, as it flows, in the shape of that input; of a slice (getitem) in
        the shape of the slice, since all slices are put back at once. It is to be read only. Edges
        that lead to no Tensor in `wrt` carry nothing and are not reported.

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
    seed = seed_of(loss, cotangent, create_graph)
    nodes = ancestors(loss, known=targets if partial else ())
    tell = watching(nodes, on_edge)
    found = _walk(loss, seed, nodes, set(targets), create_graph, partial, tell)
    missing = [x for x in targets if x not in found]
    if missing and unused == "error":
        raise ValueError(messages.unused(missing[0], missing[0] in set(nodes)))
    for x in missing:
        zero = np.zeros(x.shape, x.dtype)[()]
        found[x] = Tensor(zero) if create_graph else zero
    return tree.rebuild(wrt, [_own(found[x]) for x in targets])


def backward(loss: Tensor, cotangent: Any = None, data: Collection[Tensor] = ()) -> list[Tensor]:
    """Add the gradient of `loss` to ``.grad`` of every float leaf: what `Tensor.backward` does.

    Parameters
    ----------
    loss, cotangent
        As for `grad`.
    data
        Leaves that are known to be no parameters: they may be integers without axes.

    Returns
    -------
    The float leaves that a gradient has reached. Others (`stop_gradient`, a condition) got zeros.

    Raises
    ------
    ValueError
        `loss` was not computed from any float Tensor; or it is no scalar and has no cotangent.
    TypeError
        An integer leaf without axes stands where a float would get a gradient, as the bias in
        ``w * x + Tensor(0)``; see `check_integers`.
    RuntimeError
        As for `grad`.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor
    >>> w, x = Tensor(2.0, name="w"), Tensor(3.0, name="x")
    >>> [leaf.name for leaf in backward(w * x)], float(w.grad)
    (['w', 'x'], 3.0)
    """
    nodes = ancestors(loss)
    leaves = [x for x in nodes if x.op is None and x._data.dtype.kind == "f"]
    if loss.op is None or not leaves:
        raise ValueError(messages.not_recorded(loss))
    check_arguments(loss, leaves)
    check_integers(loss, nodes, data)
    seed = seed_of(loss, cotangent, create_graph=False)
    found = _walk(loss, seed, nodes, set(leaves), tell=watching(nodes))
    for x in leaves:
        g = found[x] if x in found else np.zeros(x.shape, x.dtype)[()]
        x.grad = _own(g) if x.grad is None else x.grad + g
    return [x for x in leaves if x in found]


OPS["backward"] = backward


@context_restored()
def _walk(
    loss: Tensor,
    seed: Any,
    nodes: list[Tensor],
    targets: set[Tensor],
    create_graph: bool = False,
    partial: bool = False,
    tell: Watcher | None = None,
) -> dict[Tensor, Any]:
    """Reverse mode: cotangents by node, from the loss back; those of `targets` are returned."""
    needed = _needed(nodes, targets)
    check_unchanged(nodes, needed)
    cotangents = Cotangents(nodes, together=not (create_graph or tell))
    sums = cotangents.sums
    sums[loss] = seed
    found: dict[Tensor, Any] = {}
    for node in reversed([x for x in nodes if x in needed]):
        g = cotangents.pop(node)
        if g is None:
            continue
        if tell and node is not loss:
            tell(node, None, g, None)
        if node in targets:
            found[node] = g if create_graph else g[()]
            if partial:
                continue
        rules: Any = RULES.get(node.op) if node.op else None
        if rules is None:  # a leaf, or a primitive that lets nothing pass
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
            if type(x) is not Tensor or x not in needed:
                continue
            rule = rules[k]
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
    """The nodes on a way from a target to the loss that a gradient passes."""
    needed = set(targets)
    for node in nodes:
        for x in node.inputs:
            if type(x) is Tensor and x in needed:
                if node.op in RULES and node._data.dtype.kind == "f":
                    needed.add(node)
                break
    return needed


def _own(g: Any) -> Any:
    """A copy for each place: a Tensor may stand in several."""
    return g.copy() if type(g) is np.ndarray else g
