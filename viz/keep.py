"""Where does a script put its pictures?"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from viz.layout.graphviz import NoRenderer

__all__ = ["keep"]


class Picture(Protocol):
    """Anything that can be saved: a `Drawing`, `Sheet`, `Plot`, `Player`, `Frames` or `Steps`."""

    def save(self, path: str | os.PathLike[str], /) -> Path:
        """Write the picture to a file."""
        ...


P = TypeVar("P", bound=Picture)


def keep(picture: P | Callable[[], P], name: str) -> P | None:
    """Save a picture in the folder for pictures, and give it back so that a notebook shows it.

    The folder is the environment variable ``VIZ_OUT``, else ``out`` where the script runs; it is
    made if it is missing. What was written is printed, as is what is missing where a picture cannot
    be drawn: a lesson goes on without it.

    Parameters
    ----------
    picture
        What to save, or a function without arguments that draws it.
    name
        Of the file; its suffix decides the format.

    Returns
    -------
    The picture, or None if it could not be drawn.

    Raises
    ------
    OSError
        The folder or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from tinygrad_rnn import Tensor
    >>> from viz import graph
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.environ["VIZ_OUT"] = folder
    ...     drawing = keep(graph(Tensor(3.0, name="x") * 2.0), "double.dot")
    ...     os.listdir(folder)
    wrote ...double.dot
    ['double.dot']
    >>> del os.environ["VIZ_OUT"]
    """
    folder, given = Path(os.environ.get("VIZ_OUT", "out")), cast("Any", picture)
    is_drawn = hasattr(given, "save")
    try:
        found = given if is_drawn else given()
        folder.mkdir(parents=True, exist_ok=True)
        print("wrote", found.save(folder / name))
    except NoRenderer as missing:
        print(missing)
        return given if is_drawn else None
    return found
