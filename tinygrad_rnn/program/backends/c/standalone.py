"""How does a program in C stand alone? As one file whose main() trains, after Karpathy's llm.c.

It reads a file of raw numbers: the length T as int64, then every argument of the step, in its
order, as the bytes of its array in C order, in this machine's byte order.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.files import replacing
from tinygrad_rnn.program.backends.c.emit import Function
from tinygrad_rnn.program.backends.c.names import TYPES
from tinygrad_rnn.program.backends.c.prelude import MAIN, prelude

__all__ = ["alone", "save"]

HEAD = """\
/* Backpropagation through time, written out, and a main() that descends along its gradients.

   cc -O3 -march=native -fopenmp-simd step.c -o step -lm
   ./step FILE STEPS RATE [RESULT]

   Numbers below the smallest normal one (1.2e-38 for floats) are 0 within a step.
   With -DUSE_CBLAS and a BLAS to link against (-lopenblas), large products are done by that.
   FILE holds T = %(T)d as int64, then, one after the other in C order,
%(list)s
   RESULT gets T and the new parameters. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
%(blas)s"""

REQUIRED = """\
        if (%(count)s[0]) {
            fprintf(stderr, "%%ld elements of the arguments are not what the function requires (a "
                    "label or symbol in range, a length within time, something left to average): "
                    "called in Python, it says which. Write FILE anew\\n", (long)%(count)s[0]);
            return 1;
        }
"""


def alone(function: Function, parameters: int) -> str:
    """The file; the first leaves are so many parameters, and outputs 1 … their gradients."""
    listed, read, descend, keep = list[str](), list[str](), list[str](), list[str]()
    names, constants = list[str](), list[str]()
    width = max(len(name) for name, *_ in (*function.leaves, *function.outputs))
    for k, (name, kind, shape) in enumerate(function.leaves):
        count, names = _count(shape), [*names, name]
        is_parameter = k < parameters
        what = "" if is_parameter else "const "
        listed.append(
            f"       {name:{width}}  {kind:7}  {_shape(shape)}{', a parameter' * is_parameter}"
        )
        read.append(
            f"    {what}{kind} *{name} = filled({count}, sizeof({kind}), file);  "
            f"/* {_shape(shape)} */"
        )
        if is_parameter:
            gradient = function.outputs[k + 1][0]
            move = f"{name}[at] -= ({kind})(rate * {gradient}[at]);"
            descend.append(f"        for (long at = 0; at < {count}; at++) {move}")
            keep.append(f"        fwrite({name}, sizeof({kind}), {count}, result);")
    for k, x in enumerate(function.constants):
        numbers = ", ".join(map(_number, x.ravel()))
        kind = TYPES[str(x.dtype)]
        constants.append(f"static const {kind} constant{k}[{max(x.size, 1)}] = {{{numbers}}};")
        names.append(f"constant{k}")
    for name, kind, shape in function.outputs:
        made = f"room_for({_count(shape)}, sizeof({kind}))"
        read.append(f"    {kind} *{name} = {made};  /* {_shape(shape)} */")
        names.append(name)
    read.append(f"    char *room = room_for({function.room}, 1);")
    given = [name for name, *_ in (*function.leaves, *function.outputs)]
    main = MAIN % {
        "T": function.T,
        "read": "\n".join(read),
        "link": "\n".join(_for_blas(function, "    use_blas_{f}(cblas_{s}gemm);")),
        "arguments": ", ".join(names),
        "loss": function.outputs[0][0],
        "required": REQUIRED % {"count": function.outputs[-1][0]} if function.requires else "",
        "descend": "\n".join(descend),
        "keep": "\n".join(keep),
        "free": "\n".join(f"    free({'(void *)' * (name in given[parameters:])}{name});"
                          for name in (*given, "room")),
    }  # fmt: skip
    head = HEAD % {
        "T": function.T,
        "list": "\n".join(listed),
        "blas": "\n".join(_for_blas(function, "#include <cblas.h>", "#define BLAS_INT int")),
    }
    pieces = prelude(function.text)
    constants = ["/* What is neither a parameter nor an argument. */", *constants] * bool(constants)
    parts = [head, pieces, *constants, "", function.text.rstrip(), main]
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def save(path: str | os.PathLike[str], function: Function, arrays: Sequence[Any]) -> None:
    """Write the file that `main` reads: all of it appears at once, or nothing."""
    with replacing(path, "save") as file:
        file.write(np.int64(function.T).tobytes())
        for x, (_, dtype) in zip(arrays, function.arguments, strict=True):
            file.write(np.ascontiguousarray(x, dtype).tobytes())


def _for_blas(function: Function, line: str, *always: str) -> list[str]:
    """Lines for each kind of product that is called, where there is a BLAS to do it."""
    kinds = [
        (f, s) for f, s in ("fs", "dd") if re.search(f"(product|once|times)_{f}\\(", function.text)
    ]
    if not kinds:
        return []
    lines = dict.fromkeys(line.format(f=f, s=s) for f, s in kinds)
    return ["#ifdef USE_CBLAS", *lines, "#endif", *always]


def _shape(shape: tuple[Any, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def _count(shape: tuple[Any, ...]) -> str:
    """The number of elements: with T where the length of time stands in a shape."""
    known = math.prod(n for n in shape if n != "T")
    return "*".join([*("T" for n in shape if n == "T"), str(known)])


def _number(x: Any) -> str:
    if isinstance(x, np.floating) and not np.isfinite(x):
        return "NAN" if np.isnan(x) else "INFINITY" if x > 0 else "-INFINITY"
    if isinstance(x, np.floating):
        return f"{x!s}f" if x.dtype == np.float32 else str(x)
    return str(int(x))
