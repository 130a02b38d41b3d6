"""What does a character model learn in twenty seconds, and how does its record look?

Trains a small LSTM on the Python documentation, one character after the other, lets it write, and
draws it for a lecture: one step, all steps, the gradient on its way back, and a page that plays it.
"""

import argparse
from pathlib import Path

import numpy as np

import viz
from tinygrad_rnn import named, nn, no_grad, scope, softmax, stack
from tinygrad_rnn.tasks import Alphabet, chunks, python_documentation
from tinygrad_rnn.train import Adam, fit

BATCH, STEPS, HIDDEN = 16, 32, 128
WAYS = {  # what the training loop ran: C where there is a compiler
    "c": "the program printed from their record, in C",
    "numpy": "the program printed from their record, in NumPy",
    "eager": "their record",
}


class CharModel(nn.Module):
    """Characters in, scores for the next character out."""

    def __init__(self, characters, hidden_size, rng):
        rng = np.random.default_rng(rng)
        self.embedding = nn.Embedding(characters, 32, rng=rng, dtype=np.float32)
        self.cell = nn.LSTMCell(32, hidden_size, rng=rng, dtype=np.float32)
        self.readout = nn.Linear(hidden_size, characters, rng=rng, dtype=np.float32)

    def loss(self, x, y, state=None):
        """Mean nats per character, and the state after the last; x and y are (steps, batch)."""
        outputs, state = nn.unroll(self.cell, self.embedding(x), state)
        with scope("loss"):
            return nn.cross_entropy(self.readout(stack(outputs)), y), state

    def step_by_step(self, x, y):
        """The same mean with each step in scopes of its own, for the pictures."""
        state, losses = self.cell.initial_state(x.shape[1]), []
        for t, character in enumerate(x):
            with scope("embed", t=t, x=character):
                e = named(e=self.embedding(character))
            with scope("LSTM", t=t):
                state = self.cell(e, state)
            with scope("read out", t=t):
                scores = named(y=self.readout(state[0]))
            with scope("loss", t=t):
                losses.append(nn.cross_entropy(scores, y[t]))
        with scope("loss"):
            return named(L=stack(losses).mean())


def train(model, numbers, seconds, rng):
    """Truncated backpropagation through time: the state is carried on, the gradient is cut."""
    passes = []  # the chunks of one pass through the text; each pass starts elsewhere
    length = len(list(chunks(numbers, BATCH, STEPS)))

    def batch(step):
        if step % length == 0:
            passes[:] = chunks(np.roll(numbers, -rng.integers(len(numbers))), BATCH, STEPS)
        return passes[step % length]

    optimiser = Adam(model.parameters(), lr=4e-3)
    state = model.cell.initial_state(BATCH)
    # the loss depends on nothing but weights, batch and state, so a program may run it
    return fit(
        model,
        batch,
        optimiser,
        seconds=seconds,
        clip=1.0,
        state=state,
        restart=length,
        target="auto",
    )


@no_grad()
def write(model, alphabet, start, length, rng, temperature=0.7):
    """Let the model continue `start`: each character is drawn, and read as the next input."""
    state, numbers = None, list(alphabet.encode(start))
    for k in range(len(start) + length - 1):
        outputs, state = nn.unroll(model.cell, model.embedding(np.array([[numbers[k]]])), state)
        if k >= len(start) - 1:
            p = softmax(model.readout(outputs[0]) * (1 / temperature)).data[0].astype(float)
            numbers.append(rng.choice(len(p), p=p / p.sum()))
    return alphabet.decode(numbers)


def main():
    parser = argparse.ArgumentParser(description="Train, sample and draw a character LSTM.")
    parser.add_argument("--seconds", type=float, default=20, help="how long to train")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the pictures")
    options = parser.parse_args()
    if not 0 < options.seconds < np.inf:
        parser.error(f"--seconds: expected more than 0, got {options.seconds}")
    try:  # now, and not after the training
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out: cannot make the folder {options.out}: {error.strerror}")

    rng = np.random.default_rng(0)
    text = python_documentation()
    alphabet = Alphabet(text)
    numbers = alphabet.encode(text)
    model = CharModel(len(alphabet), HIDDEN, rng)
    count = sum(p.size for p in model.parameters())
    print(f"The Python documentation: {len(text):,} characters, {len(alphabet)} different ones.")
    print(
        f"An LSTM with {HIDDEN} units and {count:,} weights; it knows nothing: ln {len(alphabet)}",
        end=" ",
    )
    print(f"= {np.log(len(alphabet)):.2f} nats per character.")
    run = train(model, numbers, options.seconds, rng)
    print(f"Loss {run.losses[0]:.2f} → {np.mean(run.losses[-50:]):.2f} nats", end=" ")
    print(f"after {run.step} steps, the last of them by {WAYS[run.target]}.\n")
    print(write(model, alphabet, "The ", 300, rng), "\n")

    # The same model on a few characters: every picture below is drawn from this one record.
    word = "gradient"
    x, y = alphabet.encode(word[:-1])[:, None], alphabet.encode(word[1:])[:, None]
    loss = model.step_by_step(x, y)
    for name, drawing in (
        ("1_one_step.svg", viz.cell(model.cell, size="slide")),
        ("2_unrolled.svg", viz.unrolled(loss, size="slide", labels=word)),
        ("3_gradient_flow.svg", viz.gradient_flow(loss, size="slide", labels=word)),
        ("4_player.html", viz.play(loss, labels=word)),
    ):
        print("wrote", drawing.save(options.out / name))


if __name__ == "__main__":
    main()
