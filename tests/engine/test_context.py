"""Do scope, recording and anomaly detection hold where they are opened, and nowhere else?"""

import asyncio
import contextlib
import contextvars
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_rnn as tg
from tinygrad_rnn import Tensor, ancestors, detect_anomaly, grad, nn, no_grad, scope, tanh
from tinygrad_rnn.engine.context import context

inf, nan = np.inf, np.nan


@pytest.fixture(autouse=True)
def context_is_left_as_it_was_found():
    before = context.get()
    yield
    assert context.get() == before


def place(t):
    return " · ".join(map(str, t.scope))


# -- scopes ----------------------------------------------------------------------------------------


def test_scopes_nest_and_end():
    x = Tensor(1.0)
    with scope("encoder"), scope("lstm", t=3):
        y = x * 2
        with scope("gate"):
            z = x * 3
        u = x * 4
    v = x * 5
    assert [place(a) for a in (y, z, u, v)] == [
        "encoder · lstm · t = 3",
        "encoder · lstm · t = 3 · gate",
        "encoder · lstm · t = 3",
        "",
    ]


def test_a_step_counts_from_0_and_is_written():
    with scope("rnn", t=0):
        assert place(Tensor(1.0) * 2) == "rnn · t = 0"


def test_unroll_opens_one_scope_per_step():
    outputs, _ = nn.unroll(nn.LSTMCell(2, 3, rng=0), np.ones((4, 2)))
    assert [place(h) for h in outputs] == [f"lstm · t = {t}" for t in range(4)]
    outputs, _ = nn.unroll(nn.GRUCell(2, 3, rng=0), np.ones((2, 2)), name="decoder")
    assert place(outputs[1]) == "decoder · t = 1"


def test_one_scope_may_be_entered_again_inside_itself_and_by_another_thread():
    again = scope("again")

    def inside(meet):
        with again, again:
            meet()
            inner = place(Tensor(1.0) * 2)
        return inner, place(Tensor(1.0) * 2)

    assert run_threads(inside, inside) == [("again · again", "")] * 2


def test_an_error_closes_the_scope():
    with contextlib.suppress(KeyError), scope("a"), scope("b", t=1):
        raise KeyError
    assert place(Tensor(1.0) * 2) == ""


def test_deeply_nested_errors_leave_the_context_clean():
    x = Tensor(np.ones((2, 3)))
    for bad in (lambda: x @ x, lambda: x[9], lambda: x + None, lambda: grad(x, x)):
        blocks = (no_grad(), detect_anomaly(), scope("a"), scope("b", t=1), scope("c"))
        with contextlib.suppress(TypeError, ValueError, IndexError), contextlib.ExitStack() as all_:
            for block in blocks:
                all_.enter_context(block)
            bad()
            pytest.fail("that should have been an error")
        assert context.get().recording
        assert context.get().scope == ()
        assert not context.get().observers


def test_an_error_in_a_rule_closes_the_scope_of_the_backward_pass(monkeypatch):
    from tinygrad_rnn.engine.rules import RULES

    def broken(*_):
        raise ArithmeticError("a rule that fails")

    x = Tensor(1.0)
    with scope("forward"):
        y = tanh(x)
    monkeypatch.setitem(RULES, tanh, (broken,))
    for create_graph in (False, True):
        with pytest.raises(ArithmeticError):
            grad(y, x, create_graph=create_graph)
        assert context.get().scope == ()


def test_a_generator_left_half_way_does_not_leak_its_scope_when_closed():
    def steps():
        with scope("inner"):
            yield Tensor(1.0) * 2

    running = steps()
    assert place(next(running)) == "inner"
    running.close()
    assert place(Tensor(1.0) * 2) == ""


# -- blocks of suspended generators ----------------------------------------------------------------


def suspended(block):
    """A generator that stops inside a block."""
    with block:
        yield


BLOCKS = {
    "no_grad": no_grad,
    "detect_anomaly": detect_anomaly,
    "a": lambda: scope("a"),
    "b": lambda: scope("b", t=1),
}


@given(st.lists(st.tuples(st.sampled_from([*BLOCKS]), st.integers(0, 9)), max_size=12))
def test_blocks_that_close_in_any_order_leave_what_the_open_ones_say(moves):
    contextvars.copy_context().run(open_and_close, moves)  # a failure leaves them open


