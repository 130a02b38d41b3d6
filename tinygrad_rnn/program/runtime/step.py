"""How is a step compiled, and what is done when it cannot be?"""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from tinygrad_rnn.border import refuse_foreign
from tinygrad_rnn.engine import tree
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.program.backends.c import Unwritable, save
from tinygrad_rnn.program.backends.latex.emit import latex
from tinygrad_rnn.program.backends.latex.text import LatexText
from tinygrad_rnn.program.backends.plain.emit import PlainText
from tinygrad_rnn.program.formula.python import Unwritten as NoExpression
from tinygrad_rnn.program.record.surroundings import Surroundings
from tinygrad_rnn.program.record.trace import (
    NUMBERS,
    Call,
    Refused,
    gradient_leaves,
    leaves_of,
    no_garbage,
    rebuilt,
)
from tinygrad_rnn.program.runtime.compare import Difference, first_difference
from tinygrad_rnn.program.runtime.compile import (
    ARRAYS,
    Disturbed,
    eager,
    program_for,
    rounded_otherwise,
    tensors,
)
from tinygrad_rnn.program.runtime.known import Known
from tinygrad_rnn.program.runtime.outline import Outline, kind_of, outline
from tinygrad_rnn.program.runtime.pipeline import PASSES, WRITING, Options
from tinygrad_rnn.program.runtime.run import Running, Unmet

__all__ = ["CompiledStep", "compile"]

