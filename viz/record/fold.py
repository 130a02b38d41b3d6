"""Which steps are the same?

Equal neighbours become one, and what passed between them runs out of it and back into it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from viz.record.parts import Block, Edge, Parts


def fold(parts: Parts) -> Parts:
    """The same picture with equal neighbouring steps of each lane drawn once.

    Steps are equal if all they show is: operations, letters, shapes, edges in their order, which
    values they take from the step before, and whether a cut lies between. Nothing is assumed: a
    step that differs keeps a block of its own.
    """
    home = {node.id: block for block in parts.blocks for node in block.nodes}
    number = {node.id: k for block in parts.blocks for k, node in enumerate(block.nodes)}
    twin, size = _groups(parts, home, number)

    def of(node: str) -> str:
        block = home[node]
        return twin[block].nodes[number[node]].id if block in twin else node

    found = Parts(blocks=[b for b in parts.blocks if twin.get(b, b) is b], next=parts.next)
    links: dict[tuple[object, ...], Edge] = {}
    times: Counter[tuple[object, ...]] = Counter()
    when: dict[tuple[object, ...], str] = {}
    onward: dict[tuple[object, ...], str] = {}
    for edge in parts.links:
        a, b = home[edge.tail], home[edge.head]
        tail, head = of(edge.tail), of(edge.head)
        again = a is not b and a in twin and b in twin and twin[a] is twin[b]
        kind = "recurrent" if again else edge.kind
        role = edge.role if kind in ("state", "recurrent") else ""
        steps = b.steps[0] - a.steps[0] if again else 0
        key = (tail, head, kind, role, steps)
        links.setdefault(key, Edge(tail, head, kind, role=edge.role, style=edge.style))
        times[key] += 1
        onward[key] = f"t → t+{steps}" if steps > 0 else f"t+{-steps} → t"
        when[key] = f"t = {(b if b in twin else a).steps[0]}"
    for key, edge in links.items():
        a, b = home[edge.tail], home[edge.head]
        steps = max(size.get(a, (0, 0, 1))[2], size.get(b, (0, 0, 1))[2])
        letter = edge.role if edge.role[:1] != "·" else ""
        if edge.kind == "recurrent":
            edge.label = f"{letter}  {onward[key]}" if letter else onward[key]
        elif steps > 1 and (a.kind in _OUTSIDE) != (b.kind in _OUTSIDE) and edge.kind != "hub":
            edge.label = (
                "every t" if times[key] == steps else when[key] if times[key] == 1 else "some t"
            )
    found.links = list(links.values())
    for block, one in twin.items():
        one.column = min(one.column, block.column)  # where its lane is read first, whichever way
    for block, (first, last, _) in size.items():
        block.steps = (first, last)
    return found


_OUTSIDE = ("before", "after", "initial")


def _groups(
    parts: Parts, home: dict[str, Block], number: dict[str, int]
) -> tuple[dict[Block, Block], dict[Block, tuple[int, int, int]]]:
    """The block that each step is drawn as; the first, the last and the number of its steps."""
    carried: dict[Block, set[tuple[int, int, bool]]] = defaultdict(set)
    for edge in parts.links:
        if edge.kind == "state":
            cut = edge.style.get("class") == "cut"
            carried[home[edge.head]].add((number[edge.head], number[edge.tail], cut))
    lanes: dict[tuple[int, int], list[Block]] = defaultdict(list)
    for block in parts.blocks:
        if block.kind in ("step", "cell"):
            lanes[block.order, block.row].append(block)
    twin: dict[Block, Block] = {}
    size: dict[Block, tuple[int, int, int]] = {}
    for lane in lanes.values():
        first: Block | None = None
        looks: Any = None
        inner: set[tuple[int, int, bool]] | None = None
        for block in lane:
            same = block.looks
            passed = carried[block]
            fits = first is not None and same == looks and (inner is None or passed == inner)
            if first is None or not fits:
                first, looks, inner = block, same, None
            else:
                inner = passed
            twin[block] = first
            step = block.steps[0]
            low, high, count = size.get(first, (step, step, 0))
            size[first] = (min(low, step), max(high, step), count + 1)
    return twin, size
