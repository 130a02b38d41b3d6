"""Does each concept of the lectures run, have its picture, its number and its lesson?"""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULE = runpy.run_path(str(ROOT / "tutorials" / "concepts.py"))
CONCEPTS = MODULE["CONCEPTS"]


@pytest.mark.parametrize("concept", CONCEPTS, ids=[c.run.__name__ for c in CONCEPTS])
def test_a_concept_gives_its_number_and_its_picture(concept, tmp_path):
    pytest.importorskip("matplotlib")
    value, draw = concept.run()
    assert float(value) == pytest.approx(concept.value, abs=concept.within, rel=0)
    assert draw().save(tmp_path / "picture.svg").stat().st_size > 1000


def test_every_concept_has_its_lesson():
    lessons = {int(path.name[:2]) for path in (ROOT / "tutorials").glob("[0-9]*.py")}
    assert {c.lesson for c in CONCEPTS} <= lessons


def test_the_page_is_that_of_the_list():
    page = runpy.run_path(str(ROOT / "docs" / "concepts.py"))["page"]()
    assert (ROOT / "docs" / "concepts.md").read_text("utf-8") == page, (
        "write it anew: python docs/concepts.py"
    )
