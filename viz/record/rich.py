"""How is a formula with italics and subscripts written? In pieces, and as Graphviz's HTML."""

from __future__ import annotations

import html
import re
from functools import lru_cache

from tinygrad_rnn.program import Pieces as Pieces

ITALIC, UPRIGHT, SUB_ITALIC, SUB_UPRIGHT = "i", "u", "si", "su"
GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eta": "η", "lambda": "λ", "mu": "μ",
    "rho": "ρ", "sigma": "σ", "tau": "τ",
}  # fmt: skip


def plain(text: str) -> Pieces:
    """Upright text."""
    return ((UPRIGHT, text),) if text else ()


@lru_cache
def letter(name: str, *more: str) -> Pieces:
    """``W_f`` as W with a small f, single letters in italics; `more` goes below as well."""
    base, _, below = name.partition("_")
    base = GREEK.get(base, base)
    subs = [part for part in (*below.split("_"), *more) if part]
    found: list[tuple[str, str]] = [(ITALIC if len(base) == 1 else UPRIGHT, base)]
    for k, sub in enumerate(subs):
        if k:
            found.append((SUB_UPRIGHT, ","))
        head, sign, rest = sub.partition("−")
        head = GREEK.get(head, head)
        single = len(head) == 1 and not head.isdigit()
        found.append((SUB_ITALIC if single else SUB_UPRIGHT, head))
        if sign:
            found.append((SUB_UPRIGHT, sign + rest))
    return tuple(found)


def written(text: str) -> Pieces:
    """A text in which names with an underscore, ``×g_x``, are written as letters."""
    found: Pieces = ()
    for word in re.split(r"([A-Za-z]+_\w+)", text):
        found += letter(word) if "_" in word else plain(word)
    return found


def text_of(rich: Pieces) -> str:
    """The same without style; what stands below follows an underscore."""
    found, below = "", False
    for style, text in rich:
        sub = style in (SUB_ITALIC, SUB_UPRIGHT)
        found += ("_" if sub and not below else "") + text
        below = sub
    return found


def markup(rich: Pieces, size: float) -> str:
    """Graphviz's HTML at a font size; what stands below is smaller."""
    found = ""
    for style, text in rich:
        word = html.escape(text).replace("\\", "\\\\")
        if style in (ITALIC, SUB_ITALIC):
            word = f"<I>{word}</I>"
        if style in (SUB_ITALIC, SUB_UPRIGHT):
            word = f'<SUB><FONT POINT-SIZE="{0.8 * size:.0f}">{word}</FONT></SUB>'
        found += word
    return found


def width(rich: Pieces, size: float) -> float:
    """About how wide it is, in points."""
    total = 0.0
    for style, text in rich:
        small = 0.7 if style in (SUB_ITALIC, SUB_UPRIGHT) else 1.0
        total += small * size * sum(_WIDTHS.get(c, 0.6) for c in text)
    return total


_WIDTHS: dict[str, float] = {
    **dict.fromkeys("ijl()[],.tfr| '′", 0.36),
    **dict.fromkeys("mWM⊙+−=÷×@", 0.86),
}


__all__ = ["Pieces", "letter", "markup", "plain", "text_of", "width", "written"]
