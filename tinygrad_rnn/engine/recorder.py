"""What does a record need to serve other values than those it was made with?

A record that is to become a program runs again on other arguments. So comparisons are in it as
Tensors of bool, and nothing is left out to be computed again. Three things more are kept beside its
operations: requirements of the function (`require`), the numbers it draws at random (`draw`), and
the parameters that it reaches past its arguments.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from tinygrad_rnn.engine.blocks import Observer
from tinygrad_rnn.engine.context import context
from tinygrad_rnn.engine.convolution import conv, margins
from tinygrad_rnn.engine.operators import OPS
from tinygrad_rnn.engine.primitives import concatenate, getitem, matmul, reshape, scatter
from tinygrad_rnn.engine.tensor import Tensor, values

__all__ = ["Draw", "Method", "Recorder", "Unrecorded", "draw", "recorder", "require"]

Method = Literal["random", "standard_normal", "standard_exponential"]

SEED = 0x5EED  # of numbers drawn instead where the values are others
FEW, MANY = 16, 1 << 31  # how long a sequence of draws is while nobody knows its length


class Unrecorded(Exception):
    """Something that depends on values is not in the record."""


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """One call of a generator: ``rng.method(shape)``, which gives a `leaf`, or its element `k`."""

    rng: np.random.Generator
    method: Method
    shape: tuple[int, ...]
    leaf: Tensor
    k: int | None


Noise = Callable[[tuple[int, ...]], np.ndarray]


@dataclass(eq=False)
class Recorder(Observer):
    """Records operations inside in a form that serves other values too.

    Comparisons are in it, and numbers that leave it are refused; a convolution is recorded as the
    slices and the product it is made of.

    Attributes
    ----------
    shapes
        Of a record without values of its parameters: ``shapes.result(op, arrays, options)`` is the
        result of an operation, ``shapes.array(shape, dtype)`` an array that is not known.
    other
        Whether the values are others than the function was called with: its requirements need not
        hold, and other numbers are drawn.
    noise
        ``noise(shape)`` gives signs. The result of each operation that rounds is moved by one ulp,
        up or down (a sum by one of the sum of sizes, the logarithm of a sum by one of 1 at least):
        to see how much a result depends on rounding.
    flush
        Whether results below the smallest normal number are 0, as in C.
    stand_ins
        The leaf of the record for each Tensor that the function was given, or holds.
    requirements
        Conditions, as Tensors of bool.
    draws
        In the order in which they are drawn.
    operations
        All that were recorded, in the order of birth, also those that nobody reads.
    """

    shapes: Any = None
    other: bool = False
    noise: Noise | None = None
    flush: bool = False
    stand_ins: dict[Tensor, Tensor] = field(default_factory=dict)
    requirements: list[Tensor] = field(default_factory=list)
    draws: list[Draw] = field(default_factory=list)
    operations: list[Tensor] = field(default_factory=list)
    _known: dict[Any, Tensor] = field(default_factory=dict)
    _lengths: Counter[Tensor] = field(default_factory=Counter)
    _leaves: dict[Any, Tensor] = field(default_factory=dict)
    _elements: dict[Tensor, Tensor] = field(default_factory=dict)
    _times: Counter[Any] = field(default_factory=Counter)
    _last: tuple[Any, Any] = (None, None)  # inputs, and what stands for them

    def of(self, x: Tensor) -> Tensor:
        """The leaf that stands for `x` in the record; `x` itself if none does."""
        return self.stand_ins.get(x, x)

    def result(self, op: Any, inputs: Any, arrays: Any, options: Any, outside: Any) -> Any:
        """The result of an operation on the leaves that stand for its inputs."""
        given, inputs = inputs, self._instead(inputs)
        if inputs is not given:
            arrays = [x._data if type(x) is Tensor else x for x in inputs]
        if self.shapes is not None:
            y = self.shapes.result(op, arrays, options)
        elif outside:
            y = super().result(op, inputs, arrays, options, outside)
        else:
            y = op.forward(*arrays, **options)
        if op is conv:  # its shapes are known to fit now
            return _conv_in_parts(*inputs, **options)
        return y if self.noise is None and not self.flush else self._moved(op, y, arrays, options)

    def _moved(self, op: Any, y: Any, arrays: Any, options: Any) -> Any:
        """A result rounded otherwise, or flushed to 0."""
        if self.flush and y.dtype.kind == "f":
            return np.where(np.abs(y) < np.finfo(y.dtype).tiny, 0 * y, y)[()]
        if self.noise is None or op.kind.exact or y.dtype.kind != "f":
            return y
        sign = self.noise(y.shape).astype(y.dtype)
        if op.name in ("sum", "matmul"):
            # a sum in another order is off by ulps of its terms, not of the result
            size = op.forward(*map(np.abs, arrays), **options)
        elif op.name in ("logsumexp", "log_softmax"):
            # the logarithm of a sum that is 1 or more is off by ulps of 1, however near to 0 it is
            size = np.maximum(np.abs(y), 1)
        else:
            return np.nextafter(y, sign * np.asarray(np.inf, y.dtype))
        return (y + sign * np.finfo(y.dtype).eps * size).astype(y.dtype)[()]

    def recorded(self, out: Tensor) -> None:
        """Keep it, with the inputs that the record has."""
        out.inputs = self._instead(out.inputs)
        self.operations.append(out)

    def _instead(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The leaves that stand for inputs; of an operation's it is asked twice in a row."""
        given, found = self._last
        if inputs is not given:
            found = inputs
            for x in inputs:
                if type(x) is Tensor and x in self.stand_ins:
                    found = tuple([self.of(x) if type(x) is Tensor else x for x in inputs])
                    break
            self._last = inputs, found
        return found

    def asked(self, question: str, *operands: Any) -> Any:
        """The values of a stand-in; a comparison as a Tensor. No number leaves the record."""
        if question == "values":
            return self.of(operands[0])._data
        if question in OPS:
            return OPS[question](*operands)
        what = {"item": "a number out of a Tensor", "if": "`if t:`"}[question]
        raise TypeError(
            f"{what} depends on a value, and what is recorded must not: use where(...)."
        )

    def draw(self, rng: np.random.Generator, method: Method, shape: tuple[int, ...]) -> Tensor:
        """The draw ``rng.method(shape)``, as a Tensor that each call of the program draws anew.

        A generator that was set back draws the same, and gives the same Tensor: so a piece of time
        that is computed again is recorded with the draws of the first time.
        """
        key = (id(rng), repr(rng.bit_generator.state), method, shape)
        drawn = getattr(rng, method)(shape)
        if key not in self._known:
            if self.other:
                drawn = getattr(np.random.default_rng((SEED, len(self.draws))), method)(shape)
            leaf, k = self._place(rng, method, shape, np.asarray(drawn))
            self.draws.append(Draw(rng, method, shape, leaf, k))
            self._known[key] = self._elements[leaf] = getitem(leaf, index=(k,))
        return self._known[key]

    def _place(
        self, rng: np.random.Generator, method: Method, shape: tuple[int, ...], drawn: np.ndarray
    ) -> tuple[Tensor, int]:
        """The leaf for a draw, and which element of it: those of all steps are one sequence."""
        frames, what = context.get().scope, (id(rng), method, shape)
        times = tuple([frame.t for frame in frames])
        place: Any = *[frame.name for frame in frames], what
        if any(t is not None for t in times):  # one of several draws of a step
            self._times[place, times] += 1
            place = *place, self._times[place, times]
        leaf = self._leaves.get(place)
        if leaf is None:
            name = "u" if method == "random" else "z"
            leaf = self._leaves[place] = Tensor(np.empty((FEW, *shape), drawn.dtype), name=name)
            if self.shapes is not None:
                self._set_data(leaf, self.shapes.array((MANY, *shape), drawn.dtype))
        k = self._lengths[leaf]
        self._lengths[leaf] += 1
        if self.shapes is None:
            self._put(leaf, k, drawn)
        return leaf, k

    def _put(self, leaf: Tensor, k: int, drawn: np.ndarray) -> None:
        """Write element `k` of a leaf that has values; one that is full becomes twice as long."""
        known = leaf.data
        if k == len(known):
            known = np.concatenate((known, np.empty_like(known)))
        known.setflags(write=True)
        known[k] = drawn
        self._set_data(leaf, known)

    def finish(self) -> list[Tensor]:
        """The leaves for all draws, as long as they turned out to be, in the order of birth.

        Where there is but one draw in a sequence, that is the leaf.
        """
        alone: dict[Tensor, Any] = {}
        for leaf, length in self._lengths.items():
            element: Any = self._elements[leaf]
            if length == 1 and all(frame.t is None for frame in leaf.scope):
                element.op, element.inputs, element.options = None, (), leaf.options
                element.name = element.name or leaf.name
                alone[leaf] = element
            elif self.shapes is None:
                self._set_data(leaf, leaf.data[:length])
            else:
                shape = (length, *leaf.shape[1:])
                self._set_data(leaf, self.shapes.array(shape, leaf.dtype))
        self.draws = [
            replace(draw, leaf=alone[draw.leaf], k=None) if draw.leaf in alone else draw
            for draw in self.draws
        ]
        return list(dict.fromkeys(draw.leaf for draw in self.draws))

    @staticmethod
    def _set_data(leaf: Any, data: Any) -> None:
        leaf._data = data


