"""Was this program made before, by another process too?

A program is kept by all that it was made from: the record of the loss, which determines that of its
gradients; what was wished for; the sources of this package, and the machine. On the next occasion
nothing is differentiated, rolled up or compared. An entry is text and numbers under a digest, in
the folder where libraries are kept; nothing of it is run but the program itself.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import json
import marshal
import platform
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.engine.context import Frame
from tinygrad_rnn.engine.rules import RULES
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.program.backends.c import Function, Native, NoCompiler
from tinygrad_rnn.program.backends.c.build import cache_folder, checked, keep
from tinygrad_rnn.program.backends.numpy.source import Source
from tinygrad_rnn.program.ir.ops import PRIMITIVES
from tinygrad_rnn.program.locks import cached
from tinygrad_rnn.program.passes import tiling as blocks
from tinygrad_rnn.program.record.abstract import Unfrozen, frozen
from tinygrad_rnn.program.record.trace import Forward, trace
from tinygrad_rnn.program.runtime.pipeline import Options, Program
from tinygrad_rnn.program.runtime.run import Running, in_segments
from tinygrad_rnn.program.runtime.segments import Division

__all__ = ["CachedProgram", "found", "key_of", "put"]

LARGE = 1 << 20  # bytes of constants in an entry
OURS = dict(PRIMITIVES)
AS_IMPORTED = {op: (op.forward, RULES.get(op)) for op in OURS.values()}


class CachedProgram(Running):
    """A program from the cache; all else that is known of a program is found when asked for."""

    def __init__(self, entry: dict[str, Any], record: Forward, options: Options) -> None:
        recorder = record.recorder
        super().__init__(record.used, record.aux, recorder.draws, bool(recorder.requirements))
        self.record, self.options = record, options
        self.program = Source(**_decoded(entry["program"]))
        self.function_in_c: Function | None = None
        self._structure = str(entry["structure"])
        if "division" in entry:
            said, kind = entry["division"], Function if options.target == "c" else Source
            texts = {name: kind(**_decoded(text)) for name, text in said["texts"].items()}
            self.segments = in_segments(Division(said["T"], said["n"], said["driver"], texts))
        elif options.target == "c":
            self.function_in_c = Function(**_decoded(entry["c"]))
            self.native = Native(self.function_in_c)

    @property
    def structure(self) -> str:
        """A digest, the same for all programs that differ by lengths alone."""
        return self._structure

    @cached
    def full(self) -> Program:
        """The same, made from the record."""
        return Program.of(trace(self.record), self.options, self.record.recorder)

    @property
    def in_c(self) -> Function:
        """The step in C, written but not built."""
        return self.function_in_c or self.full.in_c


def key_of(record: Forward, options: Options) -> str:
    """The key of a program in the cache; empty if a part of the record has no complete text."""
    changed = any((op.forward, RULES.get(op)) != known for op, known in AS_IMPORTED.items())
    if record.shapes is None or changed:
        return ""
    wish = (sorted(options.passes), options.target, options.memory, options.longest)
    made_by = (_sources(), np.__version__, sys.version, platform.machine(), sys.byteorder)
    digest = hashlib.sha256()
    try:
        for said in itertools.chain((wish, made_by, blocks.small_products()), _said(record)):
            # in format 2, where equal is equal in bytes: later ones write one object only once
            digest.update(marshal.dumps(said, 2))
    except Unfrozen:
        return ""
    return digest.hexdigest()[:32]


def found(key: str, record: Forward, options: Options) -> CachedProgram | None:
    """The program of a key, if it is in the cache and undamaged."""
    try:
        made = checked(_path(key))
        return None if made is None else CachedProgram(json.loads(made), record, options)
    except (OSError, NoCompiler, ValueError, KeyError, TypeError):
        return None


def put(key: str, made: Program) -> None:
    """Store a program, if that is possible and it is not too large."""
    c = made.in_c if made.native is not None else None
    division = made.segments.division if made.segments is not None else None
    functions = [x for x in (c, *(division.texts.values() if division else ())) if x is not None]
    constants = [*made.program.constants.values()]
    constants += [x for f in functions if isinstance(f, Function) for x in f.constants]
    if sum(x.nbytes for x in constants) > LARGE:
        return
    entry: dict[str, Any] = {
        "program": {x.name: getattr(made.program, x.name) for x in fields(Source)}
    }
    entry["structure"] = made.structure
    if c is not None:
        entry["c"] = vars(c)
    if division is not None:
        texts = {name: vars(text) for name, text in division.texts.items()}
        entry["division"] = vars(division) | {"texts": texts}
    try:
        keep(json.dumps(_coded(entry)).encode(), _path(key))
    except (OSError, NoCompiler):
        return  # a folder without write access is no reason not to run


def _path(key: str) -> Path:
    return cache_folder() / f"{key}.program"


@functools.cache
def _sources() -> str:
    """A digest of what makes programs."""
    digest = hashlib.sha256()
    here = Path(__file__).parents[1]  # program
    for folder in (here, here.parent / "engine"):
        for path in sorted(x for x in folder.rglob("*") if x.suffix in (".py", ".h")):
            digest.update(f"{path.relative_to(here.parent)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _said(record: Forward) -> Iterator[Any]:
    """All of a record that a program is made from, as tuples: equal if the programs must be."""
    nodes = record.nodes
    place = {x: k for k, x in enumerate(nodes)}
    born = {x.serial: k for k, x in enumerate(nodes)}
    given = {x: k for k, x in enumerate(record.leaves)}
    frames: dict[Frame, Any] = {}
    scopes: dict[int, Any] = {}
    for x in nodes:
        scope = scopes.get(id(x.scope))
        if scope is None:  # the same frame, not one like it: a cell may run twice at one step
            for frame in x.scope:
                of = None if frame.of is None else born.get(frame.of, -1)
                frames.setdefault(frame, (len(frames), frame.name, frame.t, of, frame.argument))
            scope = scopes[id(x.scope)] = tuple([frames[frame] for frame in x.scope])
        if x.op is None:
            what: Any = given[x] if x in given else frozen(np.asarray(x.data))
        elif OURS.get(x.op.name) is not x.op:
            raise Unfrozen(f"the primitive {x.op.name}")
        else:
            inputs = [place[y] if type(y) is Tensor else frozen(y) for y in x.inputs]
            what = x.op.name, inputs, [frozen(option) for option in x.options.items()]
        yield what, x.shape, x.dtype.str, x.name, scope
    ends = [place[x] for x in (record.loss, *record.beside)]
    required = [place[x] for x in record.recorder.requirements]
    drawn = [(given[draw.leaf], draw.method) for draw in record.recorder.draws]
    yield ends, required, drawn, record.names, record.parameters


def _coded(x: Any) -> Any:
    """The same in what JSON knows, types included."""
    if isinstance(x, (np.ndarray, np.generic)):
        bytes_ = base64.b64encode(x.tobytes()).decode()
        return {f"${type(x).__name__}": [x.dtype.str, list(x.shape), bytes_]}
    if isinstance(x, (np.dtype, type)):
        return {"$dtype": np.dtype(x).str}
    if isinstance(x, dict):
        return {name: _coded(y) for name, y in x.items()}
    return [_coded(y) for y in x] if isinstance(x, (list, tuple)) else x


def _decoded(x: Any) -> Any:
    """The value that was coded; lists in it are tuples."""
    if isinstance(x, list):
        return tuple(map(_decoded, x))
    if not isinstance(x, dict):
        return x
    if "$dtype" in x:
        return np.dtype(x["$dtype"])
    for kind, coded in x.items():
        if kind[0] == "$":  # as no name in a program does
            dtype, shape, bytes_ = coded
            array = np.frombuffer(base64.b64decode(bytes_), dtype).reshape(shape)
            return array.copy() if kind == "$ndarray" else array[()]
    return {name: _decoded(y) for name, y in x.items()}
