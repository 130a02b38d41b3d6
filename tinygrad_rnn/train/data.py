"""Which batch does a step get?

Batches come from a function of the step, or from `data`: a list of them, or anything else that can
be iterated over, once for each epoch.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.nn.arguments import is_number

__all__ = ["END", "source"]

END: Any = object()  # in place of a batch: the data has come to its end


def source(batch: Any, data: Any, epochs: int | None) -> tuple[Callable[[int], Any], int | None]:
    """A function from the step to its batch, and how many steps all epochs have, if it is known.

    Raises
    ------
    TypeError, ValueError
        There are both `batch` and `data`, or neither; they are none; there is no batch in them.
    """
    if (batch is None) == (data is None):
        raise TypeError(
            "fit: expected either batch=, a function of the step, or data=, a list or iterator of "
            f"batches; got {'neither' if batch is None else 'both'}."
        )
    if data is None:
        if not callable(batch):
            raise TypeError(
                f"fit: batch is a function of the step, got a {type(batch).__name__}. For a list "
                "or iterator of batches write data=batches, epochs=1; for the same data at every "
                "step lambda step: data."
            )
        if epochs is not None:
            raise ValueError(
                "fit: epochs counts passes through data=, and a function of the step has no end. "
                "Say steps=."
            )
        return batch, None
    if epochs is not None and not is_number(epochs):
        raise TypeError(f"fit: epochs is a whole number, got {epochs!r}.")
    if epochs is not None and (epochs < 0 or epochs != int(epochs)):
        raise ValueError(f"fit: epochs is a whole number of at least 0, got {epochs}.")
    if isinstance(data, tuple) and not (data and isinstance(data[0], tuple)):
        data = [data]  # one batch, as of `tasks`
    if isinstance(data, Sequence) and not isinstance(data, str):
        if not len(data):
            raise ValueError("fit: data holds no batch.")
        whole = None if epochs is None else epochs * len(data)
        return lambda step: _arguments(data[step % len(data)]), whole
    if not isinstance(data, Iterable) or isinstance(data, (str, np.ndarray)):
        raise TypeError(
            f"fit: data is a list or iterator of batches, tuples of the arguments of model.loss; "
            f"got a {type(data).__name__}. One batch at every step is data=[(xs, targets)]."
        )
    if isinstance(data, Iterator):
        if epochs not in (None, 1):
            raise ValueError(
                f"fit: an iterator can be used up only once, got epochs={epochs}. Say epochs=1, or "
                "make it a list."
            )
        epochs = 1
    return _Stream(data, epochs), None


def _arguments(batch: Any) -> Any:
    """A batch as a tuple; loaders of other libraries give lists."""
    return tuple(batch) if type(batch) is list else batch


class _Stream:
    """Batches in their order. A run that is resumed passes over those it has had."""

    def __init__(self, data: Iterable[Any], epochs: int | None) -> None:
        passes = itertools.count() if epochs is None else range(epochs)
        self.batches = self._all(data, passes)
        self.next = 0

    @staticmethod
    def _all(data: Iterable[Any], passes: Iterable[int]) -> Iterator[Any]:
        for _ in passes:
            empty = True
            for batch in data:
                empty = False
                yield _arguments(batch)
            if empty:
                raise ValueError("fit: data holds no batch.")

    def __call__(self, step: int) -> Any:
        passed = step - self.next
        self.next = step + 1
        return next(itertools.islice(self.batches, passed, None), END)
