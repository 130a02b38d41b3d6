"""What do Python and NumPy call on a Tensor?

Operators and methods lead to a primitive; those that would lose the record are refused, or warn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_rnn.border import refuse_foreign
from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.blocks import answer
from tinygrad_rnn.hints import absent, checked_keywords

__all__ = ["OPS", "Operators"]

# Functions of later files that earlier ones call, by name: operators and methods call their
# primitives, a primitive calls `on_scalars` for an array of Tensors. Each later file enters its
# own; a primitive of yours is not among them, whatever its name.
OPS: dict[str, Callable[..., Any]] = {}


class Operators:
    """The operators and methods of a `Tensor`, its only subclass."""

    __slots__ = ()

    _data: np.ndarray

    # -- operators; arrays and Python numbers may stand on either side ----------------------------
    # fmt: off
    def __add__(self, other: Any) -> Self: return OPS["add"](self, other)
    def __radd__(self, other: Any) -> Self: return OPS["add"](other, self)
    def __sub__(self, other: Any) -> Self: return OPS["subtract"](self, other)
    def __rsub__(self, other: Any) -> Self: return OPS["subtract"](other, self)
    def __mul__(self, other: Any) -> Self: return OPS["multiply"](self, other)
    def __rmul__(self, other: Any) -> Self: return OPS["multiply"](other, self)
    def __truediv__(self, other: Any) -> Self: return OPS["divide"](self, other)
    def __rtruediv__(self, other: Any) -> Self: return OPS["divide"](other, self)
    def __pow__(self, other: Any) -> Self: return OPS["power"](self, other)
    def __rpow__(self, other: Any) -> Self: return OPS["power"](other, self)
    def __mod__(self, other: Any) -> Self: return OPS["mod"](self, other)
    def __rmod__(self, other: Any) -> Self: return OPS["mod"](other, self)
    def __matmul__(self, other: Any) -> Self: return OPS["matmul"](self, other)
    def __rmatmul__(self, other: Any) -> Self: return OPS["matmul"](other, self)
    def __neg__(self) -> Self: return OPS["negative"](self)
    def __pos__(self) -> Self: return self
    def __abs__(self) -> Self: return OPS["absolute"](self)

    # comparisons have no derivative: plain arrays of bool, unless an observer answers
    def __lt__(self, other: Any) -> Any: return _compared("less", self, other)
    def __le__(self, other: Any) -> Any: return _compared("less_equal", self, other)
    def __gt__(self, other: Any) -> Any: return _compared("greater", self, other)
    def __ge__(self, other: Any) -> Any: return _compared("greater_equal", self, other)
    def __eq__(self, other: object) -> Any: return _compared("equal", self, other)
    def __ne__(self, other: object) -> Any: return _compared("not_equal", self, other)
    def __and__(self, other: Any) -> Any: return _compared("logical_and", self, other)
    def __rand__(self, other: Any) -> Any: return _compared("logical_and", other, self)
    def __or__(self, other: Any) -> Any: return _compared("logical_or", self, other)
    def __ror__(self, other: Any) -> Any: return _compared("logical_or", other, self)
    def __invert__(self) -> Any: return _compared("logical_not", self)
    __hash__ = object.__hash__

    # The same primitives as methods; on arrays of objects, NumPy's tanh, exp, … call them.
    def exp(self) -> Self: return OPS["exp"](self)  # noqa: D102
    def log(self) -> Self: return OPS["log"](self)  # noqa: D102
    def log1p(self) -> Self: return OPS["log1p"](self)  # noqa: D102
    def expm1(self) -> Self: return OPS["expm1"](self)  # noqa: D102
    def sqrt(self) -> Self: return OPS["sqrt"](self)  # noqa: D102
    def sin(self) -> Self: return OPS["sin"](self)  # noqa: D102
    def cos(self) -> Self: return OPS["cos"](self)  # noqa: D102
    def tanh(self) -> Self: return OPS["tanh"](self)  # noqa: D102
    def sigmoid(self) -> Self: return OPS["sigmoid"](self)  # noqa: D102
    def relu(self) -> Self: return OPS["relu"](self)  # noqa: D102
    def astype(self, dtype: DTypeLike) -> Self: return OPS["astype"](self, dtype=dtype)  # noqa: D102
    # fmt: on

    @checked_keywords
    def sum(self, axis: Any = None, keepdims: bool = False) -> Self:
        """Sum over `axis` (an int, a tuple, or None for all)."""
        return OPS["sum"](self, axis=axis, keepdims=keepdims)

    @checked_keywords
    def mean(self, axis: Any = None, keepdims: bool = False) -> Self:
        """Mean over `axis` (an int, a tuple, or None for all)."""
        return OPS["mean"](self, axis=axis, keepdims=keepdims)

    @checked_keywords
    def max(self, axis: Any = None, keepdims: bool = False) -> Self:
        """Largest element over `axis`; equals share the gradient."""
        return OPS["max"](self, axis=axis, keepdims=keepdims)

    @checked_keywords
    def min(self, axis: Any = None, keepdims: bool = False) -> Self:
        """Smallest element over `axis`; equals share the gradient."""
        return OPS["min"](self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Self:
        """The same elements in another shape: ``t.reshape(2, -1)`` or ``t.reshape((2, -1))``."""
        return OPS["reshape"](self, shape=shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Self:
        """Axes in another order; all reversed without arguments."""
        return OPS["transpose"](self, axes=(axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self) -> Self:
        """The same elements along one axis."""
        return OPS["reshape"](self, shape=(-1,))

    def squeeze(self, axis: Any = None) -> Self:
        """Without axes of length 1: all such, or `axis` (an int or a tuple)."""
        return OPS["squeeze"](self, axis)

    def swapaxes(self, axis1: int, axis2: int) -> Self:
        """Two axes exchanged."""
        return OPS["swapaxes"](self, axis1, axis2)

    @property
    def T(self) -> Self:
        """The axes reversed."""
        return OPS["transpose"](self)

    def numpy(self: Any) -> Any:
        """The values, ``t.data``: an array, or a NumPy scalar where there is no axis."""
        return self.data

    def numel(self: Any) -> int:
        """The number of its elements, ``t.size``."""
        return self.size

    # -- Python's protocols -----------------------------------------------------------------------

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            absent(self, name)

    def __repr__(self: Any) -> str:
        values = np.array2string(
            self._data, precision=4, threshold=20, edgeitems=2, prefix="Tensor("
        )
        parts = [values]
        if self.size > 20 or self.ndim > 1:
            parts.append(f"shape={self.shape}")
        if self.dtype != np.float64:
            parts.append(f"dtype={self.dtype}")
        if self.name:
            parts.append(f"name={self.name!r}")
        if self.op is not None:
            parts.append(f"op={self.op.name}")
        return f"Tensor({', '.join(parts)})"

    def __format__(self: Any, spec: str) -> str:  # f"{loss:.3f}"
        return format(self.item(), spec) if spec else str(self)

    def __len__(self: Any) -> int:
        if not self.ndim:
            raise TypeError("len() of a Tensor without axes; .item() gives its value.")
        return len(self._data)

    def __iter__(self) -> Iterator[Self]:
        return (self[k] for k in range(len(self)))

    def __bool__(self: Any) -> bool:
        if self.size != 1:
            raise ValueError(messages.ambiguous(self))
        found = answer("if", self)
        return bool(self._data) if found is None else found

    def __float__(self) -> float:  # by float(t), math.exp(t), array[i] = t
        return float(self._leaving())

    def __int__(self) -> int:
        return int(self._leaving())

    def _leaving(self: Any) -> Any:
        """The value, and a warning where somebody may not know that the history stays behind."""
        number = self.item()
        if self.op is not None:
            # once per place, as the text is always the same
            warnings.warn(messages.LEAVES, stacklevel=3)
        return number

    def __getitem__(self, index: Any) -> Self:
        if type(index) is int:
            return OPS["getitem"](self, index=(index,))
        template, arrays = OPS["split_index"](index)
        return OPS["getitem"](self, *arrays, index=template)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(messages.NOT_ASSIGNED)

    if not TYPE_CHECKING:  # to a checker array @ t is a Tensor, and no array

        def __array__(self, *_, **__):
            raise TypeError(messages.NOT_BY_NUMPY)

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        """``np.shape(t)``, ``np.ndim(t)`` and ``np.size(t)``; all others of NumPy's are refused."""
        if function in (np.shape, np.ndim, np.size):
            return function(*[x._data if isinstance(x, Operators) else x for x in args], **options)
        raise TypeError(messages.NOT_BY_NUMPY)


def _compared(name: str, *operands: Any) -> Any:
    found = answer(name, *operands)
    if found is not None:
        return found
    for x in operands:
        if not isinstance(x, Operators):
            refuse_foreign(x, name)
    comparison: Any = OPS[name]
    return comparison.forward(*[x._data if isinstance(x, Operators) else x for x in operands])
