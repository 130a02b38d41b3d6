"""Which states pass through a block, on which way, and in which order from the top?"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence

from viz.record.parts import Block


def order(roles: Iterable[str], leaving: Mapping[str, int]) -> list[str]:
    """States from the top: first what is only handed on (c), below it what is also read (h)."""
    return sorted(roles, key=lambda role: leaving.get(role, 0) > 0)


def carried(block: Block) -> set[str]:
    """The states that come into a block and leave it."""
    ports = [node for node in block.nodes if node.kind == "port" and node.role]
    coming = {node.role for node in ports if node.rank == "source"}
    return coming & {node.role for node in ports if node.rank == "sink"}


def port_order(block: Block, rank: str, roles: Sequence[str]) -> list[int]:
    """The numbers of a block's ports on one side, in the order of their states."""
    found = [k for k, n in enumerate(block.nodes) if n.rank == rank and n.role in roles]
    return sorted(found, key=lambda k: roles.index(block.nodes[k].role))


def ways(block: Block) -> set[int]:
    """The edges on the shortest way of each state through a block, which is drawn straight."""
    outgoing: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for k, edge in enumerate(block.edges):
        outgoing[edge.tail].append((k, edge.head))
    sinks = {node.id: node.role for node in block.nodes if node.rank == "sink"}
    found: set[int] = set()
    for role in sorted(carried(block)):
        starts = [n.id for n in block.nodes if n.rank == "source" and n.role == role]
        found.update(_shortest(starts, outgoing, {k for k, r in sinks.items() if r == role}))
    return found


def _shortest(
    starts: list[str], outgoing: Mapping[str, list[tuple[int, str]]], goals: set[str]
) -> list[int]:
    """The numbers of the edges of a shortest way; empty if there is none."""
    came: dict[str, tuple[int, str] | None] = dict.fromkeys(starts)
    queue = deque(starts)
    while queue:
        node = queue.popleft()
        if node in goals:
            found: list[int] = []
            while (step := came[node]) is not None:
                found.append(step[0])
                node = step[1]
            return found
        for k, head in outgoing.get(node, ()):
            if head not in came:
                came[head] = (k, node)
                queue.append(head)
    return []
