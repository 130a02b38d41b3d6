"""Which operations are drawn as one function, such as layer_norm?

Those of a call of a composite function: one node stands for them, unless the function is opened.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from tinygrad_rnn import Frame, Tensor, call_of


def calls(nodes: list[Tensor], opened: Collection[str]) -> dict[Tensor, Tensor]:
    """For each operation in a call that is drawn as one, the last result of that call.

    A call of which another value than its results is read is drawn operation by operation.
    """
    groups: dict[Frame, list[Tensor]] = defaultdict(list)
    home: dict[Tensor, Frame] = {}
    for node in nodes:
        frame = call_of(node)
        if frame is not None and frame.name not in opened:
            groups[frame].append(node)
            home[node] = frame
    read = {x for node in nodes for x in node.inputs if type(x) is Tensor and leaves(node, x, home)}
    found: dict[Tensor, Tensor] = {}
    for frame, members in groups.items():
        known = frame.call.results if frame.call is not None else ()
        results = [node for node in members if node.serial in known]
        inner = set(members) - set(results)
        if results and inner.isdisjoint(read):
            found.update(dict.fromkeys(members, results[-1]))
    return found


def leaves(node: Tensor, x: Tensor, home: dict[Tensor, Frame]) -> bool:
    """Whether an operation reads a value from inside a call that it is not part of."""
    return x in home and home[x] is not home.get(node)


def parameter(node: Tensor, x: object) -> str | None:
    """What the function around an operation calls an argument; None if it was given no such."""
    frame = call_of(node)
    if frame is None or frame.call is None:
        return None
    known = zip(frame.call.inputs, frame.call.names, strict=False)
    return next((name for y, name in known if y is x), None)
