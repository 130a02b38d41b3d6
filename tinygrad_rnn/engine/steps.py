"""Which step of time, and which lane, does a node of a record belong to?

Scopes say it: ``with scope("lstm", t=3)``. The innermost frame with a time is the step. The frames
around and inside it are the *lane*: a cell, a layer, one direction of it, an encoder. A gradient
stands in the step of what it differentiates, in a lane of its own.

=======================================  ========================  =====
scopes of a node                         its lane                  its t
=======================================  ========================  =====
``lstm · t = 3``                         lstm                      3
``layer 2 · reverse · lstm · t = 3``     layer 2 · reverse · lstm  3
the same name and t again: a second net  lstm 2                    3
``lstm · t = 3 · attention``             lstm · attention          3
``lstm · t = 3``, then ``backward``      lstm, of order 1          3
``lstm · t = 3 · layer_norm()``          lstm                      3
``loss``                                 outside of time           None
=======================================  ========================  =====
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tinygrad_rnn.engine.context import Frame
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["Lane", "Step", "order_of", "step_frame", "steps"]


@dataclass(eq=False, slots=True)
class Lane:
    """One run through time, or (`path` empty) all that is outside of time.

    Attributes
    ----------
    name
        Its scopes in words: ``"layer 2 · lstm"``; with a number where one name runs through time
        again.
    path
        The names of its scopes, outermost first.
    run
        0 for the first run of this path through time, 1 for the second …
    order
        How many derivatives were taken: 0 forward, 1 gradient, 2 gradient of the gradient …
    """

    name: str = ""
    path: tuple[str, ...] = ()
    run: int = 0
    order: int = 0


@dataclass(eq=False, slots=True)
class Step:
    """One step of a lane, by its time; outside of time it is None.

    Its nodes are not kept here: a record would live as long as anything that was read off it.
    """

    lane: Lane
    t: int | None = None


def steps(nodes: Iterable[Tensor]) -> dict[Tensor, Step]:
    """The step of each operation among `nodes`, which come in the order of birth; in linear work.

    A leaf belongs to no step: it was given, not computed.

    Raises
    ------
    TypeError
        `nodes` is a Tensor, or something in it is none.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor, ancestors, scope, steps, tanh
    >>> h = Tensor([0.0, 1.0])
    >>> for t in range(3):
    ...     with scope("rnn", t=t):
    ...         h = tanh(h * 0.5)
    >>> found = steps(ancestors(h.sum()))
    >>> [(step.lane.name, step.t) for step in found.values()]
    [('rnn', 0), ('rnn', 0), ('rnn', 1), ('rnn', 1), ('rnn', 2), ('rnn', 2), ('', None)]
    """
    found: dict[Tensor, Step] = {}
    by_scope: dict[tuple[Frame, ...], Step] = {}
    lanes: dict[object, Lane] = {}
    in_lane: dict[tuple[Lane, Frame | None], Step] = {}
    visits: dict[object, dict[Frame, int]] = defaultdict(dict)
    if type(nodes) is Tensor:
        raise TypeError(
            "steps: expected the nodes of a record, got one Tensor: steps(ancestors(x))."
        )
    for node in nodes:
        if type(node) is not Tensor:
            raise TypeError(f"steps: expected Tensors, got {type(node).__name__}.")
        if node.op is None:
            continue
        step = by_scope.get(node.scope)
        if step is None:
            frame, lane = _lane(node, lanes, visits)
            step = in_lane.get((lane, frame))
            if step is None:
                step = in_lane[lane, frame] = Step(lane, None if frame is None else frame.t)
            by_scope[node.scope] = step
        found[node] = step
    return found


def step_frame(node: Tensor) -> Frame | None:
    """The frame of the step that `node` was recorded in, None outside of time.

    A gradient has that of what it differentiates. TypeError if `node` is no Tensor.
    """
    if type(node) is not Tensor:
        raise TypeError(f"step_frame: expected a Tensor, got {type(node).__name__}.")
    return next((frame for frame in reversed(node.scope) if frame.t is not None), None)


def order_of(node: Tensor) -> int:
    """The number of derivatives taken to come to this node: 0 forward."""
    return sum(frame.of is not None for frame in node.scope)


def _lane(
    node: Tensor, lanes: dict[object, Lane], visits: dict[object, dict[Frame, int]]
) -> tuple[Frame | None, Lane]:
    """The frame with the step and the lane, which is made when it is first met."""
    frame, order = step_frame(node), order_of(node)
    if frame is None:
        return None, lanes.setdefault(order, Lane(order=order))
    frames = [f for f in node.scope if f.of is None and f.call is None]
    path = tuple([f.name if f is frame else str(f) for f in frames])
    inside = len(frames) - frames.index(frame)
    outer = path[: len(path) - inside + 1]
    # the same step of the same name again is a step of another net, not the same step
    same = visits[outer, frame.t]
    run = same.setdefault(frame, len(same))
    key = path, len(outer), run, order
    if key not in lanes:
        numbered = f"{outer[-1]} {run + 1}" if run else outer[-1]
        name = " · ".join((*outer[:-1], numbered, *path[len(outer) :]))
        lanes[key] = Lane(name, path, run, order)
    return frame, lanes[key]
