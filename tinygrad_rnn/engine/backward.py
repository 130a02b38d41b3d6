"""How do gradients flow?

From the loss back along the record, youngest node first: a node's rules turn its cotangent into
cotangents of its inputs, and what reaches one node by several ways is added up. That is all of
backpropagation, and on the record of an unrolled network it is backpropagation through time.
Nothing here recurses, so the record may be as deep as it likes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, Literal

import numpy as np

from tinygrad_rnn.engine import messages, tree
from tinygrad_rnn.engine.constants import check_written, read_only
from tinygrad_rnn.engine.context import Frame, context
from tinygrad_rnn.engine.integers import check_integers
from tinygrad_rnn.engine.messages import called
from tinygrad_rnn.engine.primitives import astype, reshape, sum
from tinygrad_rnn.engine.rules import RULES, FanIn, JointVJP, Uses
from tinygrad_rnn.engine.tensor import OPS, Tensor, operand, values

__all__ = ["ancestors", "backward", "grad"]

Watcher = Callable[[Tensor, int | None, Any, Any], None]
"""Told ``(node, argument, g, arrived)`` of each gradient as it flows.

It flows from `node` to its input number `argument`, and was made of the cotangent that `arrived` at
the node. Without an argument `g` is the cotangent itself, the sum of all that flows to the node;
without `arrived` it goes on as it is, to be put back with those of other slices of the input.
"""

NOTHING: dict[str, np.ndarray] = {}  # shared by all frames here: no constants inside have letters


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
    on_edge: Callable[[Tensor, int, Any], None] | None = None,
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
    _check_arguments(loss, targets)
    seed = _seed(loss, cotangent, create_graph)
    nodes = ancestors(loss, known=targets if partial else ())
    watchers = _watchers()
    if on_edge is not None:
        watchers.append(_edges(on_edge, nodes))
    found = _walk(loss, seed, nodes, set(targets), create_graph, partial, watchers)
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
        ``w * x + Tensor(0)``. It was meant to be Tensor(0.0), or to be a number. It may be an
        index, a condition, a class or an operand of a comparison, and it may be converted
        (`astype`). With axes, integers may stand anywhere: inputs in one-hot code, counts, targets
        and masks come so, and nothing tells them from weights. A single one is no batch of data.
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
    _check_arguments(loss, leaves)
    check_integers(loss, nodes, data)
    seed = _seed(loss, cotangent, create_graph=False)
    found = _walk(loss, seed, nodes, set(leaves), watchers=_watchers())
    for x in leaves:
        g = found[x] if x in found else np.zeros(x.shape, x.dtype)[()]
        if x.grad is not None:
            x.grad = x.grad + g
        else:
            x.grad = g.copy() if type(g) is np.ndarray else g
    return [x for x in leaves if x in found]


OPS["backward"] = backward


@contextmanager
def _context_restored() -> Iterator[None]:
    outside = context.get()
    try:
        yield
    finally:
        context.set(outside)


@_context_restored()
def _walk(
    loss: Tensor,
    seed: Any,
    nodes: list[Tensor],
    targets: set[Tensor],
    create_graph: bool = False,
    partial: bool = False,
    watchers: Collection[Watcher] = (),
) -> dict[Tensor, Any]:
    """Reverse mode: cotangents by node, from the loss back; those of `targets` are returned."""
    needed = _needed(nodes, targets)
    check_written(nodes, needed)
    sums = _Sums(nodes, {loss: seed})
    cotangents, waiting, ours = sums.cotangents, sums.waiting, sums.ours
    apart = create_graph or watchers
    found: dict[Tensor, Any] = {}
    for node in reversed([x for x in nodes if x in needed]):
        if node in waiting:
            sums.join(node)
        g = cotangents.pop(node, None)
        if g is None:
            continue
        if g.shape != node._data.shape or g.dtype is not node._data.dtype:
            if create_graph:
                _mark(node)
            g = _fit(g, node, nodes)
        if watchers and node is not loss:
            _tell(watchers, node, None, g, None)
        if node in targets:
            found[node] = g if create_graph else g[()]
            if partial:
                continue
        if node.op not in RULES:  # a leaf, or a primitive that lets nothing pass
            continue
        rules: Any = RULES[node.op]
        inputs, options = node.inputs, node.options
        if create_graph:
            y, args = node, inputs
        else:
            y = node._data
            args: Any = []
            for x in inputs:  # a comprehension would cost a call
                args.append(x._data if type(x) is Tensor else x)
        if type(rules) is not tuple:
            rules, args = _one_each(rules, g, y, args, options), (args,)
        for k, x in enumerate(inputs):
            if type(x) is not Tensor or x not in needed:
                continue
            rule = rules[k]
            if rule is None:
                continue
            if type(rule) is FanIn and (rule.alone is None or (x._data.ndim == 2 and not apart)):
                waiting.setdefault(x, {}).setdefault(rule, []).append((g, args, options))
                if watchers:
                    _tell(watchers, node, k, g, None)
                continue
            if create_graph:
                _mark(node, k)
            gx = rule(g, y, *args, **options) if options else rule(g, y, *args)
            if watchers:
                _tell(watchers, node, k, gx, g)
            before = cotangents.get(x)
            if before is None:
                cotangents[x] = gx
            elif x in ours and before.shape == gx.shape:
                before += gx
            else:
                sums.add(x, before, gx)
    return found


def _tell(watchers: Collection[Watcher], *flow: Any) -> None:
    for see in watchers:
        see(*flow)


class _Sums:
    """Cotangents by node: what reaches one node by several ways is added up."""

    def __init__(self, nodes: list[Tensor], cotangents: dict[Tensor, Any]) -> None:
        self.nodes, self.cotangents = nodes, cotangents
        self.ours: set[Tensor] = set()  # whose sum is in an array of our own: added to in place
        self.waiting: dict[Tensor, dict[FanIn, Uses]] = {}  # uses of a source, until its turn

    def add(self, x: Tensor, before: Any, gx: Any) -> None:
        """Add what arrives at `x` by another way to what is there."""
        if type(before) is Tensor:
            _mark(x)
        if before.shape != gx.shape:
            before, gx = _fit(before, x, self.nodes), _fit(gx, x, self.nodes)
        total = self.cotangents[x] = before + gx
        if type(total) is np.ndarray:
            self.ours.add(x)

    def join(self, node: Tensor) -> None:
        """Add what all its uses that have waited send to `node` together."""
        for fan_in, uses in self.waiting.pop(node).items():
            if type(uses[0][0]) is Tensor:
                _mark(node)
            gx = fan_in.rule(uses, node)
            if node in self.cotangents:
                self.add(node, self.cotangents[node], gx)
            else:
                self.cotangents[node] = gx


def _one_each(rules: Any, g: Any, y: Any, inputs: Any, options: dict[str, Any]) -> Any:
    """The rules of a primitive with any number of inputs, one for each of them."""
    if type(rules) is JointVJP:
        if type(y) is Tensor:
            _mark(y)
        return [_constant(gx) for gx in rules.rule(g, y, inputs, **options)]
    # all inputs as one argument: unpacked for each of them, they would cost their square
    return [functools.partial(rules, k) for k in range(len(inputs))]


def _constant(gx: Any) -> Any:
    """A rule that says what is already known."""

    def rule(*_: Any, **__: Any) -> Any:
        return gx

    return None if gx is None else rule


def _mark(node: Tensor, argument: int | None = None) -> None:
    """From here on, what is recorded derives from `node`: it has its scope, marked backward."""
    frame = Frame("backward", None, NOTHING, node.serial, argument)
    context.set(context.get().at((*node.scope, frame)))


def _edges(on_edge: Callable[[Tensor, int, Any], None], nodes: list[Tensor]) -> Watcher:
    """A watcher that calls `on_edge`, outside of the walk."""
    outside = context.get()

    def see(node: Tensor, argument: int | None, g: Any, arrived: Any) -> None:
        if argument is None:
            return
        context.set(outside)
        gx = g if arrived is None else _fit(g, node.inputs[argument], nodes)
        on_edge(node, argument, read_only(gx))

    return see


def _watchers() -> list[Watcher]:
    """The observers that see gradients."""
    found = [observer.watcher() for observer in context.get().observers]
    return [see for see in found if see is not None]


def _needed(nodes: list[Tensor], targets: set[Tensor]) -> set[Tensor]:
    """The nodes on a way from a target to the loss, after a check that no value has changed."""
    needed = set(targets)
    for node in nodes:
        reached = False
        for x in node.inputs:
            if type(x) is not Tensor:
                continue
            if x.serial > node.serial:
                raise RuntimeError(messages.newer(x, node))
            reached = reached or x in needed
        if reached and node.op in RULES and node._data.dtype.kind == "f":
            needed.add(node)
    return needed


def _fit(g: Any, x: Tensor, nodes: list[Tensor]) -> Any:
    """The cotangent of `x`: broadcasting undone, shape checked, dtype restored."""
    if g.shape != x.shape:
        missing = g.ndim - x.ndim
        if missing < 0 or any(
            n not in (1, m) for n, m in zip(x.shape, g.shape[missing:], strict=True)
        ):
            raise ValueError(messages.misshapen(g, x, nodes))
        stretched = [a + missing for a, n in enumerate(x.shape) if n != g.shape[a + missing]]
        g = sum(g, axis=(*range(missing), *stretched))
        if stretched:
            g = reshape(g, shape=x.shape)
    return g if g.dtype == x.dtype else astype(g, dtype=x.dtype)


# -- arguments -------------------------------------------------------------------------------------


def _seed(loss: Tensor, cotangent: Any, create_graph: bool) -> Any:
    if cotangent is None:
        if loss.size != 1:
            raise ValueError(messages.not_a_scalar(loss))
        cotangent = np.ones(loss.shape, loss.dtype)
    cotangent = operand(cotangent, f"the cotangent of {called(loss)}")
    if cotangent.shape != loss.shape:
        raise ValueError(messages.other_cotangent(loss, cotangent))
    if create_graph and type(cotangent) is Tensor:
        return cotangent
    array = np.asarray(values(cotangent))
    array = array.astype(loss.dtype, copy=False)[()]
    return Tensor(array, name="cotangent") if create_graph else array


def _check_arguments(loss: Any, targets: list[Any]) -> None:
    if not targets:
        raise ValueError("grad: nothing to differentiate by; wrt is empty (a used-up generator?).")
    for what, x in (("the loss", loss), *(("wrt", x) for x in targets)):
        if type(x) is not Tensor:
            raise TypeError(messages.not_a_tensor(what, x))
        if x.dtype.kind != "f":
            raise TypeError(messages.not_floats(what, x))


def _own(g: Any) -> Any:
    """A copy for each place: a Tensor may stand in several."""
    return g.copy() if type(g) is np.ndarray else g
