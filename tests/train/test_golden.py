"""Do optimisers go torch's way, on a machine without torch?"""

import json
from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn import Tensor, train

FILE = Path(__file__).parents[1] / "golden" / "optimisers.npz"
with np.load(FILE, allow_pickle=False) as kept:
    GOLDEN = dict(kept)


@pytest.mark.parametrize("case", GOLDEN)
def test_fifty_steps_are_torchs_to_1e_10(case):
    name, _, options = case.partition(" ")
    rng = np.random.default_rng(0)
    parameters = [Tensor(rng.standard_normal(shape)) for shape in ((2, 3), (3,))]
    optimiser = getattr(train, name)(parameters, **json.loads(options))
    places = []
    for step in range(50):
        for p in parameters:
            p.grad = rng.standard_normal(p.shape) * 10 ** rng.uniform(-2, 1)
        optimiser.step()
        if step % 10 == 9:
            places.append(np.concatenate([p.data.ravel() for p in parameters]))
    np.testing.assert_allclose(places, GOLDEN[case], rtol=0, atol=1e-10)


def test_golden_numbers_cover_every_optimiser():
    kinds = {case.partition(" ")[0] for case in GOLDEN}
    assert kinds == {"SGD", "Adagrad", "RMSprop", "Adam", "AdamW"}
