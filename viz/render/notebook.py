"""Which formats does a notebook get: SVG, or a PNG alone, as where no SVG is shown?

SVG is sharp at any size. A notebook that is committed is better off with PNGs: GitHub drops the
SVG of Graphviz. ``VIZ_NOTEBOOK=png`` in the environment asks for that.
"""

from __future__ import annotations

import os

__all__ = ["png_alone"]


def png_alone() -> bool:
    """True if the environment asks for PNGs alone.

    Raises
    ------
    ValueError
        ``VIZ_NOTEBOOK`` is neither svg nor png.
    """
    asked = os.environ.get("VIZ_NOTEBOOK", "svg").lower()
    if asked not in ("svg", "png"):
        raise ValueError(f"VIZ_NOTEBOOK must be svg or png, got {asked!r}.")
    return asked == "png"
