"""What is in a model: how many parameters, by which formula, and what does a call cost?"""

from __future__ import annotations

import html
import inspect
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.blocks import Observer
from tinygrad_rnn.engine.costs import operations
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.time import unroll

__all__ = ["Summary", "SummaryRow", "summary"]

# The letters of sizes in a formula, and numbers that no size has: a prime each.
_LETTERS: dict[str, str] = {
    "input_size": "I",
    "in_features": "I",
    "hidden_size": "H",
    "output_size": "O",
    "out_features": "O",
    "num_embeddings": "N",
    "embedding_dim": "D",
}
_ORDER = "IHOND"
_PRIMES: dict[str, int] = dict(zip(_ORDER, (211, 223, 227, 229, 233), strict=True))
_NUMBERS = (3, 6)  # columns on the right
_LARGEST = 64  # factor of a size, as the 4 of an LSTM


class SummaryRow(NamedTuple):
    """One module of a model.

    Attributes
    ----------
    path, module
        Where it is, "" for the model itself, and its class.
    output
        Shape of what its first call gave; "" if it was not called.
    parameters, formula
        How many numbers its own parameters have, and how that follows from its sizes; "" where no
        formula is known.
    states
        Letters and shapes of a cell's state.
    operations
        Done in all of its calls, outside of modules in it: see `measure.cost`.
    """

    path: str
    module: str
    output: str
    parameters: int
    formula: str
    states: str
    operations: int


