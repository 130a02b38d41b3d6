"""What runs a training step: its record, or the program printed from it?

A call with new shapes runs eagerly, and the second of the same shapes is compiled: what comes once,
as the first batch, which carries no state, or a length that nothing else has, costs no compiler.
Which shapes those were is written down in the run, so that one that was killed goes on to the same
bits.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_rnn.engine.context import context
from tinygrad_rnn.engine.tensor import Tensor
from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.program.native import NoCompiler
from tinygrad_rnn.program.native.build import compiler
from tinygrad_rnn.program.step import KEPT, CompiledStep
from tinygrad_rnn.program.trace import Refused, leaves_of
from tinygrad_rnn.train.carried import detached
from tinygrad_rnn.train.run import Run

__all__ = ["TARGETS", "TrainingStep", "held"]

TARGETS = ("auto", "c", "numpy", "eager")
REMEMBERED = 1000  # signatures
_ARGUMENTS = (Tensor, np.ndarray, np.generic, int, float, str, type(None))
_CHANGES = "the loss changes what the model holds (a generator, a counter), and a program would not"

Loss = Callable[[Any, tuple[Any, ...], Any], tuple[Tensor, Any]]


class TrainingStep:
    """Loss, gradients and the state after a batch.

    Parameters
    ----------
    model, loss
        ``loss(model, batch, state)`` gives the recorded loss and the state after it.
    target
        One of `TARGETS`.
    run
        Knows which signatures are compiled.
    rng
        The generator of the run: what draws from it is no program.
    say
        Is told, in one line, what runs eagerly and why.
    """

    def __init__(
        self,
        model: Module,
        loss: Loss,
        target: str,
        run: Run,
        rng: np.random.Generator | None,
        say: Callable[[str], None],
    ) -> None:
        if target not in TARGETS:
            raise ValueError(f"fit: target is one of {', '.join(TARGETS)}, got {target!r}.")
        self.model, self.loss, self.run, self.rng, self.say = model, loss, run, rng, say
        self.told: set[str] = set()
        self.key = ""  # of the signature of this call
        self.compiled: CompiledStep | None = None
        now = context.get()
        if target != "eager" and now.recording and not now.anomaly:
            way = ("c" if _builds() else "numpy") if target == "auto" else target
            self.compiled = CompiledStep(_function(self), target=way)

    def __call__(self, batch: Any, state: Any) -> tuple[float, Any]:
        """The loss as a number and the state, detached; each parameter has its ``.grad``."""
        before = ""
        if self.compiled is not None and isinstance(batch, tuple):
            params, before = self.model.named_parameters(), held(self.model)
            args = (before, *batch, state)
            if self._serves(self.compiled, params, args):
                found = self._program(self.compiled, params, args)
                if found is not None:
                    return found
        loss, state = self.loss(self.model, batch, state)
        loss.backward()
        self.run.target = "eager"
        if before and held(self.model) != before:
            self._tell(_CHANGES)
            self.compiled = None
        return loss.item(), detached(state)

    def _serves(self, step: CompiledStep, params: dict[str, Tensor], args: Any) -> bool:
        """Whether a program serves this call; else it runs eagerly."""
        strange = [x for _, x in leaves_of(list(args), "") if not isinstance(x, _ARGUMENTS)]
        if strange:
            self._tell(f"a batch with a {type(strange[0]).__name__} in it cannot be compiled")
            return False
        key = repr(step.signature(params, *args)[0])
        self.key = hashlib.sha256(key.encode()).hexdigest()[:16]
        known = self.run.signatures
        if self.key not in known:
            if len(known) < REMEMBERED:
                known[self.key] = "once"
            if sum(how == "once" for how in known.values()) == 2 * KEPT:
                self._tell("most shapes come only once; pad sequences to fewer lengths")
            return False
        if known[self.key] != "once":
            return known[self.key] != "eager"
        if sum(how in ("c", "numpy") for how in known.values()) >= KEPT:
            self._tell(f"shapes beyond the first {KEPT}; pad sequences to fewer lengths")
            return False
        return "eager" not in known.values()  # one that failed is enough

    def _program(
        self, step: CompiledStep, params: dict[str, Tensor], args: Any
    ) -> tuple[float, Any] | None:
        """Run the program; None if there is none."""
        try:
            program, arrays = step.find(params, *args)
        except Exception as error:  # if it is the model's own, the same call says so eagerly
            program, arrays = f"not compiled: {type(error).__name__}: {error}", list[Any]()
        if isinstance(program, str):
            self.run.signatures[self.key] = "eager"
            self._tell(program)
            return None
        self.run.signatures[self.key] = step.target
        self.run.target = "numpy" if program.no_c else step.target
        if program.no_c:
            self._tell(f"NumPy instead of C: {program.no_c}", "runs ")
        loss, *results = program(arrays)
        for p, used, g in zip(params.values(), program.used, results, strict=False):
            if used:
                p.grad = g[()] if p.grad is None else p.grad + g
        return loss.item(), detached(program.beside(results[len(program.used) :]))

    def _tell(self, why: str, how: str = "runs eagerly: ") -> None:
        if why not in self.told:
            self.told.add(why)
            self.say(f"fit: {how}{why}")


def _function(step: TrainingStep) -> Callable[..., Any]:
    """The loss as a function of parameters, what else the model holds, batch and state."""
    model, loss, rng = step.model, step.loss, step.rng

    def loss_fn(params: dict[str, Tensor], _: str, *args: Any) -> tuple[Tensor, Any]:
        # a copy with these parameters: what the loss changes in it is seen, and changes nothing
        given = {id(p): q for p, q in zip(model.parameters(), params.values(), strict=True)}
        twin = copy.deepcopy(model, given)
        before, drawn = held(twin), None if rng is None else rng.bit_generator.state
        found = loss(twin, args[:-1], args[-1])
        if rng is not None and drawn and repr(rng.bit_generator.state) != repr(drawn):
            rng.bit_generator.state = drawn
            raise Refused("the loss draws from rng, and what is drawn would be baked in")
        if held(twin) != before:
            raise Refused(_CHANGES)
        return found

    names = [*inspect.signature(model.loss).parameters]  # type: ignore[attr-defined]
    kind = inspect.Parameter.POSITIONAL_ONLY
    heads = dict.fromkeys(["params", "held", *names])
    loss_fn.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in heads]
    )
    return loss_fn


def held(model: Any) -> str:
    """A digest of all that a model holds beside its parameters: arrays, numbers, generators.

    A program printed from its loss depends on it. Of large arrays a sample is looked at.
    """
    todo, seen, digest = [model], set(), hashlib.sha256()
    while todo:
        x = todo.pop()
        if type(x) is Tensor:
            continue
        if isinstance(x, np.ndarray):
            few = x.flat[:: 1 + x.size // 65536]
            said = (x.shape, x.dtype, x.dtype.hasobject or zlib.crc32(few.tobytes()))
        elif isinstance(x, np.random.Generator):
            said = x.bit_generator.state
        elif x is None or isinstance(x, (int, float, complex, str, bytes, np.generic)):
            said = x
        elif callable(x) and hasattr(x, "__qualname__"):
            said = x.__qualname__
        else:
            said = type(x).__name__
            if id(x) not in seen:
                seen.add(id(x))
                inside = x if isinstance(x, dict) else getattr(x, "__dict__", {})
                todo.extend(x if isinstance(x, (list, tuple)) else ())
                todo.extend(part for pair in inside.items() for part in pair)
        digest.update(repr(said).encode())
    return digest.hexdigest()


def _builds() -> bool:
    try:
        compiler()
    except NoCompiler:
        return False
    return True
