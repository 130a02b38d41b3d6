"""What does a node look like, and what is it called?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor
from tinygrad_rnn.program import Formula
from viz.record.alike import constant_cone
from viz.record.calls import parameter
from viz.record.collapse import CHAIN, Gap
from viz.record.formula import expression, formula, letter, text_of, title
from viz.record.labels import (
    array_letter,
    is_number,
    number_text,
    shape_text,
    short,
    unnamed,
)
from viz.record.lanes import Lane, Section
from viz.record.roles import Roles, columns, mark

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


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
    name = called(node, roles) or _derivative(node, roles)
    if len(members) >= CHAIN and all(n.op and n.op.name == "add" for n in members):
        own = set(members)
        terms = [x for n in members for x in n.inputs if not is_number(x)]
        total = f"sum of {sum(type(x) is not Tensor or x not in own for x in terms)}"
        return f"{name} = {total}" if name else total
    if every:
        states = [k for k in range(len(node.inputs)) if (node, k) in roles.initial]
        return title(node, name, states, roles.clock)
    name = name or roles.letters.get(roles.forms.of[node])
    known = own_letters(node, roles)
    return formula(members, node, name, known, roles.clock, inside=roles.view.inside)


def letters(members: Sequence[Tensor], roles: Roles) -> dict[tuple[Tensor, int], Formula]:
    """What operations call that which they take from elsewhere, by node and argument."""
    own = set(members)
    found: dict[tuple[Tensor, int], Formula] = {}
    arrays: dict[str, dict[int, str]] = defaultdict(dict)  # what a word stands for
    for n in members:
        here = roles.view.section[n]
        for k, x in enumerate(n.inputs):
            if (n, k) in roles.initial:
                lane = roles.view.step[n].lane
                when = "[t+1]" if lane is not None and lane.mirrored else "[t−1]"
                known = roles.called(lane, roles.initial[n, k])
                found[n, k] = letter(known + when * (known != "·"))
            elif (n, k) in roles.absent:
                found[n, k] = absent(n, k, roles)
            elif type(x) is Tensor and x not in own:
                there = roles.view.section.get(x, here)  # a leaf is at home everywhere
                if x.op is None:
                    known = leaf_name(x, n, k, roles)
                elif x.name:
                    known = called(x, roles) + _when(here, there)
                else:
                    known = roles.letters.get(roles.forms.of[x], "")
                if known:
                    found[n, k] = letter(known)
            elif isinstance(x, np.ndarray) and x.ndim:
                word = array_word(x, n, k, roles)
                if n in roles.view.inside:
                    called_so = parameter(n, x)
                    if called_so is None:  # the function's own
                        continue
                    word = called_so if word == unnamed(x) else word
                elif word == unnamed(x):
                    word = arrays[word].setdefault(id(x), word + "′" * len(arrays[word]))
                minus = Formula("negative", (letter(word[1:]),))
                found[n, k] = minus if word[0] == "−" else letter(word)
    found.update(_gates(members, found))
    return found


def _gates(
    members: Sequence[Tensor], known: Mapping[tuple[Tensor, int], Formula]
) -> dict[tuple[Tensor, int], Formula]:
    """Columns by the gate that they are for, ``a_f`` in ``f = σ(a_f)``, if one alone is."""
    gate = members[-1].name
    taken: dict[str, Tensor] = {}
    twice = set[str]()
    for n in members:
        if gate and columns(n) and (n, 0) in known and n is not members[-1]:
            name = f"{text_of(known[n, 0])}_{gate}"
            twice |= {name} if name in taken else set()
            taken[name] = n
    names = {n: letter(name) for name, n in taken.items() if name not in twice}
    return {
        (n, k): names[x]
        for n in members
        for k, x in enumerate(n.inputs)
        if type(x) is Tensor and x in names
    }


def own_letters(node: Tensor, roles: Roles) -> dict[tuple[Tensor, int], Formula]:
    """The letters in the formula of a node that stands for operations."""
    if node not in roles.known:
        roles.known[node] = letters(roles.members[node], roles)
    return roles.known[node]


def digest(node: Tensor, roles: Roles, every: bool) -> int:
    """What an operation does, and those it stands for, to the letters of their inputs.

    Equal for equal work of any records in one process, whatever the sizes are. Where `every`
    operation has a node of its own, whatever its inputs are called.
    """
    members = roles.members[node]
    known = {} if every else own_letters(node, roles)
    found: dict[Tensor, int] = {}
    for n in members:
        inputs = list[object]()
        for k, x in enumerate(n.inputs):
            if type(x) is Tensor and x in found:
                inputs.append(found[x])
            elif (n, k) in known:
                inputs.append(text_of(known[n, k]))
            else:
                inputs.append(number_text(x) if is_number(x) else "·")
        options = [(key, repr(value)) for key, value in n.options.items() if key != "shape"]
        found[n] = hash((n.op, *options, *inputs))
    return found[node]


def absent(node: Tensor, argument: int, roles: Roles) -> Formula:
    """What the first step has computed beforehand, as later steps compute it: ``0.7×h[t−1]``."""
    y, section = roles.absent[node, argument], roles.view.section
    cone = constant_cone(y, section[y], section[node], roles.view)
    return expression(cone, y, letters(cone, roles), roles.clock)


def called(node: Tensor, roles: Roles) -> str:
    """The letter of a value; with a prime if it is not the only one of that letter in its step."""
    if not node.name:
        return ""
    return roles.called(roles.view.step[node].lane, roles.role[node])


def leaf_name(x: Tensor, node: Tensor, argument: int, roles: Roles) -> str:
    """The name of a leaf; of inputs that are called otherwise at each step the same, x."""
    if len(roles.words.get((roles.forms.of[node], argument), ())) > 1:
        return roles.input_letter
    return short(x.name or "") + numbered(roles.leaf_primes.get(x, 0))


def numbered(k: int) -> str:
    """Which of several of one name, as in equations: ``⁽²⁾``."""
    return f"⁽{k}⁾".translate(SUPERSCRIPTS) if k else ""


def array_word(array: np.ndarray, node: Tensor, argument: int, roles: Roles) -> str:
    """The letter of an array; else its value, if it has the same one at all steps; else a word."""
    found = array_letter(array, node)
    if found:
        return "".join(found)
    words = roles.words.get((roles.forms.of[node], argument), set())
    word = next(iter(words)) if len(words) == 1 else ""
    if word and not _broadcasts(node, argument):  # where its shape counts, a number is no array
        full = {"0": "zeros", "1": "ones"}.get(word)
        word = f"{full}({shape_text(array.shape)})" if full else ""
    return word or unnamed(array)


def _broadcasts(node: Tensor, argument: int) -> bool:
    """Whether a number in place of an argument gives a result of the same shape."""
    if node.op is None or node.op.kind.form != "elementwise":
        return False
    shapes = [x.shape if type(x) is Tensor else np.shape(x) for x in node.inputs]
    return np.broadcast_shapes(*shapes[:argument], *shapes[argument + 1 :]) == node.shape


def given(x: Any, node: Tensor, argument: int, shared: bool, roles: Roles) -> tuple[str, str]:
    """Kind and label of what was not computed: a leaf, an array, a number."""
    use = (node, argument)
    if use in roles.absent:
        return "constant", text_of(absent(node, argument, roles))
    start = first(roles.initial[use], use, roles) if use in roles.initial else ""
    if is_number(x):
        return "constant", number_text(x)
    if type(x) is Tensor:
        known = "" if shared else leaf_name(x, node, argument, roles)
        name = short(x.name or start or "leaf") + numbered(roles.leaf_primes.get(x, 0))
        if known and x.name and known != name:
            name = f"{known} = {name}"
        return ("parameter" if shared else "input"), name
    if array_letter(x, node):
        return "input", array_word(x, node, argument, roles)
    words = roles.words.get((roles.forms.of[node], argument), set())
    word = (next(iter(words)) if len(words) == 1 else "") or unnamed(x)
    if word == unnamed(x):
        owner = roles.view.owner[node]
        own = own_letters(owner, roles) if isinstance(owner, Tensor) else {}
        word = start or (text_of(own[use]) if use in own else word)
    return "constant", word if start in ("", word) else f"{start} = {word}"


def first(role: str, use: tuple[Tensor, int], roles: Roles) -> str:
    """``h[−1]``, or ``h[T]`` against time, for the state that the first step begins with."""
    lane = roles.view.step[use[0]].lane
    letter = roles.called(lane, role)
    return f"{letter}[{'T' if lane is not None and lane.mirrored else '−1'}]" * (letter != "·")


def quoted(x: Tensor, here: Section | Gap, there: Section | Gap, roles: Roles) -> str:
    """The name by which a gradient refers to a value of the forward pass."""
    if not x.name:
        return title(x, None, (), roles.clock)
    return called(x, roles) + _when(here, there)


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


def letter_of(role: str) -> str:
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


def dashes(style: Mapping[str, str], length: int = 8, count: int = 3) -> str:
    """A dashed line for a legend, as thick as the edges of that style are."""
    thick = round(float(style["penwidth"]))
    bar = (
        f'<TD FIXEDSIZE="TRUE" WIDTH="{length}" HEIGHT="{thick}" BGCOLOR="{style["color"]}"></TD>'
        f'<TD FIXEDSIZE="TRUE" WIDTH="4" HEIGHT="{thick}"></TD>'
    )
    return (
        '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">'
        f"<TR>{bar * count}</TR></TABLE>"
    )
