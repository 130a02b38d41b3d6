"""What is a thing called in C?"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["COMMENT", "RESERVED", "TYPES", "identifier", "words"]

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)

# fmt: off
TYPES = {
    "float32": "float", "float64": "double", "bool": "uint8_t", "int64": "int64_t",
    "int32": "int32_t", "int16": "int16_t", "int8": "int8_t", "uint8": "uint8_t",
    "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
}
RESERVED = frozenset((
    "aligned_alloc", "asm", "at", "atof", "atol", "auto", "break", "case", "char", "col", "const",
    "continue", "cos", "cosf", "count", "default", "denormals", "do", "double", "else", "enum",
    "epoch", "exit", "exp", "expm1", "expm1f", "extern", "fabs", "fabsf", "fclose", "ferror",
    "file", "filled", "flush_denormals", "float", "fopen", "for", "fprintf", "fread", "free",
    "fwrite", "goto", "if", "inline", "inner", "inside", "int", "isfinite", "left", "linux", "log",
    "log1p", "log1pf", "logf", "long", "main", "need", "place", "pow", "powf", "printf", "rate",
    "register", "restore_denormals", "restrict", "result", "return", "room", "room_for", "row",
    "short", "signed", "sin", "sinf", "sizeof", "sqrt", "sqrtf", "static", "stderr", "step",
    "steps", "struct", "switch", "t", "T", "take", "total", "typedef", "typeof", "union", "unix",
    "unsigned", "void", "volatile", "while", "words", "wrong",
))
# fmt: on


def identifier(wish: str) -> str:
    """A C identifier close to the wish, and neither a word of C's nor a name of ours."""
    wish = re.sub(r"\W", "_", wish, flags=re.ASCII)
    wish = wish if wish[:1].isalpha() else f"x{wish}"
    macro = wish.isupper() and len(re.findall("[A-Z]", wish)) > 1  # EOF, M_PI …
    ours = re.fullmatch(r"\w+_[fd]|constant\d+|u?int\d+_t", wish)
    return f"{wish}_" if wish in RESERVED or macro or ours else wish


def words(lines: Iterable[str]) -> set[str]:
    """The identifiers in lines of C, without those in comments."""
    return set(re.findall(r"\w+", COMMENT.sub("", "\n".join(lines))))
