"""How do tests build C, many times and soon?"""

import os
import shlex
from contextlib import contextmanager, suppress

import pytest

from tinygrad_rnn.program.backends.c import NoCompiler
from tinygrad_rnn.program.backends.c.build import compiler

NAME = "unoptimised"
SCRIPT = """#!/bin/sh
exec {} "$@" -O0
"""


@contextmanager
def built_soon(tmp_path_factory):
    """Libraries go into one folder of this run, shared by its processes, and are not optimised.

    Then a compiler takes a fifth of its time. Where CC is set it is taken as it is: `CC=cc make
    test` builds everything as users do.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        if "CC" not in os.environ:
            with suppress(NoCompiler):  # then tests of C skip, or are about that
                patch.setenv("CC", unoptimising(shared))
        yield


def unoptimising(folder):
    """A script that calls the system's compiler, and tells it last not to optimise."""
    script, mine = folder / NAME, folder / f"{NAME}.{os.getpid()}"
    mine.write_text(SCRIPT.format(shlex.join(compiler())))
    mine.chmod(0o755)
    mine.replace(script)  # at once: another process may call it
    return str(script)


@contextmanager
def built_as_users_do():
    """Optimised, where that is what a test is about."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("CC", "").endswith(NAME):
            patch.delenv("CC")
        yield
