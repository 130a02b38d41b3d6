"""Tasks with known best scores, series of measurements, and text.

A size that is not an integer is a TypeError, and a size below the minimum in the docstring of its
task is a ValueError.
"""

from typing import TYPE_CHECKING

from tinygrad_rnn.hints import of_package
from tinygrad_rnn.tasks.batch import Batch, one_hot
from tinygrad_rnn.tasks.bits import (
    binary_addition,
    binary_addition_baseline,
    parity,
    parity_baseline,
)
from tinygrad_rnn.tasks.columns import read_column
from tinygrad_rnn.tasks.copying import copy_memory, copy_memory_baseline
from tinygrad_rnn.tasks.counting import an_bn, an_bn_cn, counting_entropy, counting_symbols
from tinygrad_rnn.tasks.digits import digits, digits_baseline
from tinygrad_rnn.tasks.lags import (
    long_lag,
    long_lag_distracted,
    long_lag_distracted_baseline,
    long_lag_entropy,
    long_lag_random,
    two_sequence,
    two_sequence_baseline,
    two_sequence_error,
)
from tinygrad_rnn.tasks.marked import (
    adding,
    adding_1997,
    adding_1997_baseline,
    adding_baseline,
    multiplication,
    multiplication_1997,
    multiplication_1997_baseline,
    multiplication_baseline,
)
from tinygrad_rnn.tasks.order import (
    ORDER_SYMBOLS,
    temporal_order,
    temporal_order_baseline,
    temporal_order_scaled,
)
from tinygrad_rnn.tasks.reber import (
    REBER_SYMBOLS,
    continual_reber,
    embedded_reber,
    legal_highest,
    reber,
    reber_entropy,
    reber_string,
    reber_successors,
)
from tinygrad_rnn.tasks.series import persistence, split, sunspots, windows
from tinygrad_rnn.tasks.tagging import tagging, tagging_accuracy
from tinygrad_rnn.tasks.text import Alphabet, chunks, python_documentation, read_text
from tinygrad_rnn.tasks.timing import (
    measure_spikes,
    measure_spikes_baseline,
    periodic,
    periodic_baseline,
    timed_spikes,
    timed_spikes_baseline,
)

__all__ = [
    "ORDER_SYMBOLS",
    "REBER_SYMBOLS",
    "Alphabet",
    "Batch",
    "adding",
    "adding_1997",
    "adding_1997_baseline",
    "adding_baseline",
    "an_bn",
    "an_bn_cn",
    "binary_addition",
    "binary_addition_baseline",
    "chunks",
    "continual_reber",
    "copy_memory",
    "copy_memory_baseline",
    "counting_entropy",
    "counting_symbols",
    "digits",
    "digits_baseline",
    "embedded_reber",
    "legal_highest",
    "long_lag",
    "long_lag_distracted",
    "long_lag_distracted_baseline",
    "long_lag_entropy",
    "long_lag_random",
    "measure_spikes",
    "measure_spikes_baseline",
    "multiplication",
    "multiplication_1997",
    "multiplication_1997_baseline",
    "multiplication_baseline",
    "one_hot",
    "parity",
    "parity_baseline",
    "periodic",
    "periodic_baseline",
    "persistence",
    "python_documentation",
    "read_column",
    "read_text",
    "reber",
    "reber_entropy",
    "reber_string",
    "reber_successors",
    "split",
    "sunspots",
    "tagging",
    "tagging_accuracy",
    "temporal_order",
    "temporal_order_baseline",
    "temporal_order_scaled",
    "timed_spikes",
    "timed_spikes_baseline",
    "two_sequence",
    "two_sequence_baseline",
    "two_sequence_error",
    "windows",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = of_package(__name__, __all__)
