"""How does a picture come from the command line?"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import viz
from tinygrad_rnn import Tensor, nn, scope

CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def main(arguments: list[str] | None = None) -> int:
    """Draw what `arguments` (the command line by default) ask for; 0 if it worked, 2 if not."""
    options = _parser().parse_args(arguments)
    try:
        loss = _loss(options)
        if options.picture == "unroll":
            drawing = viz.unrolled(loss, options.detail)
        elif options.picture == "fold":
            drawing = viz.folded(loss, options.detail)
        else:
            drawing = viz.gradient_flow(loss, options.detail)
        print(drawing.save(options.output))
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"viz: {error}", file=sys.stderr)
        return 2
    return 0


def _loss(options: argparse.Namespace) -> Tensor:
    """Random inputs through fresh layers; the mean square of the last output and a target."""
    for name in ("steps", "layers", "hidden", "inputs", "batch"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1, got {getattr(options, name)}.")
    rng = np.random.default_rng(0)
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
    return nn.mse_loss(outputs[-1], rng.standard_normal((options.batch, options.hidden)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m viz", description="Draw a recurrent network as it is recorded."
    )
    pictures = parser.add_subparsers(dest="picture", required=True, metavar="unroll|fold|flow")
    for name, what, detail in (
        ("unroll", "the graph along time", "op"),
        ("fold", "equal steps drawn once", "op"),
        ("flow", "the size of the gradient on every edge", "op"),
    ):
        one = pictures.add_parser(name, help=what, description=f"Draw {what}.")
        one.add_argument("cell", choices=CELLS)
        one.add_argument("--steps", type=int, default=4, help="time steps (4)")
        one.add_argument("--layers", type=int, default=1, help="layers above each other (1)")
        one.add_argument("--hidden", type=int, default=4, help="units of a state (4)")
        one.add_argument("--inputs", type=int, default=3, help="features of an input (3)")
        one.add_argument("--batch", type=int, default=2, help="sequences at once (2)")
        one.add_argument("--detail", choices=("cell", "gate", "op"), default=detail)
        one.add_argument(
            "-o", "--output", required=True, help="file to write: .svg, .png, .pdf or .dot"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
