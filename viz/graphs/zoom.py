"""What is inside one operation? Every multiplication and addition of single numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, ancestors, scalars
from viz.exhibit import GRAPH, Exhibit
from viz.graphs.asked import BUDGET, recorded
from viz.record.arguments import check
from viz.record.builder import select
from viz.record.labels import array_name
from viz.render.drawing import Drawing


def zoom(
    loss: Any,
    op: str = "matmul",
    *,
    t: int | None = None,
    which: int = 0,
    element: tuple[int, ...] | None = None,
    budget: int = BUDGET,
) -> Drawing:
    """One product (or other operation) of the record, opened into its scalar operations.

    Parameters
    ----------
    loss
        The Tensor whose record is looked into, or several.
    op
        The name of the primitive.
    t, which
        The step it was made in (None: any), and which of those, in the order of birth.
    element
        One element of the result alone, e.g. ``(0, 2)``: a row times a column. All by default.
    budget
        More scalar operations than this are refused.

    Raises
    ------
    TypeError
        The primitive has no meaning on single numbers.
    ValueError
        There is no such operation or element, or there are too many numbers to draw.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor
    >>> a, b = Tensor([[1.0, 2.0]], name="a"), Tensor([[3.0], [4.0]], name="b")
    >>> zoom(a @ b).source.count("×")
    2
    """
    check("zoom", budget=budget)
    _check(op, t, which, element)
    found = [
        node
        for node in ancestors(*recorded(loss, "zoom"))
        if node.op is not None
        and node.op.name == op
        and (t is None or t in [frame.t for frame in node.scope])
    ]
    if not 0 <= which < len(found):
        there = f"in step {t}" if t is not None else "in this record"
        raise ValueError(
            f"zoom: {there} there are {len(found)} operations {op!r}, and number {which} (from 0) "
            "is none of them. Choose another: op=…, t=…, which=…"
        )
    node = found[which]
    _affordable(node, element, budget)
    assert node.op is not None
    twin = node.op(*(_numbers(x, node) for x in node.inputs), **node.options)
    if element is not None:
        if len(element) != node.ndim or any(
            not -n <= k < n for k, n in zip(element, node.shape, strict=True)
        ):
            raise ValueError(f"zoom: the result has shape {node.shape}, no element {element}.")
        twin = twin[element]
        found_at = [(element, twin)]
    else:
        found_at = list(np.ndenumerate(twin)) if isinstance(twin, np.ndarray) else [((), twin)]
    roots = []
    for index, x in found_at:
        if type(x) is Tensor:
            if x.name is None:
                at = f"[{','.join(map(str, index))}]" if index else ""
                x.name = f"{node.name or 'y'}{at}"
            roots.append(x)
    return Drawing(select(roots, "op", "stub", budget))


def _check(op: Any, t: Any, which: Any, element: Any) -> None:
    """Numbers are whole, an element is a tuple of them, an operation has a name."""

    def whole(x: Any) -> bool:
        return isinstance(x, (int, np.integer)) and not isinstance(x, bool)

    indices = element is None or (isinstance(element, tuple) and all(whole(k) for k in element))
    for what, value, fits, wanted in (
        ("op", op, isinstance(op, str), 'the name of a primitive, as "matmul"'),
        ("t", t, t is None or whole(t), "a step, or None for any"),
        ("which", which, whole(which), "a whole number from 0"),
        ("element", element, indices, "a tuple of whole numbers as (0, 2), or None for all"),
    ):
        if not fits:
            raise TypeError(f"zoom: {what} must be {wanted}, got {value!r}.")


def _numbers(x: Any, node: Tensor) -> Any:
    """An input as an array of leaves called ``h[0,1]``; numbers stay numbers."""
    if isinstance(x, Tensor):
        return scalars(Tensor(x.data, name=x.name or "a"))
    if np.ndim(x) and np.asarray(x).dtype.kind == "f":
        return scalars(Tensor(x, name=array_name(x, node) or "x"))
    return x


def _affordable(node: Tensor, element: tuple[int, ...] | None, budget: int) -> None:
    first = np.shape(node.inputs[0].data if isinstance(node.inputs[0], Tensor) else node.inputs[0])
    inner = 2 * first[-1] if node.op is not None and node.op.name == "matmul" and first else 1
    count = inner * (1 if element is not None else node.size)
    if count > budget:
        raise ValueError(
            f"zoom: {count:,} scalar operations, to draw no more than {budget:,}. Look at one "
            "element, element=(0, 0), or at a smaller net."
        )


EXHIBITS = (
    Exhibit(
        zoom, GRAPH, "25_zoom.svg", "One product, number by number",
        "A product of matrices is nothing but multiplications and sums.",
        lambda nets: zoom(nets.few["RNN"], t=1),
    ),
)  # fmt: skip