@dataclass(frozen=True)
class Summary:
    """A table of a model's modules: text when it is printed, HTML in a notebook.

    Attributes
    ----------
    rows
        A `SummaryRow` for the model and each module in it.
    bytes
        Of all parameters.
    """

    rows: tuple[SummaryRow, ...]
    bytes: int

    @property
    def parameters(self) -> int:
        """The number of parameters, shared ones once."""
        return sum(row.parameters for row in self.rows)

    @property
    def operations(self) -> int:
        """The operations of the call, going forward."""
        return sum(row.operations for row in self.rows)

    def cells(self) -> list[list[str]]:
        """The table as text: a header, one line for each row, the sum."""
        head = ["path", "module", "output", "parameters", "formula", "states", "operations"]
        lines = [[*map(_text, row)] for row in self.rows]
        total = ["", "sum", "", _text(self.parameters), f"{self.bytes:,} bytes", ""]
        return [head, *lines, [*total, _text(self.operations)]]

    def __str__(self) -> str:
        lines = self.cells()
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = [
            "  ".join(
                x.rjust(n) if k in _NUMBERS else x.ljust(n)
                for k, (x, n) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        rule = "─" * max(map(len, texts))
        return "\n".join([texts[0], rule, *texts[1:-1], rule, texts[-1]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *lines = self.cells()
        rows = ["".join(f"<th>{x}</th>" for x in head)]
        rows += ["".join(map(_column, range(len(line)), line)) for line in lines]
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _column(k: int, text: str) -> str:
    side = ' style="text-align: right"' if k in _NUMBERS else ""
    # a shape, or a formula, stays on one line
    shown = re.sub(r"(?<=,) (?=\d)|(?<=\w) (?=\()| (?=\+)|(?<=\+) ", "&nbsp;", html.escape(text))
    return f"<td{side}>{shown}</td>"


def summary(model: Module, *args: Any, **options: Any) -> Summary:
    """The modules of a model: parameters with the formula that counts them, shapes, operations.

    Parameters
    ----------
    model
        A Module. A cell is run through time; a model that cannot be called is asked for its
        ``loss``.
    *args, **options
        Of one call, for shapes and operations; without them the parameters are counted alone.

    Raises
    ------
    TypeError
        `model` is no Module.

    Examples
    --------
    >>> from tinygrad_rnn import nn
    >>> print(summary(nn.many_to_one(3, 4, 2, cell=nn.LSTMCell), np.zeros((5, 1, 3))))
    path  module         output          parameters  formula          states              operations
    ────────────────────────────────────────────────────────────────────────────────────────────────
          SequenceModel  (1, 2)                   0                                                0
    cell  LSTMCell       (1, 4), (1, 4)         144  4·H·(I + H + 2)  h (1, 4), c (1, 4)       1,540
    read  Linear         (1, 2)                  10  O·(I + 1)                                    18
    ────────────────────────────────────────────────────────────────────────────────────────────────
          sum                                   154  1,232 bytes                               1,558
    """
    if not isinstance(model, Module):
        raise TypeError(
            f"summary: expected a Module, got a {type(model).__name__}. Make cells and functions "
            "attributes of one."
        )
    found = dict(_modules(model))
    own: dict[str, dict[str, Tensor]] = {path: {} for path in found}
    for path, p in model.named_parameters().items():
        home = _home(path, own)
        own[home][path[len(home) :].strip(".")] = p
    seen = _Seen()
    if args or options:
        with _watched(found, seen), seen:
            _call(model)(*args, **options)
    shared = {x: f"{x.rpartition('.')[2]} is {of}" for x, of in model.shared_parameters().items()}
    rows = []
    for path, module in found.items():
        known = [formula(module, {k: p.shape for k, p in own[path].items()})]
        known += [said for other, said in shared.items() if _home(other, own) == path]
        rows.append(
            SummaryRow(
                path,
                type(module).__name__,
                seen.outputs.get(path, ""),
                sum(p.size for p in own[path].values()),
                "; ".join(filter(None, known)),
                seen.states.get(path, ""),
                seen.operations[path],
            )
        )
    return Summary(tuple(rows), sum(p._data.nbytes for p in model.parameters()))


def _call(model: Any) -> Callable[..., Any]:
    if hasattr(model, "initial_state"):
        return partial(unroll, model)
    if not callable(model) and hasattr(model, "loss"):
        return model.loss
    return model


# -- where modules are ----------------------------------------------------------------------------


def _modules(model: Module) -> Iterator[tuple[str, Module]]:
    """The model and the modules in it, in lists and dicts too, each once, by path."""
    todo: list[tuple[str, Any]] = [("", model)]
    seen: set[int] = set()
    while todo:
        path, x = todo.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        inside: dict[Any, Any] = {}
        if isinstance(x, Module):
            yield path, x
            inside = vars(x)
        elif isinstance(x, dict):
            inside = x
        elif isinstance(x, (list, tuple)):
            inside = dict(enumerate(x))
        todo += [(f"{path}.{k}".strip("."), y) for k, y in reversed(inside.items())]


def _home(path: str, homes: dict[str, Any]) -> str:
    """The longest of the paths that this one begins with."""
    while path and path not in homes:
        path = path.rpartition(".")[0]
    return path


# -- what a call does -----------------------------------------------------------------------------


class _Seen(Observer):
    """Counts operations by the innermost module that runs."""

    def __init__(self) -> None:
        self.running = [""]
        self.operations: Counter[str] = Counter()
        self.outputs: dict[str, str] = {}
        self.states: dict[str, str] = {}

    def recorded(self, out: Tensor) -> None:
        """Count it."""
        self.operations[self.running[-1]] += operations(out)


@contextmanager
def _watched(found: dict[str, Module], seen: _Seen) -> Iterator[None]:
    """Inside, each of these modules says when it is called. A copy of one does too."""
    classes = {path: type(module) for path, module in found.items()}
    try:
        for path, cls in classes.items():
            if callable(found[path]):
                watched = {"__call__": _watching(path, cls, seen), "__slots__": ()}
                found[path].__class__ = type(cls)(cls.__name__, (cls,), watched)
        yield
    finally:
        for path, cls in classes.items():
            found[path].__class__ = cls


def _watching(path: str, cls: type, seen: _Seen) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **options: Any) -> Any:
        seen.running.append(path)
        try:
            found = cls.__call__(self, *args, **options)
        finally:
            seen.running.pop()
        seen.outputs.setdefault(path, _shapes(found))
        if hasattr(self, "initial_state") and len(args) > 1 and args[1] is not None:
            letters = getattr(self, "state_letters", ())
            seen.states.setdefault(path, _shapes(args[1], letters))
        return found

    return call


def _shapes(x: Any, letters: tuple[str, ...] = ()) -> str:
    shapes = [str(np.shape(values(leaf))) for leaf in tree.leaves(x)]
    if len(letters) == len(shapes):
        shapes = [f"{letter} {shape}" for letter, shape in zip(letters, shapes, strict=True)]
    return ", ".join(shapes)


def _text(x: Any) -> str:
    return f"{x:,}" if isinstance(x, int) else x


# -- the formula ----------------------------------------------------------------------------------


def formula(module: Module, shapes: dict[str, tuple[int, ...]]) -> str:
    """The number of a module's own parameters as a formula of its sizes; "" if none is known.

    A second module of the class, whose sizes are primes, shows which size each axis goes with.
    """
    twin = _twin(module)
    own = [getattr(twin, name, None) for name in shapes]
    if not own or any(type(p) is not Tensor for p in own):
        return ""
    terms: Counter[str] = Counter()  # letters, sorted, and how often
    for p, shape in zip(own, shapes.values(), strict=True):
        count, letters = 1, ""
        for n, m in zip(np.shape(values(p)), shape, strict=True):
            known = [(n // p, x) for x, p in _PRIMES.items() if n % p == 0 and n // p <= _LARGEST]
            if not known and n != m:
                return ""
            factor, letter = known[0] if known else (n, "")
            count, letters = count * factor, letters + letter
        terms["".join(sorted(letters, key=_ORDER.index))] += count
    sizes = {x: getattr(module, name) for name, x in _LETTERS.items() if hasattr(module, name)}
    value = sum(n * math.prod(sizes[x] for x in letters) for letters, n in terms.items())
    return _factored(terms) if value == sum(map(math.prod, shapes.values())) else ""


def _twin(module: Module) -> Module | None:
    """A module of the same class and options, whose sizes are primes; None if none can be made."""
    given = inspect.signature(type(module)).parameters
    options = {name: x for name, x in vars(module).items() if name in given}
    sizes = {name: _PRIMES[_LETTERS[name]] for name in options if name in _LETTERS}
    try:
        return type(module)(**{**options, **sizes})
    except (TypeError, ValueError):
        return None


def _factored(terms: Counter[str]) -> str:
    """``4·H·(I + H + 2)`` of 4·I·H + 4·H·H + 8·H."""
    whole, common = math.gcd(*terms.values()), Counter(next(iter(terms)))
    for letters in terms:
        common &= Counter(letters)
    inside = []
    for letters, n in terms.items():
        rest = "".join((Counter(letters) - common).elements())
        inside.append((not rest, _product(n // whole, rest)))
    outside = _product(whole, "".join(common.elements()))
    summed = " + ".join(text for _, text in sorted(inside, key=lambda x: x[0]))
    if len(inside) == 1:
        return _product(whole, "".join(next(iter(terms))))
    return f"{outside}·({summed})" if outside != "1" else summed


def _product(n: int, letters: str) -> str:
    return "·".join([*[str(n)] * (n != 1 or not letters), *letters])
