"""How is a picture shown, in a notebook or beside a script, and in which format?

SVG is sharp at any size. A notebook that is committed is better off with PNGs: GitHub drops the
SVG of Graphviz. ``VIZ_NOTEBOOK=png`` in the environment asks for that.
"""

from __future__ import annotations

import os
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any, ClassVar

__all__ = ["Shown", "png_alone"]


class Shown:
    """Base of all pictures: each shows itself, also where several are drawn in one cell."""

    _suffix: ClassVar[str] = ".svg"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file."""
        raise NotImplementedError

    def show(self) -> None:
        """Show the picture: in a notebook below the cell, elsewhere in the browser.

        A notebook shows the value of a cell's last line by itself, and no others.

        Raises
        ------
        viz.NoRenderer
            If there is nothing to draw with.
        """
        notebook: Any = sys.modules.get("IPython")
        if notebook is not None and notebook.get_ipython() is not None:
            notebook.display.display(self)
            return
        path = Path(tempfile.mkdtemp()) / f"picture{self._suffix}"
        webbrowser.open(Path(self.save(path)).as_uri())


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
