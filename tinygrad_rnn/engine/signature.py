"""Which arguments of a primitive are inputs, and which are options?"""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable
from typing import Any

from tinygrad_rnn.engine import messages

__all__ = ["CallSignature", "by_place", "page", "signature"]


def signature(forward: Callable[..., Any]) -> tuple[int | None, tuple[str, ...]]:
    """The number of inputs before ``/``, None for ``*inputs``; and the options after it.

    >>> signature(lambda a, b, /, axis=0: a)
    (2, ('axis',))
    """
    parameters = inspect.signature(forward).parameters.values()
    fixed = sum(p.kind is p.POSITIONAL_ONLY for p in parameters)
    arity = None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else fixed
    return arity, tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)


class CallSignature:
    """The ``__signature__`` of a primitive: what it takes; of the class itself, that of a class."""

    def __get__(self, op: Any, cls: type) -> inspect.Signature:
        if op is None:
            raise AttributeError("__signature__")
        if op.options or (op.arity is None and inspect.isfunction(op.forward)):
            return inspect.signature(op.forward).replace(return_annotation=inspect.Signature.empty)
        if op.arity is None:
            return inspect.Signature([inspect.Parameter("xs", inspect.Parameter.VAR_POSITIONAL)])
        letters = "x" if op.arity == 1 else string.ascii_lowercase[: op.arity]
        only = inspect.Parameter.POSITIONAL_ONLY
        return inspect.Signature([inspect.Parameter(letter, only) for letter in letters])


def page(op: Any) -> str:
    """The text of ``help`` for a primitive: its call, and its own docstring if it has one."""
    bare = [p.replace(annotation=p.empty) for p in inspect.signature(op).parameters.values()]
    own = inspect.getdoc(op.forward) if inspect.isfunction(op.forward) else None
    said = own or f"{op.name}: {op.kind.form}, as in NumPy."
    return f"{op.name}{inspect.Signature(bare)}\n\n{said}\n\nGiven a Tensor, it records itself."


def by_place(
    op: Any, inputs: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs and options of a call in which some options have no name, as ``sum(x, 0)``."""
    arity = op.arity or 0
    extra = inputs[arity:]
    if len(inputs) < arity or len(extra) > len(op.options):
        raise TypeError(messages.wrong_number(op, len(inputs)))
    named = dict(zip(op.options, extra, strict=False))
    twice = named.keys() & options.keys()
    if twice:
        name = messages.placed(op.name)
        raise TypeError(f"{name}: {twice.pop()} is given by place and by name.")
    return inputs[:arity], named | options
