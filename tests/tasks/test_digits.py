"""Are the digits read row by row, and is a missing scikit-learn named with its remedy?"""

import importlib.util
import sys
import types

import numpy as np
import pytest

from tinygrad_rnn.tasks import digits, digits_baseline

SKLEARN = importlib.util.find_spec("sklearn") is not None


def test_without_scikit_learn_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    message = r'scikit-learn, which is not installed\. .*pip install "scikit-learn>='
    with pytest.raises(ModuleNotFoundError, match=message):
        digits()


def test_time_runs_from_the_top_row_to_the_bottom_one(monkeypatch):
    # A stand-in for the library, so that the layout is held where it is not installed as well.
    images = np.arange(3 * 8 * 8, dtype=float).reshape(3, 8, 8) % 17
    found = types.SimpleNamespace(images=images, target=np.array([4, 0, 9]))
    library = types.ModuleType("sklearn.datasets")
    library.load_digits = lambda: found
    monkeypatch.setitem(sys.modules, "sklearn", types.ModuleType("sklearn"))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", library)
    batch = digits()
    assert batch.xs.shape == (8, 3, 8)
    assert np.array_equal(batch.xs[5, 2], images[2, 5] / 16)
    assert batch.targets.tolist() == [4, 0, 9]
    assert batch.xs.flags.c_contiguous
    assert batch.mask[7].all()
    assert not batch.mask[:7].any()


@pytest.mark.skipif(not SKLEARN, reason="scikit-learn is not installed")
def test_the_real_digits_have_the_known_counts():
    batch = digits()
    assert batch.xs.shape == (8, 1797, 8)
    assert (batch.xs.dtype, batch.targets.dtype) == (np.float64, np.int64)
    assert (batch.xs.min(), batch.xs.max()) == (0, 1)
    assert digits_baseline() == np.bincount(batch.targets).max() / 1797
    assert np.bincount(batch.targets).argmax() == 3
