"""How is `bptt_by_hand.c` called? Built for one model, with the BLAS that NumPy has loaded."""

import ctypes
from pathlib import Path

import numpy as np

from tinygrad_rnn.program.backends.c.build import blas, library

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def step(cell, T, B, V, H, dtype=np.float32, bare=False):
    """``step(W_x, W_h, b_x, b_h, W, b, x, y)``: the loss and six gradients, in new arrays.

    With `bare` no product is computed, so the results mean nothing: it is there to be timed.
    """
    double, G = np.dtype(dtype) == np.float64, GATES[cell] * H
    single_gemm, double_gemm, bits = blas()
    given = {"B": B, "V": V, "H": H, "BLAS_INT": f"int{bits}_t"}
    given |= {"DOUBLE": ""} if double else {}
    given |= {"BARE": ""} if bare else {}
    source = (Path(__file__).parent / "bptt_by_hand.c").read_text()
    built = library("".join(f"#define {k} {v}\n" for k, v in given.items()) + source)
    built.use_blas.argtypes = [ctypes.c_void_p]
    built.use_blas(double_gemm if double else single_gemm)
    run = getattr(built, cell)
    run.argtypes, run.restype = [ctypes.c_long, *[ctypes.c_void_p] * 16], None
    states = T * B * (2 * G + 4 * H + V) + 4 * B * H + H * V + H * G + G + 256
    room = np.zeros(states, dtype)
    at = room.ctypes.data + -room.ctypes.data % 64
    shapes = [(), (V, G), (H, G), (G,), (G,), (H, V), (V,)]

    def step(W_x, W_h, b_x, b_h, W, b, x, y):
        found = [np.empty(shape, dtype) for shape in shapes]
        arrays = W_x, W_h, b_x, b_h, W, b, x, y, *found
        run(T, at, *[array.__array_interface__["data"][0] for array in arrays])
        return found

    step.keeps = room  # as long as the step lives
    return step
