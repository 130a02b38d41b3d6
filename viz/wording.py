"""What does a node look like, and what is it called?"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from viz.collapse import CHAIN, Gap
from viz.labels import array_name, formula, is_number, number_text, title
from viz.places import Place
from viz.reading import Reading


def kind(node: Tensor, reading: Reading) -> str:
    """The look of an operation, a key of `theme.NODES`."""
    if node.op is not None and node.op.name == "stop_gradient":
        return "cut"
    backward = any(frame.of is not None for frame in node.scope)
    if reading.is_state(node) and not backward:  # the last one, too, that may have been asked for
        return "state"
    if node in reading.roots:
        return "result"
    if backward:
        return "backward"
    return "value" if node.name else "op"


def text(node: Tensor, reading: Reading, every: bool) -> str:
    """The label of an operation and of those it stands for; no formula if `every` has a node."""
    members = reading.members[node]
    name = node.name or _derivative(node, reading)
    if len(members) >= CHAIN and all(n.op and n.op.name == "add" for n in members):
        own = set(members)
        terms = [x for n in members for x in n.inputs if not is_number(x)]
        total = f"sum of {sum(type(x) is not Tensor or x not in own for x in terms)}"
        return f"{name} = {total}" if name else total
    if every:
        states = [k for k in range(len(node.inputs)) if (node, k) in reading.initial]
        return title(node, name, states)
    here = reading.view.place[node]
    letters: dict[tuple[Tensor, int], str] = {}
    for n in members:
        for k, x in enumerate(n.inputs):
            if (n, k) in reading.initial:
                letters[n, k] = f"{letter(reading.initial[n, k])}[t−1]"
            elif type(x) is Tensor and x.name:
                there = reading.view.place.get(x, here)  # a leaf is at home everywhere
                before = x.op is not None and there is not here and _follows(here, there)
                letters[n, k] = f"{x.name}[t−1]" if before else x.name
            elif isinstance(x, np.ndarray) and x.ndim:
                letters[n, k] = array_name(x, n) or "data"
    return formula(members, node, name, letters)


def given(x: Any, node: Tensor, shared: bool) -> tuple[str, str]:
    """Kind and label of what was not computed: a leaf, an array, a number."""
    if type(x) is Tensor:
        return ("parameter" if shared else "input"), x.name or "leaf"
    if is_number(x):
        return "constant", number_text(x)
    name = array_name(x, node)
    return ("input" if name[:1].isalpha() else "constant"), name or "data"


def quoted(x: Tensor, here: Place | Gap, there: Place | Gap) -> str:
    """What a gradient calls a value of the forward pass."""
    if not x.name:
        return title(x, None)
    return f"{x.name}[t−1]" if _follows(here, there) else x.name


def _follows(here: Place | Gap, there: Place | Gap) -> bool:
    """Whether `here` is another step of the lane of `there`, or of its gradient."""
    a, b = here.lane, there.lane
    if a is None or b is None or a.path != b.path or a.run != b.run:
        return False
    return isinstance(here, Gap) or isinstance(there, Gap) or here.t != there.t


def step_title(place: Place | Gap, cells: bool) -> str:
    """``t = 3``; of cells in the lowest row only: lines between layers run where it would be."""
    lane = place.lane
    if isinstance(place, Gap) or lane is None or lane.between or (cells and lane.row):
        return ""
    again = f" {place.order}" if place.order > 1 else ""
    return f"t = {place.t} · backward{again}" if place.order else f"t = {place.t}"


def letter(role: str) -> str:
    """The letter of a role."""
    return role.rpartition(" ")[0]


def _derivative(node: Tensor, reading: Reading) -> str | None:
    """``∂W`` for a gradient that was asked for and for a sum of gradients, as their scope says."""
    frame = next((f for f in reversed(node.scope) if f.of is not None), None)
    if frame is None or frame.of is None:
        return None
    if node not in reading.roots and frame.argument is not None:
        return None
    of = reading.born.get(frame.of)
    target = of.inputs[frame.argument] if of is not None and frame.argument is not None else of
    return f"∂{target.name}" if type(target) is Tensor and target.name else None