def open_and_close(moves):
    opened, before = [], context.get()
    for kind, choice in [*moves, *[("", k % 4) for k in range(len(moves))]]:
        if not kind or choice < 4:
            if not opened:
                continue
            _, running = opened.pop(choice % len(opened))
            running.close()
        else:
            running = suspended(BLOCKS[kind]())
            next(running)
            opened.append((kind, running))
        now, kinds = context.get(), [k for k, _ in opened]
        assert now.recording == ("no_grad" not in kinds)
        assert bool(now.observers) == ("detect_anomaly" in kinds)
        assert [frame.name for frame in now.scope] == [k for k in kinds if k in "ab"]
        assert ((Tensor(1.0) * 2).op is None) == ("no_grad" in kinds)
    assert context.get() == before


def test_two_suspended_no_grad_generators_closed_in_order_of_birth_leave_recording_on():
    first, second = suspended(no_grad()), suspended(no_grad())
    next(first)
    next(second)
    first.close()
    assert (Tensor(1.0) * 2).op is None
    second.close()
    assert (Tensor(1.0) * 2).op is not None


def test_a_scope_that_is_closed_inside_another_takes_only_itself_away():
    running = suspended(scope("a"))
    next(running)
    with scope("b"):
        running.close()
        assert place(Tensor(1.0) * 2) == "b"
    assert place(Tensor(1.0) * 2) == ""


def test_a_generator_that_another_thread_closes_changes_nothing_there():
    found = []

    def close(running):
        running.close()
        found.append((context.get().recording, context.get().scope))

    for block in (no_grad(), scope("a")):
        running = suspended(block)
        contextvars.copy_context().run(next, running)
        thread = threading.Thread(target=close, args=(running,))
        thread.start()
        thread.join()
    assert found == [(True, ())] * 2


def test_one_block_may_be_open_twice_and_is_open_until_both_are_closed():
    block = no_grad()
    with block:
        with block:
            pass
        assert not context.get().recording
    assert context.get().recording


def test_a_checkpointed_backward_pass_under_no_grad_records_what_it_needs():
    class Asking(nn.RNNCell):
        def __call__(self, x, h):
            with no_grad():
                tanh(Tensor(1.0))
            return super().__call__(x, h)

    cell = Asking(2, 3, rng=0)
    expected = grad(nn.unroll(cell, XS)[1].sum(), cell.parameters())
    _, h = nn.unroll(cell, XS, checkpoint=True)
    loss = h.sum()
    with no_grad(), detect_anomaly():
        found = grad(loss, cell.parameters())
        assert not context.get().recording
        assert context.get().observers
    assert all(np.allclose(a, b) for a, b in zip(found, expected, strict=True))


XS = np.random.default_rng(0).standard_normal((9, 2))


# -- blocks as decorators --------------------------------------------------------------------------


@pytest.mark.parametrize("block", [no_grad, detect_anomaly])
def test_a_decorated_function_runs_inside_the_block_at_every_call(block):
    @block()
    def inside(x, *, y=0):
        """What it does."""
        now = context.get()
        return now.recording, len(now.observers), x + y

    with block():
        expected = context.get()
    assert (inside.__name__, inside.__doc__) == ("inside", "What it does.")
    for _ in range(2):
        assert inside(1, y=2) == (expected.recording, len(expected.observers), 3)
        assert context.get().recording
        assert not context.get().observers


def test_a_decorated_generator_runs_inside_the_block_and_is_suspended_outside():
    closed = []

    @no_grad()
    def steps(n):
        try:
            for _ in range(n):
                try:
                    sent = yield Tensor(1.0) * 2
                    assert sent in (None, "sent")
                except KeyError as error:
                    yield type(error)
            return Tensor(3.0) * 2
        finally:
            closed.append((Tensor(4.0) * 2).op)

    def outside():
        return (Tensor(1.0) * 2).op is not None

    def read(running):
        result = yield from running
        yield result

    running = read(steps(3))
    assert next(running).op is None
    assert outside()
    assert running.send("sent").op is None
    assert outside()
    assert running.throw(KeyError("thrown")) is KeyError
    assert outside()
    assert [y.op for y in running] == [None, None]
    assert outside()

    running = steps(2)
    next(running)
    running.close()
    assert outside()
    assert closed == [None, None]
    with pytest.raises(ValueError, match="from outside"):
        raised(steps(2), ValueError("from outside"))
    assert outside()


def raised(running, error):
    next(running)
    running.throw(error)


def test_decorated_generators_that_take_turns_do_not_meet():
    @no_grad()
    def silent():
        while True:
            yield (Tensor(1.0) * 2).op

    def recorded():
        while True:
            yield (Tensor(1.0) * 2).op

    for a, b, _ in zip(silent(), recorded(), range(3), strict=False):
        assert a is None
        assert b is not None


def test_a_decorated_coroutine_runs_inside_the_block():
    @no_grad()
    async def work():
        await asyncio.sleep(0)
        return Tensor(1.0) * 2

    async def both():
        return await asyncio.gather(work(), work()), Tensor(1.0) * 2

    (a, b), c = asyncio.run(both())
    assert (a.op, b.op) == (None, None)
    assert c.op is not None


