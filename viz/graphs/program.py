"""What stayed in the loops of a compiled step, and what is done for all steps at once?"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tinygrad_rnn.program import CompiledStep, Operation, Part
from viz.exhibit import GRAPH, Exhibit
from viz.record.labels import shape_text, short
from viz.record.parts import Block, Edge, Parts
from viz.render.drawing import Drawing

MORE = {
    "sum_t": "Σ over t",
    "gemm_t": "Σ over t of @",
    "scatter_t": "Σ over t, put",
    "gates": "σ, tanh",
    "square": "²",
    "getitem": "[·]",
    "scatter": "put",
    "transpose": "ᵀ",
    "log_softmax": "log softmax",
}


def program(step: Any) -> Drawing:
    """A compiled step: what stayed in its loops over time, and what was lifted out of them.

    A box is a loop, or what is done for all steps at once: on the left what the loss needs, on the
    right the gradients, each from top to bottom. Dashed blue arrows lead from a step of a loop to
    the next. What comes from another box is quoted in a
    dashed box. Names are those of ``step.plain``, or of ``step.source`` for what only the fast
    program has; what has no name is computed where it is read.
    Constants are left out. The shapes of sequences are those of one step.

    Parameters
    ----------
    step
        What `tinygrad_rnn.compile` gave, after it was called.

    Raises
    ------
    TypeError
        That is no compiled step.
    ValueError
        It was not called yet, or runs eagerly.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_rnn import Tensor, compile, nn
    >>> step = compile(lambda cell, xs: (nn.unroll(cell, xs)[0][-1]).sum())
    >>> _ = step(nn.RNNCell(3, 4, rng=0), np.ones((5, 2, 3)))
    >>> program(step).source.count("for t in")
    2
    """
    if not isinstance(step, CompiledStep):
        raise TypeError(
            f"program: expected what compile(loss_fn) gives, got a {type(step).__name__}. A loss "
            "that was recorded is drawn by viz.folded or viz.graph."
        )
    outline = step.outline
    parts, every = Parts(), outline.operations
    rows = Counter[bool]()
    for part in outline.parts:
        rows[part.backward] += 1
        block = Block("step", caption=_caption(part), row=-rows[part.backward])
        block.column = int(part.backward)
        parts.blocks.append(block)
        _fill(parts, block, part, every)
    return Drawing(parts, per_line=2)


def _caption(part: Part) -> str:
    n = len(part.operations)
    words = "1 operation" if n == 1 else f"{n} operations"
    way = "backward" if part.backward else "forward"
    if part.steps is not None:
        return f"{way} · for t in {part.steps[0]} … {part.steps[1]}: {words} a step"
    if part.kind == "sums":
        return f"{way} · over all steps: {words}"
    at_once = any(x.sequence for x in part.operations)
    return f"{way} · all steps at once: {words}" if at_once else f"{way} · once: {words}"


def _fill(parts: Parts, block: Block, part: Part, every: list[Operation]) -> None:
    """The operations of one part as nodes, and what they read."""
    names = _names(every)
    states = {read.of for x in part.operations for read in x.reads if read.offset}
    inside: dict[int, str] = {}
    for x in part.operations:
        carried = part.steps is not None and x.number in states
        kind = "result" if x.over_time else "value" if names[x.number] else "op"
        kind = "state" if carried else kind
        inside[x.number] = parts.add(block, kind, _label(x, names[x.number]), shape_text(x.shape))
    quoted: dict[Any, str] = {}
    for x in part.operations:
        for read in dict.fromkeys(x.reads):
            if read.of in inside:
                label, kind = "", "data"
                if part.steps is not None and read.offset:
                    kind = "recurrent"
                    label = f"t → t+{-read.offset}" if read.offset < 0 else f"t+{read.offset} → t"
                block.edges.append(Edge(inside[read.of], inside[x.number], kind, label))
                continue
            if read not in quoted:
                source = every[read.of]
                kind = {"parameter": "parameter", "argument": "input"}.get(source.op, "reference")
                quoted[read] = parts.add(block, kind, _quoted(source, names[read.of], read.offset))
            block.edges.append(Edge(quoted[read], inside[x.number]))


def _names(every: list[Operation]) -> dict[int, str]:
    """Letters of the mathematics; a name of the fast program if it is no letter of another."""
    letters = {x.letter for x in every}
    return {x.number: x.letter or (x.name if x.name not in letters else "") for x in every}


def _label(x: Operation, name: str) -> str:
    sign = MORE.get(x.op) or x.symbol or x.op.replace("_", " ")
    return f"{short(name)} = {sign}" if name else sign


def _quoted(x: Operation, name: str, offset: int | None) -> str:
    name = short(name) or _label(x, "")
    if not x.sequence or offset is None:
        return name
    return f"{name}[t{offset:+d}]".replace("-", "−") if offset else f"{name}[t]"


EXHIBITS = (
    Exhibit(
        program, GRAPH, "29_program.svg", "A training step as a program",
        "What waits for itself stays in a loop, one forward and one backward; all else is "
        "done for all steps at once, and gradients of weights are sums over time.",
        lambda nets: program(nets.small.compiled()),
    ),
)  # fmt: skip
