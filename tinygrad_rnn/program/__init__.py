"""The record of a training step, rolled up again and printed as a program."""

from typing import TYPE_CHECKING

from tinygrad_rnn.hints import of_package

if TYPE_CHECKING:  # imported when they are first asked for
    # what a training loop asks of a program, beside running it
    from tinygrad_rnn.program.backends.c.build import builds as builds

    # what pictures ask of formulas
    from tinygrad_rnn.program.formula.columns import columns as columns
    from tinygrad_rnn.program.formula.nodes import is_number as is_number
    from tinygrad_rnn.program.formula.nodes import operation as operation
    from tinygrad_rnn.program.formula.nodes import options as options
    from tinygrad_rnn.program.formula.text import GLUE as GLUE
    from tinygrad_rnn.program.formula.text import Label as Label
    from tinygrad_rnn.program.formula.text import Pieces as Pieces
    from tinygrad_rnn.program.formula.text import Rich as Rich
    from tinygrad_rnn.program.formula.text import Wide as Wide
    from tinygrad_rnn.program.formula.text import number_text as number_text
    from tinygrad_rnn.program.formula.tree import Formula as Formula
    from tinygrad_rnn.program.record.trace import leaves_of as leaves_of
    from tinygrad_rnn.program.runtime.compare import size_of as size_of
    from tinygrad_rnn.program.runtime.formulas import equations
    from tinygrad_rnn.program.runtime.lowering import register_lowering
    from tinygrad_rnn.program.runtime.outline import Operation, Outline, Part, Read
    from tinygrad_rnn.program.runtime.run import Running as Running
    from tinygrad_rnn.program.runtime.run import Unmet as Unmet
    from tinygrad_rnn.program.runtime.step import KEPT as KEPT
    from tinygrad_rnn.program.runtime.step import CompiledStep, compile
    from tinygrad_rnn.program.threads import limited as limited
    from tinygrad_rnn.program.threads import small as small

__all__ = [
    "CompiledStep",
    "Operation",
    "Outline",
    "Part",
    "Read",
    "compile",
    "equations",
    "register_lowering",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = of_package(__name__, __all__)
