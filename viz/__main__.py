"""How is a picture drawn from the command line?"""

from __future__ import annotations

import argparse
import difflib
import functools
import operator
import sys
from typing import Any

import numpy as np

import viz
from tinygrad_rnn import Tensor, __version__, nn, scope, tasks
from viz import network
from viz.graphs.unrolled import CELLS

MATRIX = 500  # steps whose gradients are compared each with each
ALONE = 24  # at most so many losses can be selected one by one: each stores its gradients
PAPER = {"cell": 24, "gate": 24, "op": 120, "scalar": 400}  # what a page shows, by detail
CAPITALS = ("rnn", "lstm", "gru", "mgu")
PICTURES = ("unroll", "fold", "flow", "play", "gallery", "deck")


def main(arguments: list[str] | None = None) -> int:
    """Draw the picture of `arguments`, by default the command line; 0 on success, 2 on an error."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0].lower() in PICTURES:
        words[0] = words[0].lower()
    options = _parser(words).parse_args(words)
    try:
        for path in _written(options):
            print(path)
    except KeyboardInterrupt:
        return 130  # as a shell counts it
    except MemoryError:
        print("viz: not enough memory; choose smaller numbers.", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"viz: {error}", file=sys.stderr)
        return 2
    return 0


def _written(options: argparse.Namespace) -> list[Any]:
    """Draw and write what is asked for; the paths."""
    if options.picture == "gallery":
        from viz.gallery.gallery import gallery

        return [gallery(options.output, options.seconds)]
    if options.picture == "deck":
        from viz.gallery.deck import deck

        return deck(options.output)
    if options.picture == "play":
        return [_player(options).save(options.output)]
    network.settle(options)
    if options.picture == "flow" and options.matrix:
        for name in ("detail", "size", "weights"):
            if getattr(options, name) is not None:
                raise ValueError(f"--matrix shows time against time: it has no --{name}.")
        plot, numbers = _matrix(options), options.output.lower().endswith(".csv")
        return [plot.csv(options.output) if numbers else plot.save(options.output)]
    return [_drawing(options).save(options.output)]


def _drawing(options: argparse.Namespace) -> viz.Drawing:
    """The graph: of one step its gates, of several the cells, if no detail is asked for."""
    loss = network.loss(options)
    more: dict[str, Any] = {"weights": options.weights, "size": options.size}
    detail = options.detail or "auto"
    if detail == "auto" and options.size is None:
        one = "gate" if options.steps == 1 else "cell"
        detail = "op" if options.picture == "fold" else one
    if options.size is None and options.picture != "fold":
        more["budget"] = PAPER[detail]
    name = options.cell.upper()
    if detail == "cell":
        more |= CELLS
        if options.cell in CAPITALS:  # as it is written in a text
            more["names"] = {options.cell: name}
    draw = {"unroll": viz.unrolled, "fold": viz.folded, "flow": viz.gradient_flow}
    return draw[options.picture](loss, detail, **more)


def _matrix(options: argparse.Namespace) -> viz.Plot:
    """The gradient matrix of a loss at every step, with random numbers as in `_loss`."""
    if options.steps > MATRIX:
        raise ValueError(
            f"--matrix runs a backward pass from each step: --steps must be 1 … {MATRIX}, got "
            f"{options.steps}. viz.carousel draws longer records with one backward pass."
        )
    rng = np.random.default_rng(0)
    outputs = network.outputs(options, rng)
    with scope("loss"):
        target = rng.standard_normal(outputs[-1].shape)
        losses = [nn.mse_loss(h, target) for h in outputs]
        return viz.gradient_matrix(losses, budget=MATRIX)


def _player(options: argparse.Namespace) -> viz.Player:
    """Fresh layers that predict the next character of the text; without one as `network.loss`."""
    if options.text is None:
        network.settle(options)
        return viz.play(network.loss(options))
    for name in ("steps", "inputs", "batch"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} would be ignored: it follows from --text.")
    if ".py" in options.cell:
        raise ValueError(f"--text would be ignored: {options.cell} records what it wants.")
    text = options.text
    if not 2 <= len(text) <= network.LARGEST:
        raise ValueError(
            f"--text must have 2 … {network.LARGEST} characters, to predict each but the first, "
            f"got {len(text)}."
        )
    letters = tasks.Alphabet(text)
    options.steps, options.inputs, options.batch = len(text) - 1, len(letters), 1
    network.settle(options)
    numbers, rng = letters.encode(text), np.random.default_rng(0)
    outputs = network.outputs(options, rng, np.eye(len(letters))[numbers[:-1], None])
    head = nn.Linear(outputs[0].shape[-1], len(letters), rng=rng)
    losses: dict[str, Tensor] = {}
    for t, h in enumerate(outputs):
        with scope("loss", t=t):
            losses[f"t = {t}, {text[t + 1]!r}"] = nn.cross_entropy(head(h), numbers[t + 1, None])
    loss = functools.reduce(operator.add, losses.values()) / len(losses)
    alone = losses if 1 < len(losses) <= ALONE else None
    return viz.play(loss, losses=alone, labels=text, title=f"{options.cell} reads {text[:40]!r}")


def _parser(words: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m viz", description="Draw a recurrent network from its record."
    )
    parser.add_argument("--version", action="version", version=f"tinygrad_rnn {__version__}")
    near = difflib.get_close_matches(words[0], PICTURES, 1) if words else []
    if near and words[0] not in PICTURES and not words[0].startswith("-"):
        parser.error(f"there is no picture {words[0]!r}; did you mean {near[0]}?")
    pictures = parser.add_subparsers(dest="picture", required=True, metavar="|".join(PICTURES))
    for name, what in (
        ("unroll", "the graph unrolled along time"),
        ("fold", "the folded graph: equal steps drawn once"),
        ("flow", "the norm of the gradient on every edge"),
        ("play", "a page that plays the forward and the backward pass"),
    ):
        one = pictures.add_parser(name, help=what, description=f"Draw {what}.")
        one.add_argument(
            "cell",
            type=network.known,
            help="the cell of every layer (lstm, mgu, …), or a loss of your own: my.py:loss",
        )
        for number, of in (
            ("steps", "time steps"),
            ("layers", "stacked layers"),
            ("directions", "2 reads both ways"),
            ("hidden", "units per layer"),
            ("inputs", "features per input"),
            ("batch", "sequences in the batch"),
        ):
            default = network.DEFAULTS[number]
            one.add_argument(f"--{number}", type=int, help=f"{of} ({default})")
        endings = ".svg, .png, .pdf or .dot"
        if name == "play":
            one.add_argument("--text", help="predict its next characters, instead of random inputs")
            endings = ".html"
        else:
            one.add_argument(
                "--detail",
                type=str.lower,
                choices=("cell", "gate", "op", "scalar"),
                help="what a node stands for (of one step gate, of several cell; folded op)",
            )
            one.add_argument(
                "--weights",
                type=str.lower,
                choices=("stub", "hub", "hide"),
                help="parameters at each step, shared by all, or not drawn",
            )
            one.add_argument(
                "--size",
                type=str.lower,
                choices=("slide", "page", "column"),
                help="all text large enough for it; what does not fit is left out",
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
    what = "the figures of a lecture, each as SVG, PDF and PNG"
    one = pictures.add_parser("deck", help=what, description=f"Draw {what}.")
    one.add_argument("-o", "--output", default="slides", help="folder to write to (slides)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