def test_an_asynchronous_generator_is_refused_by_a_decorator():
    async def steps():
        yield 1

    with pytest.raises(TypeError, match=r"@no_grad\(\).*steps.*`with no_grad\(\):`"):
        no_grad()(steps)


# -- threads and tasks -----------------------------------------------------------------------------


def run_threads(*functions):
    """Run all at once, so that each is inside its blocks while the others are; their results."""
    barrier = threading.Barrier(len(functions), timeout=20)
    results = [None] * len(functions)

    def run(k):
        try:
            results[k] = functions[k](barrier.wait)
        except BaseException as error:
            results[k] = error
            barrier.abort()

    threads = [threading.Thread(target=run, args=(k,)) for k in range(len(functions))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_threads_that_record_at_once_do_not_see_each_others_scope():
    def record(name):
        def work(meet):
            x = Tensor(0.5)
            with scope(name):
                meet()
                steps = []
                for t in range(50):
                    with scope("step", t=t):
                        x = tanh(x * 1.1)
                        steps.append(place(x))
                meet()
            return steps, place(x * 2)

        return work

    found = run_threads(*map(record, "abcd"))
    for name, (steps, after) in zip("abcd", found, strict=True):
        assert steps == [f"{name} · step · t = {t}" for t in range(50)]
        assert after == ""


def test_threads_do_not_see_each_others_no_grad():
    x = Tensor(2.0)

    def silent(meet):
        with no_grad():
            meet()
            y = x * x
            meet()
        return y

    def recording(meet):
        meet()
        y = x * x
        g = grad(y, x)
        meet()
        return y, g

    y, (z, g) = run_threads(silent, recording)
    assert y.op is None
    assert z.op is tg.multiply
    assert g == 4


def test_threads_do_not_see_each_others_anomaly_detection():
    def hunting(meet):
        with detect_anomaly():
            meet()
            try:
                Tensor(1.0) * inf
            except FloatingPointError as error:
                return error
            finally:
                meet()

    def careless(meet):
        meet()
        y = Tensor(1.0) * inf
        meet()
        return y.item()

    error, value = run_threads(hunting, careless)
    assert isinstance(error, FloatingPointError)
    assert value == inf


def test_a_thread_starts_recording_without_a_scope():
    with scope("main"), no_grad():
        (y,) = run_threads(lambda _: Tensor(1.0) * 2)
    assert y.op is tg.multiply
    assert y.scope == ()


def test_threads_record_gradients_of_their_own():
    def work(seed):
        def run(meet):
            cell = nn.RNNCell(2, 3, rng=seed)
            xs = np.random.default_rng(seed).standard_normal((20, 2))
            meet()
            _, h = nn.unroll(cell, xs)
            return grad((h * h).sum(), cell.parameters())

        return run

    together = run_threads(*map(work, range(3)))
    for seed, found in enumerate(together):
        for a, b in zip(found, work(seed)(lambda: None), strict=True):
            assert np.array_equal(a, b)


def test_serial_numbers_are_never_given_twice():
    def work(meet):
        meet()
        return [Tensor(1.0).serial for _ in range(2000)]

    numbers = [n for part in run_threads(work, work, work) for n in part]
    assert len(set(numbers)) == 6000


def test_tasks_that_take_turns_do_not_see_each_others_scope():
    async def record(name, silent):
        x = Tensor(0.5)
        found = []
        for t in range(5):
            with scope(name, t=t), no_grad() if silent else contextlib.nullcontext():
                await asyncio.sleep(0)
                y = x * 2
                await asyncio.sleep(0)
                found.append((place(y), y.op is None))
        return found

    async def both():
        return await asyncio.gather(record("a", True), record("b", False))

    a, b = asyncio.run(both())
    assert a == [(f"a · t = {t}", True) for t in range(5)]
    assert b == [(f"b · t = {t}", False) for t in range(5)]


# -- anomalies -------------------------------------------------------------------------------------


def quiet():
    return np.errstate(all="ignore")


def test_the_first_infinity_forward_is_named_with_primitive_scope_and_shapes():
    x = Tensor(np.array([[1.0, 800.0]]))
    wanted = pytest.raises(FloatingPointError)
    with quiet(), detect_anomaly(), scope("lstm", t=3), scope("forget gate"), wanted as error:
        tg.exp(x)
    assert "exp at lstm · t = 3 · forget gate" in str(error.value)
    assert "infinity" in str(error.value)
    assert "(1, 2)" in str(error.value)


def test_a_nan_that_is_made_is_told_from_one_that_comes_in():
    with quiet(), detect_anomaly():
        with pytest.raises(FloatingPointError, match=r"log: the result.* NaN.*finite"):
            tg.log(Tensor([-1.0]))
        with pytest.raises(FloatingPointError, match=r"tanh: input 0 \(bad, .*already holds NaN"):
            tanh(Tensor([nan], name="bad"))


def test_without_the_switch_nothing_is_said():
    with quiet():
        assert np.isinf(tg.exp(Tensor(1000.0)).data)
        assert np.isnan(tg.log(Tensor(-1.0)).data)


@pytest.mark.parametrize("make", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_nan_in_a_cells_input_names_the_input_x_and_the_step(make):
    xs = np.ones((5, 2, 3))
    xs[3, 1, 2] = nan
    name = make.__name__.removesuffix("Cell").lower()
    message = rf"{name} · t = 3: .*\(x, .*\(2, 3\).*NaN"
    with detect_anomaly(), pytest.raises(FloatingPointError, match=message):
        nn.unroll(make(3, 4, rng=0), xs)


def test_nan_in_a_recorded_input_of_a_cell_is_found_when_it_is_sliced():
    xs = np.ones((5, 2, 3))
    xs[3, 1, 2] = nan
    with detect_anomaly(), pytest.raises(FloatingPointError, match=r"lstm · t = 3.*NaN"):
        nn.unroll(nn.LSTMCell(3, 4, rng=0), [Tensor(x) for x in xs])


def test_nan_in_a_parameter_names_the_parameter():
    cell = nn.LSTMCell(3, 4, rng=0)
    spoiled = cell.W_h.data.copy()
    spoiled[0, 0] = nan
    cell.W_h.data = spoiled
    with detect_anomaly(), pytest.raises(FloatingPointError, match=r"lstm · t = 0.*W_h"):
        nn.unroll(cell, np.ones((2, 2, 3)))


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_first_infinity_backward_is_named_with_primitive_scope_and_shape(create_graph):
    x = Tensor(np.array([0.0, 4.0]), name="v")
    with scope("norm", t=2):
        y = tg.sqrt(x)
    # recorded, it is an operation of the gradient that is named, where the forward one was
    message = r"norm · t = 2 · backward" if create_graph else r"sqrt at norm · t = 2"
    wanted = pytest.raises(FloatingPointError, match=message)
    with quiet(), detect_anomaly(), wanted as error:
        grad(y.sum(), x, create_graph=create_graph)
    assert "(2,)" in str(error.value)


def test_backward_says_whether_the_gradient_came_in_spoiled():
    x = Tensor([1.0, 2.0])
    with detect_anomaly(), pytest.raises(FloatingPointError, match="already not finite"):
        grad(tanh(x), x, np.array([nan, 1.0]))


OVERFLOWING_SUMS = {
    "two uses": lambda x: (x * 1e308 + x * 1e308).sum(),
    "slices of one source": lambda x: x[0] * 1e308 + x[0] * 1e308,
    "broadcasting undone": lambda x: (x * np.full(3, 1e308)).sum(),
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("f", OVERFLOWING_SUMS.values(), ids=OVERFLOWING_SUMS)
def test_a_sum_of_finite_gradients_that_is_infinite_is_found(f, create_graph):
    x = Tensor([1e-300], name="v")
    y = f(x)
    # recorded, it is the operation that adds them up that is named
    message = r"(add|scatter|sum) at backward: the result" if create_graph else "backward into v: "
    with quiet(), detect_anomaly(), pytest.raises(FloatingPointError, match=message):
        grad(y, x, create_graph=create_graph)


def test_where_hides_an_infinity_forward_but_not_backward():
    x = Tensor([0.0, 1.0])
    with quiet():
        y = tg.where(x > 0, tg.log(x), 0.0)
        with detect_anomaly(), pytest.raises(FloatingPointError, match="log"):
            grad(y.sum(), x)


def test_finite_work_is_left_in_peace():
    cell = nn.LSTMCell(2, 3, rng=0)
    with detect_anomaly():
        outputs, _ = nn.unroll(cell, np.ones((3, 2)))
        loss = outputs[-1].sum() + Tensor([1, 2])[0]
        assert len(grad(loss, cell.parameters())) == 4
        grad(loss, cell.parameters(), create_graph=True)


def test_results_are_the_same_with_and_without_the_switch():
    x = Tensor([0.3, 0.4])
    plain = grad(tanh(x).sum(), x)
    with detect_anomaly():
        watched = grad(tanh(x).sum(), x)
    assert np.array_equal(plain, watched)
    assert len(ancestors(tanh(x))) == 2
