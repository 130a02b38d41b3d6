"""Which arguments of a primitive are inputs, and which are options?"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tinygrad_rnn.engine import messages

__all__ = ["by_place", "signature"]


def signature(forward: Callable[..., Any]) -> tuple[int | None, tuple[str, ...]]:
    """The number of inputs before ``/``, None for ``*inputs``; and the options after it.

    >>> signature(lambda a, b, /, axis=0: a)
    (2, ('axis',))
    """
    parameters = inspect.signature(forward).parameters.values()
    fixed = sum(p.kind is p.POSITIONAL_ONLY for p in parameters)
    arity = None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else fixed
    return arity, tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)


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
