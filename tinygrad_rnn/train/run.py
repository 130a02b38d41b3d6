"""What does a run keep, so that it can go on where it was killed?

Step, losses, carried state and best parameters; the model's values; the arrays and settings of the
optimiser; and the state of the random generator. All of it goes into one checkpoint, and all of it
is checked before any of it is restored.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn.nn.module import Module
from tinygrad_rnn.train import checkpoint
from tinygrad_rnn.train.carried import Classes, classes_in, packed, unpacked
from tinygrad_rnn.train.checkpoint import CheckpointError
from tinygrad_rnn.train.generator import generator_facts, generator_state
from tinygrad_rnn.train.optimiser import Optimiser

__all__ = ["Run", "load_run", "save_run", "settle"]


COUNTED = {
    "eager": "eagerly, as written",
    "c": "by a program in C",
    "numpy": "by a program in NumPy",
    "compared": "of them compared with the loss as written",
}


@dataclass(repr=False)
class Run:
    """The state of training: steps done, what was measured, and how the steps ran.

    Attributes
    ----------
    step
        Steps done.
    losses, norms
        Loss and gradient norm (before clipping) of each step.
    scores
        Results of validation: pairs (step, score), lower is better.
    state
        The state carried to the next batch: detached Tensors, arrays, numbers and strings in
        tuples, lists and dicts, or None.
    best
        The model's values at the best score so far.
    counts
        Steps that ran ``"eager"`` or as a program in ``"c"`` or ``"numpy"``, and programs that were
        ``"compared"`` with the loss as written.
    reasons
        Sentences that say why steps ran in another way than asked for.
    signatures
        For a digest of the shapes of each kind of step: a digest of its program, the same for all
        lengths, or ``"eager"``.
    target
        How the last step ran: ``"c"``, ``"numpy"`` or ``"eager"``.
    settings
        The `Optimiser.settings` at the start of the run.
    small
        Whether matrix products are small and therefore run on one thread, unless a number was set.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)
    state: Any = None
    best: dict[str, np.ndarray] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    reasons: list[str] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)
    target: str = "eager"
    settings: dict[str, Any] = field(default_factory=dict)
    small: bool = False

    def explain(self) -> str:
        """The way in which the steps ran, and the reason if it is not the one asked for.

        If the loss asked for a value, the sentence names the line.
        """
        ran = {name: f"{self.counts[name]:,} {what}" for name, what in COUNTED.items()}
        by = [ran[name] for name in ("c", "numpy", "eager") if self.counts[name]]
        lines = [f"{self.step:,} steps: {', '.join(by) or 'none yet'}"]
        if self.counts["compared"]:
            lines.append(ran["compared"])
        return "\n".join([*lines, *self.reasons])

    def __repr__(self) -> str:
        losses = f", loss {self.losses[0]:.4g} → {self.losses[-1]:.4g}" if self.losses else ""
        best = min((score for _, score in self.scores), default=None)
        scores = "" if best is None else f", best score {best:.4g}"
        return f"<run of {self.step:,} steps, the last {self.target}{losses}{scores}>"

    @property
    def waited(self) -> int:
        """The number of validations since the best score."""
        found = [score if score == score else np.inf for _, score in self.scores]  # NaN: never best
        return len(found) - 1 - found.index(min(found)) if found else 0


def save_run(
    path: str | os.PathLike[str],
    run: Run,
    model: Module,
    optimiser: Optimiser,
    rng: np.random.Generator | None = None,
    state: Any = None,
) -> None:
    """Write everything that a run needs to go on into one file, all or nothing.

    A carried state may hold named tuples of the classes that are in `state`.
    """
    arrays = {
        "run.losses": np.array(run.losses, float),
        "run.norms": np.array(run.norms, float),
        "run.scored": np.array([step for step, _ in run.scores], np.int64),
        "run.scores": np.array([score for _, score in run.scores], float),
    }
    parts: list[np.ndarray] = []
    facts = {
        "step": run.step,
        "optimiser": type(optimiser).__name__,
        "settings": run.settings or optimiser.settings(),
        "generator": generator_facts(rng),
        "state": packed(run.state, parts, classes_in(state)),
        "signatures": run.signatures,
        "counts": run.counts,
        "reasons": run.reasons,
        "small": run.small,
    }
    for room, found in (
        ("model", model.state_dict()),
        ("optimiser", optimiser.state_dict()),
        ("best", run.best),
        ("state", {str(k): part for k, part in enumerate(parts)}),
    ):
        arrays |= {f"{room}.{name}": array for name, array in found.items()}
    checkpoint.save(path, arrays, facts)


