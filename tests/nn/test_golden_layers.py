"""Are several layers, both directions and padding what torch says, on a machine without torch?"""

import itertools
from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn import Tensor, nn
from tinygrad_rnn.interop import from_torch, torch_weights

with np.load(Path(__file__).parents[1] / "golden" / "layers.npz", allow_pickle=False) as kept:
    GOLDEN = dict(kept)


def run(case, how):
    """What the generator records, by the name of each part, made by our own layers."""
    kind, lengths = case.split(" lengths=")
    lengths = [int(n) for n in lengths.split(",")]
    make = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind.partition("-")[0]]
    options = {"proj_size": 2} if kind == "lstm-projected" else {}
    layer = make(2, 3, 2, bidirectional=True, **options)
    rng = np.random.default_rng(lengths)

    def draw(*shape):
        return rng.random(shape) * 1.5 - 0.5

    shapes = {name: array.shape for name, array in torch_weights(layer).items()}
    from_torch(layer, {name: draw(*shapes[name]) * 3**-0.5 for name in sorted(shapes)})
    xs = Tensor(draw(max(lengths), len(lengths), 2))
    outputs, finals = layer(xs, lengths=lengths, **how)
    finals = finals if isinstance(finals, tuple) else (finals,)
    loss = (draw(*outputs.shape) * outputs).sum()
    for final in finals:
        loss = loss + (draw(*final.shape) * final).sum()
    loss.backward()
    slopes = torch_weights(layer, gradients=True)
    parts = {"outputs": outputs.data}
    parts |= {f"{letter} after": final.data for letter, final in zip("hc", finals, strict=False)}
    return parts | {f"d {name}": slopes[name] for name in sorted(slopes)} | {"d xs": xs.grad}


@pytest.mark.parametrize("how", [{}, {"checkpoint": True}, {"truncate": (1, 5)}], ids=str)
@pytest.mark.parametrize("case", GOLDEN)
def test_layers_are_torchs_to_1e_12(case, how):
    parts = run(case, how)
    ends = list(itertools.accumulate((part.size for part in parts.values()), initial=0))
    assert ends[-1] == GOLDEN[case].size
    for (name, part), (start, end) in zip(parts.items(), itertools.pairwise(ends), strict=True):
        expected = GOLDEN[case][start:end]
        np.testing.assert_allclose(part.ravel(), expected, rtol=1e-12, atol=1e-12, err_msg=name)


def test_golden_numbers_cover_each_kind_with_and_without_padding():
    assert {case.split()[0] for case in GOLDEN} == {"rnn-tanh", "lstm", "lstm-projected", "gru"}
    assert len(GOLDEN) == 8
    assert all(np.abs(numbers).max() > 1e-2 for numbers in GOLDEN.values())
