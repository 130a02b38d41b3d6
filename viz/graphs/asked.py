"""What is meant by a loss, a detail and weights? All pictures of a record ask alike."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tinygrad_rnn import Tensor, ancestors, tree
from viz.graphs.options import Options
from viz.record.per_number import replay

Detail = Literal["auto", "cell", "gate", "op", "scalar"]
Weights = Literal["stub", "hub", "hide"]

BUDGET = 3_000  # operations that a browser still scrolls smoothly
DETAILS = {
    "cell": "one box per step",
    "gate": "the named values inside",
    "op": "every primitive",
    "scalar": "every single number",
}
WEIGHTS = {
    "stub": "a small node at each use",
    "hub": "one node that all steps share",
    "hide": "not drawn",
}


def automatic(detail: Detail, roots: list[Tensor], options: Options) -> Detail:
    """What a reader can take in: every primitive, on a page one step's gates or several cells."""
    if not isinstance(detail, str) or detail != "auto":
        return detail
    if options.get("size") is None:
        return "op"
    steps = {frame.t for x in ancestors(*roots) for frame in x.scope if frame.t is not None}
    return "cell" if len(steps) > 1 else "gate"


def recorded_scalar(loss: Any, picture: str) -> Tensor:
    """The scalar that a gradient starts at, checked."""
    roots = recorded(loss, picture)
    if len(roots) != 1 or roots[0].size != 1:
        got = f"shape {roots[0].shape}" if len(roots) == 1 else f"{len(roots)} Tensors"
        raise ValueError(
            f"{picture}: a gradient starts at one scalar, got {got}. "
            "Reduce it first (sum, mean) to what is minimised."
        )
    return roots[0]


def recorded(loss: Any, picture: str) -> list[Tensor]:
    """The Tensors that were meant, checked."""
    roots: list[Any] = []
    for x in tree.leaves(loss, is_leaf=tree.registered):
        of_scalars = isinstance(x, np.ndarray) and x.dtype == object
        roots += x.ravel().tolist() if of_scalars else [x]
    for x in roots:
        if type(x) is not Tensor:
            kind = "an array" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
            raise TypeError(
                f"{picture}: expected a Tensor that was computed from Tensors, got {kind}, "
                "which remembers nothing. Pass the loss, or outputs of nn.unroll."
            )
    if not roots:
        raise ValueError(
            f"{picture}: nothing was passed: there is no Tensor in {loss!r}. "
            "Pass the loss, or outputs of nn.unroll."
        )
    roots = [x for x in roots if x.op is not None]
    if not roots:
        raise ValueError(
            f"{picture}: nothing was recorded: this is a leaf (made by you, by .detach() or under "
            "no_grad()). Compute something from Tensors and pass the result."
        )
    return list(dict.fromkeys(roots))


def chosen(
    picture: str, roots: list[Tensor], detail: str, weights: str | None
) -> tuple[list[Tensor], str, str]:
    """The record to draw, replayed if every number is asked for."""
    for what, value, choices in (("detail", detail, DETAILS), ("weights", weights, WEIGHTS)):
        if value is None and what == "weights":
            continue
        if not isinstance(value, str) or value not in choices:
            known = ", ".join(f'"{name}" ({meaning})' for name, meaning in choices.items())
            raise ValueError(f"{picture}: unknown {what} {value!r}; choose one of {known}.")
    weights = weights or ("hide" if detail == "cell" else "stub")
    if detail == "scalar":
        return replay(roots), "op", weights
    return roots, detail, weights
