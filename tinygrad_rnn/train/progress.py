"""How far is it, in one line?"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]

Show = Callable[[float, Callable[[], str]], None]


@contextmanager
def progress_bar(total: float, unit: str, wanted: bool = True) -> Iterator[Show]:
    """A bar on stderr, by tqdm; without tqdm a plain line every two seconds.

    Gives a function ``show(done, text)``: how much of `total` is done, and what gives the text
    beside the bar (a function, called only if the text is shown).
    """
    if not wanted:
        yield lambda done, text: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield _plain(total, unit)
        return
    # brackets, or tqdm would take the unit for one of its fields
    form = "{l_bar}{bar}| {n:.0f}/{total:.0f} " + unit + "{postfix}"
    with tqdm(total=total, bar_format=form, mininterval=0.1) as bar:
        last = -1.0

        def show(done: float, text: Callable[[], str]) -> None:
            nonlocal last
            if time.monotonic() - last > 0.1 or done >= total:
                last = time.monotonic()
                bar.set_postfix_str(text(), refresh=False)
                bar.n = min(done, total)
                bar.refresh()

        yield show


def _plain(total: float, unit: str) -> Show:
    print("A bar instead of these lines: pip install tqdm", file=sys.stderr)
    last = -2.0

    def show(done: float, text: Callable[[], str]) -> None:
        nonlocal last
        if time.monotonic() - last > 2 or done >= total:
            last = time.monotonic()
            print(f"{min(done, total):.0f}/{total:.0f} {unit}, {text()}", file=sys.stderr)

    return show
