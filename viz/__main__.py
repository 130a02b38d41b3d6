"""How is a picture drawn from the command line?"""

from __future__ import annotations

import argparse
import functools
import operator
import sys
from typing import Any

import numpy as np

import viz
from tinygrad_rnn import Tensor, nn, scope, tasks

LARGEST = 10_000  # for every number, and for steps times layers: recorded within seconds
MATRIX = 500  # steps whose gradients are compared each with each
WORK = 10**10  # multiplications, of all steps: some seconds
ALONE = 24  # at most so many losses can be selected one by one: each stores its gradients
CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def main(arguments: list[str] | None = None) -> int:
    """Draw the picture of `arguments`, by default the command line; 0 on success, 2 on an error."""
    options = _parser().parse_args(arguments)
    try:
        if options.picture == "gallery":
            from viz.gallery.gallery import gallery

            print(gallery(options.output, options.seconds))
            return 0
        if options.picture == "play":
            print(_player(options).save(options.output))
            return 0
        if options.picture == "flow" and options.matrix:
            if options.detail is not None:
                raise ValueError("--matrix shows time against time: it has no --detail.")
            plot, numbers = _matrix(options), options.output.lower().endswith(".csv")
            print(plot.csv(options.output) if numbers else plot.save(options.output))
            return 0
        loss, detail = _loss(options), options.detail or "op"
        if options.picture == "unroll":
            drawing = viz.unrolled(loss, detail)
        elif options.picture == "fold":
            drawing = viz.folded(loss, detail)
        else:
            drawing = viz.gradient_flow(loss, detail)
        print(drawing.save(options.output))
    except KeyboardInterrupt:
        return 130  # as a shell counts it
    except MemoryError:
        print("viz: not enough memory; choose smaller numbers.", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"viz: {error}", file=sys.stderr)
        return 2
    return 0


def _loss(options: argparse.Namespace) -> Tensor:
    """Random inputs through fresh layers; the mean square of the last output and a target."""
    rng = np.random.default_rng(0)
    outputs = _outputs(options, rng)
    return nn.mse_loss(outputs[-1], rng.standard_normal((options.batch, options.hidden)))


def _matrix(options: argparse.Namespace) -> viz.Plot:
    """The gradient matrix of a loss at every step, with random numbers as in `_loss`."""
    if options.steps > MATRIX:
        raise ValueError(
            f"--matrix runs a backward pass from each step: --steps must be 1 … {MATRIX}, got "
            f"{options.steps}. viz.carousel draws longer records with one backward pass."
        )
    rng = np.random.default_rng(0)
    outputs = _outputs(options, rng)
    with scope("loss"):
        target = rng.standard_normal((options.batch, options.hidden))
        losses = [nn.mse_loss(h, target) for h in outputs]
        return viz.gradient_matrix(losses, budget=MATRIX)


def _player(options: argparse.Namespace) -> viz.Player:
    """Fresh layers that predict the next character of the text; without one as `_loss`."""
    if options.text is None:
        return viz.play(_loss(options))
    text = options.text
    if not 2 <= len(text) <= LARGEST:
        raise ValueError(
            f"--text must have 2 … {LARGEST} characters, to predict each but the first, "
            f"got {len(text)}."
        )
    letters = tasks.Alphabet(text)
    options.steps, options.inputs, options.batch = len(text) - 1, len(letters), 1
    numbers, rng = letters.encode(text), np.random.default_rng(0)
    outputs = _outputs(options, rng, np.eye(len(letters))[numbers[:-1], None])
    head = nn.Linear(options.hidden, len(letters), rng=rng)
    losses: dict[str, Tensor] = {}
    for t, h in enumerate(outputs):
        with scope("loss", t=t):
            losses[f"t = {t}, {text[t + 1]!r}"] = nn.cross_entropy(head(h), numbers[t + 1, None])
    loss = functools.reduce(operator.add, losses.values()) / len(losses)
    alone = losses if 1 < len(losses) <= ALONE else None
    return viz.play(loss, losses=alone, labels=text, title=f"{options.cell} reads {text[:40]!r}")


def _outputs(options: argparse.Namespace, rng: np.random.Generator, xs: Any = None) -> Any:
    """The outputs of fresh layers for `xs`, by default random inputs."""
    for name in ("steps", "layers", "hidden", "inputs", "batch"):
        if not 1 <= getattr(options, name) <= LARGEST:
            raise ValueError(f"--{name} must be 1 … {LARGEST}, got {getattr(options, name)}.")
    if options.steps * options.layers > LARGEST:
        raise ValueError(
            f"--steps {options.steps} × --layers {options.layers} are more than {LARGEST} cells. "
            "Choose fewer; long pictures omit the middle steps anyway."
        )
    products = options.hidden * (options.hidden + options.inputs) * options.batch
    if products * options.steps * options.layers > WORK:
        raise ValueError(
            "--hidden, --inputs, --batch and --steps are too large together: more than "
            f"{WORK:,} multiplications. A picture looks the same with few units."
        )
    outputs = xs
    if xs is None:
        outputs = rng.standard_normal((options.steps, options.batch, options.inputs))
    size = options.inputs
    for k in range(options.layers):
        cell = CELLS[options.cell](size, options.hidden, rng=rng)
        if options.layers == 1:
            outputs, _ = nn.unroll(cell, outputs)
        else:
            with scope(f"layer {k + 1}"):
                outputs, _ = nn.unroll(cell, outputs)
        size = options.hidden
    return outputs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m viz", description="Draw a recurrent network from its record."
    )
    pictures = parser.add_subparsers(
        dest="picture", required=True, metavar="unroll|fold|flow|play|gallery"
    )
    for name, what in (
        ("unroll", "the graph unrolled along time"),
        ("fold", "the folded graph: equal steps drawn once"),
        ("flow", "the norm of the gradient on every edge"),
        ("play", "a page that plays the forward and the backward pass"),
    ):
        one = pictures.add_parser(name, help=what, description=f"Draw {what}.")
        one.add_argument("cell", choices=CELLS, help="the cell of every layer")
        one.add_argument("--steps", type=int, default=4, help="time steps (4)")
        one.add_argument("--layers", type=int, default=1, help="stacked layers (1)")
        one.add_argument("--hidden", type=int, default=4, help="units per layer (4)")
        one.add_argument("--inputs", type=int, default=3, help="features per input (3)")
        one.add_argument("--batch", type=int, default=2, help="sequences in the batch (2)")
        endings = ".svg, .png, .pdf or .dot"
        if name == "play":
            one.add_argument("--text", help="predict its next characters, instead of random inputs")
            endings = ".html"
        else:
            one.add_argument(
                "--detail", choices=("cell", "gate", "op"), help="what a node stands for (op)"
            )
        if name == "flow":
            one.add_argument(
                "--matrix",
                action="store_true",
                help="draw a map of time against time; .csv writes its numbers",
            )
        one.add_argument("-o", "--output", required=True, help=f"file to write: {endings}")
    what = "every picture, of trained models, on one page"
    one = pictures.add_parser("gallery", help=what, description=f"Draw {what}.")
    one.add_argument(
        "--seconds", type=float, default=6, help="training time of each of the three models (6)"
    )
    one.add_argument(
        "-o", "--output", default="out/gallery", help="folder to write to (out/gallery)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
