"""Do models written in functions, for HIPS autograd, run with other imports?

After the examples ``rnn.py`` and ``lstm.py`` of autograd: the same calls on the same shapes.
"""

import numpy
import pytest

import tinygrad_rnn
import tinygrad_rnn.numpy as np
from tinygrad_rnn import Tensor, compile, logsumexp, train, tree


def grad(f):
    """As the page for users of autograd writes it."""

    def gradient(params, *args):
        params = tree.map(Tensor, params)
        return tinygrad_rnn.grad(f(params, *args), params)

    return gradient


def sigmoid(x):
    return 0.5 * (np.tanh(x) + 1.0)


def concat_and_multiply(weights, *args):
    cat_state = np.hstack((*args, np.ones((args[0].shape[0], 1))))
    return np.dot(cat_state, weights)


def log_probabilities(params, hiddens):
    output = concat_and_multiply(params["predict"], hiddens)
    return output - logsumexp(output, axis=1, keepdims=True)


def rnn_predict(params, inputs):
    hiddens = np.repeat(params["init hiddens"], inputs.shape[1], axis=0)
    output = [log_probabilities(params, hiddens)]
    for x in inputs:
        hiddens = np.tanh(concat_and_multiply(params["change"], x, hiddens))
        output.append(log_probabilities(params, hiddens))
    return output


def lstm_predict(params, inputs):
    hiddens = np.repeat(params["init hiddens"], inputs.shape[1], axis=0)
    cells = np.repeat(params["init cells"], inputs.shape[1], axis=0)
    output = [log_probabilities(params, hiddens)]
    for x in inputs:
        change = np.tanh(concat_and_multiply(params["change"], x, hiddens))
        forget = sigmoid(concat_and_multiply(params["forget"], x, hiddens))
        ingate = sigmoid(concat_and_multiply(params["ingate"], x, hiddens))
        outgate = sigmoid(concat_and_multiply(params["outgate"], x, hiddens))
        cells = cells * forget + ingate * change
        hiddens = outgate * np.tanh(cells)
        output.append(log_probabilities(params, hiddens))
    return output


LETTERS, STATES, STEPS, TEXTS = 5, 4, 6, 3
GATES = {rnn_predict: ["change"], lstm_predict: ["change", "forget", "ingate", "outgate"]}
BEGIN = {rnn_predict: ["init hiddens"], lstm_predict: ["init cells", "init hiddens"]}
both = pytest.mark.parametrize("predict", [rnn_predict, lstm_predict])


def example(predict):
    """A loss, its parameters as arrays, and inputs of which each is to predict the next."""
    rng = np.random.default_rng(0)
    params = {name: 0.3 * rng.standard_normal((1, STATES)) for name in BEGIN[predict]}
    rows = LETTERS + STATES + 1
    params |= {name: 0.3 * rng.standard_normal((rows, STATES)) for name in GATES[predict]}
    params["predict"] = 0.3 * rng.standard_normal((STATES + 1, LETTERS))

    def loss(params, inputs):
        logprobs, loglik = predict(params, inputs), 0.0
        for t in range(STEPS):
            loglik += np.sum(logprobs[t] * inputs[t])
        return -loglik / (STEPS * TEXTS)

    return loss, params, np.eye(LETTERS)[rng.integers(LETTERS, size=(STEPS, TEXTS))]


@both
def test_it_computes_with_arrays_and_with_tensors(predict):
    loss, params, inputs = example(predict)
    plain = loss(params, inputs)
    assert isinstance(plain, numpy.floating)
    numpy.testing.assert_allclose(loss(tree.map(Tensor, params), inputs).data, plain, rtol=1e-15)


@both
def test_its_gradient_is_that_of_differences(predict):
    loss, params, inputs = example(predict)
    found = grad(loss)(params, inputs)
    assert found.keys() == params.keys()
    for name, g in found.items():
        away = np.random.default_rng(1).standard_normal(g.shape) * 1e-6
        ends = [loss(params | {name: params[name] + sign * away}, inputs) for sign in (1, -1)]
        numpy.testing.assert_allclose((g * away).sum(), (ends[0] - ends[1]) / 2, rtol=1e-6)


def adam(gradient, x, num_iters, step_size, b1=0.9, b2=0.999, eps=1e-8):
    """Kingma and Ba (2015), Algorithm 1, on a dict of arrays."""
    m, v = tree.map(np.zeros_like, x), tree.map(np.zeros_like, x)
    for i in range(num_iters):
        g = gradient(x)
        m = tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
        v = tree.map(lambda v, g: b2 * v + (1 - b2) * g**2, v, g)
        seen = 1 - b1 ** (i + 1), 1 - b2 ** (i + 1)
        x = tree.map(
            lambda x, m, v, a, b: x - step_size * (m / a) / (np.sqrt(v / b) + eps),
            x, m, v, *(tree.map(lambda _, n=n: n, x) for n in seen),
        )  # fmt: skip
    return x


@both
def test_train_adam_takes_the_steps_of_adam(predict):
    loss, params, inputs = example(predict)
    wanted = adam(lambda p: grad(loss)(p, inputs), params, num_iters=8, step_size=0.1)
    learnt = tree.map(Tensor, params)
    optimiser = train.Adam(tree.leaves(learnt), lr=0.1)
    for _ in range(8):
        optimiser.zero_grad()
        loss(learnt, inputs).backward()
        optimiser.step()
    for name, x in wanted.items():
        numpy.testing.assert_allclose(learnt[name].data, x, rtol=1e-10)


@both
def test_it_is_a_program_as_well(predict):
    loss, params, inputs = example(predict)
    step = compile(loss)
    value, slopes = step(tree.map(Tensor, params), inputs)
    assert not step.reason
    numpy.testing.assert_allclose(value, loss(params, inputs), rtol=1e-12)
    for name, g in grad(loss)(params, inputs).items():
        numpy.testing.assert_allclose(slopes[name], g, rtol=1e-9, atol=1e-12)
