"""Does the C file alone train as the step does, without a warning, a leak, or a bad access?"""

import os
import shutil
import subprocess

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, nn, stack
from tinygrad_rnn.program.backends.c import build

STRICT = ("-std=gnu11", "-O2", "-fopenmp-simd", "-Wall", "-Wextra", "-Werror")
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
RATE = 0.5


class Model(nn.Module):
    def __init__(self, **parts):
        for name, part in parts.items():
            setattr(self, name, part)


def read_by(m, outputs, y):
    return nn.cross_entropy(m.readout(stack(outputs)), y)


def of_a_cell(m, x, y):
    return read_by(m, nn.unroll(m.cell, x)[0], y)


def of_layers(m, x, y):
    return nn.cross_entropy(m.readout(m.layers(x)[0]), y)


def of_letters(m, y):
    state = m.cell.initial_state(y.shape[1])
    return read_by(m, nn.unroll(lambda s, h: m.cell(m.table(s), h), y, state)[0], y)


def masked(m, x, y):
    lengths = [len(x), 4]
    outputs, _ = nn.unroll(m.cell, x, lengths=lengths)
    return nn.cross_entropy(m.readout(stack(outputs)), y, lengths=lengths)


def truncated(m, x, y):
    return read_by(m, nn.unroll(m.cell, x, truncate=3)[0], y)


def model(cell, size=4, **parts):
    return Model(cell=cell(3, size, rng=0), readout=nn.Linear(size, 3, rng=1), **parts)


CASES = {
    "rnn": (of_a_cell, lambda: model(nn.RNNCell)),
    "lstm": (of_a_cell, lambda: model(nn.LSTMCell)),
    "gru": (of_a_cell, lambda: model(nn.GRUCell, 20)),
    "masked": (masked, lambda: model(nn.GRUCell)),
    "truncated": (truncated, lambda: model(nn.LSTMCell)),
    "letters": (of_letters, lambda: model(nn.RNNCell, table=nn.Embedding(3, 3, rng=2))),
    "two directions, two layers": (
        of_layers,
        lambda: Model(
            layers=nn.LSTM(3, 4, num_layers=2, bidirectional=True, rng=0),
            readout=nn.Linear(8, 3, rng=1),
        ),
    ),
}


def case(name, T=8, B=2):
    loss_fn, make = CASES[name]
    rng = np.random.default_rng(T)
    x, y = rng.standard_normal((T, B, 3)), rng.integers(3, size=(T, B))
    return compile(loss_fn), make(), *((y,) if name == "letters" else (x, y))


def made(folder, source, flags):
    (folder / "step.c").write_text(source)
    command = [*build.compiler(), *flags, "step.c", "-o", "step", "-lm"]
    subprocess.run(command, cwd=folder, check=True)


def run(folder, *words):
    command = ["./step", "data", *map(str, words)]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", CASES)
def test_it_trains_as_the_step_does(name, tmp_path):
    step, m, *args = case(name)
    step.save_arguments(tmp_path / "data", m, *args)
    made(tmp_path, step.c_source, STRICT)
    done = run(tmp_path, 5, RATE, "result")
    assert (done.returncode, done.stderr) == (0, "")
    losses = []
    for _ in range(5):
        loss, grads = step(m, *args)
        losses.append(loss)
        for p, g in zip(m.parameters(), grads.values(), strict=True):
            p.data = p.data - RATE * g
    printed = [line.split() for line in done.stdout.splitlines()]
    assert [int(epoch) for epoch, _ in printed] == list(range(5))
    np.testing.assert_allclose([float(loss) for _, loss in printed], losses, rtol=1e-8)
    result = (tmp_path / "result").read_bytes()
    assert int.from_bytes(result[:8], "little", signed=True) == len(args[0])
    expected = np.concatenate([p.data.ravel() for p in m.parameters()])
    np.testing.assert_allclose(np.frombuffer(result[8:]), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", CASES if os.environ.get("SANITIZE") == "all" else ["masked"])
def test_sanitizers_find_nothing(name, tmp_path):
    step, m, *args = case(name)
    step.save_arguments(tmp_path / "data", m, *args)
    made(tmp_path, step.c_source, (*STRICT, *SANITIZED))
    done = run(tmp_path, 2, RATE, "result")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_wrong_with_its_arguments_is_said(tmp_path):
    step, m, x, y = case("rnn")
    step.save_arguments(tmp_path / "data", m, x, y)
    made(tmp_path, step.c_source, STRICT)
    assert "usage: ./step FILE STEPS RATE [RESULT]" in run(tmp_path).stderr
    whole = (tmp_path / "data").read_bytes()
    (tmp_path / "data").write_bytes(whole[:-1])
    assert run(tmp_path, 1, RATE).stderr == "there is no more in the file\n"
    (tmp_path / "data").write_bytes((9).to_bytes(8, "little") + whole[8:])
    assert "there is no T = 8 at the head of the file" in run(tmp_path, 1, RATE).stderr
    (tmp_path / "data").write_bytes(whole[:-8] + (3).to_bytes(8, "little"))
    assert "there is no element at an index" in run(tmp_path, 1, RATE).stderr
    (tmp_path / "data").unlink()
    assert run(tmp_path, 1, RATE).stderr == "there is no such file\n"


def test_the_file_says_what_it_is_how_to_build_it_and_what_it_reads():
    step, m, x, y = case("lstm")
    step(m, x, y)
    head = step.c_source.split("*/", 1)[0]
    for said in ("Backpropagation through time", "cc -O3", "./step FILE STEPS RATE", "(T, 2, 3)"):
        assert said in head
    assert head.count("a parameter") == len(m.parameters())
    assert "softplus" not in step.c_source
    for direction in ("forward", "backward"):
        assert step.c_source.count(f"/* {direction} in time: ") == 1


def test_arguments_of_what_is_not_compiled_are_not_saved(tmp_path):
    step = compile(lambda p, x: (p["w"] * np.asarray(x)).sum())
    with pytest.raises(ValueError, match=r"save_arguments: not compiled"):
        step.save_arguments(tmp_path / "data", {"w": Tensor(np.ones(4))}, np.ones(4))
    assert not any(tmp_path.iterdir())


def test_an_old_file_stays_where_the_new_cannot_be_written(tmp_path):
    step, m, x, y = case("rnn")
    with pytest.raises(OSError, match="nowhere"):
        step.save_arguments(tmp_path / "nowhere" / "data", m, x, y)


def test_with_a_blas_it_says_which_functions_it_wants():
    assert shutil.which(build.compiler()[0])
    step, m, x, y = case("gru")
    step(m, x, y)
    assert "use_blas_d(cblas_dgemm);" in step.c_source
    assert "use_blas_f" not in step.c_source
