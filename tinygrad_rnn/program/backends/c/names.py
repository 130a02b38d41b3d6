"""What is a thing called in C?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tinygrad_rnn.program.backends.c.prelude import MAIN, pieces

__all__ = ["COMMENT", "LIBM", "RESERVED", "TYPES", "identifier", "words"]

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
STRING = re.compile(r'"(?:\\.|[^"\\])*"')

# fmt: off
TYPES = {
    "float32": "float", "float64": "double", "bool": "uint8_t", "int64": "int64_t",
    "int32": "int32_t", "int16": "int16_t", "int8": "int8_t", "uint8": "uint8_t",
    "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
}
# Names of libm's functions of one number, for doubles; with f behind it, for floats.
LIBM = {"log": "log", "log1p": "log1p", "expm1": "expm1", "sqrt": "sqrt", "sin": "sin",
        "cos": "cos", "tan": "tan", "arctan": "atan", "sinh": "sinh", "cosh": "cosh",
        "log2": "log2", "log10": "log10", "erf": "erf", "floor": "floor", "absolute": "fabs"}
# fmt: on


def words(lines: Iterable[str]) -> set[str]:
    """The identifiers in lines of C, without those in comments and strings."""
    return set(re.findall(r"\w+", STRING.sub("", COMMENT.sub("", "\n".join(lines)))))


# Of C itself, of GNU's C, and what compilers define.
KEYWORDS = words(
    [
        "alignas alignof asm auto bool break case char const constexpr continue default do double",
        "else enum extern false float for goto if inline int linux long nullptr register restrict",
        "return short signed sizeof static static_assert struct switch thread_local true typedef",
        "typeof union unix unsigned void volatile while",
    ]
)
# Other names that a step, or the lines written into main, declare or call; n0, n1 … are axes.
LOCALS = words(
    [
        "T t step room wrong denormals row col inner left place top total isfinite",
        "at free cblas_sgemm cblas_dgemm",
    ]
)
# Names in other use: no value is called so.
RESERVED = (
    KEYWORDS
    | LOCALS
    | {f"{f}{end}" for f in (*LIBM.values(), "pow") for end in ("", "f")}
    | words([re.sub(r"%\(\w+\)\w", "", MAIN.partition("int main")[2])])
    | set(re.findall(r"(\w+)\(", MAIN))
    | pieces().keys()
)


def identifier(wish: str) -> str:
    """A C identifier close to the wish, and neither a word of C's nor a name of ours."""
    wish = re.sub(r"\W", "_", wish, flags=re.ASCII)
    wish = wish if wish[:1].isalpha() else f"x{wish}"
    macro = wish.isupper() and len(re.findall("[A-Z]", wish)) > 1  # EOF, M_PI …
    ours = re.fullmatch(r"\w+_[fd]|constant\d+|u?int\d+_t|n\d+", wish)
    return f"{wish}_" if wish in RESERVED or macro or ours else wish
