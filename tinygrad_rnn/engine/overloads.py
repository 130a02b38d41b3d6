"""What type has a result? Of a Tensor it is a Tensor, of arrays alone an array.

The decorators say so to type checkers. When a function runs, they refuse unknown keywords alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypedDict, Unpack, cast, overload

import numpy as np

from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.hints import checked_keywords

__all__ = ["gradients", "of_list", "of_one", "of_two", "parts_of_one"]

P = ParamSpec("P")

# fmt: off


class OfOne(Protocol[P]):
    """A function of a Tensor or array, and options."""

    @overload
    def __call__(self, x: Tensor, /, *args: P.args, **options: P.kwargs) -> Tensor: ...
    @overload
    def __call__(self, x: Any, /, *args: P.args, **options: P.kwargs) -> np.ndarray: ...


class PartsOfOne(Protocol[P]):
    """A function that takes one apart."""

    @overload
    def __call__(self, x: Tensor, /, *args: P.args, **options: P.kwargs) -> tuple[Tensor, ...]: ...
    @overload
    def __call__(self, x: Any, /, *args: P.args, **options: P.kwargs) -> tuple[np.ndarray, ...]: ...


class OfTwo(Protocol[P]):
    """A function of two, and options."""

    @overload
    def __call__(self, a: Tensor, b: Any, /, *args: P.args, **options: P.kwargs) -> Tensor: ...
    @overload
    def __call__(self, a: Any, b: Tensor, /, *args: P.args, **options: P.kwargs) -> Tensor: ...
    @overload
    def __call__(self, a: Any, b: Any, /, *args: P.args, **options: P.kwargs) -> np.ndarray: ...


class OfList(Protocol[P]):
    """A function of a list of arrays, or of Tensors and arrays, and options."""

    @overload
    def __call__(self, xs: Sequence[np.ndarray], /, *args: P.args, **options: P.kwargs) -> np.ndarray: ...  # noqa: E501
    @overload
    def __call__(self, xs: Sequence[Any], /, *args: P.args, **options: P.kwargs) -> Tensor: ...


class GradOptions(TypedDict, total=False):
    """Options of `grad` that do not change the type."""

    unused: Literal["error", "zero"]
    partial: bool
    on_edge: Callable[[Tensor, int, Any], Any] | None


class Gradients(Protocol):
    """Gradients in the structure of what they are with respect to; Tensors if they are recorded."""

    @overload
    def __call__(self, loss: Tensor, wrt: Tensor, cotangent: Any = None, *, create_graph: Literal[True], **options: Unpack[GradOptions]) -> Tensor: ...  # noqa: E501
    @overload
    def __call__(self, loss: Tensor, wrt: Tensor, cotangent: Any = None, **options: Unpack[GradOptions]) -> np.ndarray: ...  # noqa: E501
    @overload
    def __call__(self, loss: Tensor, wrt: list[Tensor], cotangent: Any = None, *, create_graph: Literal[True], **options: Unpack[GradOptions]) -> list[Tensor]: ...  # noqa: E501
    @overload
    def __call__(self, loss: Tensor, wrt: list[Tensor], cotangent: Any = None, **options: Unpack[GradOptions]) -> list[np.ndarray]: ...  # noqa: E501
    @overload
    def __call__(self, loss: Tensor, wrt: Any, cotangent: Any = None, *, create_graph: bool = False, **options: Unpack[GradOptions]) -> Any: ...  # noqa: E501


# fmt: on


def of_one(f: Callable[Concatenate[Any, P], Any]) -> OfOne[P]:
    """Typed by its first argument."""
    return cast("OfOne[P]", checked_keywords(f))


def parts_of_one(f: Callable[Concatenate[Any, P], Any]) -> PartsOfOne[P]:
    """A tuple, typed by its first argument."""
    return cast("PartsOfOne[P]", checked_keywords(f))


def of_two(f: Callable[Concatenate[Any, Any, P], Any]) -> OfTwo[P]:
    """Typed by its first two arguments."""
    return cast("OfTwo[P]", checked_keywords(f))


def of_list(f: Callable[Concatenate[Any, P], Any]) -> OfList[P]:
    """Typed by what is in its first argument."""
    return cast("OfList[P]", checked_keywords(f))


def gradients(f: Callable[..., Any]) -> Gradients:
    """Typed as `grad`."""
    return cast("Gradients", f)
