"""Are the counts a picture is asked for whole numbers?"""

from __future__ import annotations

import numpy as np


def check(picture: str, **numbers: int | None) -> None:
    """Counts are whole numbers from 1; None is the default of `per_line`."""
    for what, value in numbers.items():
        if value is None and what == "per_line":
            continue
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            sort = ValueError if isinstance(value, (int, np.integer)) else TypeError
            thing = "steps in a line" if what == "per_line" else "nodes"
            raise sort(
                f"{picture}: {what} must be a whole number of {thing} from 1, got {value!r}."
            )
