"""Which steps are the same?

Equal neighbours become one, and what passed between them runs out of it and back into it.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from viz.dot import block_source
from viz.parts import Block, Edge, Parts


def fold(parts: Parts) -> Parts:
    """The same picture with equal neighbouring steps of each lane drawn once.

    Steps are equal if all they show is: operations, letters, shapes, edges in their order, and
    which values they take from the step before. Nothing is assumed: a step that differs keeps a
    block of its own.
    """
    home = {node.id: block for block in parts.blocks for node in block.nodes}
    number = {node.id: k for block in parts.blocks for k, node in enumerate(block.nodes)}
    twin, size = _groups(parts, home, number)

    def of(node: str) -> str:
        block = home[node]
        return twin[block].nodes[number[node]].id if block in twin else node

    found = Parts(blocks=[b for b in parts.blocks if twin.get(b, b) is b], next=parts.next)
    links: dict[tuple[str, ...], Edge] = {}
    times: Counter[tuple[str, ...]] = Counter()
    when: dict[tuple[str, ...], str] = {}
    for edge in parts.links:
        a, b = home[edge.tail], home[edge.head]
        tail, head = of(edge.tail), of(edge.head)
        again = a is not b and a in twin and b in twin and twin[a] is twin[b]
        kind = "recurrent" if again else edge.kind
        key = (tail, head, kind, edge.role if kind in ("state", "recurrent") else "")
        links.setdefault(key, Edge(tail, head, kind, role=edge.role))
        times[key] += 1
        when[key] = f"t = {(b if b in twin else a).steps[0]}"
    for key, edge in links.items():
        a, b = home[edge.tail], home[edge.head]
        steps = max(size.get(a, (0, 0, 1))[2], size.get(b, (0, 0, 1))[2])
        letter = edge.role if edge.role[:1] != "·" else ""
        if edge.kind == "recurrent":
            edge.label = f"{letter}  t → t+1" if letter else "t → t+1"
        elif steps > 1 and (a.kind in _OUTSIDE) != (b.kind in _OUTSIDE) and edge.kind != "hub":
            edge.label = (
                "every t" if times[key] == steps else when[key] if times[key] == 1 else "some t"
            )
    found.links = list(links.values())
    for block, (first, last, _) in size.items():
        block.steps = (first, last)
    return found


_OUTSIDE = ("before", "after", "initial")


def _groups(
    parts: Parts, home: dict[str, Block], number: dict[str, int]
) -> tuple[dict[Block, Block], dict[Block, tuple[int, int, int]]]:
    """What each step is drawn as; first step, last step and number of what that stands for."""
    carried: dict[Block, set[tuple[int, int]]] = defaultdict(set)
    for edge in parts.links:
        if edge.kind == "state":
            carried[home[edge.head]].add((number[edge.head], number[edge.tail]))
    lanes: dict[tuple[int, int], list[Block]] = defaultdict(list)
    for block in parts.blocks:
        if block.kind in ("step", "cell"):
            lanes[block.order, block.row].append(block)
    twin: dict[Block, Block] = {}
    size: dict[Block, tuple[int, int, int]] = {}
    for lane in lanes.values():
        first: Block | None = None
        text = ""
        inner: set[tuple[int, int]] | None = None
        for block in lane:
            same = block_source(block)
            passed = carried[block]
            fits = first is not None and same == text and (inner is None or passed == inner)
            if first is None or not fits:
                first, text, inner = block, same, None
            else:
                inner = passed
            twin[block] = first
            step = block.steps[0]
            low, high, count = size.get(first, (step, step, 0))
            size[first] = (min(low, step), max(high, step), count + 1)
    return twin, size
