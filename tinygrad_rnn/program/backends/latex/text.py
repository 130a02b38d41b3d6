"""How are equations shown in a notebook, and saved as a document?"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tinygrad_rnn.files import replacing

__all__ = ["LatexText"]

DOCUMENT = r"""\documentclass{{article}}
\usepackage{{amsmath}}
\usepackage[margin=2cm]{{geometry}}
\allowdisplaybreaks
\begin{{document}}
{text}\end{{document}}
"""
ENVIRONMENT = re.compile(r"^\\begin\{align\*\}.*?^\\end\{align\*\}$", re.DOTALL | re.MULTILINE)


class LatexText(str):
    """Equations as text: a notebook sets them, and `save` makes a document of them.

    It is a string like any other: comments that explain the notation, then ``align*`` environments.
    """

    __slots__ = ()

    @property
    def latex(self) -> str:
        """The text itself."""
        return str(self)

    @property
    def environments(self) -> list[str]:
        """The ``align*`` environments, without comments."""
        return ENVIRONMENT.findall(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a document that compiles; pages may break between equations.

        Raises
        ------
        ValueError
            There are no equations, as of a step that was not compiled.
        OSError
            The file cannot be written.
        """
        if not self.environments:
            raise ValueError("save: there are no equations. Call the step once, or see explain().")
        target = Path(path)
        with replacing(target, "save") as file:
            file.write(DOCUMENT.format(text=self).encode())
        return target

    def _repr_latex_(self) -> str:
        return "\n".join(self.environments)

    def _repr_markdown_(self) -> str:
        inner = (x.replace("align*", "aligned") for x in self.environments)
        return "\n\n".join(f"$$\n{x}\n$$" for x in inner)
