"""What do the benchmarks share? Their neighbours by name, and a table on the terminal."""

import os
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # measure, scalar_steps


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "slow: takes more than ten seconds (-m 'not slow' leaves it out)"
    )


@pytest.fixture(scope="session", autouse=True)
def as_many_threads_for_torch():
    """As many threads for torch as for NumPy's BLAS; every table names them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what peers warn about when imported is not our concern
        try:
            import torch
        except ImportError:
            return
        torch.set_num_threads(int(os.environ.get("OPENBLAS_NUM_THREADS", os.cpu_count() or 1)))


@pytest.fixture
def show(capsys):
    """Print to the terminal, whatever pytest captures."""

    def show(*lines: str) -> None:
        with capsys.disabled():
            print("", *lines, sep="\n")

    return show
