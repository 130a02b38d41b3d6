"""What must the player know of a record? Geometry once per kind of step, and its numbers per step.

The result is plain data for JSON. Time counts operations: at position p the first p of them have
been computed, and beyond `count` the nodes pass their gradients on, in the order of the backward
pass. Steps that look alike share a shape, and steps whose operations come in the same order share
a pattern of offsets, so a step costs its statistics and norms and little more.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, ancestors
from viz import theme
from viz.graphs.gradient_flow import decades, measure
from viz.layout.edges import spread
from viz.layout.place import Layout, place
from viz.record.builder import select
from viz.record.formulas import formulas, kind_of
from viz.record.parts import Block, Edge, Node, Parts

Times = list[int | None]


def timeline(
    loss: Tensor, losses: Sequence[tuple[str, Tensor]], labels: Sequence[str]
) -> dict[str, Any]:
    """Everything the page shows of `loss`.

    Parameters
    ----------
    losses
        Parts of the loss, by name, whose gradients can be looked at alone.
    labels
        What to write on the steps.
    """
    parts = select([loss], "op", "stub", sys.maxsize)
    parts.blocks = [block for block in parts.blocks if block.kind != "note"]  # the page has its own
    plan = place(parts, sys.maxsize)
    for block in parts.blocks:
        if block.kind == "initial":
            spread(plan, block)
    return _Timeline(loss, parts, plan).data([("loss", loss), *losses], labels)


def operations(loss: Tensor) -> list[Tensor]:
    """The operations of a record, in the order in which they were computed."""
    return [x for x in ancestors(loss) if x.op is not None]


class Backward:
    """One backward pass: when does a gradient arrive, and how large is it?"""

    def __init__(self, edges: list[Edge], loss: Tensor, picture: str) -> None:
        self.norms, turns = measure(edges, loss, picture)
        self.turns = {node: turn + 1 for node, turn in turns.items()}

    def arrival(self, edge: Edge) -> tuple[float | None, int | None]:
        """Norm and time; a sum of several gradients is there when the last of them is."""
        when = [self.turns[node] for node, _ in edge.uses if node in self.turns]
        if id(edge) not in self.norms or not when:
            return None, None
        return self.norms[id(edge)], max(when)

    def decades(self, parts: Parts) -> tuple[float, float]:
        """The powers of ten that the gradients on all edges span."""
        return decades(self.norms[id(e)] for e in parts.edges() if id(e) in self.norms)


class _Timeline:
    """The parts, their numbers, and what is written already."""

    def __init__(self, loss: Tensor, parts: Parts, plan: Layout) -> None:
        self.parts, self.plan = parts, plan
        self.order = {x: k for k, x in enumerate(operations(loss), start=1)}
        self.value = values(parts)
        self.number = {
            node.id: (b, k)
            for b, block in enumerate(parts.blocks)
            for k, node in enumerate(block.nodes)
        }
        homes = Counter(id(self.value.get(node.id)) for b in parts.blocks for node in b.nodes)
        leaves = (x for x in self.value.values() if type(x) is Tensor and x.op is None)
        shared = (x for x in dict.fromkeys(leaves) if homes[id(x)] > 1)
        self.leaves = {x: k for k, x in enumerate(shared)}
        self.ops: dict[tuple[str, tuple[str, ...]], int] = {}
        self.rules: dict[object, tuple[str, ...]] = {}
        self.tables: dict[str, dict[str, int]] = {"shapes": {}, "patterns": {}}

    def data(self, losses: Sequence[tuple[str, Tensor]], labels: Sequence[str]) -> dict[str, Any]:
        blocks = [self.block(block) for block in self.parts.blocks]
        links = [self.link(edge) for edge in self.parts.links]
        leaves = [{"name": x.name or "leaf", "value": _statistics(x)} for x in self.leaves]
        sweeps = [self.sweep(name, x, blocks, links, leaves) for name, x in losses]
        return {
            "count": len(self.order),
            "height": _short(self.plan.height),
            "columns": self.columns(labels),
            "sweeps": sweeps,
            "blocks": blocks,
            "links": links,
            "leaves": leaves,
            "ops": [{"name": name, "rules": rules} for name, rules in self.ops],
            "shapes": [json.loads(text) for text in self.tables["shapes"]],
            "patterns": [json.loads(text) for text in self.tables["patterns"]],
            "scale": [theme.magnitude(k / 16)["color"] for k in range(17)],
        }

    def once(self, table: str, thing: Any) -> int:
        """The number of a thing in a table that holds it once."""
        known = self.tables[table]
        return known.setdefault(json.dumps(thing, ensure_ascii=False), len(known))

    def columns(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """Width of each column, and for a step its number and label."""
        found: dict[int, dict[str, Any]] = {}
        for block in self.parts.blocks:
            frame = self.plan.frames[block]
            one = found.setdefault(frame.slot, {"width": _short(frame.right - frame.left)})
            if block.kind == "step":
                one.setdefault("t", block.steps[0])
                one["label"] = labels[block.column] if block.column < len(labels) else ""
        return [found[slot] for slot in sorted(found)]

    # -- what does not depend on a gradient -------------------------------------------------------

    def block(self, block: Block) -> dict[str, Any]:
        """One step: which shape, where, when, and the statistics of its values."""
        frame = self.plan.frames[block]
        shown = [self.value.get(node.id) for node in block.nodes]
        made = [x for node in block.nodes if (x := self.made(node)) is not None]
        scopes = [[str(f) for f in x.scope] for x in made]
        shared = _common(scopes)
        times: Times = [self.order.get(x) if type(x) is Tensor else None for x in shown]
        times += [known(edge, self.value, self.order) for edge in block.edges]
        start = min((self.order[x] for x in made), default=0)
        found: dict[str, Any] = {
            "shape": self.once("shapes", self.shape(block, len(shared))),
            "kind": block.kind,
            "title": block.title,
            "t": block.steps[0],
            "row": frame.row,
            "column": frame.slot,
            "x": _short(frame.x - frame.left),
            "y": round(self.plan.height - frame.y, 1),
            "top": round(self.plan.height - frame.high, 1),
            "bottom": round(self.plan.height - frame.low, 1),
            "scope": " · ".join(shared),
            "start": start,
            "times": self.pattern(times, start),
            "values": [
                None if x is None or (type(x) is Tensor and x in self.leaves) else _statistics(x)
                for x in shown
            ],
            "sweeps": [],
        }
        if block.mirrored:
            found["mirrored"] = True
        return found

    def made(self, node: Node) -> Tensor | None:
        """The operation that happens at this node; what is only quoted happens elsewhere."""
        x = self.value.get(node.id)
        return x if type(x) is Tensor and x.op is not None and node.kind != "reference" else None

    def shape(self, block: Block, outer: int) -> dict[str, Any]:
        """The geometry that steps of one look share, from the lower left corner."""
        frame, nodes = self.plan.frames[block], list[dict[str, Any]]()
        number = {node.id: k for k, node in enumerate(block.nodes)}
        for node in block.nodes:
            x, y, w, h = self.plan.at[node.id]
            one: dict[str, Any] = {"kind": node.kind, "label": node.label, "note": node.note}
            one["at"] = [round(v, 1) for v in (x - frame.x, frame.y - y, w, h)]
            value = self.value.get(node.id)
            if type(value) is Tensor:
                one["name"] = value.name or ""
                one["dtype"] = str(value.dtype)
                if value.op is not None and self.made(node) is value:
                    kind = kind_of(value)
                    if kind not in self.rules:
                        self.rules[kind] = formulas(value)
                    op = (value.op.name, self.rules[kind])
                    one["op"] = self.ops.setdefault(op, len(self.ops))
                    one["scope"] = " · ".join(str(f) for f in value.scope[outer:])
                elif value in self.leaves:
                    one["leaf"] = self.leaves[value]
            nodes.append(one)
        edges = [
            {
                "ends": [number[edge.tail], number[edge.head]],
                "kind": _kind(edge),
                "arrow": any(mark for mark, *_ in spline),
                "path": [
                    round(v, 1)
                    for mark, x, y in sorted(spline, key=lambda point: bool(point[0]))
                    for v in (x, -y)
                ],
            }
            for edge, spline in zip(block.edges, frame.layout.edges, strict=True)
        ]
        return {"nodes": nodes, "edges": edges}

    def link(self, edge: Edge) -> dict[str, Any]:
        """A line between blocks; with `floor` it runs down to that height and along it."""
        found: dict[str, Any] = {
            "ends": [*self.number[edge.tail], *self.number[edge.head]],
            "kind": _kind(edge),
            "name": edge.label,
            "time": known(edge, self.value, self.order),
            "sweeps": [],
        }
        row = self.plan.track(edge)
        if row is not None:
            track = self.plan.tracks[row, *self.plan.carried(edge)]
            floor = self.plan.height - self.plan.floors[row] + track * theme.TRACK
            found |= {"floor": round(floor, 1), "away": 10 + 4 * track}
        return found

    def pattern(self, times: Times, start: int) -> int:
        return self.once("patterns", [None if t is None else t - start for t in times])

    # -- one backward pass ------------------------------------------------------------------------

    def sweep(
        self,
        name: str,
        loss: Tensor,
        blocks: list[dict[str, Any]],
        links: list[dict[str, Any]],
        leaves: list[dict[str, Any]],
    ) -> dict[str, Any]:
        """The gradient of one loss: norms and times of arrival, added to what they belong to."""
        totals: dict[Tensor, Edge] = {
            x: Edge("", "") for x in self.value.values() if type(x) is Tensor
        }
        for node in self.order:
            for argument, x in enumerate(node.inputs):
                if type(x) is Tensor and x in totals:
                    totals[x].uses.append((node, argument))
        back = Backward([*self.parts.edges(), *totals.values()], loss, "play")
        turns, arrival = back.turns, back.arrival
        at_value = {x: arrival(edge) for x, edge in totals.items()}
        at_value[loss] = (1.0, 1)
        for block, found in zip(self.parts.blocks, blocks, strict=True):
            shown = [self.value.get(node.id) for node in block.nodes]
            tensors = [x if type(x) is Tensor and x not in self.leaves else None for x in shown]
            at_nodes = [at_value[x] if x is not None else (None, None) for x in tensors]
            at_edges = [arrival(edge) for edge in block.edges]
            made = [self.made(node) for node in block.nodes]
            own: Times = [turns.get(x) if x is not None else None for x in made]
            times = [*(t for _, t in at_nodes), *own, *(t for _, t in at_edges)]
            start = min((t for t in own if t), default=0)
            found["sweeps"].append(
                {
                    "start": start,
                    "times": self.pattern(times, start),
                    "nodes": [_short(n) for n, _ in at_nodes],
                    "edges": [_short(n) for n, _ in at_edges],
                }
            )
        for edge, link in zip(self.parts.links, links, strict=True):
            norm, when = arrival(edge)
            link["sweeps"].append([_short(norm), when])
        for x, leaf in zip(self.leaves, leaves, strict=True):
            norm, when = at_value[x]
            leaf.setdefault("sweeps", []).append([_short(norm), when])
        low, high = back.decades(self.parts)
        count = max(turns.values(), default=1)  # 1: the loss itself, if it passes nothing on
        return {"name": name, "count": count, "low": low, "high": high}


def values(parts: Parts) -> dict[str, Any]:
    """The value that each node shows: a Tensor, an array or a number; ports show nothing."""
    ports = {node.id for b in parts.blocks for node in b.nodes if node.kind == "port"}
    found: dict[str, Any] = {}
    made: dict[str, list[Tensor]] = defaultdict(list)
    for edge in parts.edges():
        for node, argument in edge.uses:
            x = node.inputs[argument]
            if edge.tail not in ports and type(x) is Tensor and x.op is not None:
                made[edge.tail].append(x)
            elif edge.tail not in ports:
                found[edge.tail] = x
            if edge.head not in ports:
                made[edge.head].append(node)
    for name, nodes in made.items():  # of what is drawn as one, the last
        found[name] = max(nodes, key=lambda node: node.serial)
    return found


def known(edge: Edge, value: Mapping[str, Any], order: Mapping[Tensor, int]) -> int | None:
    """When the value of an edge is there; None from the start."""
    x = value.get(edge.tail)
    if edge.uses:
        node, argument = edge.uses[0]
        x = node.inputs[argument]
    return order.get(x) if type(x) is Tensor else None


def _kind(edge: Edge) -> str:
    """The kind of an edge; that of a cut, beyond which no gradient goes, is in its style."""
    return "cut" if edge.style.get("class") == "cut" else edge.kind


def _common(scopes: list[list[str]]) -> list[str]:
    """The frames that all scopes begin with."""
    found = []
    for frames in zip(*scopes, strict=False):
        if len(set(frames)) > 1:
            break
        found.append(frames[0])
    return found


def _statistics(x: Any) -> list[Any]:
    """Smallest, mean and largest value; then, if there are any, the number of NaN."""
    array = np.asarray(x.data if type(x) is Tensor else x, dtype=np.float64)
    missing = int(np.isnan(array).sum())
    array = array[~np.isnan(array)] if missing else array
    if not array.size:
        return [None, None, None, missing]
    with np.errstate(all="ignore"):
        found = [_short(float(v)) for v in (array.min(), array.mean(), array.max())]
    return [*found, missing] if missing else found


def _short(v: float | None) -> float | int | str | None:
    """Three significant digits; what JSON has no number for, as the word JavaScript reads."""
    if v is None:
        return None
    if not math.isfinite(v):
        return "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"
    short = float(f"{v:.3g}")
    return int(short) if short == int(short) and abs(short) < 1e6 else short
