"""In which order is everything computed, and what in one pass?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_rnn.program.backends.c import products
from tinygrad_rnn.program.backends.c.aliasing import Parts, aliases, coalesce
from tinygrad_rnn.program.backends.c.index import Affine
from tinygrad_rnn.program.backends.c.kernel import Constants, Kernel
from tinygrad_rnn.program.backends.c.liveness import owners
from tinygrad_rnn.program.backends.c.loop_nests import LoopNests
from tinygrad_rnn.program.backends.c.materialise import DEAR, split_operands
from tinygrad_rnn.program.backends.c.names import TYPES, words
from tinygrad_rnn.program.backends.c.operands import Unwritable, dtype_of
from tinygrad_rnn.program.backends.c.storage import Storage
from tinygrad_rnn.program.ir.graph import Arg, Value, only_last
from tinygrad_rnn.program.ir.ops import ELEMENTWISE

__all__ = ["Function", "write"]

REQUIRED = "/* required by the function: how many elements fail */"
ALIGNED = 64  # bytes: where each array begins
LONG = "more of it does not repeat than a C compiler takes; explain() names what does not"
MOST = 2500  # operations; beyond, a compiler takes minutes


@dataclass(frozen=True)
class Function:
    """A step in C.

    Attributes
    ----------
    text
        The function; nothing in it but `T` depends on the length of the longest loop.
    leaves, constants, outputs
        Its arguments in order: name, type in C and shape, in which "T" stands for that length; the
        constants are arrays.
    rooms
        The arrays it works in: how many elements, as a factor of T and a number, their type in C,
        and how many bytes each takes.
    """

    text: str
    leaves: list[tuple[str, str, tuple[Any, ...]]]
    constants: list[np.ndarray]
    outputs: list[tuple[str, str, tuple[Any, ...]]]
    rooms: list[tuple[int, int, str, int]]
    T: int
    arguments: list[tuple[tuple[int, ...], Any]]  # shapes and dtypes for this T
    results: list[tuple[tuple[int, ...], Any]]
    requires: bool = False  # whether the last output counts what does not hold

    @property
    def bytes(self) -> int:
        """Of the memory it works in."""
        many = (((k * self.T + n) * size) for k, n, _, size in self.rooms)
        return sum(-(-n // ALIGNED) * ALIGNED for n in many)

    @property
    def room(self) -> str:
        """The same for any `T`, as an expression in C."""
        sizes = (f"({Affine((('T', k),) if k else (), n)})*sizeof({kind}) + {ALIGNED}"
                 for k, n, kind, _ in self.rooms)  # fmt: skip
        return " + ".join(sizes) or "0"


def write(
    values: list[Value], outputs: list[Value], leaves: list[Value], requires: bool = False
) -> Function:
    """The function that computes `outputs` from `leaves`; the last may be what `requires` counts.

    Raises
    ------
    Unwritable
        There is something in it that has no form in C.
    """
    for v in values:
        for dtype in (v.dtype, *map(dtype_of, v.operands)):
            if str(dtype) not in TYPES:
                raise Unwritable(f"C here has no numbers of dtype {dtype}, as {v.name or v.op} has")
    values, outputs = list(values), list(outputs)
    for j, v in enumerate(outputs):  # each is an array of its own
        if v in outputs[:j] or v.op == "leaf" or v.lo is not None:
            kind = "one" if v.lo is None else "step"
            outputs[j] = Value(
                "copy", [Arg(kind, v)], {}, v.shape, v.dtype, v.name, serial=v.serial
            )
            values.append(outputs[j])
    split_operands(values)
    if len(values) > MOST:
        raise Unwritable(LONG)
    storage = Storage(values, outputs, leaves)
    counted = only_last(outputs) if requires else set[Value]()
    while True:
        constants = Constants()
        plan = planned(storage, LoopNests(storage, constants))
        times = Counter(v for _, kernels in plan for kernel in kernels for v in kernel.formulas)
        again = {v for v, n in times.items() if n > 1 and (v.op in DEAR or n > 2)}
        if not again:
            while coalesce(storage, body(storage, plan, constants, counted)):
                storage.unpack()
                plan = planned(storage, LoopNests(storage, constants))
            return function(storage, plan, constants, counted)
        storage.materialised |= again  # rather than computed several times
        storage.lay_out()


Plan = list[tuple[Any, list[Kernel]]]


def planned(storage: Storage, nests: LoopNests) -> Plan:
    """The kernels of each loop, and of what stands between the loops."""
    plan: Plan = [(None, [])]
    for c in storage.components:
        if c.loop:
            plan += [(c, []), (None, [])]
        target = plan[-2 if c.loop else -1][1]
        for v in c.values:
            if v in storage.materialised:
                for kernel in kernels_of(storage, nests, v, v.lo is not None and not c.loop):
                    join(nests, target, kernel)
    return [(c, [nests.written(kernel) for kernel in kernels]) for c, kernels in plan]


def kernels_of(storage: Storage, nests: LoopNests, v: Value, lifted: bool) -> list[Kernel]:
    """The kernels that compute one value."""
    if v in storage.added:
        u = storage.added[v]
        rest = [a for a in v.args if a.value is not u]
        first = nests.elementwise([v], lifted, rest)
        return [first, products.product(nests, u, lifted, v, True)]
    if v in storage.added.values() or v in storage.assembled:
        return []  # computed where it is added, or part by part
    if v.op in ELEMENTWISE or v.op in (
        "getitem",
        "transpose",
        "broadcast_to",
        "stack_t",
        "reshape",
    ):
        return [nests.elementwise([v], lifted)]
    if v.op == "matmul":
        return [products.product(nests, v, lifted, v, False)]
    if v.op == "gemm_t":
        return [products.outer(nests, v)]
    if v.op in ("sum", "max", "min", "sum_t"):
        return [nests.reduction(v, lifted)]
    if v.op == "cumsum":
        return [nests.scan(v, lifted)]
    if v.op in ("softmax", "log_softmax", "logsumexp"):
        return [nests.softmax(v, lifted)]
    if v.op == "scatter":
        return nests.scatter(v, lifted)
    if v.op == "scatter_t":
        return nests.scatter_in_time(v)
    if v.op in ("concatenate", "stack"):
        return nests.side_by_side(v, lifted)
    raise Unwritable(f"the primitive {v.op} has no form in C")


def join(nests: LoopNests, kernels: list[Kernel], new: Kernel) -> None:
    """Add a kernel, to one over the same places if nothing that either needs lies in between.

    Joined kernels are written when all are known: hundreds of values may come together one by one.
    """
    if new.space is not None:
        for k in reversed(range(len(kernels))):
            old = kernels[k]
            if old.space == new.space and not any(
                nests.elsewhere(v, old.writes, old.values) for v in new.values
            ):
                kernels[k] = nests.joined(old, new)
                return
            if old.writes & (new.reads | new.writes) or old.reads & new.writes:
                break
    kernels.append(new)


def function(storage: Storage, plan: Plan, constants: Constants, counted: set[Value]) -> Function:
    """The function as C."""
    bodies = body(storage, plan, constants, counted)
    parts = [lines for _, lines in bodies]
    if sum(map(len, parts)) > 5 * MOST:
        raise Unwritable(LONG)
    inside = {name: x.name for name, (x, _, _) in storage.coalesced.items()}
    owner = owners(storage.room, parts, inside, aliases(storage, bodies))
    arrays = [x for x in storage.room if owner[x.name] is x]
    taken = "{0.kind} *restrict {0.name} = take(&room, {0.many}, sizeof({0.kind}));  /* {0.what} */"
    again = "{0.kind} *{0.name} = {1.name};  /* {0.what}, where nothing else is by then */"
    lines = [taken.format(x) for x in arrays]
    lines += [again.format(x, owner[x.name]) for x in storage.room if owner[x.name] is not x]
    for name, (x, start, what) in storage.coalesced.items():
        where = products.pointer((x.name, start))
        lines.append(f"{x.kind} *{name} = {where};  /* {what}, where {x.name} is read last */")
    lines += [line for part in parts for line in part]
    given = [("const ", v.dtype, storage.places[v].name, v.shape) for v in storage.leaves]
    given += [("const ", x.dtype, constants.array(x), x.shape) for x in constants.arrays]
    given += [("", v.dtype, storage.places[v].name, v.shape) for v in storage.outputs]
    drawn = {storage.places[v].name: f", drawn: rng.{v.options['drawn']}"
             for v in storage.leaves if "drawn" in v.options}  # fmt: skip
    head = [f"    {c}{TYPES[str(dtype)]} *restrict {name},  "
            f"/* {storage.shape(shape)}{drawn.get(name, '')} */"
            for c, dtype, name, shape in given]  # fmt: skip
    head[-1] = head[-1].replace(",  /*", ")  /*", 1)
    mentioned = words(lines)
    unread = [x for x in ("T", "room", *(name for _, _, name, _ in given)) if x not in mentioned]
    begin = ["int wrong = 0;", "unsigned denormals = flush_denormals();"]
    lines = [*(f"(void){x};" for x in unread), *begin, *lines]
    lines += ["restore_denormals(denormals);", "return wrong;"]
    text = "\n".join(
        ["int step(long T, char *room,", *head, "{", *(f"    {x}" for x in lines), "}", ""]
    )
    rooms = [(x.many.factor("T"), x.many.add, x.kind, x.itemsize) for x in arrays]
    leaves, outputs = (
        [(storage.places[v].name, TYPES[str(v.dtype)], storage.dims(v.shape)) for v in vs]
        for vs in (storage.leaves, storage.outputs)
    )
    return Function(
        text,
        leaves,
        constants.arrays,
        outputs,
        rooms,
        storage.T,
        [(v.shape, v.dtype) for v in storage.leaves],
        [(v.shape, v.dtype) for v in storage.outputs],
        bool(counted),
    )


def body(storage: Storage, plan: Plan, constants: Constants, counted: set[Value]) -> Parts:
    """Kernels and lines of each part: a loop, what precedes one, or a kernel that is in none.

    `counted` are the values that only count what does not hold: they come last.
    """
    nests, parts = LoopNests(storage, constants), Parts()

    def initial(values: list[Value]) -> Parts:
        known = [v for v in values if v in storage.materialised and v.initial]
        return [([], nests.initial(v)) for v in known]

    for c, kernels in plan:
        if c is None:
            last = {v: kernel for kernel in kernels for v in kernel.values}
            for kernel in kernels:
                title = [REQUIRED] if not counted.isdisjoint(kernel.values) else []
                counted = set() if title else counted
                parts.append(([kernel], [*title, *kernel.lines]))
                ready = [v for v in dict.fromkeys(kernel.values) if last[v] is kernel]
                parts += initial(ready)  # which may be read from what the kernel computes
            continue
        parts += initial(c.values)
        parts += [([], kernel.before) for kernel in kernels]
        lo, hi = storage.spans[id(c)]
        first, end = storage.moment(lo), storage.moment(hi + 1)
        heads = {1: f"for (long t = {first}; t < {end}; t++) {{",
                 -1: f"for (long t = {end.plus(-1)}; t >= {first}; t--) {{"}  # fmt: skip
        roots = (storage.root(v) for v in c.values if v in storage.materialised)
        what = ", ".join(dict.fromkeys(storage.places[v].name for v in roots))
        title = f"/* {'forward' if c.direction == 1 else 'backward'} in time: {what} */"
        inside = [f"    {line}" for kernel in kernels for line in kernel.lines]
        parts.append((kernels, [title, heads[c.direction], *inside, "}"]))
    return parts
