"""Does every pass show a graph before and after it?"""

import doctest
import inspect

import pytest

from tinygrad_rnn.program.runtime.pipeline import PASSES


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_shows_what_it_does(name):
    _, apply = PASSES[name]
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(apply) or "")
    sources = [example.source for example in examples]
    assert any("graph_from" in source for source in sources), "the graph before"
    assert any("text_of(values, outputs)" in source for source in sources), "the graph after"
    applied = [x.want for x in examples if f"{apply.__name__}(values, outputs)" in x.source]
    assert [int(count) for count in applied] > [0], "it applies"
