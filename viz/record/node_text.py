"""What does a node look like, and what is it called?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from viz.record.collapse import CHAIN, Gap
from viz.record.labels import (
    array_name,
    formula,
    is_number,
    number_text,
    shape_text,
    short,
    title,
    unnamed,
)
from viz.record.lanes import Lane, Section
from viz.record.roles import Roles, mark


def kind(node: Tensor, roles: Roles) -> str:
    """The look of an operation, a key of `theme.NODES`."""
    if node.op is not None and node.op.name == "stop_gradient":
        return "cut"
    backward = any(frame.of is not None for frame in node.scope)
    if roles.is_state(node) and not backward:  # the last one, too, that may have been asked for
        return "state"
    if node in roles.roots:
        return "result"
    if backward:
        return "backward"
    return "value" if node.name else "op"


def text(node: Tensor, roles: Roles, every: bool) -> str:
    """The label of an operation and of those it stands for; no formula if `every` has a node."""
    members = roles.members[node]
    name = short(node.name) if node.name else _derivative(node, roles)
    if len(members) >= CHAIN and all(n.op and n.op.name == "add" for n in members):
        own = set(members)
        terms = [x for n in members for x in n.inputs if not is_number(x)]
        total = f"sum of {sum(type(x) is not Tensor or x not in own for x in terms)}"
        return f"{name} = {total}" if name else total
    if every:
        states = [k for k in range(len(node.inputs)) if (node, k) in roles.initial]
        return title(node, name, states)
    here = roles.view.section[node]
    letters: dict[tuple[Tensor, int], str] = {}
    for n in members:
        for k, x in enumerate(n.inputs):
            if (n, k) in roles.initial:
                lane = roles.view.step[n].lane
                when = "[t+1]" if lane is not None and lane.mirrored else "[t−1]"
                known = letter(roles.initial[n, k])
                letters[n, k] = known + when * (known != "·")
            elif type(x) is Tensor and x.name:
                there = roles.view.section.get(x, here)  # a leaf is at home everywhere
                letters[n, k] = short(x.name) + _when(here, there) * (x.op is not None)
            elif isinstance(x, np.ndarray) and x.ndim:
                letters[n, k] = array_name(x, n) or unnamed(x)
    return formula(members, node, name, letters)


def given(x: Any, node: Tensor, shared: bool) -> tuple[str, str]:
    """Kind and label of what was not computed: a leaf, an array, a number."""
    if type(x) is Tensor:
        return ("parameter" if shared else "input"), short(x.name or "leaf")
    if is_number(x):
        return "constant", number_text(x)
    name = array_name(x, node)
    return ("input" if name[:1].isalpha() else "constant"), name or unnamed(x)


def quoted(x: Tensor, here: Section | Gap, there: Section | Gap) -> str:
    """The name by which a gradient refers to a value of the forward pass."""
    if not x.name:
        return title(x, None)
    return short(x.name) + _when(here, there)


def _when(here: Section | Gap, there: Section | Gap) -> str:
    """``[t−1]`` for what stems from another step of the lane, seen from `here` or its gradient."""
    a, b = here.lane, there.lane
    if a is None or b is None or here is there or a.path != b.path or a.run != b.run:
        return ""
    if isinstance(here, Gap) or isinstance(there, Gap):
        steps = 1 if b.mirrored else -1
    else:
        steps = there.t - here.t
    return f"[t{'−' if steps < 0 else '+'}{abs(steps)}]" if steps else ""


def lane_title(lane: Lane) -> str:
    """``layer 1 · lstm``; a second lane of that name is ``layer 1 · lstm 2``."""
    return short(lane.name)


def tip(x: Any, name: str) -> str:
    """The tooltip of a value: name, shape, dtype, and the scopes it was recorded in."""
    shape = shape_text(np.shape(x)) if type(x) is not Tensor else shape_text(x.shape)
    frames = [str(f) for f in x.scope] if type(x) is Tensor else []
    words = (name, shape or "scalar", str(x.dtype), *frames)
    return " · ".join(word for word in words if word)


def letter(role: str) -> str:
    """The letter of a role."""
    return role.rpartition(" ")[0]


def _derivative(node: Tensor, roles: Roles) -> str | None:
    """``∂W`` for a gradient that was asked for and for a sum of gradients, as their scope says."""
    frame = mark(node)
    if frame is None or frame.of is None or node in roles.partial:
        return None
    if node not in roles.roots and frame.argument is not None:
        return None
    of = roles.born.get(frame.of)
    target = of.inputs[frame.argument] if of is not None and frame.argument is not None else of
    return f"∂{short(target.name)}" if type(target) is Tensor and target.name else None


def dashes(style: Mapping[str, str]) -> str:
    """A dashed line for a legend, as thick as the edges of that style are."""
    thick = round(float(style["penwidth"]))
    bar = (
        f'<TD FIXEDSIZE="TRUE" WIDTH="8" HEIGHT="{thick}" BGCOLOR="{style["color"]}"></TD>'
        f'<TD FIXEDSIZE="TRUE" WIDTH="4" HEIGHT="{thick}"></TD>'
    )
    return (
        '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">'
        f"<TR>{bar * 3}</TR></TABLE>"
    )
