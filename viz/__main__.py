"""How does a picture come from the command line?"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import viz
from tinygrad_rnn import Tensor, nn, scope

LARGEST = 10_000  # of every number, and of steps times layers: what is recorded within seconds
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
    except KeyboardInterrupt:
        return 130  # as a shell counts it
    except MemoryError:
        print("viz: this is more than memory holds; choose smaller numbers.", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"viz: {error}", file=sys.stderr)
        return 2
    return 0


def _loss(options: argparse.Namespace) -> Tensor:
    """Random inputs through fresh layers; the mean square of the last output and a target."""
    for name in ("steps", "layers", "hidden", "inputs", "batch"):
        if not 1 <= getattr(options, name) <= LARGEST:
            raise ValueError(f"--{name} must be 1 … {LARGEST}, got {getattr(options, name)}.")
    if options.steps * options.layers > LARGEST:
        raise ValueError(
            f"--steps {options.steps} × --layers {options.layers} are more than {LARGEST} cells. "
            "Choose fewer; long pictures leave the middle steps out anyway."
        )
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
    for name, what in (
        ("unroll", "the graph along time"),
        ("fold", "equal steps drawn once"),
        ("flow", "the size of the gradient on every edge"),
    ):
        one = pictures.add_parser(name, help=what, description=f"Draw {what}.")
        one.add_argument("cell", choices=CELLS)
        one.add_argument("--steps", type=int, default=4, help="time steps (4)")
        one.add_argument("--layers", type=int, default=1, help="layers above each other (1)")
        one.add_argument("--hidden", type=int, default=4, help="units of a state (4)")
        one.add_argument("--inputs", type=int, default=3, help="features of an input (3)")
        one.add_argument("--batch", type=int, default=2, help="sequences at once (2)")
        one.add_argument("--detail", choices=("cell", "gate", "op"), default="op")
        one.add_argument(
            "-o", "--output", required=True, help="file to write: .svg, .png, .pdf or .dot"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