def load_run(
    path: str | os.PathLike[str],
    model: Module,
    optimiser: Optimiser,
    rng: np.random.Generator | None = None,
    state: Any = None,
) -> Run:
    """Restore model, optimiser and generator from the file of `save_run`, and return the run.

    The optimiser keeps its settings, except for the learning rate; ``run.settings`` are those at
    the start of the run. The classes of named tuples are those in `state`.

    Raises
    ------
    FileNotFoundError
        There is no file.
    CheckpointError
        The file cannot be loaded or does not fit: names the file and the reason. Nothing has
        changed.
    """
    arrays, facts = checkpoint.load(path)
    rooms: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        room, _, rest = name.partition(".")
        rooms.setdefault(room, {})[rest] = array
    try:
        if rooms.keys() - {"run", "model", "optimiser", "best", "state"}:
            raise ValueError(f"foreign arrays {', '.join(rooms)}")
        weights, memory = rooms.get("model", {}), rooms.get("optimiser", {})
        if facts["optimiser"] != type(optimiser).__name__:
            raise ValueError(f"it is of {facts['optimiser']!r}, this is {type(optimiser).__name__}")
        _check_like("the model", weights, model.state_dict())
        optimiser.check_state_dict(memory)
        drawn = generator_state(facts["generator"], rng)
        run = _run(facts, rooms, model, classes_in(state))
    except Exception as error:  # anything may stand in the facts of a file that was tampered with
        name = Path(path).name
        raise CheckpointError(
            f"load checkpoint {name}: it does not fit this run: {error!s} ({type(error).__name__})."
            " Nothing was loaded. Build model, optimiser and generator as they were when it was "
            "saved, or move the file away to start anew."
        ) from error
    model.load_state_dict(weights)
    optimiser.load_state_dict(memory)
    if rng is not None:
        rng.bit_generator.state = drawn
    return run


def settle(run: Run, optimiser: Optimiser, asked: dict[str, Any]) -> str:
    """Go on with the settings `asked` for; returns a line that names those that differ, or "".

    A learning rate that a schedule changed goes on where it was, unless the optimiser was built
    with another one than at the start of the run.
    """
    begun = run.settings or asked
    other = [name for name in asked | begun if asked.get(name) != begun.get(name)]
    if optimiser.lr == asked["lr"] and "lr" in other:
        other.remove("lr")  # the same optimiser, whose learning rate changed before this call
    if "lr" in other:
        optimiser.lr = asked["lr"]
    run.settings = asked if "lr" in other else asked | {"lr": begun["lr"]}
    if not other:
        return ""
    said = ", ".join(f"{x}={asked.get(x)!r} (before {begun.get(x)!r})" for x in other)
    run.reasons.append(f"goes on from step {run.step} with this optimiser's {said}")
    return f"fit: {run.reasons[-1]}"


# -- details --------------------------------------------------------------------------------------


def _run(
    facts: dict[str, Any], rooms: dict[str, dict[str, np.ndarray]], model: Module, classes: Classes
) -> Run:
    step, kept = facts["step"], rooms.get("run", {})
    if type(step) is not int or step < 0:
        raise ValueError(f"expected a step of at least 0, got {step!r}")
    n = len(kept.get("scores", ()))
    each = np.broadcast_to(0.0, (step,))  # takes no memory, however many
    expected = {"losses": each, "norms": each}
    expected |= {"scored": np.zeros(n, np.int64), "scores": np.zeros(n)}
    _check_like("the run", kept, expected)
    best = rooms.get("best", {})
    if best:
        _check_like("the best model", best, model.state_dict())
    parts = rooms.get("state", {})
    state = unpacked(facts["state"], parts, classes)
    if parts:
        raise ValueError(f"unused parts of a state: {', '.join(parts)}")
    scores = list(zip(kept["scored"].tolist(), kept["scores"].tolist(), strict=True))
    ways, counts, reasons = dict(facts["signatures"]), dict(facts["counts"]), facts["reasons"]
    if not all(
        type(how) is str and re.fullmatch("[0-9a-f]{16}|program|eager", how)
        for how in ways.values()
    ):
        raise ValueError(f"unknown ways to run a step: {ways!r}")
    if counts.keys() != COUNTED.keys() or not all(
        type(n) is int and n >= 0 for n in counts.values()
    ):
        raise ValueError(f"unknown counts of steps: {counts!r}")
    if type(reasons) is not list or not all(type(why) is str for why in reasons):
        raise ValueError(f"expected reasons as sentences, got {reasons!r}")
    begun = facts["settings"]
    known = isinstance(begun, dict) and all(map(str.isidentifier, begun))
    if not known or type(begun.get("lr")) is not float:
        raise ValueError(f"expected the settings of an optimiser, got {begun!r}")
    losses, norms = kept["losses"].tolist(), kept["norms"].tolist()
    small = facts.get("small") is True  # older files have none
    return Run(
        step, losses, norms, scores, state, best, counts, reasons, ways, settings=begun, small=small
    )


def _check_like(what: str, found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    problems = [f"missing {key!r}" for key in expected if key not in found]
    problems += [f"unexpected {key!r}" for key in found if key not in expected]
    for key in expected.keys() & found.keys():
        a, b = found[key], expected[key]
        if a.shape != b.shape or a.dtype != b.dtype:
            problems.append(
                f"{key!r} is {a.dtype} of shape {a.shape}, expected {b.dtype} of shape {b.shape}"
            )
    if problems:
        raise ValueError(f"{what} has other arrays: {'; '.join(sorted(problems))}")
