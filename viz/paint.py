"""Who draws? Graphviz's own programs if on PATH, else those inside the pygraphviz wheel."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil

import graphviz

FORMATS = ("svg", "png", "pdf")
INSTALL = (
    "Install Graphviz: apt install graphviz (Debian, Ubuntu), brew install graphviz (macOS), "
    "winget install Graphviz.Graphviz (Windows); or, without a system package: "
    'pip install "tinygrad_rnn[render]". '
    'The DOT text needs no renderer: .source, or .save("picture.dot").'
)


class NoRenderer(RuntimeError):
    """Nothing on this machine can draw DOT."""


def arrange(dot: str) -> bytes:
    """Let dot place the nodes of a small graph; its JSON, in points."""
    return _run(dot, "json", placed=False)


def draw(dot: str, form: str) -> bytes:
    """Draw a graph whose every node and edge has its position.

    Parameters
    ----------
    form
        ``"svg"``, ``"png"`` or ``"pdf"``.

    Raises
    ------
    NoRenderer
        If there is neither Graphviz on PATH nor pygraphviz.
    """
    return _run(dot, form, placed=True)


def available() -> bool:
    """Whether anything here can draw."""
    return shutil.which("dot") is not None or importlib.util.find_spec("pygraphviz") is not None


def _run(dot: str, form: str, *, placed: bool) -> bytes:
    if shutil.which("dot"):
        if not placed:
            return graphviz.Source(dot, engine="dot").pipe(form)
        return graphviz.Source(dot, engine="neato").pipe(form, neato_no_op=2)
    try:
        import pygraphviz
    except ImportError:
        raise NoRenderer(
            f"There is no renderer here: no dot on PATH, no pygraphviz. {INSTALL}"
        ) from None
    # it warns on stderr that many nodes take long to lay out, but here they have their places
    with pygraphviz.AGraph(string=dot) as agraph, contextlib.redirect_stderr(io.StringIO()):
        # nop2 takes positions as they are; "neato" with -n2 in its arguments would ignore the -n2
        return agraph.draw(format=form, prog="nop2" if placed else "dot") or b""
