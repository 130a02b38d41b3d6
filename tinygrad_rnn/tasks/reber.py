"""Which letters may come next in Reber's grammar, and how well can they be predicted?"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from tinygrad_rnn.border import as_array
from tinygrad_rnn.tasks.batch import Batch, Seed, no_less, pad, within

__all__ = [
    "REBER_SYMBOLS",
    "continual_reber",
    "embedded_reber",
    "legal_highest",
    "reber",
    "reber_entropy",
    "reber_string",
    "reber_successors",
]

REBER_SYMBOLS = "BTPSXVE"

# At each node: the letter of each arrow, and the node it leads to. All arrows are equally likely.
Grammar = dict[str, dict[str, str]]
_NODES: Grammar = {
    "0": {"T": "1", "P": "2"},
    "1": {"S": "1", "X": "3"},
    "2": {"T": "2", "V": "4"},
    "3": {"X": "2", "S": "5"},
    "4": {"P": "3", "V": "5"},
}
_REBER: Grammar = {"start": {"B": "0"}, **_NODES, "5": {"E": "end"}}
# The embedded grammar is two copies of that one, between which T or P chooses: T0 … T5, P0 … P5.
_EMBEDDED: Grammar = {
    "start": {"B": "choice"},
    "choice": {"T": "Tstart", "P": "Pstart"},
    "last": {"E": "end"},
} | {
    outer + node: {letter: outer + target for letter, target in arrows.items()}
    for outer in "TP"
    for node, arrows in _REBER.items()
}
for _outer in "TP":
    _EMBEDDED[_outer + "end"] = {_outer: "last"}


def reber_string(rng: Seed, *, embedded: bool = True) -> str:
    """One string of the grammar, each arrow taken with equal probability.

    Examples
    --------
    >>> reber_string(0), reber_string(0, embedded=False)
    ('BPBPVPXTTTTVVEPE', 'BPVVE')
    """
    rng, grammar = np.random.default_rng(rng), _EMBEDDED if embedded else _REBER
    letters: list[str] = []
    node = "start"
    while node != "end":
        arrows = list(grammar[node].items())
        letter, node = arrows[rng.integers(len(arrows))] if len(arrows) > 1 else arrows[0]
        letters.append(letter)
    return "".join(letters)


def reber_successors(string: str, *, embedded: bool = True) -> list[str]:
    """For each letter of `string`, the letters that may follow; "" after the last E.

    Raises
    ------
    ValueError
        The string leaves the grammar: names the position and the expected letters.

    Examples
    --------
    >>> reber_successors("BTBTXSETE")
    ['TP', 'B', 'TP', 'SX', 'XS', 'E', 'T', 'E', '']
    """
    grammar: Grammar = {**(_EMBEDDED if embedded else _REBER), "end": {}}
    successors: list[str] = []
    node = "start"
    for place, letter in enumerate(string):
        if letter not in grammar[node]:
            raise ValueError(
                f"reber_successors: {string!r} has {letter!r} at place {place}; the grammar "
                f"expects {' or '.join(grammar[node]) or 'the end'} there."
            )
        node = grammar[node][letter]
        successors.append("".join(grammar[node]))
    return successors


def reber(batch: int, rng: Seed) -> Batch:
    """Strings of Reber's grammar: predict each next letter; see `embedded_reber`.

    Reber 1967, "Implicit learning of artificial grammars". The shortest has 5 letters.
    """
    return _to_be_continued("reber", batch, rng, embedded=False)


def embedded_reber(batch: int, rng: Seed) -> Batch:
    """Reber strings wrapped in B T … T E or B P … P E: the last but one letter is the second.

    Parameters
    ----------
    batch
        Rows of different lengths: a string has 9 letters or more, 12 on average.
    rng
        A seed or a generator.

    Returns
    -------
    Batch
        xs (T, batch): numbers in `REBER_SYMBOLS`, all letters of a string but the last; `one_hot`
        with size 7 makes vectors of them. targets (T, batch): all letters but the first. legal (T,
        batch, 7): the letters that may come next. Padded with 0 and False.

    Notes
    -----
    Cleeremans, Servan-Schreiber and McClelland 1989; Hochreiter and Schmidhuber 1997, experiment 1.
    """
    return _to_be_continued("embedded_reber", batch, rng, embedded=True)


def continual_reber(batch: int, T: int, rng: Seed) -> Batch:
    """Embedded Reber strings without end or pause: after E comes the B of the next string.

    As `embedded_reber`, but each row is the beginning of an endless stream: xs, targets of shape
    (T, batch), T ≥ 1, without padding. Gers, Schmidhuber and Cummins 2000, "Learning to forget".
    """
    no_less("continual_reber", 1, batch=batch)
    no_less("continual_reber", 1, T=T)
    rng = np.random.default_rng(rng)
    rows: list[tuple[str, list[str]]] = []
    for _ in range(batch):
        letters = ""
        successors: list[str] = []
        while len(letters) <= T:
            string = reber_string(rng)
            letters += string
            successors += [*reber_successors(string)[:-1], "B"]
        rows.append((letters[: T + 1], successors[:T]))
    return _continue(rows)


def legal_highest(scores: np.ndarray, batch: Batch) -> np.ndarray:
    """The rows that are predicted right: every legal successor above every other, at each step.

    Hochreiter and Schmidhuber's criterion for the embedded grammar (1997, experiment 1).

    Parameters
    ----------
    scores
        Of the symbols, in any increasing scale, (T, batch, symbols).
    batch
        Of a grammar; steps outside its mask do not count.

    Returns
    -------
    Booleans (batch,); their mean is the share of rows.

    Raises
    ------
    ValueError
        The batch has no legal successors, or the scores another shape.

    Examples
    --------
    >>> batch = embedded_reber(3, rng=0)
    >>> legal_highest(batch.legal * 1.0, batch).tolist()
    [True, True, True]
    """
    scores = as_array(scores, "legal_highest")
    legal = batch.legal
    if legal is None or scores.shape != legal.shape:
        raise ValueError(
            f"legal_highest: expected scores of shape {None if legal is None else legal.shape}, "
            f"those of the batch's legal successors, got {scores.shape}. Only a batch of a grammar "
            "has them, as of embedded_reber."
        )
    lowest = np.where(legal, scores, np.inf).min(axis=-1)
    highest = np.where(legal, -np.inf, scores).max(axis=-1)
    return ((lowest > highest) | ~batch.mask).all(axis=0)


def reber_entropy(memory: str = "full", *, embedded: bool = True, continual: bool = False) -> float:
    """Nats per letter of the best predictor with a given memory, exactly.

    Parameters
    ----------
    memory
        "full"; "short": the node of the grammar, but not the letter that the string is wrapped in;
        "symbol": only the current letter.
    embedded
        The embedded grammar, or Reber's own.
    continual
        Whether to count the B of the next string, which is certain.

    Examples
    --------
    >>> [round(reber_entropy(memory), 5) for memory in ("full", "short", "symbol")]
    [0.44109, 0.50411, 1.27175]
    >>> round(7 * math.log(2) / 11, 5), round(8 * math.log(2) / 11, 5)
    (0.44109, 0.50411)
    """
    if memory not in ("full", "short", "symbol"):
        raise ValueError(f'reber_entropy: memory is "full", "short" or "symbol", got {memory!r}.')
    grammar = _EMBEDDED if embedded else _REBER
    nodes = list(grammar)
    number = {node: k for k, node in enumerate(nodes)}
    # Expected visits per string: v = start + v P, and no string comes back from the end.
    P = np.zeros((len(nodes), len(nodes)))
    for node, arrows in grammar.items():
        for target in arrows.values():
            if target != "end":
                P[number[node], number[target]] = 1 / len(arrows)
    visits = np.linalg.solve((np.eye(len(nodes)) - P).T, np.arange(len(nodes)) == number["start"])

    pairs: Counter[tuple[str, str]] = Counter()
    for node, arrows in grammar.items():
        for letter, target in arrows.items():
            count = visits[number[node]] / len(arrows)
            following = grammar.get(target, {"B": "choice"} if continual else {})
            short = f"either {target[1:]}" if target[1:] in (*_REBER, "end") else target
            view = {"full": target, "short": short, "symbol": letter}[memory]
            for following_letter in following:
                pairs[view, following_letter] += count / len(following)
    seen: Counter[str] = Counter()
    for (view, _), count in pairs.items():
        seen[view] += count
    nats = -sum(count * math.log(count / seen[view]) for (view, _), count in pairs.items())
    return float(nats / seen.total())


def _to_be_continued(task: str, batch: int, rng: Seed, *, embedded: bool) -> Batch:
    no_less(task, 1, batch=batch)
    rng = np.random.default_rng(rng)
    strings = [reber_string(rng, embedded=embedded) for _ in range(batch)]
    return _continue([(s, reber_successors(s, embedded=embedded)[:-1]) for s in strings])


def _continue(rows: list[tuple[str, list[str]]]) -> Batch:
    """Letters but the last, letters but the first, and the possible successors, as one batch."""
    place = {letter: k for k, letter in enumerate(REBER_SYMBOLS)}
    # A letter, or two, as a row of booleans; looked up, for there are few different ones.
    different = {successors for _, row in rows for successors in row}
    subset = {s: np.array([c in s for c in REBER_SYMBOLS]) for s in different}
    numbers = [np.array([place[c] for c in letters]) for letters, _ in rows]
    xs, lengths = pad([row[:-1] for row in numbers])
    targets, _ = pad([row[1:] for row in numbers])
    legal, _ = pad([np.array([subset[s] for s in successors]) for _, successors in rows])
    return Batch(xs, targets, lengths, within(lengths), legal)
