"""What comes out of a primitive if no more than shapes and dtypes go in?

A record does not depend on the values of its parameters, so for recording alone they need not be
known: a Tensor whose data is an `AbstractArray` goes through the same primitives, and nothing is
computed. Asking for a value raises an error. (JAX calls this abstract evaluation.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

__all__ = ["AbstractArray", "Shapes", "Unfrozen", "Unknown", "frozen"]

BOOL = np.dtype(bool)


class Unknown(Exception):
    """A value was asked for where only shape and dtype are known."""


class Unfrozen(Exception):
    """Something has no form that says all about it."""


class AbstractArray:
    """An array of which only shape and dtype are known; made by `Shapes.array`."""

    __slots__ = ("dtype", "shape", "shapes")

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    shapes: Shapes

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> AbstractArray:
        """One row: its shape is known as well."""
        if type(index) is not int or not self.shape or not -len(self) <= index < len(self):
            self._read()
        return self.shapes.array(self.shape[1:], self.dtype)

    def __repr__(self) -> str:
        return f"AbstractArray({self.shape}, {self.dtype})"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # a protocol that an array may speak
            self.shapes.asked = True
            raise AttributeError(name)
        self._read()

    @property
    def __class__(self) -> Any:  # isinstance() asks for it, to go another way
        self.shapes.asked = True
        return AbstractArray

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        """``np.shape(x)`` and ``np.ndim(x)``; all other functions of NumPy read values."""
        if function is np.shape or (function is np.ndim and not options):
            return self.shape if function is np.shape else self.ndim
        return self._read(args)

    def _read(self, *_: Any, **__: Any) -> NoReturn:
        self.shapes.asked = True
        raise Unknown(f"of an array {self.shape} of {self.dtype} the values are not known")

    # fmt: off
    __hash__ = object.__hash__
    __array__ = __array_ufunc__ = __iter__ = __contains__ = __setitem__ = _read
    __bool__ = __int__ = __float__ = __complex__ = __index__ = __reduce_ex__ = _read
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __and__ = __or__ = __invert__ = _read
    __add__ = __sub__ = __mul__ = __truediv__ = __pow__ = __matmul__ = __neg__ = __abs__ = _read
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmatmul__ = _read
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = _read
    __xor__ = __rxor__ = __rand__ = __ror__ = __lshift__ = __rshift__ = __pos__ = _read
    __round__ = __trunc__ = __floor__ = __ceil__ = __format__ = __buffer__ = __copy__ = _read
    # fmt: on


class Shapes:
    """The results of one recording by what went in, so that nothing is worked out twice.

    Attributes
    ----------
    asked
        Whether somebody asked for a value, even if the error was then passed over.
    """

    def __init__(self) -> None:
        self.asked = False
        self._arrays: dict[Any, AbstractArray] = {}
        self._results: dict[Any, AbstractArray] = {}

    def array(self, shape: tuple[int, ...], dtype: Any) -> AbstractArray:
        """The array of this shape and dtype: always the same one, as there is no more to tell."""
        key = (shape, dtype)
        found = self._arrays.get(key)
        if found is None:
            found = self._arrays[key] = AbstractArray()
            found.shape, found.dtype, found.shapes = shape, dtype, self
        return found

    def leaf(self, x: Any) -> Any:
        """A Tensor like `x`, a leaf, without its values."""
        fresh = type(x)(0.0, name=x.name)
        fresh._data = self.array(x.shape, x.dtype)
        return fresh

    def result(self, op: Any, arrays: list[Any], options: dict[str, Any]) -> Any:
        """The result of a primitive; only its shape and dtype if no more is known of an input."""
        if AbstractArray not in map(type, arrays):
            return op.forward(*arrays, **options)
        places = _places(arrays, options)
        if any(type(x) is AbstractArray for x in places):
            self.asked = True
            raise Unknown("how many elements a condition selects depends on values")
        if places:  # the number of elements in a concrete condition is known, but not by its shape
            return self._computed(op.forward, arrays, options)
        key: list[Any] = [op]
        for x in arrays:
            kind = type(x)
            if kind is AbstractArray:
                key.append(x)
            elif isinstance(x, (np.ndarray, np.generic)):
                key.append((x.shape, x.dtype))
            else:
                key.append((kind, x))
        try:
            key.extend(map(frozen, options.items()))
        except Unfrozen:
            return self._computed(op.forward, arrays, options)
        known = tuple(key)
        found = self._results.get(known)
        if found is None:
            found = self._results[known] = self._computed(op.forward, arrays, options)
        return found

    def _computed(
        self, forward: Callable[..., Any], arrays: list[Any], options: dict[str, Any]
    ) -> AbstractArray:
        """The result of `forward` on arrays of zeros that take no memory."""
        with np.errstate(all="ignore"):
            y = forward(*map(_stand_in, arrays), **options)
        if not isinstance(y, (np.ndarray, np.generic)):
            self.asked = True
            raise Unknown(f"the result is a {type(y).__name__}, not an array")
        return self.array(y.shape, y.dtype)


def _stand_in(x: Any) -> Any:
    """Zeros in the place of what is not known: an index that exists wherever there is one."""
    if type(x) is not AbstractArray:
        return x
    zero = np.zeros((), x.dtype)
    return np.broadcast_to(zero, x.shape) if x.shape else zero[()]


def _places(arrays: list[Any], options: dict[str, Any]) -> list[Any]:
    """Conditions in an index: how many elements they select, their shape does not say."""
    if "index" not in options and "indices" not in options:
        return []
    return [x for x in arrays[1:] if getattr(x, "dtype", None) is BOOL]


_PLAIN = frozenset((int, bool, str, bytes, type(None)))


def frozen(x: Any) -> Any:
    """Tuples and words that say all about a constant or option: equal, if it is in type and bits.

    Raises
    ------
    Unfrozen
        It is none of numbers, words, arrays, slices, dtypes and lists of them.
    """
    kind = type(x)
    if kind in _PLAIN:
        return kind.__name__, x
    if kind is float:
        return "float", x.hex()  # 0.0 == -0.0, and NaN is unlike itself
    if kind is tuple or kind is list:
        return kind.__name__, *map(frozen, x)
    if kind is slice:
        return "slice", frozen(x.start), frozen(x.stop), frozen(x.step)
    if isinstance(x, int):
        return f"{kind.__module__}.{kind.__qualname__}", int(x)
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind != "O":
        return kind.__name__, x.dtype.str, x.shape, x.tobytes()
    if isinstance(x, np.dtype) or (kind is type and issubclass(x, np.generic)):
        return "dtype", np.dtype(x).str
    if x is Ellipsis:
        return ("...",)
    raise Unfrozen(f"a {kind.__name__}")
