"""Which record is drawn from the command line: of a cell by its name, or of one's own file?"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn import Tensor, nn, scope

LARGEST = 10_000  # for every number, and for steps times layers: recorded within seconds
WORK = 10**10  # multiplications, of all steps: some seconds
DEFAULTS = {"steps": 4, "layers": 1, "directions": 1, "hidden": 4, "inputs": 3, "batch": 2}


def cells() -> dict[str, type]:
    """All cells, by name in small letters: ``lstm``, ``peepholelstm``."""
    return {name.removesuffix("Cell").lower(): cell for name, cell in nn.cells_of(nn).items()}


def known(word: str) -> str:
    """A cell's name in small letters, or ``file.py:name`` as it is.

    Raises
    ------
    argparse.ArgumentTypeError
        There is no such cell; the nearest name is offered.
    """
    if ".py" in word:
        return word
    if word.endswith(".npz"):
        raise argparse.ArgumentTypeError(
            f"{word}: a saved run has values but no record. Name a function that gives the loss: "
            "my.py:loss"
        )
    name = word.lower().removesuffix("cell")
    if name not in cells():
        near = difflib.get_close_matches(name, cells(), 1, 0.5)
        meant = f"did you mean {near[0]}? " if near else ""
        raise argparse.ArgumentTypeError(
            f"there is no cell {word!r}; {meant}There are {', '.join(sorted(cells()))}, and "
            "my.py:loss for a loss of your own"
        )
    return name


def own(what: str) -> Any:
    """What a function in a Python file returns, or a value in it: a loss, or outputs.

    Raises
    ------
    ValueError
        The file cannot be read, or has no such name.
    """
    path, _, name = what.partition(".py")
    file, name = Path(f"{path}.py"), name.removeprefix(":") or "loss"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ValueError(f"{file}: there is no such file.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))  # so that it finds its neighbours
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    if not hasattr(module, name):
        public = [n for n in vars(module) if not n.startswith("_")]
        near = difflib.get_close_matches(name, public, 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"{file} has no {name!r}.{meant}")
    value = getattr(module, name)
    return value() if callable(value) and not isinstance(value, Tensor) else value


def settle(options: argparse.Namespace) -> None:
    """Fill in the numbers that were not given, and check them; a file of one's own has none."""
    given = [name for name in DEFAULTS if getattr(options, name, None) is not None]
    if ".py" in options.cell:
        if given:
            raise ValueError(
                f"--{given[0]} would be ignored: {options.cell} records what it wants."
            )
        return
    for name, value in DEFAULTS.items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    if "inputs" not in given and _square(cells()[options.cell]):
        options.inputs = options.hidden
    for name in DEFAULTS:
        if not 1 <= getattr(options, name) <= LARGEST:
            raise ValueError(f"--{name} must be 1 … {LARGEST}, got {getattr(options, name)}.")
    if options.directions > 2:
        raise ValueError(f"--directions must be 1 or 2, got {options.directions}.")
    lanes = options.layers * options.directions
    if options.steps * lanes > LARGEST:
        raise ValueError(
            f"--steps {options.steps} × --layers {options.layers} are more than {LARGEST} cells. "
            "Choose fewer; long pictures omit the middle steps anyway."
        )
    products = options.hidden * (options.hidden + options.inputs) * options.batch
    if products * options.steps * lanes > WORK:
        raise ValueError(
            "--hidden, --inputs, --batch and --steps are too large together: more than "
            f"{WORK:,} multiplications. A picture looks the same with few units."
        )
    if not _sized(cells()[options.cell]):
        for name in ("hidden", "inputs", "batch", "layers", "directions"):
            if name in given:
                raise ValueError(f"--{name} would be ignored: {options.cell} has its own sizes.")


def outputs(options: argparse.Namespace, rng: np.random.Generator, xs: Any = None) -> Any:
    """The outputs of fresh layers for `xs`, by default random inputs."""
    cell = cells()[options.cell]
    if not _sized(cell):
        sample, inputs, state = cell.samples(rng=0)[0]
        shape = (options.steps, *inputs.shape[1:])
        return nn.unroll(sample, rng.standard_normal(shape), state)[0]
    if xs is None:
        xs = rng.standard_normal((options.steps, options.batch, options.inputs))

    def make(size: int) -> Any:
        return cell(size, options.hidden, rng=rng)

    size = options.inputs
    if options.directions == 2:
        return [*nn.Recurrent.of(make, size, options.layers, bidirectional=True)(xs)[0]]
    for k in range(options.layers):
        if options.layers == 1:
            xs, _ = nn.unroll(make(size), xs)
        else:
            with scope(f"layer {k + 1}"):
                xs, _ = nn.unroll(make(size), xs)
        size = options.hidden
    return xs


def loss(options: argparse.Namespace) -> Any:
    """The mean square of the last output and a random target; of a file, what it gives."""
    if ".py" in options.cell:
        return own(options.cell)
    rng = np.random.default_rng(0)
    last = outputs(options, rng)[-1]
    if not isinstance(last, Tensor):  # nothing of a reservoir is a parameter but what reads it
        last = nn.Linear(last.shape[-1], last.shape[-1], rng=rng)(last)
    return nn.mse_loss(last, rng.standard_normal(last.shape))


def _sized(cell: type) -> bool:
    """True if a cell is made of an input size and a hidden size, for plain inputs."""
    required = [
        p.name
        for p in inspect.signature(cell).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    samples: Any = getattr(cell, "samples", None)
    return required == ["input_size", "hidden_size"] and samples(rng=0)[0][1].ndim == 3


def _square(cell: Any) -> bool:
    """True if a cell reads as many features as it has units."""
    found = [one for one, *_ in cell.samples(rng=0)]
    sizes = [(getattr(c, "input_size", 0), getattr(c, "hidden_size", 1)) for c in found]
    return all(a == b for a, b in sizes)
