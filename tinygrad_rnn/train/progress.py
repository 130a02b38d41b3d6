"""How far has training come, in one line?"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar", "say"]

Show = Callable[[float, Callable[[], str]], None]


@contextmanager
def progress_bar(total: float, unit: str, wanted: bool = True) -> Iterator[Show]:
    """A tqdm bar, a notebook's own in a notebook; plain lines without tqdm, or into a file or pipe.

    An infinite `total` is one that is not known.

    Yields a function ``show(done, text)``: `done` out of `total`, and a function that gives the
    text beside the bar, called only if the text is shown.
    """
    if not wanted:
        yield lambda done, text: None
        return
    if not _watched():
        yield _plain(total, unit)
        return
    try:
        with warnings.catch_warnings():  # a notebook without ipywidgets gets the bar of a terminal
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        print("A bar instead of these lines: pip install tqdm", file=sys.stderr)
        yield _plain(total, unit)
        return
    # concatenated, or tqdm would read the unit as one of its fields
    form = "{l_bar}{bar}| {n:.0f}/{total:.0f} " + unit + "{postfix}"
    if math.isinf(total):
        form = "{n:.0f} " + unit + "{postfix}"
    with tqdm(total=min(total, sys.maxsize), bar_format=form, mininterval=0.1) as bar:
        last = -1.0

        def show(done: float, text: Callable[[], str]) -> None:
            nonlocal last
            if time.monotonic() - last > 0.1 or done >= total:
                last = time.monotonic()
                bar.set_postfix_str(text(), refresh=False)
                bar.n = min(done, total)
                bar.refresh()

        yield show


def say(line: str, *, wanted: bool = True) -> None:
    """A line on stderr, above the bar if there is one."""
    if wanted:
        tqdm = sys.modules.get("tqdm")
        print(line, file=sys.stderr) if tqdm is None else tqdm.tqdm.write(line, file=sys.stderr)


def _watched() -> bool:
    """Is there a terminal or a notebook that can redraw a bar?"""
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())


def _plain(total: float, unit: str) -> Show:
    """A line now, after 2, 4, 8 … seconds, at least once a minute, and at the end."""
    due, pause = time.monotonic(), 2.0

    def show(done: float, text: Callable[[], str]) -> None:
        nonlocal due, pause
        if time.monotonic() >= due or done >= total:
            due, pause = time.monotonic() + pause, min(2 * pause, 60)
            of = "" if math.isinf(total) else f"/{total:.0f}"
            print(f"{min(done, total):.0f}{of} {unit}, {text()}", file=sys.stderr)

    return show
