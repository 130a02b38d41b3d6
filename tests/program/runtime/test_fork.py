"""Does a step run in a child that was forked while another thread ran it?"""

import faulthandler
import multiprocessing
import os
import signal
import threading

import numpy as np
import pytest

from tinygrad_rnn import Tensor, compile, tanh
from tinygrad_rnn.program.runtime.run import Running

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
SECONDS = 20
X = np.ones((3, 2))


def f(p, x):
    h = Tensor(np.zeros(2))
    for t in range(len(x)):
        h = tanh(x[t] + h @ p["W"])
    return h.sum()


def parameters():
    return {"W": Tensor(np.eye(2))}


def loss_of(step):
    return float(step(parameters(), X)[0])


def in_child(work):
    """What `work` gives in a forked process; None if it does not come back."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        faulthandler.disable()
        signal.alarm(SECONDS)  # kills the child, if nothing else ends it
        code = 1
        try:
            os.write(write, repr(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    _, status = os.waitpid(pid, 0)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode()
    return said if status == 0 else None


def locks(program):
    """The locks of a program that is made, and those with which Python 3.11 makes properties."""
    properties = [vars(Running)[name] for name in ("function", "c_source")]
    return [x.lock for x in (program, program.native, *properties) if hasattr(x, "lock")]


@pytest.mark.parametrize(("target", "memory"), [("numpy", None), ("c", None), ("numpy", "sqrt")])
def test_a_child_that_was_forked_while_a_step_ran_runs_it(target, memory):
    step = compile(f, target=target, memory=memory)
    expected = loss_of(step)
    held, done = threading.Event(), threading.Event()

    def inside():
        for lock in locks(step._last):
            lock.acquire()
        held.set()
        done.wait()
        for lock in locks(step._last):
            lock.release()

    thread = threading.Thread(target=inside)
    thread.start()
    held.wait()
    try:
        assert in_child(lambda: loss_of(step)) == repr(expected)
        assert in_child(lambda: loss_of(compile(f, target=target))) == repr(expected)
    finally:
        done.set()
        thread.join()
    assert loss_of(step) == expected  # the parent's locks are what they were


@pytest.mark.parametrize("target", ["numpy", "c"])
def test_children_of_a_busy_process_come_back(target):
    step = compile(f, target=target)
    expected, stop = loss_of(step), threading.Event()

    def busy():
        while not stop.is_set():
            loss_of(step)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            assert in_child(lambda: loss_of(step)) == repr(expected)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_pool_that_forks_runs_steps():
    step = compile(f)
    expected = loss_of(step)
    global STEP
    STEP = step
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(run, range(4)).get(timeout=SECONDS)
    assert found == [expected] * 4


def run(_):
    return loss_of(STEP)
