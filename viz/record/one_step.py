"""What does one step of a cell compute: from which inputs and states, to which states?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_rnn import Primitive, Tensor, ancestors, call_of, scope, steps, tree
from viz.record.calls import calls
from viz.record.labels import array_name


@dataclass(slots=True, eq=False)
class State:
    """A part of the state: its letter, what comes in (None: nothing) and what goes out."""

    letter: str
    enters: Any = None
    leaves: Any = None


@dataclass(slots=True, eq=False)
class OneStep:
    """One recorded step.

    Attributes
    ----------
    nodes
        The operations, in the order of birth.
    inputs
        What comes in and is no state, with its letter.
    states
        The parts of the state; the first is the output.
    names
        Letters of parameters and constants, by the id of their array or Tensor.
    notes
        What the picture cannot show, in words.
    """

    nodes: list[Tensor]
    inputs: list[tuple[str, Any]]
    states: list[State]
    names: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def of_cell(cell: Any, x: Any = None, state: Any = None) -> OneStep:
    """Record one step of a cell, for one example by default.

    Raises
    ------
    TypeError, ValueError
        `cell` is no cell, or neither says how many features x has nor gets an x; it has no
        ``initial_state`` and gets no state; it returns nothing that was computed.
    """
    if not callable(cell) or isinstance(cell, type):
        kind = f"the class {cell.__name__}" if isinstance(cell, type) else type(cell).__name__
        raise TypeError(
            f"cell: expected a cell, called as state = cell(x, state), or a record of one (a Tensor"
            f" computed by nn.unroll), got {kind}."
        )
    if x is None:
        features = getattr(cell, "input_size", None)
        if features is None:
            raise ValueError(
                f"cell: {type(cell).__name__} does not say how many features x has. Pass an x: "
                "viz.cell(cell, x=np.zeros((1, 3)))."
            )
        x = np.zeros((1, features))
    if state is None:
        if not hasattr(cell, "initial_state"):
            raise ValueError(
                f"cell: {type(cell).__name__} has no initial_state. Pass the first state: "
                "viz.cell(cell, state=np.zeros((1, 4)))."
            )
        state = cell.initial_state(*np.shape(x)[:-1])
    x = tree.map(_leaf, x)
    state = tree.map(_leaf, state)
    with scope("cell"):
        new = cell(x, state)
    before, after = tree.leaves(state), tree.leaves(new)
    letters = list(getattr(cell, "state_letters", ()))
    step = OneStep([], [], [], _names(cell))
    inputs = tree.leaves(x)
    for k, part in enumerate(inputs):
        letter = part.name if type(part) is Tensor and part.name else "x"
        step.inputs.append((letter if len(inputs) == 1 else f"{letter}_{k + 1}", part))
    alike = len(before) == len(after)
    for k, part in enumerate(after):
        letter = part.name if type(part) is Tensor and part.op is not None else None
        letter = letter or (letters[k] if k < len(letters) == len(after) else None)
        if type(part) is not Tensor:
            step.notes.append(f"{letter or f'part {k + 1} of the state'} is counted, not recorded.")
            continue
        if letter is None or letter in [s.letter for s in step.states]:
            letter = "h" if not step.states else f"s_{k + 1}"
        step.states.append(State(letter, before[k] if alike else None, part))
    _apart(step.states)
    if not alike:
        pairs = max(1, len(before) // max(1, len(after)))
        for k, part in enumerate(before):
            letter = step.states[k % len(step.states)].letter
            number = f"_{k // len(step.states) + 1}" if pairs > 1 else ""
            step.states.append(State(letter + number, part, None))
    outs = [s.leaves for s in step.states if s.leaves is not None and s.leaves.op is not None]
    if not outs:
        raise ValueError(
            f"cell: {type(cell).__name__} returned nothing that was computed from x and the state "
            "by recorded operations, so there is nothing to draw."
        )
    step.nodes = [node for node in ancestors(*outs) if node.op is not None]
    return _closed(step)


def of_record(roots: list[Tensor]) -> OneStep:
    """The last of the steps of a record that have the most operations.

    Raises
    ------
    ValueError
        The record has fewer than two such steps that follow each other in one lane.
    """
    record = ancestors(*roots)
    by_step: dict[Any, list[Tensor]] = {}
    for node, step in steps(record).items():
        if step.t is not None and not step.lane.order:
            by_step.setdefault((step.lane, step.t), []).append(node)
    homes = {id(node): key for key, nodes in by_step.items() for node in nodes}
    lane = next(iter(by_step))[0] if by_step else None
    mine = [(key, nodes) for key, nodes in by_step.items() if key[0] is lane]
    most = max((len(nodes) for _, nodes in mine), default=0)
    full = [(key, nodes) for key, nodes in mine if len(nodes) == most]
    for (key, nodes), (old, before) in zip(full[:0:-1], full[-2::-1], strict=True):
        taken = _taken(nodes, before)
        if abs(key[1] - old[1]) == 1 and taken:
            return _closed(_step(nodes, before, taken, homes))
    raise ValueError(
        "cell: one step is drawn of a record in which two steps follow each other, the second with "
        "a state from the first. Record two steps (nn.unroll), or pass the cell itself."
    )


def _taken(nodes: list[Tensor], before: list[Tensor]) -> list[int]:
    """Which values of the step before are read, by their place in it."""
    place = {id(node): k for k, node in enumerate(before)}
    read = {place[id(x)] for node in nodes for x in node.inputs if id(x) in place}
    return sorted(read, reverse=True)


def _step(
    nodes: list[Tensor], before: list[Tensor], taken: list[int], homes: Mapping[int, Any]
) -> OneStep:
    step, seen = OneStep(nodes, [], []), set[int]()
    own = {id(node) for node in nodes}
    for k in taken:
        letter = nodes[k].name or ("h" if len(taken) == 1 else f"s_{len(step.states) + 1}")
        step.states.append(State(letter, before[k], nodes[k]))
        seen.add(id(before[k]))
    for node in nodes:
        for x in node.inputs:
            if id(x) in seen or id(x) in own or np.ndim(getattr(x, "data", x)) == 0:
                continue
            seen.add(id(x))
            if type(x) is np.ndarray:
                name = array_name(x, node)
                declared = any(x is a for frame in node.scope for a in frame.arrays.values())
                if declared:
                    step.inputs.append((name, x))
                elif name[:1].isalpha():
                    step.names[id(x)] = name
            elif type(x) is Tensor and (x.name == "x" or (x.op and _depends(x, homes))):
                step.inputs.append((x.name or "x", x))
    return step


def _closed(step: OneStep) -> OneStep:
    """The step in which each call of a composite function is one operation of its name."""
    inside, twins = calls(step.nodes, ()), dict[Any, Tensor]()
    for node in step.nodes if inside else ():
        frame = call_of(node)
        if node not in inside or node.op is None or frame is None or frame.call is None:
            inputs = [twins.get(x, x) if type(x) is Tensor else x for x in node.inputs]
            same = all(x is y for x, y in zip(inputs, node.inputs, strict=True))
            twin = node if same or node.op is None else node.op(*inputs, **node.options)
        elif node.serial in frame.call.results:
            inputs = [twins.get(x, x) if type(x) is Tensor else x for x in frame.call.inputs]
            twin = _function(frame.name, node)(*inputs, **frame.call.options)
        else:
            continue
        twin.name, twin.scope = node.name, node.scope
        twins[node] = twin
    step.nodes = [*twins.values()] if inside else step.nodes
    for state in step.states:
        state.leaves = twins.get(state.leaves, state.leaves)
    return step


def _function(name: str, node: Tensor) -> Primitive:
    """A primitive whose value is known."""

    def value(*inputs: Any, **options: Any) -> Any:
        return node.data

    return Primitive(name, value)


def _depends(x: Tensor, homes: Mapping[int, Any]) -> bool:
    """Whether a value from outside of the step depends on another step, as no weight does."""
    return any(id(node) in homes for node in ancestors(x))


def _apart(states: list[State]) -> None:
    """Where one value is two parts of the state, the first of them is its output, h."""
    for k, state in enumerate(states[1:], start=1):
        first = states[0]
        if k == 1 and state.leaves is first.leaves and first.letter != "h":
            state.letter, first.letter = first.letter, "h"


def _leaf(x: Any) -> Any:
    """An array of floats as a leaf, so that all that is computed from it is recorded."""
    if type(x) is Tensor:
        return x if x.op is None and x.name is None else Tensor(x.data)
    array = np.asarray(x)
    return Tensor(array) if array.dtype.kind == "f" else x


def _names(cell: Any) -> dict[int, str]:
    """Names of the arrays and Tensors that a cell, and the cells in it, hold as attributes.

    Two of one name are told apart by the cells that hold them: ``encoder.W_x``.
    """
    found: dict[int, tuple[str, str]] = {}  # the name, and with its path
    waiting, seen = [(cell, "")], set[int]()
    while waiting:
        thing, path = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        for name, x in getattr(thing, "__dict__", {}).items():
            if isinstance(x, (Tensor, np.ndarray)):
                own = x.name if type(x) is Tensor and x.name else name
                found.setdefault(id(x), (own, f"{path}{own}"))
            elif callable(x) and hasattr(x, "__dict__"):
                waiting.append((x, f"{path}{name}."))
    times = Counter(own for own, _ in found.values())
    return {at: own if times[own] == 1 else whole for at, (own, whole) in found.items()}
