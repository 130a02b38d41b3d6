"""Which pictures are shown? Those declared beside the public pictures, and all cells."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import viz
from tinygrad_rnn import nn
from viz.exhibit import Exhibit
from viz.gallery.small import sampled, tree

FAMILY = "The family, each folded from its own record"


def exhibits() -> list[Exhibit]:
    """All of them, in the order of the page; nothing is drawn yet."""
    public = [getattr(viz, name) for name in viz.__all__]
    modules = dict.fromkeys(x.__module__ for x in public if inspect.isfunction(x))
    every = [e for name in modules for e in getattr(sys.modules[name], "EXHIBITS", ())]
    return [
        *sorted(every, key=lambda exhibit: exhibit.file),
        *(
            Exhibit(None, FAMILY, f"cell_{name}.svg", f"nn.{name}", "", lambda _, draw=draw: draw())
            for name, draw in family()
        ),
        Exhibit(
            None, FAMILY, "cell_trees.svg",
            "nn.ChildSumTreeLSTMCell", "On ((a b) c): children first.",
            lambda _: viz.unrolled(tree(), "cell"),
        ),
    ]  # fmt: skip


def family() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each public cell's name, file by file, and how to draw three steps of its first sample."""
    kinds = nn.cells_of(nn).items()
    for name, kind in sorted(kinds, key=lambda item: (item[1].__module__, item[0])):
        yield name, lambda kind=kind: viz.folded(sampled(kind), "gate")
