"""What is a value called: its letter, what stands below it, and what tells it from others?"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

__all__ = ["Letter"]

GREEK = frozenset(
    ("alpha", "beta", "gamma", "delta", "epsilon", "theta", "kappa", "lambda", "mu", "rho", "sigma",
     "tau", "phi", "psi", "omega", "zeta", "eta", "xi", "nu", "ell")
)  # fmt: skip
OURS = frozenset("tTNL")  # steps, their number, how many are averaged, the loss


class Letter(NamedTuple):
    """A name as it is written: ``W_h``; what tells it from others above it; a bar for gradients.

    Upright is what is the notation's own otherwise, such as a user's t.
    """

    base: str
    below: str = ""
    above: tuple[str, ...] = ()
    bar: bool = False
    upright: bool = False

    @staticmethod
    def of(name: str, computed: bool = False) -> Letter:
        """The letter of a name of any characters, of which letters and digits are written."""
        base, *below = [w for w in map(_plain, name.split("_")) if w] or ["x"]
        base = "ell" if name == "loss" and computed else base
        return Letter(base, " ".join(below), upright=base in OURS)

    @property
    def timely(self) -> bool:
        """True if what is below it could be taken for a step."""
        return re.fullmatch(r"[\dtT][\dtT ]*", self.below) is not None

    @property
    def without(self) -> Letter:
        """The same with nothing below it."""
        return self._replace(below="")

    @property
    def above_it(self) -> Letter:
        """The same with what is below it as a label."""
        return self.without.labelled(self.below)

    def labelled(self, label: str) -> Letter:
        """The same with one label more."""
        return self._replace(above=(*self.above, label))

    def tex(self, step: str = "") -> str:
        """With the step below it."""
        base = self.base
        if base in GREEK:
            base = f"\\{base}"
        elif len(base) > 1 or not base.isalpha() or self.upright:
            base = f"\\mathrm{{{base}}}"
        if self.bar:
            base = f"\\bar{{{base}}}" if base[0] == "\\" else f"\\bar {base}"
        words = self.below.split()
        long = any(len(word) > 1 and not word.isdigit() for word in words)
        below = "\\mathrm{" + "\\_".join(words) + "}" if long else self.below
        under = ",".join(w for w in (below, step) if w)
        labels = [x if x.isdigit() else Letter.of(x).tex() for x in self.above]
        over = f"^{{({','.join(labels)})}}" if labels else ""
        return f"{base}{_braced('_', under)}{over}"


def _plain(word: str) -> str:
    """The letters and digits of a word in ASCII; one Greek letter by its name."""
    name = unicodedata.name(word, "") if len(word) == 1 else ""
    if name.startswith("GREEK SMALL LETTER ") and name.split()[-1].lower() in GREEK:
        return name.split()[-1].lower()
    return re.sub("[^A-Za-z0-9]", "", unicodedata.normalize("NFKD", word))


def _braced(mark: str, text: str) -> str:
    return f"{mark}{text}" if len(text) == 1 else f"{mark}{{{text}}}" if text else ""
