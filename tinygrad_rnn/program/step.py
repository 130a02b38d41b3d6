"""How is a step compiled, and what is done when it cannot be?"""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import grad
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program import passes, simplify
from tinygrad_rnn.program.families import NoFamily
from tinygrad_rnn.program.graph import Value
from tinygrad_rnn.program.loops import components
from tinygrad_rnn.program.ops import KNOWN
from tinygrad_rnn.program.roll import roll
from tinygrad_rnn.program.trace import Refused, Trace, gradient_leaves, leaves_of, trace
from tinygrad_rnn.program.write import Program, write

__all__ = ["CompiledStep", "compile"]

PASSES: dict[str, tuple[str, Callable[[list[Value], list[Value]], int]]] = {
    "unstacked": (
        "elements of what was stacked over time read where they were made",
        simplify.unstacked,
    ),
    "folded": ("operations on constants done once", simplify.folded),
    "sums": ("recurrences that only add made sums over time", simplify.running_sums),
    "rows": ("sums over classes of what stands at one class known beforehand", passes.row_sums),
    "squares": ("derivatives of tanh written g*(1 - y*y)", passes.squares),
    "common": ("operations found a second time and dropped", simplify.common),
    "gates": ("gates that are slices of one array squashed together", passes.gates),
    "early_sums": ("additions moved out of a loop", passes.early_sums),
    "early_products": ("multiplications moved out of a loop", passes.early_products),
    "products": ("sums over time of products made one product of all rows", passes.products),
    "batch_sums": ("sums over time and then over the batch made one", passes.batch_sums),
}
WRITING = ("in_place", "transposes", "lifetimes")  # passes while it is written


class Compiled:
    """One program for one signature: its function, source and what the passes did."""

    def __init__(self, record: Trace, wanted: frozenset[str]) -> None:
        unknown = sorted(
            {x.op.name for x in record.nodes if x.op and x.op.name not in KNOWN | _SAME}
        )
        if unknown:
            raise Refused(f"the primitive {unknown[0]} cannot be written in NumPy by itself")
        self.done: dict[str, int] = {}
        found, outputs, self.said = roll(record, loops="loops" in wanted)
        try:
            self.program = self._passed(found, outputs, record, wanted)
        except NoFamily as error:
            found, outputs, _ = roll(record, loops=False)
            self.said.append(str(error))
            self.program = self._passed(found, outputs, record, wanted)
        self.lock = threading.Lock()
        names: dict[str, Any] = {}
        exec(compile_source(self.program.source, "<tinygrad_rnn program>", "exec"), names)
        self.function = names["step"]
        self.constants = list(self.program.constants.values())
        self._check(record)

    def _passed(
        self, found: list[Value], outputs: list[Value], record: Trace, wanted: frozenset[str]
    ) -> Program:
        by_tensor = {v.options["leaf"]: v for v in found if v.op == "leaf"}
        leaves = [by_tensor[x] for x in record.leaves]
        before = len(found)
        for name, (_, apply) in PASSES.items():
            if name in wanted:
                self.done[name] = apply(found, outputs)
                found = simplify.alive(found, outputs, leaves)
        self.done["values"], self.done["of"] = len(found), before
        return write(found, outputs, leaves, *(name in wanted for name in WRITING))

    def __call__(self, arrays: list[Any]) -> tuple[Any, ...]:
        """Loss and gradients."""
        with self.lock:  # the buffers are shared by all calls
            return self.function(*arrays, *self.constants)

    def _check(self, record: Trace) -> None:
        """Compare with the record: what is printed must be what was recorded."""
        results = self([x.data for x in record.leaves])
        for x, y in zip(record.outputs, results, strict=True):
            exact = np.asarray(x.data)
            scale = max(np.abs(exact).max(initial=0), 1e-30)
            tolerance = 1e-9 if x.dtype == np.float64 else 1e-2
            same = np.allclose(y, exact, rtol=0, atol=tolerance * scale, equal_nan=True)
            if y.shape != exact.shape or y.dtype != exact.dtype or not same:
                raise Refused(
                    f"the program gives another result than the record for {x.name or 'a gradient'}"
                    " (a mistake in the compiler: please report it)"
                )


