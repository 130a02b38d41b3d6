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

MISSING = "There is no renderer here: no dot on PATH, no pygraphviz."


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
    broken = ""
    if shutil.which("dot"):
        try:
            return _on_path(dot, form, placed=placed)
        except (graphviz.CalledProcessError, OSError) as error:
            said = getattr(error, "stderr", b"").decode(errors="replace") or str(error)
            broken = f" dot on PATH fails: {said.strip()[:300]}"
    try:
        import pygraphviz
    except ImportError:
        raise NoRenderer(f"{broken or MISSING} {INSTALL}".strip()) from None
    # it warns on stderr that many nodes take long to lay out, but here they have their places
    with pygraphviz.AGraph(string=dot) as agraph, contextlib.redirect_stderr(io.StringIO()):
        # nop2 takes positions as they are; "neato" with -n2 in its arguments would ignore the -n2
        return agraph.draw(format=form, prog="nop2" if placed else "dot") or b""


def _on_path(dot: str, form: str, *, placed: bool) -> bytes:
    if placed:
        return graphviz.Source(dot, engine="neato").pipe(form, neato_no_op=2, quiet=True)
    return graphviz.Source(dot, engine="dot").pipe(form, quiet=True)