def recorder() -> Recorder | None:
    """The innermost recorder, if operations now have to serve other values too."""
    for observer in context.get().observers:
        if isinstance(observer, Recorder):
            return observer
    return None


def _conv_in_parts(x: Any, w: Any, padding: Any = "same") -> Any:
    """A convolution as slices, one for each place of the kernel, side by side, and one product."""
    kernel = w.shape[:-2]
    margin = margins(padding, kernel)
    batch = (slice(None),) * (x.ndim - 1 - len(kernel))
    space = x.shape[len(batch) : -1]
    if any(end < 0 for ends in margin for end in ends):
        cut = [slice(max(-a, 0), n + min(b, 0)) for n, (a, b) in zip(space, margin, strict=True)]
        x = getitem(x, index=(*batch, *cut))
    around = [(max(a, 0), max(b, 0)) for a, b in margin]
    if any(map(any, around)):
        put = [slice(a, a + n) for n, (a, _) in zip(x.shape[len(batch) :], around, strict=False)]
        wide = [a + n + b for n, (a, b) in zip(x.shape[len(batch) :], around, strict=False)]
        shape = (*x.shape[: len(batch)], *wide, x.shape[-1])
        x = scatter(x, indices=((*batch, *put),), shape=shape)
    lengths = [n - k + 1 for n, k in zip(x.shape[len(batch) : -1], kernel, strict=True)]
    seen = [
        getitem(x, index=(*batch, *(slice(k, k + n) for k, n in zip(place, lengths, strict=True))))
        for place in itertools.product(*map(range, kernel))
    ]
    rows = concatenate(seen, axis=-1)
    return matmul(rows, reshape(w, shape=(math.prod(w.shape[:-1]), w.shape[-1])))