KEPT = 16  # programs at a time
_SAME = frozenset(("stop_gradient", "pass_gradient"))
compile_source = compile


class CompiledStep:
    """Loss and gradients of a function by a program printed from its record; see `compile`.

    Attributes
    ----------
    source
        The program last used, as NumPy that runs by itself; empty if it could not be compiled.
    constants
        Large arrays that the function took from outside: what `source` is given beside the
        arguments. Copies, so changing them outside afterwards changes nothing.
    stats
        Counts: ``calls``; ``recorded``, one per signature; ``structures``, programs that are
        different but for lengths; ``eager``, calls that no program served.
    """

    def __init__(self, loss_fn: Callable[..., Any], without: tuple[str, ...]) -> None:
        unknown = sorted(set(without) - {*PASSES, *WRITING, "loops"})
        if unknown:
            raise ValueError(
                f"compile: there is no pass {unknown[0]!r} to leave out; there are "
                f"{', '.join(['loops', *PASSES, *WRITING])}."
            )
        self.loss_fn = loss_fn
        self.passes = frozenset({*PASSES, *WRITING, "loops"} - set(without))
        self.stats = {"calls": 0, "recorded": 0, "structures": 0, "eager": 0}
        self.reason = ""
        self._programs: dict[Any, Compiled | str] = {}
        self._structures: set[Any] = set()
        self._last: Compiled | None = None
        self._names = _argument_names(loss_fn)

    @property
    def constants(self) -> dict[str, np.ndarray]:
        """Large arrays that the function took from outside, as the program's last arguments."""
        return dict(self._last.program.constants) if self._last else {}

    @property
    def source(self) -> str:
        """The program last used."""
        return self._last.program.source if self._last else ""

    def __call__(self, params: Any, *args: Any) -> tuple[Any, Any]:
        """Loss and gradients with respect to all Tensors in `params`."""
        self.stats["calls"] += 1
        wrt = [p for _, p in leaves_of(params, "params")]
        for p in wrt:
            if type(p) is not Tensor:
                raise TypeError(
                    f"compiled step: expected params to hold Tensors alone, got {type(p).__name__}."
                    " What is no parameter is an argument of its own."
                )
        ends = [x for arg in args for _, x in leaves_of(arg, "")]
        arrays: list[Any] = [p.data for p in wrt]
        fixed = []
        for x in ends:
            if isinstance(x, (Tensor, np.ndarray, np.generic, int, float)):
                arrays.append(np.asarray(values(x)))
            else:
                fixed.append(x)
        key = (tuple((x.shape, x.dtype) for x in arrays), repr(fixed), _outline(args))
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = self._compile(params, args)
            self._keep_few()
        if isinstance(program, str):
            self.reason, self._last = program, None
            self.stats["eager"] += 1
            return self._eager(params, wrt, args)
        self._last, self.reason = program, ""
        loss, *gradients = program(arrays)
        return loss[()], gradient_leaves(params, iter(gradients))

    def _keep_few(self) -> None:
        """Forget the oldest programs, whose buffers take memory; say when none is used twice."""
        while len(self._programs) > KEPT:
            del self._programs[next(iter(self._programs))]
        if self.stats["recorded"] == self.stats["calls"] == KEPT:
            warnings.warn(
                f"compiled step: the first {KEPT} calls had {KEPT} different signatures, and each "
                "was recorded anew. Pad sequences to a few lengths, or run eagerly.",
                stacklevel=3,
            )

    def _compile(self, params: Any, args: tuple[Any, ...]) -> Compiled | str:
        self.stats["recorded"] += 1
        names = [*self._names[1:], *(f"x{k}" for k in range(len(args)))][: len(args)]
        try:
            record = trace(self.loss_fn, params, args, names)
        except Refused as error:
            return f"not compiled: {error}."
        except TypeError as error:
            return f"not compiled: the function does not run on Tensors ({error})"
        try:
            found = Compiled(record, self.passes)
        except (Refused, AssertionError, KeyError) as error:
            try:  # a structure that looked like a recurrence and cannot be written as one
                found = Compiled(record, self.passes - {"loops"})
                found.said.append(f"the loops found could not be written ({error})")
            except Refused as again:
                return f"not compiled: {again}."
        shape = _structure(found)
        if shape not in self._structures:
            self._structures.add(shape)
            self.stats["structures"] += 1
        return found

    def _eager(self, params: Any, wrt: list[Tensor], args: tuple[Any, ...]) -> tuple[Any, Any]:
        loss = self.loss_fn(params, *args)
        gradients = grad(loss, wrt, unused="zero")
        return loss.data, gradient_leaves(params, iter(gradients))

    def explain(self) -> str:
        """What the passes did, in counts, and what stayed in loops; or why there is no program."""
        if self._last is None:
            return self.reason or "nothing compiled yet: call it first."
        program, done = self._last.program, self._last.done
        lines = [f"{done['of']} families and single values, {done['values']} after the passes"]
        lines += [f"{name}: {done[name]} {PASSES[name][0]}" for name in PASSES if name in done]
        for c in program.loops:
            where = "forward" if c.direction == 1 else "backward"
            lines.append(f"loop {where} in time: {len(c.values)} operations per step")
        sums = sum(v.op in ("sum_t", "gemm_t", "scatter_t") for v in program.values)
        lines += [f"{sums} sums over time", f"{program.buffers} bytes of buffers"]
        lines.append(f"in_place: {program.inside} operations computed where they are read")
        lines.append(f"lifetimes: {program.reused} buffers that were free taken again")
        return "\n".join(lines + [f"not repeated: {why}" for why in self._last.said])


