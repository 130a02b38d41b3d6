"""Are the strings Reber's, and is the best possible score what the papers' grammar gives?"""

import math
import re
from collections import Counter

import numpy as np
import pytest

from tinygrad_rnn import tasks
from tinygrad_rnn.tasks import (
    REBER_SYMBOLS,
    continual_reber,
    embedded_reber,
    reber,
    reber_entropy,
    reber_string,
    reber_successors,
)

# The grammar once more, as a regular expression: T S* X … or P T* V …, in the field's own picture.
# Behind X of the upper path or P of the lower one comes either S, or X and the lower loop again.
LOOP = r"T*V(?:PXT*V)*"
REBER = rf"(?:TS*X(?:S|X{LOOP}(?:V|PS))|P{LOOP}(?:V|PS))"
INNER = re.compile(rf"B{REBER}E")
OUTER = re.compile(rf"B(?:TB{REBER}ET|PB{REBER}EP)E")


def strings(batch):
    letters = np.array(list(REBER_SYMBOLS))
    for row, length in enumerate(batch.lengths):
        yield "".join(letters[batch.xs[:length, row]]) + letters[batch.targets[length - 1, row]]


@pytest.mark.parametrize(("draw", "expression"), [(reber, INNER), (embedded_reber, OUTER)])
def test_every_string_matches_the_grammar_written_as_a_regular_expression(draw, expression):
    found = list(strings(draw(3000, 0)))
    assert all(expression.fullmatch(string) for string in found)
    assert len(set(found)) > 100


def test_xs_and_targets_are_one_step_apart():
    batch = embedded_reber(200, 0)
    for row, length in enumerate(batch.lengths):
        assert np.array_equal(batch.xs[1:length, row], batch.targets[: length - 1, row])


def test_the_mean_length_is_12_and_the_least_9():
    lengths = np.array([len(reber_string(rng)) for rng in [np.random.default_rng(0)] * 20_000])
    assert lengths.min() == 9
    assert abs(lengths.mean() - 12) < 4 * lengths.std() / 20_000**0.5


def test_all_ways_are_equally_likely():
    counts = Counter(reber_string(rng)[:4] for rng in [np.random.default_rng(0)] * 20_000)
    assert set(counts) == {"BTBT", "BTBP", "BPBT", "BPBP"}
    assert max(abs(n / 20_000 - 1 / 4) for n in counts.values()) < 4 * (3 / 16 / 20_000) ** 0.5


@pytest.mark.parametrize("draw", [reber, embedded_reber])
def test_legal_marks_the_target_and_every_letter_that_ever_follows_the_same_beginning(draw):
    batch = draw(4000, 0)
    following, legal = {}, {}
    for row, string in enumerate(strings(batch)):
        for t in range(batch.lengths[row]):
            beginning = string[: t + 1]
            following.setdefault(beginning, set()).add(string[t + 1])
            legal[beginning] = {
                c for c, may in zip(REBER_SYMBOLS, batch.legal[t, row], strict=True) if may
            }
    assert all(following[beginning] <= legal[beginning] for beginning in following)
    often = Counter(s[: t + 1] for s in strings(batch) for t in range(len(s) - 1))
    assert all(following[b] == legal[b] for b, n in often.items() if n > 100)


def test_the_last_but_one_letter_is_certain_from_the_second():
    batch = embedded_reber(500, 0)
    for row, length in enumerate(batch.lengths):
        legal = np.nonzero(batch.legal[length - 2, row])[0]
        assert np.array_equal(legal, [batch.xs[1, row]])


def test_successors_of_a_string_that_leaves_the_grammar_say_where():
    with pytest.raises(ValueError, match=r"has 'S' at place 2; the grammar expects B there"):
        reber_successors("BTS")
    with pytest.raises(ValueError, match="has 'P' at place 7; the grammar expects T there"):
        reber_successors("BTBTXSEP")
    with pytest.raises(ValueError, match="has 'B' at place 9; the grammar expects the end there"):
        reber_successors("BTBTXSETEB")
    assert reber_successors("BTXSE", embedded=False) == ["TP", "SX", "XS", "E", ""]
    assert reber_successors("") == []


def conditional_entropy(pairs):
    """H(next | view) in nats of counted pairs."""
    seen = Counter()
    for (view, _), n in pairs.items():
        seen[view] += n
    return -sum(n * math.log(n / seen[v]) for (v, _), n in pairs.items()) / seen.total()


