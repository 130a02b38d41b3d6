"""Through which passes does a record become a program, in NumPy or in C?"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_rnn.program import passes, simplify, whole
from tinygrad_rnn.program.families import NoFamily
from tinygrad_rnn.program.graph import Arg, Value
from tinygrad_rnn.program.native import Function, Native, NoCompiler, Unwritable, alone
from tinygrad_rnn.program.native import write as write_c
from tinygrad_rnn.program.ops import KNOWN
from tinygrad_rnn.program.roll import roll
from tinygrad_rnn.program.trace import Refused, Trace
from tinygrad_rnn.program.write import Program, write

__all__ = ["PASSES", "WRITING", "Compiled"]

Pass = Callable[[list[Value], list[Value]], int]

PASSES: dict[str, tuple[str, Pass]] = {
    "steps": ("operations on whole sequences done step by step", whole.step_by_step),
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
WRITING = ("in_place", "transposes", "lifetimes")  # passes while NumPy is written
NUMPY_ALONE = frozenset(("gates", "early_sums", "early_products"))  # C's loops do better without
_SAME = frozenset(("stop_gradient", "pass_gradient"))
compile_source = compile


class Compiled:
    """The programs for one signature: what is called, its sources, and what the passes did."""

    def __init__(self, record: Trace, wanted: frozenset[str], target: str) -> None:
        unknown = sorted(
            {x.op.name for x in record.nodes if x.op and x.op.name not in KNOWN | _SAME}
        )
        if unknown:
            raise Refused(f"the primitive {unknown[0]} cannot be written in NumPy by itself")
        self.wanted, self.no_c = wanted, ""
        self.done: dict[str, int] = {}
        self.rolled, self.said = _rolled(record, "loops" in wanted)
        try:
            self.program = self._numpy()
        except NoFamily as error:
            self.rolled, _ = _rolled(record, False)
            self.said.append(str(error))
            self.program = self._numpy()
        self.lock = threading.Lock()
        self.native: Native | None = None
        if target == "c":
            try:
                self.native = Native(self.in_c)
            except (Unwritable, NoCompiler) as error:
                self.no_c = str(error)
        _check(self, record)

    @functools.cached_property
    def function(self) -> Callable[..., tuple[Any, ...]]:
        """The NumPy program, ready to be called."""
        names: dict[str, Any] = {}
        exec(compile_source(self.program.source, "<tinygrad_rnn program>", "exec"), names)
        return names["step"]

    def passed(self, leave_out: frozenset[str]) -> tuple[list[Value], list[Value], list[Value]]:
        """Values, outputs and arguments after the passes, in copies."""
        found, outputs, leaves = _copied(*self.rolled)
        self.done["of"] = len(found)
        for name, (_, apply) in PASSES.items():
            if name in self.wanted - leave_out:
                self.done[name] = apply(found, outputs)
                found = simplify.alive(found, outputs, leaves)
        self.done["values"] = len(found)
        return found, outputs, leaves

    def _numpy(self) -> Program:
        return write(*self.passed(frozenset()), *(name in self.wanted for name in WRITING))

    @functools.cached_property
    def in_c(self) -> Function:
        """The step in C, written but not built."""
        done, self.done = self.done, dict[str, int]()
        try:
            return write_c(*self.passed(NUMPY_ALONE))
        finally:
            self.done = done

    @functools.cached_property
    def c_source(self) -> str:
        """The program as one C file."""
        return alone(self.in_c)

    def __call__(self, arrays: list[Any]) -> tuple[Any, ...]:
        """Loss and gradients."""
        if self.native is not None:
            return self.native(arrays)
        with self.lock:  # the buffers are shared by all calls
            return self.function(*arrays, *self.program.constants.values())


def _check(program: Callable[[list[Any]], tuple[Any, ...]], record: Trace) -> None:
    """Compare with the record: what is printed must be what was recorded."""
    results = program([x.data for x in record.leaves])
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


Graph = tuple[list[Value], list[Value], list[Value]]


def _rolled(record: Trace, loops: bool) -> tuple[Graph, list[str]]:
    """Values, outputs and leaves of a record, and what kept parts of it from repeating."""
    found, outputs, said = roll(record, loops=loops)
    by_tensor = {v.options["leaf"]: v for v in found if v.op == "leaf"}
    leaves = [by_tensor[x] for x in record.leaves]
    for v in found:  # the record itself is needed no longer
        v.options = {k: x for k, x in v.options.items() if k not in ("family", "leaf")}
    return (found, outputs, leaves), said


def _copied(*lists: list[Value]) -> Graph:
    """The same graph once more, for passes to change."""
    new = {v: replace(v, options=dict(v.options)) for values in lists for v in values}

    def moved(a: Arg) -> Arg:
        return a._replace(value=new[a.value]) if isinstance(a.value, Value) else a

    for v in new.values():
        v.args = [moved(a) for a in v.args]
        v.init = {t: moved(a) for t, a in v.init.items()}
    values, outputs, leaves = ([new[v] for v in values] for values in lists)
    return values, outputs, leaves