def compile(loss_fn: Callable[..., Any], *, without: tuple[str, ...] = ()) -> CompiledStep:
    """Loss and gradients of ``loss_fn(params, *args)`` as a short NumPy program.

    Parameters
    ----------
    loss_fn
        Gives a scalar Tensor from `params`, a module or a structure (dict, list, tuple) of Tensors,
        and arguments: arrays, numbers or structures of them. They reach it as Tensors.
    without
        Passes to leave out, by name: ``loops``, and those that `explain` lists.

    Returns
    -------
    A function ``loss, grads = step(params, *args)``. It records once for each signature of shapes
    and dtypes, rolls the record up, and runs the program ``step.source`` from then on. Results are
    copies, in the structure of `params`; of a module a dict by path. What cannot be compiled runs
    eagerly, and ``step.explain()`` says why.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_rnn import Tensor, compile, tanh
    >>> step = compile(lambda p, x: (tanh(x @ p["W"]) * 2.0).sum())
    >>> loss, grads = step({"W": Tensor(np.eye(2))}, np.ones((3, 2)))
    >>> grads["W"].shape
    (2, 2)
    """
    return CompiledStep(loss_fn, without)


def _outline(args: Any) -> str:
    """The structure of arguments, without their values."""
    if isinstance(args, dict):
        return "{" + ",".join(f"{k}:{_outline(v)}" for k, v in args.items()) + "}"
    if isinstance(args, (list, tuple)):
        return f"{type(args).__name__}({','.join(map(_outline, args))})"
    return "."


def _argument_names(f: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return []


def _structure(found: Compiled) -> Any:
    """A program without its lengths: operations, in their loops, with their operands."""
    return tuple(
        (
            c.loop,
            tuple((v.op, v.name, tuple((a.kind, len(v.shape)) for a in v.args)) for v in c.values),
        )
        for c in components(found.program.values)
    )
