"""Which values from outside count as numbers?

NumPy arrays of real numbers, Python's numbers, and lists, tuples and ranges of these. Every
function that takes numbers refuses anything else by its full name, with the checks in this file:
NumPy would drop the mask of a masked array and the history of another library's tensor, and turn an
unknown type into an array of objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

__all__ = ["REAL", "as_array", "refuse_foreign"]

REAL = "fiub"  # the kinds of dtype that hold real numbers; gradients flow through "f" only
_ARRAYS = (np.ndarray, np.generic)
_NUMBERS = (bool, int, float)
_ROWS = (list, tuple, range)
_PROTOCOLS = ("__array__", "__array_interface__", "__dlpack__")
_DEPTH = 64  # more axes than NumPy has


def as_array(x: Any, owner: str) -> Any:
    """`x` as an array of real numbers; an array is returned as it is, a NumPy scalar stays one.

    Parameters
    ----------
    x
        An array, a number, or nested lists, tuples or ranges of one shape.
    owner
        Name of the caller, for the error.

    Raises
    ------
    TypeError
        `x` is anything else: a masked array, an object of another library (a torch.Tensor, a
        pandas.Series), complex numbers, dates, text, objects, or rows of several lengths.

    Examples
    --------
    >>> as_array([[1, 2], [3, 4]], "example").shape
    (2, 2)
    >>> as_array(np.ma.masked_equal([1, 2], 2), "example")
    Traceback (most recent call last):
        ...
    TypeError: example: expected real numbers, got a numpy.ma.MaskedArray. Its mask would be lost: \
pass x.filled(0), and the mask as an array of its own.
    """
    if type(x) is np.ndarray and x.dtype.kind in REAL:
        return x
    if isinstance(x, np.ma.MaskedArray):
        _refuse(x, owner)
    if isinstance(x, _ARRAYS):
        array = x if isinstance(x, np.generic) else np.asarray(x)
    elif isinstance(x, _NUMBERS):
        array = np.asarray(x)
    elif isinstance(x, _ROWS):
        for stranger in _strangers_in(x):
            _refuse(stranger, owner, f"a {_name(x)} with ")
        try:
            array = np.asarray(x)
        except ValueError as error:
            raise TypeError(
                f"{owner}: expected real numbers, got a {_name(x)} whose rows differ ({error}). "
                "Pass rows of one shape."
            ) from error
    else:
        _refuse(x, owner)
    if array.dtype.kind not in REAL:
        raise TypeError(
            f"{owner}: expected real numbers, got dtype {array.dtype}. Convert them first, "
            "e.g. with x.astype(float), if they stand for numbers."
        )
    return array


def refuse_foreign(x: Any, owner: str) -> None:
    """TypeError if `x` is a masked array or an array of another library; anything else may pass."""
    if isinstance(x, np.ma.MaskedArray) or (
        not isinstance(x, _ARRAYS) and any(hasattr(type(x), name) for name in _PROTOCOLS)
    ):
        _refuse(x, owner)


def _strangers_in(rows: Any) -> list[Any]:
    """The first element of nested rows, if any, that is neither number nor array nor row."""
    level = [rows]
    for _ in range(_DEPTH):
        for row in level:
            for kind in {*map(type, row)}:
                if not issubclass(kind, (*_ARRAYS, *_NUMBERS, *_ROWS, complex, str, bytes)) or (
                    issubclass(kind, np.ma.MaskedArray)
                ):
                    return [next(x for x in row if type(x) is kind)]
        inside = {id(x): x for row in level for x in row if isinstance(x, (list, tuple))}
        if not inside:
            return []
        level = [*inside.values()]
    return [rows]


def _refuse(x: Any, owner: str, inside: str = "") -> NoReturn:
    advice = "Pass a NumPy array of its values, as numpy.asarray(x) or x.detach().numpy() gives."
    if isinstance(x, np.ma.MaskedArray):
        advice = "Its mask would be lost: pass x.filled(0), and the mask as an array of its own."
    elif isinstance(x, Iterator):
        advice = "It can be used up only once: make it a list, and join it with stack."
    elif type(x).__module__.startswith("tinygrad_rnn."):
        advice = "Its history would be lost: join Tensors with stack or concatenate."
    elif x is None or isinstance(x, (str, bytes, *_ROWS)):
        advice = "Numbers are a Tensor, an array, a number, or nested lists of equal length."
    raise TypeError(f"{owner}: expected real numbers, got {inside}a {_name(x)}. {advice}")


def _name(x: Any) -> str:
    return f"{type(x).__module__}.{type(x).__qualname__}".removeprefix("builtins.")