KEPT = 16  # programs at a time, however large; and structures after which a warning is due
ROOM = 1 << 28  # bytes of all programs that are kept beyond those
LONGEST = 10_000  # operations of a record that does not repeat: about a millisecond for each
TARGETS = ("numpy", "c")


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
        Counts: ``calls``; ``recorded``, one per signature; ``structures``, programs whose text
        differs by more than lengths; ``eager``, calls that no program served.
    """

    def __init__(
        self,
        loss_fn: Callable[..., Any],
        without: tuple[str, ...] = (),
        target: str = "numpy",
        memory: str | int | None = None,
        longest: int | None = LONGEST,
    ) -> None:
        whole = type(memory) is int and memory > 0
        if not (memory is None or memory == "sqrt" or whole):
            raise ValueError(
                'compile: memory must be "sqrt", a positive number of bytes, or None, got '
                f"{memory!r}."
            )
        if target not in TARGETS:
            raise ValueError(f"compile: target must be one of {TARGETS}, got {target!r}.")
        unknown = sorted(set(without) - {*PASSES, *WRITING, "loops"})
        if unknown:
            raise ValueError(
                f"compile: there is no pass {unknown[0]!r} to leave out; there are "
                f"{', '.join(['loops', *PASSES, *WRITING])}."
            )
        self.loss_fn, self.target, self.memory = loss_fn, target, memory
        self.longest = longest
        self.passes = frozenset({*PASSES, *WRITING, "loops"} - set(without))
        self.stats = {"calls": 0, "recorded": 0, "structures": 0, "eager": 0}
        self._programs = OrderedDict[Any, Running | str]()
        self._known, self._structures = Known(), set[str]()
        self._told: set[str] = set()
        self.disturbed = False  # whether the last recording changed something outside
        # Of the last call, signature and program together: another thread may call in between.
        self._recent: tuple[Any, Running | str] = None, ""
        self._names = _argument_names(loss_fn)

    @property
    def reason(self) -> str:
        """The reason why the last call had no program; empty if it had one, or none was made."""
        program = self._recent[1]
        return program if isinstance(program, str) else ""

    @property
    def _last(self) -> Running | None:
        program = self._recent[1]
        return None if isinstance(program, str) else program

    @property
    def program(self) -> Running | None:
        """The program last used, or None."""
        return self._last

    @property
    def constants(self) -> dict[str, np.ndarray]:
        """Large arrays that the function took from outside, as the program's last arguments."""
        return dict(self._last.program.constants) if self._last else {}

    @property
    def source(self) -> str:
        """The program last used."""
        return self._last.source if self._last else ""

    @property
    def c_source(self) -> str:
        """The same in C, as one file (see `program.backends.c`); empty if C has no form."""
        return self._last.c_source if self._last else ""

    @property
    def latex(self) -> LatexText:
        r"""The equations of the step, forward and backward, as two ``align*`` environments.

        ``\bar x`` is the gradient of the loss with respect to x; each named value is a line. A
        notebook sets them, and ``latex.save("step.tex")`` writes a document. The text is empty if
        the step could not be compiled.
        """
        return latex(self._last.full.equations) if self._last else LatexText()

    @property
    def plain(self) -> PlainText:
        """The step as one writes it by hand for a reader: whole expressions, no buffers.

        Printed from the equations, before anything is done for speed, and the same on every
        machine. It is NumPy that runs when pasted: ``step`` takes what `source` takes, and gives
        loss and gradients; `arguments` makes these of a call. ``step.plain.constants`` are large
        arrays, its last arguments. Requirements of the function are not checked.

        Raises
        ------
        ValueError
            Nothing is compiled: the step was not called yet, or runs eagerly.

        Examples
        --------
        >>> import numpy as np
        >>> from tinygrad_rnn import nn
        >>> step = compile(lambda cell, x: (nn.unroll(cell, x)[0][-1] ** 2).sum())
        >>> _ = step(nn.RNNCell(3, 4, rng=0), np.ones((5, 2, 3)))
        >>> print(step.plain[step.plain.index("def step") :])
        def step(W_x, W_h, b_x, b_h, x):
            # forward
            h = {-1: np.zeros((2, 4))}
            for t in range(T):
                a = x[t] @ W_x + b_x + h[t - 1] @ W_h + b_h
                h[t] = np.tanh(a)
            loss = (h[T - 1]**2).sum()
            # backward
            dW_h = dW_x = db_x = 0
            dh = 2 * h[T - 1]
            for t in reversed(range(T)):
                da = dh * (1 - h[t]**2)
                dW_h += h[t - 1].T @ da
                dW_x += x[t].T @ da
                db_x += da.sum(0)
                dh = da @ W_h.T
            db_h = db_x
            return loss, dW_x, dW_h, db_x, db_h
        <BLANKLINE>
        """
        return self._running("plain").full.plain

    def _running(self, asked: str) -> Running:
        """The program last used; ValueError if there is none, which says what `asked` for it."""
        if self._last is None:
            raise ValueError(
                f"{asked}: there is no program. {self.reason} It runs eagerly; see explain()."
                if self.reason
                else f"{asked}: nothing is compiled yet. Call the step once: step(params, ...)."
            )
        return self._last

    @property
    def outline(self) -> Outline:
        """The operations that stayed in loops and those lifted out of them, as data.

        Raises
        ------
        ValueError
            Nothing is compiled: the step was not called yet, or runs eagerly.
        """
        whole = self._running("outline").full
        division = whole.segments.division if whole.segments is not None else None
        letters = dict[tuple[int, str], str]()
        with suppress(NoExpression):  # then the names of the source must do
            letters = {(v.serial, kind_of(v)): name for v, name in whole.plain.names.items()}
        return outline(whole.program, whole.parameters, division, whole.requires, letters)

    def __call__(self, params: Any, *args: Any) -> tuple[Any, Any]:
        """Loss and gradients with respect to all Tensors in `params`."""
        program, arrays = self.find(params, *args)
        self._warn(program)
        if isinstance(program, str):
            self.stats["eager"] += 1
            return self._eager(params, args if ARRAYS in program else tuple(map(tensors, args)))
        try:
            results = program(arrays)
        except Unmet:  # what the function says of it is more than the program knows
            self.stats["eager"] += 1
            return self._eager(params, tuple(map(tensors, args)))
        loss, end = results[0][()], len(program.used) + 1
        if hasattr(params, "named_parameters"):  # whose paths are part of the signature
            gradients = dict(zip(program.paths, results[1:end], strict=True))
        else:
            gradients = gradient_leaves(params, iter(results[1:end]))
        value = loss if program.aux is None else (loss, program.beside(list(results[end:])))
        return value, gradients

    def signature(self, params: Any, *args: Any) -> tuple[Any, list[Any]]:
        """A key that is equal for all calls that one program serves, and the arrays it is given."""
        named = leaves_of(params, "params")
        arrays = list[Any]()
        for _, p in named:
            if type(p) is not Tensor:
                raise TypeError(
                    f"compiled step: expected params to hold Tensors alone, got {type(p).__name__}."
                    " What is no parameter is an argument of its own."
                )
            arrays.append(values(p))
        given = [x for x in args if x is not None]
        if all(type(x) is np.ndarray for x in given):  # as nearly always: there is time to win
            arrays += given
            structure: Any = tuple([x is None for x in args])
        else:
            structure = _outline(args)
            ends = [x for arg in args for _, x in leaves_of(arg, "")]
            for x in ends:
                if type(x) is not Tensor:
                    refuse_foreign(x, "compiled step")
            arrays += [np.asarray(values(x)) for x in ends if isinstance(x, NUMBERS)]
            drawing = [id(x) for x in ends if isinstance(x, np.random.Generator)]
            structure = structure, *map(drawing.index, drawing)  # which of them are one
        once = len({id(p) for _, p in named})  # one Tensor in two places is another function
        if hasattr(params, "shared_parameters"):  # whose paths are known
            places: Any = type(params), _structure(params)
        else:
            places = _outline(params)
        paths = tuple([name for name, _ in named])
        shapes, dtypes = tuple([x.shape for x in arrays]), tuple([x.dtype.str for x in arrays])
        return (paths, once, shapes, dtypes, structure, places), arrays

    def find(self, params: Any, *args: Any) -> tuple[Running | str, list[Any]]:
        """The program for a call, made now if need be, and what it is given.

        In place of a program the sentence that says why there is none. It is given arrays, and
        after these the generators that it draws from.
        """
        return self.find_for(self.signature(params, *args), params, args)

    def find_for(
        self, signed: tuple[Any, list[Any]], params: Any, args: tuple[Any, ...]
    ) -> tuple[Running | str, list[Any]]:
        """The same for a call whose `signature` is known."""
        self.stats["calls"] += 1
        key, arrays = signed
        recent, program = self._recent
        if key == recent:
            generators = self._generators(program, params, args)
            if generators is not None:
                return program, [*arrays, *generators]
        known = self._programs.get(key)
        generators = None if known is None else self._generators(known, params, args)
        if known is None or generators is None:
            with no_garbage():
                known = self._compile(key, params, args, arrays)
            self._programs[key] = known
            self._make_room()
            generators = known.drawn.generators if isinstance(known, Running) else None
        with suppress(KeyError):  # another thread has just made room
            self._programs.move_to_end(key)
        self._recent = key, known
        return known, [*arrays, *generators] if generators else arrays

    def _make_room(self) -> None:
        """Forget what was called longest ago, if its buffers and those of others take too much."""
        taken = 0
        for k, key in enumerate(reversed(list(self._programs))):
            program = self._programs.get(key, "")
            taken += program.bytes if isinstance(program, Running) else 0
            if k >= KEPT and taken > ROOM:
                self._programs.pop(key, None)

    def _generators(
        self, program: Running | str, params: Any, args: tuple[Any, ...]
    ) -> list[np.random.Generator] | None:
        """Those that a program draws from in this call; None if it takes another record."""
        if isinstance(program, str) or not program.drawn.ways:
            return []
        return program.drawn.reached(self.loss_fn, params, *args)

    def difference(
        self,
        params: Any,
        args: tuple[Any, ...],
        expected: list[tuple[str, Any]],
        n: int,
        found: Sequence[Any],
        flushes: bool = False,
    ) -> tuple[Difference | None, list[str]]:
        """The first difference of results from those that the function gave as written.

        `n` is how many roundings are in them, `flushes` whether the program is in C; see
        `first_difference`.
        """
        call: Call | None = None  # made only if needed: it takes a checksum of all it reaches

        def moved(seed: int | None) -> list[Any] | None:
            nonlocal call
            call = call or self._call(params, args)
            try:
                return rounded_otherwise(call, seed)
            except Exception:  # it cannot be recorded as it was: then rounding is no excuse
                return None
            finally:
                call.around.set_back()

        flushed = functools.partial(moved, None) if flushes else None
        return first_difference(expected, found, n, moved, flushed)

    def _call(self, params: Any, args: tuple[Any, ...]) -> Call:
        names = [*self._names[1:], *(f"x{k}" for k in range(len(args)))][: len(args)]
        roots = ("the function", self.loss_fn), ("params", params), *zip(names, args, strict=True)
        around = Surroundings(*roots)
        return Call(self.loss_fn, params, args, names, around)

    def _warn(self, program: Running | str) -> None:
        """Say, once, that C did not come about, and that no program is used twice."""
        no_c = "" if isinstance(program, str) else program.no_c
        if no_c and no_c not in self._told:
            self._told.add(no_c)
            warnings.warn(f"compile: NumPy runs instead of C: {no_c}", stacklevel=3)
        if self.stats["structures"] == self.stats["calls"] == KEPT:
            warnings.warn(
                f"compiled step: the first {KEPT} calls had {KEPT} different programs, and no one "
                "was used twice. Run eagerly, or give it arguments of fewer structures.",
                stacklevel=3,
            )

    def _compile(
        self, key: tuple[Any, ...], params: Any, args: tuple[Any, ...], arrays: list[Any]
    ) -> Running | str:
        """A program, or the sentence that says why there is none."""
        self.stats["recorded"] += 1
        self.disturbed = False
        options = Options(self.passes, self.target, self.memory, self.longest)
        paths, once, shapes, *rest = key
        kind = paths, once, tuple(map(len, shapes)), *rest
        try:
            found = program_for(self._call(params, args), arrays, options, self._known, kind)
        except Refused as error:
            self.disturbed = isinstance(error, Disturbed)
            return f"not compiled: {error}."
        self._structures.add(found.structure)
        self.stats["structures"] = len(self._structures)
        return found

    def _eager(self, params: Any, args: tuple[Any, ...]) -> tuple[Any, Any]:
        loss, gradients, aux = eager(self.loss_fn, params, args)
        beside = [rebuilt(a, iter([values(x) for _, x in leaves_of(a, "aux")])) for a in aux]
        value = (loss.data, *beside) if beside else loss.data
        return value, gradient_leaves(params, iter(gradients))

    def save_arguments(self, path: str | os.PathLike[str], params: Any, *args: Any) -> None:
        """Write the file that `main` in `c_source` reads: parameters and arguments as bytes.

        Random numbers are drawn once and written as arguments, so `main` trains with the same draws
        at every step. The generators stay where they are.

        Raises
        ------
        ValueError
            The function cannot be compiled, or not to C.
        """
        program, arrays = self._given("save_arguments", params, args)
        try:
            save(path, program.in_c, arrays)
        except Unwritable as error:
            raise ValueError(f"save_arguments: there is no program in C: {error}.") from None

    def arguments(self, params: Any, *args: Any) -> list[Any]:
        """The arguments of ``step`` in `source` and in `plain` for a call, before the constants.

        Random numbers are among them, and the generators stay where they are.

        Raises
        ------
        ValueError
            The function cannot be compiled.

        Examples
        --------
        >>> import numpy as np
        >>> from tinygrad_rnn import Tensor
        >>> step, W = compile(lambda W, x: (x @ W).sum()), Tensor(np.ones((2, 3)))
        >>> pasted = {}
        >>> arguments = step.arguments(W, np.ones((4, 2)))
        >>> exec(step.plain, pasted)
        >>> loss, dW = pasted["step"](*arguments, *step.plain.constants.values())
        >>> float(loss), dW.shape
        (24.0, (2, 3))
        """
        return list(self._given("arguments", params, args)[1])

    def _given(self, asked: str, params: Any, args: tuple[Any, ...]) -> tuple[Running, Any]:
        """The program for a call, and its arrays; draws are made, and taken back."""
        program, given = self.find(params, *args)
        if isinstance(program, str):
            raise ValueError(f"{asked}: {program}")
        states = program.states(given)
        arrays = program.arrays(given)
        program.set_back(given, states)
        return program, arrays

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy records anew: programs hold buffers, locks and what the compiler built."""
        without = tuple({*PASSES, *WRITING, "loops"} - self.passes)
        return type(self), (self.loss_fn, without, self.target, self.memory, self.longest)

    def explain(self) -> str:
        """The counts of the passes, and the operations in loops; or why there is no program."""
        if self._last is None:
            return self.reason or "nothing compiled yet: call it first."
        return "\n".join(self._last.full.explained())


def compile(
    loss_fn: Callable[..., Any],
    *,
    target: str = "numpy",
    memory: str | int | None = None,
    without: tuple[str, ...] = (),
) -> CompiledStep:
    """Loss and gradients of a pure ``loss_fn(params, *args)`` as a short program, in NumPy or in C.

    Pure as for jax.jit: its results depend on its arguments alone, and it changes nothing else. A
    value taken from outside (a global, an attribute that is no parameter) stays as it was when it
    was recorded. Recording refuses a function that breaks this: one that moves a random generator,
    a counter or an iterator, or makes an array of values of its arguments.

    Parameters
    ----------
    loss_fn
        Gives a scalar Tensor from `params`, a module or a structure (dict, list, tuple) of Tensors,
        and arguments: arrays, numbers or structures of them. They reach it as Tensors. It may give
        a pair (loss, aux), aux being a structure of Tensors, as a state to carry on.
    target
        ``"numpy"``, or ``"c"``: built by the system's C compiler, into a folder of the user's own.
        A step that C cannot do runs as NumPy, with a warning that says why.
    memory
        ``"sqrt"`` keeps about 2 √T states instead of T, a number at most so many bytes: time is
        divided into segments, each of which is computed once more on the way back. A step that
        cannot be divided runs in one, and ``step.explain()`` says why.
    without
        Passes to leave out, by name: ``loops``, and those that `explain` lists.

    Returns
    -------
    A function ``loss, grads = step(params, *args)``. It records once for each signature of shapes
    and dtypes, rolls the record up, and runs the program ``step.source`` from then on. Where two
    lengths are known, another one is recorded and compared, and no longer rolled up. Results are
    copies, in the structure of `params`; of a module a dict by path. If `loss_fn` gives a pair, so
    does `step`: ``(loss, aux), grads = step(params, *args)``, with arrays in aux. A function that
    cannot be compiled runs eagerly, and ``step.explain()`` says why.

    Notes
    -----
    `loss_fn` itself runs while it is recorded, several times, and not at later calls of that
    signature. A module with another part, number, word or function among its attributes is another
    signature; an array that is written into, and the contents of other objects and classes, are not
    looked at again. Its requirements of arguments (`require`, and the checks of `nn`: labels,
    symbols, lengths) are part of the program: where one does not hold, `loss_fn` runs eagerly on
    the same arguments and says so in its own words. A program is compared with `loss_fn` when it is
    made, not later; `tinygrad_rnn.train.fit` goes on to compare.

    The draws of `nn` (`dropout`, `Zoneout`, `VariationalDropout`, scheduled sampling, random cuts)
    are made anew at each call, from the generator that the function draws from and in its order:
    the numbers, and the state of the generator afterwards, are those of the function. The program
    gets them as arguments, and its header says how each is drawn. The generator may be held by a
    module, be closed over, global or an argument, and another one at each call. A function that
    draws in any other way, or from a generator that it makes, runs eagerly.

    It is recorded without the values of its parameters, or with them if it asks for any. Programs
    are kept, as text and numbers, in ``$XDG_CACHE_HOME/tinygrad_rnn`` (``~/.cache``), the user's
    alone, by their record, this package's sources and the machine: the next process finds them.
    The record has copies of the parameters, so a function must not go another way if an object is
    the very same as one outside (``m is net``).

    In C, results below the smallest normal number (1.2e-38 in float32, 2.2e-308 in float64) are 0,
    as after torch.set_flush_denormal(True): gradients that vanish become such numbers, and many
    processors take ten times as long over them. The setting is the thread's, and is restored after
    the call. Results may differ by as much as this changes, not by an infinity.

    The text is made for the machine: where NumPy's BLAS has code for small products and one thread,
    weights that a loop multiplies by stand in blocks of columns.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_rnn import Tensor, compile, tanh
    >>> step = compile(lambda p, x: (tanh(x @ p["W"]) * 2.0).sum())
    >>> loss, grads = step({"W": Tensor(np.eye(2))}, np.ones((3, 2)))
    >>> grads["W"].shape
    (2, 2)
    """
    return CompiledStep(loss_fn, without, target, memory)


class _Itself:
    """An object that is no array: compared by identity, and held, so no other has its address."""

    def __init__(self, x: Any) -> None:
        self.x, self.words = x, f"{x!r} {vars(x) if hasattr(x, '__dict__') else ''}"

    def __eq__(self, other: Any) -> bool:
        alike = type(other) is _Itself and self.words == other.words
        return alike and (self.x is other.x or type(self.x) is type(other.x) in _BY_WORDS)

    def __hash__(self) -> int:
        return hash(self.words)

    def __repr__(self) -> str:
        return self.words


_BY_WORDS = frozenset((str, bytes, complex, type(None), slice, type(Ellipsis)))


def _outline(args: Any) -> Any:
    """The structure of arguments, without the values of arrays."""
    ends = tree.leaves(args, is_leaf=_is_module)
    return tree.structure(args, is_leaf=_is_module), *map(_fact, ends)


def _is_module(x: Any) -> bool:
    return hasattr(x, "named_parameters")


def _fact(x: Any) -> Any:
    """The part of an argument that a program depends on beside shapes and dtypes."""
    if isinstance(x, NUMBERS):
        return "."
    if _is_module(x):
        return type(x), _structure(x)
    if isinstance(x, np.random.Generator):
        return type(x), type(x.bit_generator)
    return _Itself(x)


def _structure(module: Any) -> Any:
    """All of a module but the values of its parameters; of one of another kind, their paths."""
    whole = getattr(module, "structure", None)
    return tuple(module.named_parameters().keys()) if whole is None else whole()


def _argument_names(f: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return []
