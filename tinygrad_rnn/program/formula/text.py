"""How is a formula written in a picture: as plain text, or with italics and subscripts?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tinygrad_rnn.program.formula.tree import Formula
from tinygrad_rnn.program.formula.writer import (
    ATOM,
    FUNCTIONS,
    PRODUCT,
    Bound,
    Signs,
    T,
    Writer,
)

__all__ = ["GLUE", "Label", "Pieces", "Rich", "Wide", "number_text"]

GLUE = "\u00a0"  # a space at which no line ends
MOST = 4  # operands that are written out
WHOLE = 1_000_000  # beyond, a whole number is written in powers of ten, too

Pieces = tuple[tuple[str, str], ...]  # pairs of style and text


def number_text(x: Any) -> str:
    """A whole number as it is, another as short as it stays true to four digits."""
    x = x.item() if hasattr(x, "item") else x
    exact = float("-inf") < x < float("inf") and x == int(x) and abs(x) < WHOLE
    return (str(int(x)) if exact else f"{float(x):.4g}").replace("-", "−")


class Text(Writer[T]):
    """Writes formulas whose letters say how they are written."""

    space: ClassVar[str] = " "  # between words

    def letter(self, x: Formula) -> T:
        """The text of a letter."""
        return x.what

    def number(self, k: Any) -> tuple[T, int]:
        """A number to four digits."""
        return self.plain(number_text(k)), ATOM

    def named(self, x: Formula) -> T:
        """The sign of a function, or its name."""
        return self.plain(FUNCTIONS.get(x.head, ("", "", ""))[1] or x.head)

    def call(self, x: Formula) -> T:
        """A function, its first operands, and its options in words."""
        texts = [self.text(p) for p in x.parts]
        if len(texts) > 2 and all(text == texts[0] for text in texts):
            texts = [texts[0] + self.plain(f"{self.space}…")]  # the same letter at every step
        elif len(texts) > MOST:
            texts = [*texts[:MOST], self.plain("…")]
        texts += [self.plain(word.replace(" ", self.space)) for word in x.what or ()]
        return self.named(x) + self.brackets(self.joined(texts, self.signs.comma), x)

    def indexed(self, x: Formula) -> T:
        """An index, between brackets."""
        words = [
            self.plain(word) if type(word) is str else self.text(x.parts[1 + word])
            for word in x.what
        ]
        return self.plain("[") + self.joined(words, self.signs.comma) + self.plain("]")

    def total(self, x: Formula, a: Formula) -> Any:
        """A sum of elements: of squares without brackets."""
        if a.head in ("square", "power") and not x.what:
            return Bound(self.plain("Σ ") + self.text(a), PRODUCT)
        return self.call(x)

    # fmt: off
    forms: ClassVar[dict[str, Callable[..., Any]]] = {
        "index":     lambda w, x, a, *more: w.text(a, ATOM) + w.indexed(x),
        "transpose": lambda w, x, a: w.text(a, ATOM) + w.plain("ᵀ") if not x.what else w.call(x),
        "square":    lambda w, x, a: w.text(a, ATOM) + w.plain("²"),
        "as":        lambda w, x, a: w.plain(f"{x.what}(") + w.text(a) + w.plain(")"),
        "row":       lambda w, x, *parts: w.plain("[") + w.joined([w.text(p) for p in parts],
                                          w.signs.comma) + w.plain("]"),
        "total":     total,
    }
    # fmt: on


class Label(Text[str]):
    """As plain text, in which a line may end at a space."""

    space = GLUE
    signs = Signs(f" +{GLUE}", f" −{GLUE}", "−", "×", "×", "@", "/", "^", f",{GLUE}")


class Wide(Label):
    """The same with spaces around all signs, as on paper: ``a × b``."""

    signs = Label.signs._replace(
        scale=f" ×{GLUE}",
        times=f" ×{GLUE}",
        matmul=f" @{GLUE}",
        over=f" /{GLUE}",
        power=f" ^{GLUE}",
    )


class Rich(Text[Pieces]):
    """In pieces of a style each, as in a paper."""

    signs = Signs(" + ", " − ", "−", " ", " ⊙ ", " ", " / ")

    def plain(self, text: str) -> Pieces:
        """The text as one piece, upright."""
        return (("u", text),) if text else ()
