"""What does a picture show, and what is it called? Options that pictures of a record share."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict

from viz import theme
from viz.record.parts import Block, Node, Parts

GIVEN = ("input", "parameter", "constant")
SUBSCRIPTS = str.maketrans("0123456789-", "₀₁₂₃₄₅₆₇₈₉₋")


class Options(TypedDict, total=False):
    """Options of `unrolled`, `folded`, `gradient_flow` and `graph`, all by name.

    Attributes
    ----------
    size
        ``"slide"``, ``"page"``, ``"column"`` or (width, height) in points: the picture is made to
        fit, in more lines, without shapes, or without the middle steps.
    min_font
        The smallest text that `size` allows, in points: 14 on a slide, else 9.
    shapes
        Whether the shapes of values are written below their names.
    initial
        Whether the states before the first step are drawn.
    targets
        Whether constants are drawn, and what the loss is compared with after the last step.
    loss
        Whether what follows the steps is drawn, and the loss at each of them.
    numbered
        Whether inputs carry the number of their step, x₀, x₁, …, and between cells states and
        answers, too: h₀, y₀.
    labels
        What each step reads, as letters: written below its inputs.
    names
        Other names, by name: ``{"lstm": "LSTM", "W_h": "U"}``.
    show, hide
        Of what is given (inputs, weights, constants), by name, what alone is drawn, or what is not.
    opened
        Functions, by name, that are drawn operation by operation: ``opened=("layer_norm",)``. At
        ``detail="op"`` all are.
    """

    size: str | tuple[float, float] | None
    min_font: float | None
    shapes: bool | None
    initial: bool | None
    targets: bool | None
    loss: bool | None
    numbered: bool | None
    labels: Sequence[str] | None
    names: Mapping[str, str] | None
    show: Collection[str] | None
    hide: Collection[str] | None
    opened: Collection[str]


def checked(picture: str, options: Mapping[str, Any]) -> None:
    """Refuse an option that there is not, or whose value has the wrong type."""
    for name, value in options.items():
        if name not in Options.__annotations__:
            near = difflib.get_close_matches(name, Options.__annotations__, 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            known = ", ".join(Options.__annotations__)
            raise TypeError(f"{picture}: unknown option {name!r}.{meant} There are {known}.")
        if name in ("show", "hide", "opened") and isinstance(value, str):
            raise TypeError(f"{picture}: {name} expects names in a tuple: {name}=({value!r},).")
        if name in ("shapes", "initial", "targets", "loss", "numbered") and not isinstance(
            value, bool | None
        ):
            got = "what is drawn comes first, without a name" if name == "loss" else repr(value)
            raise TypeError(f"{picture}: {name} must be True or False, got {got}.")


def dressed(parts: Parts, picture: str, options: Options) -> Parts:
    """The parts with what the options say, changed in place.

    Raises
    ------
    ValueError
        A name is none of the picture; there are fewer labels than steps.
    """
    if options.get("initial") is False:
        without(parts, {n.id for b in parts.blocks if b.kind == "initial" for n in b.nodes})
    if options.get("loss") is False:
        without(parts, {n.id for b in parts.blocks if b.loss for n in b.nodes})
    if options.get("targets") is False:
        without(parts, {n.id for b in parts.blocks for n in b.nodes if _target(b, n)})
    _select(parts, picture, options.get("show"), options.get("hide"))
    if options.get("shapes") is False:
        for block in parts.blocks:
            for node in block.nodes:
                node.note = node.note if node.kind in theme.STEPS else ""
    if options.get("numbered"):
        for block, node in _inputs(parts):
            node.label += str(block.steps[0]).translate(SUBSCRIPTS)
        _number(parts)
    if (labels := options.get("labels")) is not None:
        _label(parts, picture, labels)
    if names := options.get("names"):
        rename([parts], picture, names)
    return parts


def _target(block: Block, node: Node) -> bool:
    steps = block.kind in ("step", "cell")
    return (
        node.kind == "constant"
        if steps
        else block.kind == "after" and node.kind in ("input", "constant")
    )


def _inputs(parts: Parts) -> list[tuple[Block, Node]]:
    """What the steps are given from outside, each with its step."""
    return [
        (block, node)
        for block in parts.blocks
        if block.kind in ("step", "cell") and block.steps[0] == block.steps[1]
        for node in block.nodes
        if node.kind == "input"
    ]


def _number(parts: Parts) -> None:
    """Letters with the number of their step on what cells hand on, to each other and to a loss."""
    home = {node.id: block for block in parts.blocks for node in block.nodes}
    handed = {edge.role for edge in parts.links if edge.kind == "state"}
    for edge in parts.links:
        tail, head = home[edge.tail], home[edge.head]
        beside = head.kind == "after" or abs(tail.row - head.row) == 1  # a straight line
        bare = edge.kind == "state" or (edge.role not in handed and beside)
        letter = edge.role if not edge.label and bare else edge.label
        own = letter == edge.role and letter.rstrip("′").isidentifier()
        if tail.kind == "cell" and own and all(node.label != letter for node in tail.nodes):
            edge.label = letter + str(tail.steps[0]).translate(SUBSCRIPTS)


def _label(parts: Parts, picture: str, labels: Sequence[str]) -> None:
    inputs = _inputs(parts)
    if not inputs:
        raise ValueError(
            f"{picture}: labels are written at the inputs of steps, and no step has one here: name "
            "what it reads, scope(name, t=t, x=x)."
        )
    for block, node in inputs:
        t = block.steps[0]
        if not 0 <= t < len(labels):
            raise ValueError(
                f"{picture}: labels are read by step; there are {len(labels)}, none for t = {t}."
            )
        node.label += f"\n{labels[t]}"


def _select(
    parts: Parts, picture: str, show: Collection[str] | None, hide: Collection[str] | None
) -> None:
    """Keep what is to be shown of what is given, and all else."""
    if show is None and hide is None:
        return
    given = [n for b in parts.blocks for n in b.nodes if n.kind in GIVEN]
    known = {node.label for node in given}
    for name in (*(show or ()), *(hide or ())):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"{picture}: nothing that is given is called {name!r}.{meant} "
                f"There are {', '.join(sorted(known)) or 'none'}."
            )
    gone = {n.id for n in given if n.label in (hide or ()) or (show and n.label not in show)}
    without(parts, gone)


def rename(every: Sequence[Parts], picture: str, names: Mapping[str, str]) -> None:
    """Other names wherever whole words are the old ones, in one of several pictures at least."""
    word = re.compile(
        r"(?<![\w])(" + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + r")(?!\w)"
    )
    found: set[str] = set()

    def other(text: str) -> str:
        found.update(word.findall(text))
        return word.sub(lambda match: names[match[0]], text)

    for parts in every:
        for block in parts.blocks:
            block.name = other(block.name)
            for node in block.nodes:
                node.label = other(node.label)
        for edge in parts.edges():
            edge.label = other(edge.label)
    if missing := sorted(set(names) - found):
        raise ValueError(f"{picture}: names: nothing in the picture is called {missing[0]!r}.")


def without(parts: Parts, gone: set[str]) -> None:
    """Remove nodes, their edges, and blocks and ports that nothing is left in or at."""
    for block in parts.blocks:
        block.nodes = [node for node in block.nodes if node.id not in gone]
        block.edges = [e for e in block.edges if e.tail not in gone and e.head not in gone]
    parts.links = [e for e in parts.links if e.tail not in gone and e.head not in gone]
    parts.blocks = [block for block in parts.blocks if block.nodes]


__all__ = ["Options", "checked", "dressed", "rename", "without"]
