"""What happens when a primitive is called?

Given arrays it computes. Given a Tensor among its inputs it computes and records: the result is a
Tensor that remembers the primitive, its inputs and options, and where and when. If it cannot, the
error says what was done and where, what was given, and how to mend it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from tinygrad_rnn.border import REAL, as_array
from tinygrad_rnn.engine.constants import fingerprints
from tinygrad_rnn.engine.context import Context, context, describe
from tinygrad_rnn.engine.tensor import (
    NO_OPTIONS,
    OBJECT,
    OPS,
    Tensor,
    next_serial,
)

__all__ = ["Composed", "Primitive", "placed"]

_NUMBERS = frozenset(
    {float, int, bool, np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_}
)
UNRECORDED = Context(False, (), False, None)
_PLAIN = frozenset({float, int, bool})
_new = Tensor.__new__
_FROM_SIGNATURE: Any = object()


class Primitive:
    """A function on arrays that records itself when it is given a Tensor.

    Parameters
    ----------
    name
        The field's (NumPy's) name; shown in pictures and errors.
    forward
        Computes the result from arrays: a new array or a view, which is made read-only; it must
        neither write into them nor give one of them back. What stands before ``/`` in its
        signature are inputs, what stands after are options; ``*inputs`` makes it variadic.
    arity
        How many leading arguments are inputs, where the signature does not say; None for any
        number.

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

    def __init__(
        self, name: str, forward: Callable[..., Any], arity: int | None = _FROM_SIGNATURE
    ) -> None:
        self.name, self.forward, self.arity = name, forward, arity
        self.options: tuple[str, ...] = ()
        self.__doc__ = forward.__doc__
        if arity is _FROM_SIGNATURE:
            parameters = inspect.signature(forward).parameters.values()
            fixed = sum(p.kind is p.POSITIONAL_ONLY for p in parameters)
            self.arity = None if any(p.kind is p.VAR_POSITIONAL for p in parameters) else fixed
            self.options = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute, and record if there is a Tensor among the inputs."""
        if len(inputs) != self.arity and self.arity is not None:  # sum(x, 0): 0 is an option
            inputs, options = self._options_by_place(inputs, options)
        arrays: list[Any] = []
        recorded = False
        lent: tuple[Any, ...] = ()  # arrays that others may write into
        for x in inputs:
            kind = type(x)
            if kind is Tensor:
                recorded = True
                arrays.append(x._data)
                if x.fingerprints and x.op is None:
                    lent = (*lent, x._data)
            elif kind in _NUMBERS:
                arrays.append(x)
            elif kind is np.ndarray and x.dtype.kind in REAL:
                arrays.append(x)
                lent = (*lent, x)
            elif kind is np.ndarray and x.dtype is OBJECT:
                return OPS["on_scalars"](self, inputs, options)
            else:
                x = as_array(x, self._where())
                inputs = (*inputs[: len(arrays)], x, *inputs[len(arrays) + 1 :])
                arrays.append(x)
                lent = (*lent, x) if type(x) is np.ndarray else lent
        recording, frames, anomaly, recorder, _ = context.get() if recorded else UNRECORDED
        if recorder is not None and recorder.stand_ins:
            inputs = recorder.inputs(inputs)
            arrays = [x._data if type(x) is Tensor else x for x in inputs]
        try:
            if recorder is not None:
                data = recorder.result(self, arrays, options)
            else:
                data = self.forward(*arrays, **options) if options else self.forward(*arrays)
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            if _PLAIN.isdisjoint(map(type, arrays)):
                self._explain(error, arrays, options)
            # 2.0 has no shape to be changed or to broadcast: once more as an array without axes
            inputs = tuple(np.asarray(x) if type(x) in _PLAIN else x for x in inputs)
            return self(*inputs, **options)
        if not recorded:
            return data
        if anomaly and not np.isfinite(data).all():
            self._accuse(inputs, arrays, data)
        if type(data) is np.ndarray:
            data.setflags(False)  # pyrefly: ignore[bad-argument-count]  (by place it is faster)
        out = _new(Tensor)
        out._data = data
        out.scope = frames
        out.serial = next_serial()
        out.name = out.grad = None
        if recording:
            out.op = self
            out.inputs = inputs
            out.options = options or NO_OPTIONS
            if options:
                for x in options.values():
                    if type(x) is np.ndarray and x.dtype is not OBJECT:
                        lent = (*lent, x)
            out.fingerprints = fingerprints(lent) if lent else ()
        else:
            out.op = None
            out.inputs = out.fingerprints = ()
            out.options = NO_OPTIONS
        if recorder is not None:
            recorder.operations.append(out)
        return out

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __deepcopy__(self, _: Any) -> Primitive:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """By name: one primitive is one object, wherever it is loaded."""
        find = OPS["find"]
        if find(self.name) is not self:
            raise LookupError(
                f"the name {self.name!r} finds another primitive, so this one could not be loaded "
                "again. Give it a name of its own."
            )
        return find, (self.name,)

    # -- what can go wrong -------------------------------------------------------------------------

    def _where(self) -> str:
        return placed(self.name)

    def _options_by_place(
        self, inputs: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arity = self.arity or 0
        extra = inputs[arity:]
        if len(inputs) < arity or len(extra) > len(self.options):
            takes = f"{arity} input{'s' * (arity != 1)}"
            if self.options:
                takes += f" and the options {', '.join(self.options)}"
            raise TypeError(f"{self._where()}: {len(inputs)} arguments given; it takes {takes}.")
        by_place = dict(zip(self.options, extra, strict=False))
        twice = by_place.keys() & options.keys()
        if twice:
            raise TypeError(f"{self._where()}: {twice.pop()} is given by place and by name.")
        return inputs[:arity], by_place | options

    def _explain(self, error: Exception, arrays: list[Any], options: dict[str, Any]) -> NoReturn:
        """Raise what NumPy found, with the primitive, the scope, the shapes and the way out."""
        many = len(arrays) > 1
        hint = {
            "matmul": " Multiply by a number with *."
            if () in map(np.shape, arrays)
            else " The last axis of one must be as long as the last but one of the other.",
            "conv": " The channels must agree, and the padded space hold the kernel.",
            "getitem": " Indices count from 0 and must stay inside the shape.",
            "reshape": " The number of elements must stay the same.",
            "concatenate": " Only the axis along which they are joined may differ.",
            "stack": " All shapes must be equal.",
        }.get(self.name, " Shapes must be equal or broadcast, compared from the right." * many)
        given = f"shape{'s' * many} {_shapes(arrays)}"
        given += "".join(f", {key}={value!r}" for key, value in options.items())
        kind = next((k for k in (IndexError, ValueError) if isinstance(error, k)), TypeError)
        found = str(error).rstrip(".")
        raise kind(f"{self._where()}: got {given}; {found}.{hint}") from error

    def _accuse(self, inputs: tuple[Any, ...], arrays: list[Any], data: Any) -> NoReturn:
        """Name the first NaN or infinity: it came in by an input, or this primitive made it."""
        letters = {id(a): s for frame in context.get().scope for s, a in frame.arrays.items()}
        for k, (x, a) in enumerate(zip(inputs, arrays, strict=True)):
            if not np.isfinite(a).all():
                name = (x.name if type(x) is Tensor else letters.get(id(a))) or "unnamed"
                raise FloatingPointError(
                    f"{self._where()}: input {k} ({name}, shape {np.shape(a)}) already holds "
                    f"{_flaw(a)}; all inputs: {_shapes(arrays)}. Look where it comes from: the "
                    "data, or a parameter."
                )
        raise FloatingPointError(
            f"{self._where()}: the result (shape {np.shape(data)}) has {_flaw(data)}, though the "
            f"inputs (shapes {_shapes(arrays)}) are finite. Keep them in range: clip gradients, "
            "take smaller steps, or a stable form such as log_softmax."
        )


class Composed(Primitive):
    """A primitive that is recorded as a composition of others where the record becomes a program.

    Parameters
    ----------
    name, forward
        As of any primitive.
    parts
        The same result of the same inputs and options, from other primitives.
    """

    def __init__(self, name: str, forward: Callable[..., Any], parts: Callable[..., Any]) -> None:
        super().__init__(name, forward)
        self.parts = parts

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute, and record it or its parts if there is a Tensor among the inputs."""
        if context.get().recorder is not None and any(type(x) is Tensor for x in inputs):
            super().__call__(*inputs, **options)  # which checks them, and says what is wrong
            return self.parts(*inputs, **options)
        return super().__call__(*inputs, **options)


def placed(name: str) -> str:
    """A name, and the scope it is called in."""
    place = describe(context.get().scope)
    return f"{name} at {place}" if place else name


def _shapes(arrays: list[Any]) -> str:
    return " and ".join(str(np.shape(a)) for a in arrays)


def _flaw(a: Any) -> str:
    return "NaN" if np.isnan(a).any() else "infinity"
