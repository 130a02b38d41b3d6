"""What is recorded?

A `Tensor` is an array that remembers how it was made: by which primitive, from which inputs, with
which options, where and when. Nothing else is kept, so the record is plain data that can be
differentiated, drawn, measured and printed.

Tensors are differentiable, arrays are not; there is no flag. Inputs point to older Tensors only, so
there are no reference cycles, and dropping the last result frees the graph at once.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_rnn.border import REAL, as_array
from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.blocks import answer
from tinygrad_rnn.engine.constants import Fingerprints, fingerprints
from tinygrad_rnn.engine.context import Frame, context
from tinygrad_rnn.engine.operation import Operation
from tinygrad_rnn.engine.operators import OPS, Operators

__all__ = ["Tensor", "named"]

next_serial = itertools.count(1).__next__  # one C call, so two threads never draw the same
OBJECT = np.dtype(object)
NO_OPTIONS: dict[str, Any] = {}  # shared: one object less per node for the garbage collector


class Tensor(Operators):
    """An array that remembers how it was made.

    Made by you it is a leaf; made by a primitive it is part of a record.

    Parameters
    ----------
    data
        Anything NumPy makes an array of real numbers from. A leaf owns a copy. The dtype is NumPy's
        choice: Python floats become float64, arrays keep theirs, integers stay integers (and cannot
        be differentiated).
    dtype
        Overrides that choice.
    name
        The letter it goes by in pictures and errors.

    Attributes
    ----------
    data
        The values: a NumPy array, or a NumPy scalar where there is no axis. Read-only unless a
        leaf. Assigning to a leaf's `data` gives it new values and a new serial number: an older
        record can no longer go backward. Writing into the array of a leaf has the same effect.
    op, inputs, options
        The primitive that made it (None: a leaf), the Tensors and arrays it was given, and the
        keyword options. Arrays are constants and not copied: one that is written into before
        ``backward()`` is refused there; afterwards it may be filled anew.
    scope
        The frames around it at birth, outermost first.
    name
        Its letter, or None.
    serial
        Its number at birth. Inputs are older than results, so the order of serials is a topological
        order.
    grad
        The gradient that ``backward()`` has added up so far, an array; on leaves only.

    Notes
    -----
    ``==``, ``<``, ``&`` … compare elements and give arrays of bool, without gradient; the hash is
    by identity. So look a Tensor up in a set or a dict, not with ``in`` a list.

    NumPy's functions refuse a Tensor. ``float(t)``, ``int(t)``, ``math.exp(t)`` and ``array[i] =
    t`` of a recorded Tensor warn once per line, as their number has no history; ``t.item()`` and
    formatting do not.
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "fingerprints",
        "grad",
        "inputs",
        "name",
        "op",
        "options",
        "scope",
        "serial",
    )

    _data: np.ndarray
    fingerprints: Fingerprints  # of arrays that others may write into; a leaf's own once it is lent
    op: Operation | None
    inputs: tuple[Any, ...]
    options: dict[str, Any]
    scope: tuple[Frame, ...]
    name: str | None
    serial: int
    grad: Any

    # ndarray * Tensor asks us first: NumPy's operators leave it to the operand of higher priority
    __array_priority__ = 1000

    def __init__(
        self, data: ArrayLike, dtype: DTypeLike | None = None, name: str | None = None
    ) -> None:
        self._data = _leaf_data(data, dtype)
        self.op, self.inputs, self.options, self.fingerprints = None, (), NO_OPTIONS, ()
        self.scope = context.get().scope
        self.name, self.grad = name, None
        self.serial = next_serial()

    # -- values -----------------------------------------------------------------------------------

    def _rebind(self, values: ArrayLike) -> None:
        if self.op is not None:
            raise TypeError(messages.keeps_its_data(self))
        known = self._data
        if values is known:  # as after p.data -= g; others who hold the old array keep it
            self._data = known.copy("K") if known.ndim else known
        elif (  # as after each step of training
            isinstance(values, np.ndarray)
            and type(values) is np.ndarray
            and values.dtype is known.dtype
            and values.shape == known.shape != ()
        ):
            self._data = values.copy("K")
        else:
            fresh = _leaf_data(
                values,
                None if isinstance(values, (np.ndarray, np.generic)) else self.dtype,
                f"new data for {self.name or 'a leaf'}",
            )
            if fresh.shape != self.shape or fresh.dtype != self.dtype:
                raise ValueError(messages.other_data(self, fresh))
            self._data = fresh
        self.fingerprints = ()
        self.serial = next_serial()  # younger than every record that used the old values

    @property
    def data(self) -> Any:
        """The values: an array, or a NumPy scalar where there is no axis."""
        if self.op is None and not self.fingerprints and type(self._data) is np.ndarray:
            self.fingerprints = fingerprints([self._data])  # from now on, others may write into it
        return values(self)

    @data.setter
    def data(self, values: ArrayLike) -> None:
        self._rebind(values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its lengths along each axis."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of its elements."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of its elements."""
        return self._data.size

    def item(self) -> float:
        """The value as a Python number; ValueError unless there is exactly one element."""
        if self.size != 1:
            raise ValueError(messages.not_one(self))
        found = answer("item", self)
        return self._data.item() if found is None else found

    def detach(self) -> Tensor:
        """The same values as a new leaf without history, for carrying state to the next batch.

        `stop_gradient` also blocks the gradient, but stays in the record, where it can be drawn.
        """
        return Tensor(values(self), name=self.name)

    def backward(self, cotangent: ArrayLike | None = None) -> None:
        """Add the gradient of this Tensor to ``.grad`` of every float leaf it was made from.

        A Tensor that is not a scalar needs a `cotangent` of its shape: the gradient of what comes
        after it. ValueError for a Tensor without history: there is nothing to go back to. TypeError
        for an integer leaf without axes in place of a float: ``w * x + Tensor(0)``.
        """
        OPS["backward"](self, cotangent)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.op is not None:
            raise TypeError(messages.not_copied(self))
        return _leaf, (
            np.array(self._data),
            self.name,
            None if self.grad is None else np.array(self.grad),
        )


def named(**tensors: Any) -> Any:
    """Give results their letters: ``f = named(f=sigmoid(a_f))``, ``i, o = named(i=…, o=…)``.

    The letter appears in pictures and errors. A Tensor that already has a name keeps it; an array
    has its letter in the innermost scope, as if by ``scope(..., letter=x)``. One keyword gives the
    value itself, several give a tuple in their order.
    """
    for letter, x in tensors.items():
        if type(x) is Tensor:
            x.name = x.name or letter
        elif type(x) is np.ndarray and (frames := context.get().scope):
            frames[-1].arrays[letter] = x
    found = tuple(tensors.values())
    return found if len(found) > 1 else found[0]


def values(x: Any) -> Any:
    """The array (or number) behind `x`, a Tensor or already plain; to read, not to write into."""
    if type(x) is not Tensor:
        return x
    found = answer("values", x) if context.get().observers else None
    return x._data if found is None else found


def _leaf(data: np.ndarray, name: str | None, gradient: np.ndarray | None) -> Tensor:
    leaf = Tensor(data, name=name)
    leaf.grad = gradient
    return leaf


def _leaf_data(data: Any, dtype: DTypeLike | None, owner: str = "Tensor(...)") -> Any:
    """A copy as an array; as a NumPy scalar, which is immutable, where there is no axis."""
    given = as_array(values(data), owner)
    try:
        array = np.array(given, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{owner}: cannot make {dtype} of {given.dtype}: {error}.") from error
    if array.dtype.kind not in REAL:
        raise TypeError(messages.not_real(owner, array.dtype))
    return array if array.ndim else array[()]