def test_entropies_are_what_counting_many_strings_finds():
    # A place in the grammar is told here by what may follow, and the first two steps by their time.
    rng = np.random.default_rng(0)
    counts = {"full": Counter(), "short": Counter(), "symbol": Counter()}
    for _ in range(20_000):
        string = reber_string(rng)
        successors = reber_successors(string)
        for t in range(len(string) - 1):
            frame = string[1 : t + 1][:1]
            # behind the inner E, who forgot the frame cannot tell which of T and P follows
            may = "frame" if string[t] == "E" else successors[t]
            place = (min(t, 2), may)
            counts["full"][(place, frame), string[t + 1]] += 1
            counts["short"][place, string[t + 1]] += 1
            counts["symbol"][string[t], string[t + 1]] += 1
    for memory, pairs in counts.items():
        assert conditional_entropy(pairs) == pytest.approx(reber_entropy(memory), abs=0.004)


def test_entropies_are_the_published_fractions_of_ln_2():
    assert reber_entropy() == pytest.approx(7 * math.log(2) / 11, rel=1e-12)
    assert reber_entropy("short") == pytest.approx(8 * math.log(2) / 11, rel=1e-12)
    assert reber_entropy("symbol") == pytest.approx(1.272, abs=5e-4)
    assert reber_entropy(embedded=False) == pytest.approx(6 * math.log(2) / 7, rel=1e-12)
    assert reber_entropy("short", embedded=False) == reber_entropy(embedded=False)
    assert reber_entropy(continual=True) == pytest.approx(7 * math.log(2) / 12, rel=1e-12)
    assert reber_entropy("short", continual=True) == pytest.approx(8 * math.log(2) / 12, rel=1e-12)


def test_the_log_probability_of_strings_is_the_entropy():
    # With full memory each letter costs ln(number of legal successors): the mean over letters.
    batch = embedded_reber(20_000, 0)
    choices = np.where(batch.mask, batch.legal.sum(axis=-1), 1)
    per_string = np.log(choices).sum(axis=0)
    error = per_string.std() / 20_000**0.5
    assert abs(per_string.mean() - 7 * math.log(2)) < 4 * error
    assert abs(batch.lengths.mean() - 11) < 4 * batch.lengths.std() / 20_000**0.5


def test_a_stream_is_whole_strings_one_after_the_other():
    batch = continual_reber(30, 400, 0)
    assert batch.xs.shape == (400, 30)
    assert (batch.lengths == 400).all()
    for stream in strings(batch):
        whole = re.match(rf"(?:{OUTER.pattern})*", stream)
        # what is left over is the beginning of a string, which its successors accept
        reber_successors(stream[whole.end() :])
        assert whole.end() > 300


def test_a_stream_costs_the_entropy_per_letter():
    batch = continual_reber(40, 6000, 0)
    per_row = np.log(batch.legal.sum(axis=-1)).mean(axis=0)
    assert abs(per_row.mean() - 7 * math.log(2) / 12) < 4 * per_row.std() / 40**0.5 + 12 / 6000
    assert batch.legal[np.arange(6000)[:, None], np.arange(40), batch.targets].all()


def test_a_stream_does_not_change_when_it_is_cut_shorter():
    longer, shorter = continual_reber(1, 200, 5), continual_reber(1, 1, 5)
    assert np.array_equal(longer.xs[:1], shorter.xs)
    assert np.array_equal(longer.targets[:1], shorter.targets)


def test_a_row_is_right_if_all_legal_successors_are_above_all_others_at_every_step():
    batch = tasks.embedded_reber(6, rng=1)
    scores = np.random.default_rng(0).random(batch.legal.shape) + 2 * batch.legal
    assert tasks.legal_highest(scores, batch).all()
    scores[~batch.mask] = np.nan
    assert tasks.legal_highest(scores, batch).all()
    k = int(np.argmax(batch.lengths))
    for change in (np.where(batch.legal[-1, k], 0.0, 1.0), np.ones(7), np.full(7, np.nan)):
        worse = scores.copy()
        worse[-1, k] = change
        assert tasks.legal_highest(worse, batch).tolist() == [n != k for n in range(6)]


def test_only_grammars_have_legal_successors():
    with pytest.raises(ValueError, match="Only a batch of a grammar has them"):
        tasks.legal_highest(np.zeros((5, 2, 7)), tasks.adding(5, 2, rng=0))
    with pytest.raises(ValueError, match="those of the batch's legal"):
        tasks.legal_highest(np.zeros((5, 2, 7)), tasks.embedded_reber(2, rng=0))
