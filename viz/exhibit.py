"""What is a picture's example: where is it shown, what is to be seen, and how is it drawn?

A module declares its own in ``EXHIBITS``, below its pictures; the gallery, the site and their tests
collect them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FIRST = "At first sight"
CELLS = "The cells everyone knows"
GRAPH = "The graph"
FLOW = "How the gradient flows"
TRAINED = "What a trained net does"
TRAINING = "Training, measured"


@dataclass(frozen=True)
class Exhibit:
    """One picture.

    Attributes
    ----------
    of
        The public function that draws it; None if the picture belongs to no function alone.
    section, file
        Where it stands: the names of the files, which begin with a number, are the page's order.
    title, caption
        What it is called, and what a lecturer would say of it.
    draw
        Draws it, given the gallery's `Nets`.
    """

    of: Callable[..., Any] | None
    section: str
    file: str
    title: str
    caption: str
    draw: Callable[[Any], Any]


__all__ = ["CELLS", "FIRST", "FLOW", "GRAPH", "TRAINED", "TRAINING", "Exhibit"]
