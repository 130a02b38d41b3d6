"""What is a program in NumPy, as far as it is text?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Source"]


@dataclass
class Source:
    """A program in NumPy as far as it is text.

    Attributes
    ----------
    T
        Steps of the longest loop.
    header, body
        The source in two parts: lengths and numbers of the record; all else, which is the same text
        for sequences of another length.
    numbers
        The constants of the header by name.
    constants
        Arrays it is given beside its arguments.
    """

    T: int
    header: str
    body: str
    numbers: dict[str, Any]
    constants: dict[str, np.ndarray]

    @property
    def source(self) -> str:
        """The whole program, to be pasted into a file."""
        return self.header + self.body
