"""Who draws, and for how long at most? Graphviz's own dot if on PATH, else that of pygraphviz."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

from graphviz.backend import dot_command, execute

FORMATS = ("svg", "png", "pdf")
SECONDS = 60  # that Graphviz may take for one layout, or for writing one picture
# DOT texts up to these lengths are done within a second; what is longer runs in a process of its
# own, for inside this one nothing could stop it. dot searches, for 30 nodes with 435 edges 2 s
# (16,000 characters) and for 45 with 990 edges 40 s; with all positions given the time is linear.
BRIEF_LAYOUT, BRIEF_PAINTING = 8_000, 1_000_000
INSTALL = (
    "Install Graphviz: apt install graphviz (Debian, Ubuntu), brew install graphviz (macOS), "
    "winget install Graphviz.Graphviz (Windows); or, without a system package: "
    'pip install "pygraphviz>=2.0.3". '
    'The DOT text needs no renderer: .source, or .save("picture.dot").'
)

MISSING = "There is no renderer here: no dot on PATH, no pygraphviz."
# nop2 takes positions as they are; "neato" with -n2 in its arguments would ignore the -n2
PROGRAM = """
import sys, pygraphviz
form, program = sys.argv[1:]
with pygraphviz.AGraph(string=sys.stdin.buffer.read().decode()) as graph:
    sys.stdout.buffer.write(graph.draw(format=form, prog=program))
"""


Renderer = Callable[[str, str, str], bytes]
_renderer: ContextVar[Renderer | None] = ContextVar("renderer", default=None)


class NoRenderer(RuntimeError):
    """Nothing on this machine can draw DOT."""


def arrange(dot: str) -> bytes:
    """Let dot place the nodes of a small graph; its JSON, in points.

    Raises
    ------
    NoRenderer, TimeoutError
        As `draw`.
    """
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
    TimeoutError
        If Graphviz needs more than `SECONDS`.
    """
    return _run(dot, form, placed=True)


def available() -> bool:
    """True if anything here can draw."""
    if _renderer.get() is not None:
        return True
    return shutil.which("dot") is not None or importlib.util.find_spec("pygraphviz") is not None


def use_renderer(renderer: Renderer | None) -> None:
    """Draw with a function of your own, from here on; None: with Graphviz again.

    Parameters
    ----------
    renderer
        ``renderer(dot, form, program)`` gives bytes: the DOT text laid out by ``"dot"``, or as it
        is by ``"nop2"`` (``neato -n2``), in the form ``"json"``, ``"svg"``, ``"png"`` or ``"pdf"``.

    Raises
    ------
    TypeError
        It cannot be called.
    """
    if renderer is not None and not callable(renderer):
        raise TypeError(
            f"use_renderer: expected a function (dot, form, program), got {renderer!r}."
        )
    _renderer.set(renderer)


def _run(dot: str, form: str, *, placed: bool) -> bytes:
    renderer = _renderer.get()
    if renderer is not None:
        return renderer(dot, form, "nop2" if placed else "dot")
    broken = ""
    if shutil.which("dot"):
        engine, no_op = ("neato", 2) if placed else ("dot", None)
        try:
            return _process(dot_command.command(engine, form, neato_no_op=no_op), dot)
        except TimeoutError:
            raise
        except (subprocess.CalledProcessError, OSError) as error:
            said = getattr(error, "stderr", b"").decode(errors="replace") or str(error)
            broken = f" dot on PATH fails: {said.strip()[:300]}"
    program = "nop2" if placed else "dot"
    try:
        import pygraphviz
    except ImportError:
        raise NoRenderer(f"{broken or MISSING} {INSTALL}".strip()) from None
    if len(dot) > (BRIEF_PAINTING if placed else BRIEF_LAYOUT) and sys.executable:
        return _process([sys.executable, "-P", "-c", PROGRAM, form, program], dot)
    # it warns on stderr that many nodes take long to lay out, but here they have their positions
    with (
        pygraphviz.AGraph(string=dot) as agraph,
        contextlib.redirect_stderr(io.StringIO()),
        _without_fontconfig(),
    ):
        return agraph.draw(format=form, prog=program) or b""


@contextlib.contextmanager
def _without_fontconfig() -> Iterator[None]:
    """Pass on what the renderer's libraries write to stderr, without fontconfig's warnings.

    They are about the system's settings, and nobody who draws a graph can act on them. They come
    from C, past `sys.stderr`.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            rest = [line for line in said if not line.startswith(b"Fontconfig warning")]
            if rest:
                os.write(2, b"".join(rest))


def _process(command: Sequence[str | os.PathLike[str]], dot: str) -> bytes:
    """The answer of a command to the text, if it comes in time."""
    try:
        done = execute.run_check(
            command, input=dot.encode(), capture_output=True, timeout=SECONDS, quiet=True
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(
            f"drawing: Graphviz was stopped: it needs more than {SECONDS} seconds for these "
            f'{len(dot):,} characters of DOT. Show less (detail="cell", fewer steps, a smaller '
            "budget), or all of it in the player: viz.play(loss). The DOT text is there all the "
            "same: .source. To wait longer, set viz.layout.graphviz.SECONDS."
        ) from None
    return done.stdout
