"""What runs a training step: the loss as it is written, or its program?

As written, unless a program is asked for. A program is a promise that the loss depends on nothing
but parameters, batch and carried state; the promise is watched. At the first use of a shape, at
steps 2, 4, 8, …, before each checkpoint and at the end the loss is run as written, too, and a
result that differs ends the training.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_rnn.engine.accumulate import backward
from tinygrad_rnn.engine.backward import ancestors, grad
from tinygrad_rnn.engine.context import context
from tinygrad_rnn.engine.integers import check_integers
from tinygrad_rnn.engine.tensor import Tensor, values
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.nn.named import NamedParameters
from tinygrad_rnn.nn.state import detach, each
from tinygrad_rnn.program import (
    KEPT,
    CompiledStep,
    Running,
    Unmet,
    builds,
    leaves_of,
    limited,
    size_of,
    small,
)
from tinygrad_rnn.train.denormals import denormal
from tinygrad_rnn.train.leaves import check_leaves, tensors_in
from tinygrad_rnn.train.run import Run

__all__ = ["TARGETS", "TrainingStep", "check_way"]

TARGETS = ("eager", "auto", "c", "numpy", "check")
MUCH = 0.1  # of a gradient
_ARGUMENTS = (Tensor, np.ndarray, np.generic, int, float, str, type(None))
MANY = 1 << 12  # signatures of which digests are remembered
_PURE = "depends on nothing but parameters, batch and carried state"

_DIFFERENT = "fit: the program of the loss does something else than the loss as written"

Loss = Callable[[Any, tuple[Any, ...], Any], tuple[Tensor, Any]]


def check_way(target: str) -> None:
    """ValueError unless `target` is one of `TARGETS`."""
    if target not in TARGETS:
        raise ValueError(f"fit: target is one of {', '.join(TARGETS)}, got {target!r}.")


class Written(NamedTuple):
    """Names and values of the results of the loss as written, the roundings in them, the state."""

    results: list[tuple[str, Any]]
    n: int
    state: Any


class TrainingStep:
    """Loss, gradients and the state after a batch.

    Parameters
    ----------
    model, loss
        ``loss(model, batch, state)`` gives the recorded loss and the state after it.
    target
        One of `TARGETS`.
    run
        Is told what ran each step, and knows which signatures have a program.
    say
        Is told, in one line, what runs, and what runs another way and why.
    """

    def __init__(
        self, model: Module, loss: Loss, target: str, run: Run, say: Callable[[str], None]
    ) -> None:
        self.born = Tensor(0.0).serial  # what is older, and unknown to fit, is not trained
        self.model, self.loss, self.target, self.run, self.say = model, loss, target, run, say
        self.program: CompiledStep | None = None
        self.chaotic: set[str] = set()
        self.keys: dict[Any, str] = {}  # digests of signatures
        self.vanished = False  # whether it is said that a gradient has
        self.agreed = run.step  # how far it was equal
        self.last: Any = None  # what was not compared
        if target == "eager":
            say(f'fit: runs eagerly, as written; a loss that {_PURE} may run faster: target="auto"')
            return
        now = context.get()
        if now.observers or not now.recording:
            self._eagerly_as("inside detect_anomaly() or no_grad() there are no programs")
            return
        self.way = ("c" if builds() else "numpy") if target in ("auto", "check") else target
        self.program = CompiledStep(_function(model, loss), target=self.way)
        when = "every step" if target == "check" else "steps 2, 4, 8, … and each checkpoint"
        language = {"c": "C", "numpy": "NumPy"}[self.way]
        say(f"fit: runs the program of the loss in {language}, and at {when} also as written")
        if "eager" in run.signatures.values():
            say(f"fit: goes on eagerly, as it did before: {'; '.join(run.reasons)}")

    def __call__(self, batch: Any, state: Any, *, kept: bool = False) -> tuple[float, Any]:
        """The loss as a number and the state, detached; each parameter has its ``.grad``.

        `kept` says that a checkpoint follows.
        """
        found = self._find(batch, state)
        if found is None:
            return self._eager(batch, state)
        program, arrays, first = found
        parameters = self.model.named_parameters()
        compared = first or self._doubled or kept or self.target == "check"
        self.last = None if compared else (batch, state)
        if compared:
            results = self._compared(program, arrays, parameters, batch, state)
        else:
            try:
                results = program(arrays)
            except Unmet as error:  # the loss says of it what it says when it runs as written
                self._eagerly_as(str(error))
                return self._eager(batch, state)
        loss, *gradients = results[: len(program.used) + 1]
        for p, used, g in zip(parameters.values(), program.used, gradients, strict=True):
            if used:
                p.grad = g[()] if p.grad is None else p.grad + g
        way = "numpy" if program.no_c else self.way
        self.run.counts[way] += 1
        self.run.target = way
        return loss.item(), each(_tensor, program.beside(list(results[len(gradients) + 1 :])))

    def settle(self) -> None:
        """Compare on the last batch, before what was learnt is kept, unless its step was compared.

        The parameters are those after the step.
        """
        if self.last is None:
            return
        batch, state = self.last
        found = self._find(batch, state)
        if found is not None:
            program, arrays, _ = found
            drawn = program.states(arrays)
            self._compared(program, arrays, self.model.named_parameters(), batch, state)
            program.set_back(arrays, drawn)
        self.last = None

    def _compared(
        self,
        program: Running,
        arrays: list[Any],
        parameters: NamedParameters,
        batch: tuple[Any, ...],
        state: Any,
    ) -> tuple[Any, ...]:
        """The results of the program, which are those of the loss as written."""
        before = program.states(arrays)
        written = self._as_written(parameters, batch, state, not program.flushes)
        program.set_back(arrays, before)
        try:
            results = program(arrays)
        except Unmet as error:
            raise ValueError(f"{_DIFFERENT}: {error}, and the loss did not mind.") from None
        after = program.states(arrays)
        program.set_back(arrays, before)
        self._compare(written, results, (*batch, state), program)
        program.set_back(arrays, after)
        return results

    def _eager(self, batch: Any, state: Any) -> tuple[float, Any]:
        known = tensors_in((batch, state))
        with limited(self.run.small):
            loss, state = self.loss(self.model, batch, state)
            reached = backward(loss, data=known)
        check_leaves(loss, self.model.parameters(), known, self.born, reached)
        self._look(loss, reached)
        self.run.counts["eager"] += 1
        self.run.target = "eager"
        return loss.item(), detach(state)

    @property
    def _doubled(self) -> bool:
        """True if this is step 1, 2, 4, 8, …"""
        number = self.run.step + 1
        return number & (number - 1) == 0

    def _look(self, loss: Tensor, parameters: Sequence[Tensor]) -> None:
        """Find out at steps 1, 2, 4, 8, … whether products are small, and gradients denormal."""
        if not self._doubled:
            return
        self.run.small = small(ancestors(loss))
        if self.vanished or not parameters:
            return
        share = denormal(loss, parameters)
        self.vanished = share > MUCH
        if self.vanished:
            self._tell(
                f"{share:.0%} of the gradient is denormal (in float32 below 1.2e-38), as it "
                "vanishes, which may take many times as long to compute. A program in C counts "
                'such numbers as 0: target="c"; truncate= cuts the gradient before',
                "",
            )

    def _find(self, batch: Any, state: Any) -> tuple[Running, list[Any], bool] | None:
        """The program for a call, what it is given, and whether it is new; None without one."""
        if self.program is None or not isinstance(batch, tuple):
            return None
        args = (*batch, state)
        if strange := _strange(args):
            return self._eagerly_as(f"a batch or state with a {strange} in it cannot be compiled")
        signed = self.program.signature(self.model, *args)
        key, ways = self._key(signed[0]), self.run.signatures
        if ways.get(key) == "eager" or (key not in ways and "eager" in ways.values()):
            return None  # one that was refused is enough
        try:
            program, arrays = self.program.find_for(signed, self.model, args)
        except Exception as error:  # if it is the model's own, the same call says so eagerly
            program, arrays = f"not compiled: {type(error).__name__}: {error}", list[Any]()
        if self.program.disturbed:
            raise ValueError(f"fit: the loss cannot run as a program: {program}")
        if isinstance(program, str):
            ways[key] = "eager"
            return self._eagerly_as(program)
        first = key not in ways
        if first:
            ways[key] = program.structure
            if len({*ways.values()}) > KEPT:
                ways[key] = "eager"
                return self._eagerly_as(f"its first {KEPT} programs differ by more than lengths")
        if program.no_c:
            self._tell(f"NumPy instead of C: {program.no_c}", "runs ")
        return program, arrays, first

    def _key(self, signature: Any) -> str:
        """A digest of what a program is made for: the same in the process that goes on."""
        if len(self.keys) > MANY:
            self.keys.clear()
        key = self.keys.get(signature)
        if key is None:
            key = hashlib.sha256(repr(signature).encode()).hexdigest()[:16]
            self.keys[signature] = key
        return key

    def _as_written(
        self, parameters: NamedParameters, batch: Any, state: Any, denormals: bool
    ) -> Written:
        with limited(self.run.small):
            return self._computed(parameters, batch, state, denormals)

    def _computed(
        self, parameters: NamedParameters, batch: Any, state: Any, denormals: bool
    ) -> Written:
        known = batch, state
        loss, state = self.loss(self.model, batch, state)
        check_leaves(loss, list(parameters.values()), known, self.born)
        gradients = grad(loss, list(parameters.values()), unused="zero")
        self._look(loss, list(parameters.values()) if denormals else [])
        for (path, p), now in itertools.zip_longest(
            parameters.items(), self.model.parameters(), fillvalue=("a new one", None)
        ):
            if p is not now:
                raise ValueError(f"{_DIFFERENT}: it replaces the Tensor {path}.")
        found = [("the loss", loss.data)]
        found += [
            (f"the gradient of {x}", g) for x, g in zip(parameters.keys(), gradients, strict=True)
        ]
        found += [("the state", values(x)) for _, x in leaves_of(state, "") if x is not None]
        nodes = ancestors(loss)
        check_integers(loss, nodes, tensors_in(known))
        return Written(found, size_of(nodes), state)

    def _compare(
        self, written: Written, results: Any, args: tuple[Any, ...], program: Running
    ) -> None:
        assert self.program is not None
        found, n, state = written
        difference: object
        difference, chaotic = self.program.difference(
            self.model, args, found, n, results, program.flushes
        )
        if difference is None and each(_is_part, state) != each(_is_part, program.aux):
            difference = "the state has other parts"
        if difference is not None:
            raise ValueError(
                f"{_DIFFERENT}: {difference}. A program holds what the loss read when it was "
                "recorded. Usual causes: a value from outside (a global, a closure, an attribute, "
                "an array that is written into, the learning rate), a generator or iterator that "
                "cannot be seen, a file, a clock, the type of an argument (arrays and numbers of a "
                'batch reach a program as Tensors). Pass it with the batch, or run target="eager". '
                f"It was last equal at step {self.agreed}. The parameters are those before this "
                "step."
            )
        self.run.counts["compared"] += 1
        self.agreed = self.run.step + 1
        new = [name for name in chaotic if name not in self.chaotic]
        if new:
            self.chaotic.update(new)
            self._tell(
                f"{', '.join(new)}: chaotic (one ulp changes all of it), so it cannot be compared",
                "",
            )

    def _eagerly_as(self, why: str) -> None:
        self._tell(why, "runs eagerly: ")

    def _tell(self, why: str, how: str) -> None:
        line = f"{how}{why}"
        if line not in self.run.reasons:
            self.run.reasons.append(line)
            self.say(f"fit: {line}")


def _function(model: Module, loss: Loss) -> Callable[..., Any]:
    """The loss as a function of the model, the batch and the state, with their names."""

    def loss_fn(model: Any, *args: Any) -> tuple[Tensor, Any]:
        return loss(model, args[:-1], args[-1])

    names = dict.fromkeys(["model", *inspect.signature(model.loss).parameters])  # type: ignore[attr-defined]
    kind = inspect.Parameter.POSITIONAL_ONLY
    loss_fn.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in names if name.isidentifier()]
    )
    return loss_fn


def _strange(args: tuple[Any, ...]) -> str:
    """The type of something in a batch or state that no program takes; empty if nothing is."""
    if all(x is None or type(x) is np.ndarray for x in args):  # as nearly always
        return ""
    found = [x for _, x in leaves_of(list(args), "") if not isinstance(x, _ARGUMENTS)]
    found += [x for x in args if isinstance(x, Module)]
    return type(found[0]).__name__ if found else ""


def _is_part(x: Any) -> bool:
    return x is not None


def _tensor(x: Any) -> Any:
    return None if x is None else Tensor(x)