def require(
    condition: Any, message: str | Callable[[], str], error: type[Exception] = ValueError
) -> None:
    """Raise an error unless `condition` holds, in a program as well.

    An ``if`` that looks at a value cannot be in a program (see `compile`); a requirement is part of
    it. If it fails in a call, the function runs eagerly on the same arguments and raises the error.

    Parameters
    ----------
    condition
        A Tensor of bool of any shape, of which all must be true; or a bool or an array, for facts
        that do not depend on values (shapes, constants): a program does not ask for these again.
    message
        The text of the error; a function without arguments, if it takes work to make.
    error
        Its type.

    Raises
    ------
    ValueError
        Or `error`: the condition does not hold.
    TypeError
        It is no condition: not bool.

    Examples
    --------
    >>> from tinygrad_rnn import Tensor, require
    >>> weights = Tensor([0.25, 0.75])
    >>> require(weights >= 0, lambda: f"weights are at least 0, got {weights.data.min()}")
    >>> require(weights < 0.5, "weights stay below 0.5")
    Traceback (most recent call last):
        ...
    ValueError: weights stay below 0.5
    """
    if condition is True:  # as nearly always outside of a record
        return
    watching = recorder()
    holds = values(condition)
    if type(holds) is not bool and getattr(holds, "dtype", None) != np.dtype(bool):
        raise TypeError(
            "require: expected a condition, a bool or an array or Tensor of bool, got "
            f"{getattr(holds, 'dtype', type(holds).__name__)}. Compare, as in require(x > 0, …)."
        )
    if watching is not None and type(condition) is Tensor:
        watching.requirements.append(condition)
        if watching.other or not issubclass(type(holds), (np.ndarray, np.generic)):
            return  # it need not hold, or it is not known whether it does
    if not (holds if type(holds) is bool else holds.all()):
        if watching is not None and watching.other:
            raise Unrecorded(
                "what it requires is a bool that depends on values, and would not be asked again. "
                "Compare Tensors: require(x > 0, …), not x.data > 0"
            )
        raise error(message if isinstance(message, str) else message())


def draw(rng: np.random.Generator, shape: tuple[int, ...], method: Method = "random") -> Any:
    """``rng.random(shape)``, or another method: an array, in a program a Tensor drawn at each call.

    Only numbers drawn this way can be in a program: any others that a generator gives while a
    function is recorded would be the same at every call, and are refused.
    """
    watching = recorder()
    if watching is None:
        return getattr(rng, method)(shape)
    return watching.draw(rng, method, tuple(shape))
