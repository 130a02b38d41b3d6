"""Through which passes does a record become a program, in NumPy or in C?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from tinygrad_rnn.engine.backward import ancestors
from tinygrad_rnn.engine.primitive import Primitive
from tinygrad_rnn.engine.recorder import Draw, Recorder
from tinygrad_rnn.program.backends.c import Function, Native, NoCompiler, Unwritable
from tinygrad_rnn.program.backends.c import write as write_c
from tinygrad_rnn.program.backends.numpy.emit import NumPySource, write
from tinygrad_rnn.program.backends.numpy.source import Source
from tinygrad_rnn.program.backends.plain.emit import PlainText, plain
from tinygrad_rnn.program.backends.plain.lines import Lines
from tinygrad_rnn.program.constants import same_constant
from tinygrad_rnn.program.formula.equations import Equations
from tinygrad_rnn.program.ir.copies import copies
from tinygrad_rnn.program.ir.cost import cost_of
from tinygrad_rnn.program.ir.graph import Arg, Value, only_last, structure_of
from tinygrad_rnn.program.ir.lengths import Sample, dims_of
from tinygrad_rnn.program.ir.nodes import SAME
from tinygrad_rnn.program.ir.ops import OVER_TIME, is_count, written
from tinygrad_rnn.program.ir.recognise import cuts, through
from tinygrad_rnn.program.ir.reroll import roll
from tinygrad_rnn.program.ir.sequences import NoSequence
from tinygrad_rnn.program.locks import cached
from tinygrad_rnn.program.passes import algebra as passes
from tinygrad_rnn.program.passes import simplify, softmax, tiling
from tinygrad_rnn.program.passes.checkpointing import Graph, NoPartition, partition, segment_length
from tinygrad_rnn.program.passes.map_over_time import map_over_time
from tinygrad_rnn.program.record.trace import Refused, Trace, leaves_of
from tinygrad_rnn.program.runtime.run import Running, in_segments
from tinygrad_rnn.program.runtime.segments import Divider

__all__ = [
    "PASSES",
    "WRITING",
    "Options",
    "Program",
    "copied",
    "rolled",
    "same_program",
    "sample_of",
]

Pass = Callable[[list[Value], list[Value]], int]
WriteSegment = Callable[[Sequence[list[Value]]], tuple[Any, int]]  # a text, and bytes it works in

PASSES: dict[str, tuple[str, Pass]] = {
    "mapped": ("operations on all steps at once mapped over time", map_over_time),
    "unstacked": (
        "elements of what was stacked over time read where they were made",
        simplify.unstacked,
    ),
    "rows": ("sums over classes of what stands at one class known beforehand", passes.row_sums),
    "folded": ("operations on constants done once", simplify.folded),
    "copies": ("copies read where they were made", copies),
    "sums": ("recurrences that only add made sums over time", simplify.running_sums),
    "squares": ("derivatives of tanh written g*(1 - y*y)", passes.squares),
    "common": ("operations found a second time and dropped", simplify.common),
    "softmax": (
        "exponentials in gradients of log_softmax taken from its sum",
        softmax.exponentials,
    ),
    "gates": ("gates that are slices of one array squashed together", passes.gates),
    "early_sums": ("additions moved out of a loop", passes.early_sums),
    "early_products": ("multiplications moved out of a loop", passes.early_products),
    "small_first": ("rows added to each other, not each to all", passes.small_first),
    "products": ("sums over time of products made one product of all rows", passes.products),
    "batch_sums": ("sums over time and then over the batch made one", passes.batch_sums),
    "gate_layout": ("values of all gates kept gate by gate", tiling.gate_layout),
    "blocks": ("products divided into small ones", tiling.blocks),
}
WRITING = ("fusion", "transposes", "liveness", "loop_fusion")  # passes while NumPy is written
# C's loops do better without
NUMPY_ALONE = frozenset(("gates", "early_sums", "early_products", "gate_layout", "blocks"))
# in NumPy a hundredth faster, but not on one page
C_ALONE = frozenset(("softmax",))
DIVIDING = frozenset(("mapped", "unstacked", "folded", "sums", "common"))  # before time is divided
EQUATIONS = frozenset(("mapped", "unstacked", "sums", "rows", "squares", "common"))  # for reading


@dataclass(frozen=True)
class Options:
    """The wishes for a program; see `CompiledStep`."""

    passes: frozenset[str]
    target: str
    memory: str | int | None = None
    longest: int | None = None


class Program(Running):
    """The programs for one signature: the one that runs, its sources, the counts of passes."""

    program: NumPySource
    sample: Sample  # its graph, and the facts about gradients in its record

    def __init__(
        self,
        rolled: Graph,
        options: Options,
        used: list[bool],
        aux: Any,
        draws: Sequence[Draw],
        requires: bool,
        said: Sequence[str] = (),
        straight: Callable[[], Graph] | None = None,
    ) -> None:
        """`rolled` is the graph, or `straight` gives one, if what it repeats cannot be written.

        `said` tells what kept parts of it from repeating.
        """
        super().__init__(used, aux, draws, requires)
        self.rolled, self.options, self.wanted, self.said = rolled, options, options.passes, [*said]
        self.noted, self.done = list[str](), dict[str, int]()  # of memory; how often passes applied
        try:
            self.program = self._numpy()
        except NoSequence as error:
            if straight is None:
                raise
            self.rolled = straight()
            self.said.append(str(error))
            self.program = self._numpy()
        if options.target == "c":
            try:
                self._prepared(options.memory, self._segment_in_c)
                self.native = Native(self.in_c) if self.segments is None else None
            except (Unwritable, NoCompiler) as error:
                self.no_c = str(error)
        if options.target == "numpy" or self.no_c:
            self._prepared(options.memory, self._segment_in_numpy)

    @classmethod
    def of(cls, record: Trace, options: Options, recorder: Recorder) -> Program:
        """The programs for a record.

        Raises
        ------
        Refused
            There is something in it that no program is written in, or too much that does not
            repeat.
        """
        loops = "loops" in options.passes
        graph, said = rolled(record, recorder, options.longest, loops=loops)
        program = cls(
            graph, options, record.used, record.aux, recorder.draws, bool(recorder.requirements),
            said, lambda: rolled(record, recorder, options.longest, loops=False)[0],
        )  # fmt: skip
        program.sample = sample_of(program.rolled, record)
        return program

    @property
    def full(self) -> Program:
        """The program itself, with its graph and all that is known of it."""
        return self

    @cached
    def structure(self) -> str:  # type: ignore[override]
        """A digest, the same for all programs that differ by lengths alone."""
        return structure_of(self.rolled[0], self.rolled[2])

    def _prepared(self, memory: str | int | None, write_segment: WriteSegment) -> None:
        """Divide the step in time, if so wanted and if it can be."""
        if memory is None:
            return
        sizes: list[int] = []

        def written(*graph: list[Value]) -> Any:
            text, size = write_segment(graph)
            sizes.append(size)
            return text

        row = fixed = state = 0
        try:
            divided = partition(*_passed(copied(*self.rolled), DIVIDING & self.wanted))
            divider = Divider(divided, written)
            if (
                memory != "sqrt"
            ):  # bytes are counted; the room for a segment is linear in its length
                few = list[int]()
                for n in (2, 3):
                    sizes.clear()
                    divider.segment(n)
                    few.append(sum(sizes[-2:]))
                row, fixed = few[1] - few[0], 3 * few[0] - 2 * few[1]
                state = sum(v.dtype.itemsize * math.prod(v.shape) for v in divided.states)
            n = segment_length(divided.T, memory, row, fixed, state)
            self.segments = in_segments(divider.division(n))
        except (NoPartition, NoSequence) as error:
            self.noted.append(f"not divided in time: {error}")

    def _segment_in_numpy(self, graph: Sequence[list[Value]]) -> tuple[Any, int]:
        wanted = self.wanted - C_ALONE
        program = write(*_passed(graph, wanted), *(x in self.wanted for x in WRITING))
        if program.constants:
            raise NoPartition(f"it holds the large array {next(iter(program.constants))}")
        return Source(**{x.name: getattr(program, x.name) for x in fields(Source)}), program.buffers

    def _segment_in_c(self, graph: Sequence[list[Value]]) -> tuple[Any, int]:
        function = write_c(*_passed(graph, self.wanted - NUMPY_ALONE))
        return function, function.bytes

    def passed(self, leave_out: frozenset[str]) -> tuple[list[Value], list[Value], list[Value]]:
        """Values, outputs and arguments after the passes, in copies."""
        self.done["of"] = len(self.rolled[0])
        found = _passed(copied(*self.rolled), self.wanted - leave_out, self.done)
        self.done["values"] = len(found[0])
        return found

    def explained(self) -> list[str]:
        """A line for each pass: how often it applied, and its savings by the model of `cost`."""
        program, done = self.program, self.done
        saved = _saved(copied(*self.rolled), self.wanted - C_ALONE)
        times = {name: f"{done.get(name, 'in C:')} {what}" for name, (what, _) in PASSES.items()}
        times["fusion"] = f"{program.inlined} operations computed where they are read"
        times["transposes"] = "weights transposed once, not at every step"
        times["loop_fusion"] = f"{program.loop_fusion} operations on whole sequences done in loops"
        times["liveness"] = f"{program.reused} buffers that were free taken again"
        lines = [f"{done['of']} sequences and single values, {done['values']} after the passes"]
        for name, what in times.items():
            if name in self.wanted:
                lines.append(f"{name}: {what}" + (f"; {saved[name]}" if saved[name] else ""))
        for c in program.loops:
            where = "forward" if c.direction == 1 else "backward"
            lines.append(f"loop {where} in time: {len(c.values)} operations per step")
        over_time = [v for v in program.values if v.op in OVER_TIME]
        sums = sum(not is_count(v) for v in over_time)
        calls, _, flops = cost_of(program.values, program.components)
        lines += [f"{sums} sums over time", f"{calls:,} calls and {flops:,} operations on numbers"]
        lines.append(f"{program.buffers:,} bytes of buffers")
        if self.segments is not None:
            p = self.segments.division
            lines.append(f"divided in time: segments of {p.n} steps, {p.states} states at one time")
        return lines + self.noted + [f"not repeated: {why}" for why in self.said]

    def _numpy(self) -> NumPySource:
        ways = {name: name in self.wanted for name in WRITING}
        return write(*self.passed(C_ALONE), **ways, requires=self.requires)

    @cached
    def in_c(self) -> Function:
        """The step in C, written but not built."""
        done, self.done = self.done, dict[str, int]()
        try:
            return write_c(*self.passed(NUMPY_ALONE), self.requires)
        finally:
            self.done = done | {name: n for name, n in self.done.items() if name in C_ALONE}

    @cached
    def equations(self) -> Equations:
        """The equations of the step, without what counts whether its requirements hold."""
        return Equations(*self._for_reading(), self.parameters)

    @cached
    def forward_equations(self) -> Equations:
        """The equations of the loss alone."""
        values, outputs, leaves = copied(*self.rolled)
        values = simplify.alive(values, outputs[:1], leaves)
        return Equations(*_passed((values, outputs[:1], leaves), EQUATIONS), 0)

    @cached
    def plain(self) -> PlainText:
        """The step for a reader, without what counts whether its requirements hold."""
        values, outputs, leaves = self._for_reading()
        return plain(Lines(values, outputs, leaves, self.parameters), self.said, self.requires)

    def _for_reading(self) -> Graph:
        values, outputs, leaves = copied(*self.rolled)
        if self.requires:
            outputs = outputs[:-1]
            values = simplify.alive(values, outputs, leaves)
        return _passed((values, outputs, leaves), EQUATIONS)

    @property
    def parameters(self) -> int:
        """The number of parameters among the arguments: after the loss come as many gradients."""
        beside = sum(x is not None for _, x in leaves_of(self.aux, "aux"))
        return len(self.rolled[1]) - 1 - beside - self.requires


def _passed(
    graph: Sequence[list[Value]], wanted: frozenset[str], done: dict[str, int] | None = None
) -> Graph:
    """A graph after the passes that are wanted."""
    found, outputs, leaves = graph
    for name, (_, apply) in PASSES.items():
        if name in wanted:
            count = apply(found, outputs)
            found = simplify.alive(found, outputs, leaves)
            if done is not None:
                done[name] = count
    return found, outputs, leaves


def _saved(graph: Sequence[list[Value]], wanted: frozenset[str]) -> dict[str, str]:
    """The change in calls, bytes and operations by each pass."""
    found, outputs, leaves = graph
    before, said = cost_of(found), dict[str, str]()
    for name in PASSES:
        found, outputs, leaves = _passed((found, outputs, leaves), wanted & {name})
        after = cost_of(found)
        said[name], before = after.against(before), after
    without = {name: write(found, outputs, leaves, *(x != name for x in WRITING)).buffers
               for name in WRITING}  # fmt: skip
    with_all = write(found, outputs, leaves).buffers
    for name, size in without.items():
        said[name] = f"bytes of buffers {size:,} → {with_all:,}" if size != with_all else ""
    return said


def same_program(T: int, numbers: dict[Any, Any], U: int, others: dict[Any, Any]) -> bool:
    """True if the numbers of one program are those of another of T steps, for U steps.

    Then the function need not be run on other values to see whether it bakes some in. A value taken
    from its arguments past the record stands in the text, which is that of a program found free of
    such values, or among the numbers. These are equal, or in proportion to the length or to its
    inverse, as the count of a mean is. A number taken from data is not, but by chance.
    """
    alike = numbers.keys() == others.keys()
    return alike and all(_scaled(x, T, others[name], U) for name, x in numbers.items())


def _scaled(x: Any, T: int, y: Any, U: int) -> bool:
    if same_constant(x, y):
        return True
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype != y.dtype or not x.size or not y.size or not T or not U:
        return False
    if x.ndim == y.ndim == 1 and (x == np.arange(len(x))).all() and (y == np.arange(len(y))).all():
        return True
    a, b = x.flat[0], y.flat[0]
    if not ((x == a).all() and (y == b).all()):
        return False
    return any(
        math.isclose(u, v, rel_tol=1e-6 if x.dtype == np.float32 else 1e-14)
        for u, v in ((a, b), (a * T, b * U), (a / T, b / U))
    )


def rolled(
    record: Trace, recorder: Recorder, longest: int | None, *, loops: bool = True
) -> tuple[Graph, list[str]]:
    """Values, outputs and leaves of a record, and why parts of it do not repeat.

    Values that only count whether requirements hold come last.

    Raises
    ------
    Refused
        See `Program.of`.
    """
    ops = {x.op for x in record.nodes if isinstance(x.op, Primitive)}
    unknown = sorted(op.name for op in ops if op.name not in SAME and not written(op))
    if unknown:
        raise Refused(
            f"programs have no form for your primitive {unknown[0]}: register_lowering("
            f'{unknown[0]}, numpy="…") gives it one, a function made of other primitives needs none'
        )
    found, outputs, said = roll(record, loops=loops)
    if longest is not None and len(found) > longest:
        why = said[0] if said else "no operation of it comes again at a next step"
        raise Refused(f"too much of its record does not repeat: {why}")
    by_tensor = {v.options["leaf"]: v for v in found if v.op == "leaf"}
    leaves = [by_tensor[x] for x in record.leaves]
    for draw in recorder.draws:
        by_tensor[draw.leaf].options["drawn"] = draw.method
    outputs[0].name = outputs[0].name if outputs[0].named else "loss"
    for v in found:  # the record itself is needed no longer
        v.options = {k: x for k, x in v.options.items() if k not in ("sequence", "leaf")}
    if recorder.requirements:
        last = max(v.serial for v in found)
        for v in only_last(outputs):
            v.serial += last
    return (found, outputs, leaves), said


def sample_of(graph: Graph, record: Trace) -> Sample:
    """The graph of a record, for other lengths to be compared with."""
    values, outputs, leaves = graph
    parameters = len(record.used)
    ends = [x for k, x in enumerate(record.outputs) if not 1 <= k <= parameters]
    sample = Sample(dims_of(v.shape for v in leaves), values, outputs, leaves, cuts(record.nodes))
    nodes = ancestors(*ends, *record.leaves)
    return sample._replace(through=through(sample, record.leaves, nodes, ends))


def copied(*lists: list[Value]) -> Graph:
    """The same graph once more, for passes to change."""
    new = {v: replace(v, options=dict(v.options)) for values in lists for v in values}

    def moved(a: Arg) -> Arg:
        return a._replace(value=new[a.value]) if isinstance(a.value, Value) else a

    for v in new.values():
        v.args = [moved(a) for a in v.args]
        v.initial = {t: moved(a) for t, a in v.initial.items()}
    values, outputs, leaves = ([new[v] for v in values] for values in lists)
    return values, outputs, leaves
