"""What happens when a primitive is called?

Given arrays it computes. Given a Tensor among its inputs it computes and records: the result is a
Tensor that remembers the primitive, its inputs and options, and where and when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import numpy as np

from tinygrad_rnn.border import REAL
from tinygrad_rnn.engine.constants import fingerprints
from tinygrad_rnn.engine.context import Context, context
from tinygrad_rnn.engine.kinds import UNKNOWN, Kind, Linear
from tinygrad_rnn.engine.operands import NUMBERS, lent_arrays, with_arrays, with_axes
from tinygrad_rnn.engine.operation import Operation
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.signature import CallSignature, by_place, page, signature
from tinygrad_rnn.engine.tensor import NO_OPTIONS, OBJECT, Tensor, next_serial

__all__ = ["Primitive"]

UNRECORDED = Context(recording=False)
_new = Tensor.__new__
_FROM_SIGNATURE: Any = object()


class Primitive(Operation):
    """A function on arrays that records itself when it is given a Tensor.

    Parameters
    ----------
    name
        The field's (NumPy's) name; shown in pictures and errors.
    forward
        Computes the result from arrays: a new array or a view, which is made read-only; it must
        neither write into them nor give one of them back. Arguments before ``/`` in its signature
        are inputs, those after it options; ``*inputs`` makes it variadic.
    arity
        How many leading arguments are inputs, where the signature does not say; None for any
        number.
    kind, linear
        Its form, its cost, and whether it rounds; the inputs in which it is linear. See
        `engine.kinds`.
    symbol
        Its sign in formulas and pictures, instead of the name.

    Raises
    ------
    TypeError, ValueError, IndexError
        When called: names the primitive, the scope, what was given and how to mend it.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor
    >>> double = Primitive("double", lambda x, /: x + x)
    >>> double(2.0), double(Tensor(2.0))
    (4.0, Tensor(4., op=double))
    """

    __signature__ = CallSignature()

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        arity: int | None = _FROM_SIGNATURE,
        kind: Kind = UNKNOWN,
        linear: Linear = (),
        symbol: str = "",
    ) -> None:
        self.name, self.forward, self.arity = name, forward, arity
        self.kind, self.linear, self.symbol = kind, linear, symbol
        self.options: tuple[str, ...] = ()
        if arity is _FROM_SIGNATURE:
            self.arity, self.options = signature(forward)
        self.__doc__ = page(self)

    # fmt: off
    @overload
    def __call__(self, x: Tensor, /, *inputs: Any, **options: Any) -> Tensor: ...
    @overload
    def __call__(self, x: Any, y: Tensor, /, *inputs: Any, **options: Any) -> Tensor: ...
    @overload
    def __call__(self, x: Any, y: Any, z: Tensor, /, **options: Any) -> Tensor: ...
    @overload
    def __call__(self, *inputs: Any, **options: Any) -> np.ndarray: ...
    # fmt: on
    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute, and record if there is a Tensor among the inputs."""
        if len(inputs) != self.arity and self.arity is not None:  # sum(x, 0): 0 is an option
            inputs, options = by_place(self, inputs, options)
        arrays: list[Any] = []
        recorded = lent = False  # lent: others may write into an array of it
        for x in inputs:
            kind = type(x)
            if kind is Tensor:
                recorded = True
                arrays.append(x._data)
                if x.fingerprints and x.op is None:
                    lent = True
            elif kind in NUMBERS:
                arrays.append(x)
            elif kind is np.ndarray and x.dtype.kind in REAL:
                arrays.append(x)
                lent = True
            elif kind is np.ndarray and x.dtype is OBJECT:
                return OPS["on_scalars"](self, inputs, options)
            else:  # a list, say
                return self(*with_arrays(self.name, inputs), **options)
        now = context.get() if recorded else UNRECORDED
        try:
            if options and type(self.forward) is np.ufunc:  # whose out= would write into an array
                raise TypeError(f"unexpected keyword argument {next(iter(options))!r}")
            if now.observers:
                innermost, outside = now.observers[0], now.observers[1:]
                data = innermost.result(self, inputs, arrays, options, outside)
                if type(data) is Tensor:  # an answer in its place
                    return data
            else:
                data = self.forward(*arrays, **options) if options else self.forward(*arrays)
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            return self(*with_axes(self, error, inputs, arrays, options), **options)
        if not recorded:
            return data
        if type(data) is np.ndarray:
            data.setflags(False)  # pyrefly: ignore[bad-argument-count]  (by place it is faster)
        out = _new(Tensor)
        out._data = data
        out.scope = now.scope
        out.serial = next_serial()
        out.name = out.grad = None
        if now.recording:
            out.op = self
            out.inputs = inputs
            out.options = options or NO_OPTIONS
            if options and not lent:
                for x in options.values():
                    lent = lent or type(x) is np.ndarray
            out.fingerprints = fingerprints(lent_arrays(inputs, options)) if lent else ()
        else:
            out.op, out.inputs, out.options, out.fingerprints = None, (), NO_OPTIONS, ()
        if now.observers:
            for observer in now.observers:
                observer.recorded(out)
        return out
