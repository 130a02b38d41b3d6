"""How does a program in C stand alone? As one file whose main() trains, after Karpathy's llm.c.

It reads a file of raw numbers: the length T as int64, then every argument of the step, in its
order, as the bytes of its array in C order, in this machine's byte order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.program.native.prelude import INCLUDES, prelude
from tinygrad_rnn.program.native.storage import TYPES
from tinygrad_rnn.program.native.write import Function

__all__ = ["alone", "data"]

MAIN = """
#include <stdio.h>
#include <stdlib.h>

static void *need(void *p, const char *what) {
    if (p) return p;
    fprintf(stderr, "no %%s\\n", what);
    exit(1);
}

static void *filled(long count, long size, FILE *file) {
    void *p = need(malloc(count * size + 64), "memory");
    if (fread(p, size, count, file) != (size_t)count) need(NULL, "more numbers in the file");
    return p;
}

/* Plain gradient descent on the arguments in a file: ./step FILE STEPS RATE [RESULT] */
int main(int count, char **words) {
    if (count < 4) {
        fprintf(stderr, "usage: %%s FILE STEPS RATE [RESULT]\\n", words[0]);
        return 1;
    }
    FILE *file = need(fopen(words[1], "rb"), "file of that name");
    int64_t T = *(int64_t *)filled(1, sizeof(int64_t), file);
    long steps = atol(words[2]);
    double rate = atof(words[3]);
%(read)s
    char *room = need(aligned_alloc(64, %(room)s), "memory");
    for (long epoch = 0; epoch < steps; epoch++) {
        if (step(T, room, %(arguments)s)) need(NULL, "such index in one of the arrays");
        printf("%%ld %%.9g\\n", epoch, (double)%(loss)s[0]);
%(descend)s
    }
    if (count > 4) {
        FILE *result = need(fopen(words[4], "wb"), "way to write the result");
        fwrite(&T, sizeof T, 1, result);
%(keep)s
        if (fclose(result)) need(NULL, "room for the result");
    }
    return 0;
}
"""


def alone(function: Function) -> str:
    """The whole file: ``cc -O3 -march=native -fopenmp-simd step.c -lm``.

    With ``-DUSE_CBLAS`` and a BLAS to link against, products are its; else they are loops.
    """
    read, descend, keep, names = list[str](), list[str](), list[str](), list[str]()
    parameters = len(function.outputs) - 1
    for k, (name, kind, shape) in enumerate(function.leaves):
        count = _size(shape)
        const = "" if k < parameters else "const "
        read.append(f"    {const}{kind} *{name} = filled({count}, sizeof({kind}), file);")
        names.append(name)
        if k < parameters:
            gradient = function.outputs[k + 1][0]
            move = f"{name}[at] -= ({kind})(rate * {gradient}[at]);"
            descend.append(f"        for (long at = 0; at < {count}; at++) {move}")
            keep.append(f"        fwrite({name}, sizeof({kind}), {count}, result);")
    arrays = []
    for k, x in enumerate(function.constants):
        numbers = ", ".join(_number(n) for n in x.ravel().tolist())
        arrays.append(f"static const {TYPES[str(x.dtype)]} constant{k}[] = {{{numbers}}};")
        names.append(f"constant{k}")
    for name, kind, shape in function.outputs:
        count = _size(shape)
        read.append(f'    {kind} *{name} = need(malloc({count} * sizeof({kind}) + 64), "memory");')
        names.append(name)
    blas = "#ifdef USE_CBLAS\n#include <cblas.h>\n#endif\n"
    words = {
        "read": "\n".join(read),
        "room": function.room,
        "arguments": ", ".join(names),
        "loss": function.outputs[0][0],
        "descend": "\n".join(descend),
        "keep": "\n".join(keep),
    }
    main = MAIN % words
    use = "    FILE *file"
    link = "#ifdef USE_CBLAS\n    use_blas(cblas_sgemm, cblas_dgemm);\n#endif\n"
    main = main.replace(use, link + use, 1)
    parts = [
        blas,
        "#define BLAS_INT int\n",
        INCLUDES,
        prelude(function.text),
        *arrays,
        "",
        function.text,
        main,
    ]
    return "\n".join(parts)


def data(leaves: Sequence[Any], T: int) -> bytes:
    """What `main` reads: the length, then the arguments as `leaves` have them."""
    return b"".join([np.int64(T).tobytes(), *(np.ascontiguousarray(x).tobytes() for x in leaves)])


def _size(shape: tuple[Any, ...]) -> str:
    """How many numbers: T where the length of time stands in a shape."""
    known = math.prod(n for n in shape if n != "T")
    return "*".join([*("T" for n in shape if n == "T"), str(known)])


def _number(x: Any) -> str:
    if isinstance(x, float) and not math.isfinite(x):
        return "NAN" if math.isnan(x) else "INFINITY" if x > 0 else "-INFINITY"
    return repr(x) if not isinstance(x, bool) else str(int(x))
