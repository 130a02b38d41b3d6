"""Is the lecture a deck that needs no network, and does all of it fit on its slides?"""

import base64
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[1] / "tutorials"
SCRIPT = r"""# %% [markdown]
# # A title
#
# > Say hello,
# and wait.

# %% [markdown]
# ## An equation
#
# $$h_t = \tanh(a_t)$$
#
# > Read it aloud.

# %%
print("1 < 2")
viz.cell(nn.RNNCell(3, 4, rng=0))
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="72pt"></svg>'
OVER = """() => [...Reveal.getCurrentSlide().querySelectorAll(".slide, .slide *")].filter(part => {
    const box = part.getBoundingClientRect();
    return box.left < -1 || box.top < -1 || box.right > 1921 || box.bottom > 1081
        || part.matches(".slide, pre") && (part.scrollWidth > part.clientWidth + 1
                                           || part.scrollHeight > part.clientHeight + 1);
}).map(part => part.tagName + ": " + part.textContent.slice(0, 40))"""

# Of drawings; a plot's text is paths, and the deck chooses its size.
SMALLEST = r"""() => Math.min(...Array.from(document.querySelectorAll(".present img"), image => {
    const svg = atob(image.src.split(",")[1]);
    const inside = svg.match(/scale\(([\d.]+)/);
    const shown = Math.min(image.clientWidth / image.naturalWidth,
                           image.clientHeight / image.naturalHeight) * 96 / 72;
    const sizes = [...svg.matchAll(/font-size="([\d.]+)"/g)].map(found => +found[1]);
    return Math.min(...sizes) * shown * (inside ? +inside[1] : 1);
}))"""
FOURTEEN = 28  # points, in pixels of a slide of 1,920, which is 960 points wide


@pytest.fixture
def slides(monkeypatch):
    """The converter, and what it needs."""
    for package in ("jupytext", "nbformat", "latex2mathml", "markdown_it", "mdit_py_plugins"):
        pytest.importorskip(package)
    monkeypatch.syspath_prepend(TUTORIALS)
    import slides

    return slides


@pytest.fixture
def cells(slides):
    """Those of a script, as if it had run."""
    import jupytext
    from nbformat.v4 import new_output

    found = jupytext.reads(SCRIPT, fmt="py:percent").cells
    picture = {"image/svg+xml": SVG, "application/pdf": base64.b64encode(b"%PDF").decode()}
    found[-1].outputs = [
        new_output("stream", text="1 < 2\n"),
        new_output("execute_result", data=picture),
    ]
    return found


def test_a_heading_begins_a_slide_and_a_quotation_is_a_note_to_its_end(slides, cells):
    found, _ = slides.sections(cells)
    assert len(found) == 2
    slide, note = found[0].split('<aside class="notes">')
    assert "<h1>A title</h1>" in slide
    assert "hello" not in slide
    assert "wait" not in slide
    assert "Say hello,\nand wait." in note


def test_an_equation_is_mathml_and_code_shows_only_what_it_gives(slides, cells):
    slide = slides.sections(cells)[0][1].split("<aside")[0]
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in slide
    assert "$" not in slide
    assert "<pre>1 &lt; 2</pre>" in slide
    assert "print" not in slide


def test_a_picture_is_an_image_inside_the_file_and_a_figure_in_two_formats(slides, cells):
    found, figures = slides.sections(cells)
    source = base64.b64encode(SVG.encode()).decode()
    assert f'<img alt="An equation" src="data:image/svg+xml;base64,{source}">' in found[1]
    assert figures == [("An equation", {"svg": SVG.encode(), "pdf": b"%PDF"})]


def test_an_output_that_no_slide_can_show_is_an_error(slides, cells):
    cells[-1].outputs[1].data = {"text/plain": "3"}
    with pytest.raises(ValueError, match="slides: 'An equation' shows text/plain, and a slide"):
        slides.sections(cells)


@pytest.fixture(scope="module")
def deck(tmp_path_factory):
    pytest.importorskip("nbclient")
    out = tmp_path_factory.mktemp("deck") / "slides.html"
    command = [sys.executable, str(TUTORIALS / "slides.py"), "-o", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return out


@pytest.mark.slow
def test_every_slide_fits_is_legible_and_asks_for_nothing(deck, browser):
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(deck.as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    count = page.evaluate("Reveal.getTotalSlides()")
    assert count == (TUTORIALS / "lecture_60min.py").read_text("utf-8").count("# %% [markdown]")
    over, letters = {}, {}
    for number in range(count):
        page.evaluate(f"Reveal.slide({number})")
        over[number] = page.evaluate(OVER)
        letters[number] = page.evaluate(SMALLEST)
    assert not {number: parts for number, parts in over.items() if parts}
    assert not {number: size for number, size in letters.items() if size < FOURTEEN}
    page.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []


@pytest.mark.slow
def test_it_prints_one_slide_a_page(deck, browser):
    page = browser.new_page()
    page.goto(f"{deck.as_uri()}?print-pdf")
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    page.wait_for_selector(".pdf-page")
    assert page.locator(".pdf-page").count() == page.evaluate("Reveal.getTotalSlides()")
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.close()


@pytest.mark.slow
def test_every_figure_is_there_as_svg_and_pdf(deck):
    figures = {path.name for path in deck.with_suffix("").iterdir()}
    assert {Path(name).suffix for name in figures} == {".svg", ".pdf"}
    assert len({Path(name).stem for name in figures}) * 2 == len(figures) > 20
