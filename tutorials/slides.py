"""Which deck is the lecture? One HTML file with figures, notes and equations, for a lecture hall.

A heading begins a slide, a quotation is a note for who presents, and of code only what it shows is
seen. The file needs nothing else: Reveal, pictures and mathematics are inside.
"""

import argparse
import base64
import html
import json
import os
import re
import sys
from pathlib import Path

from notebooks import run

from tinygrad_rnn.files import replacing

HERE = Path(__file__).parent
LONG = 18  # lines that a slide takes in large letters
# Runs before the first cell: figures as PDF, too, and plots in letters of 14 points of a slide, of
# 1,920 pixels in 960 points.
SETUP = """
import base64, pathlib, re, tempfile
import viz

def pdf(picture, **how):
    with tempfile.TemporaryDirectory() as folder:
        return picture.save(pathlib.Path(folder) / "picture.pdf", **how).read_bytes()

def plot(picture):
    for size in range(12, 40, 2):
        svg = picture.svg(fontsize=size)
        width, height = map(float, re.search(r'width="(.+?)pt" height="(.+?)pt"', svg).groups())
        if 0.95 * size * min(1760 / width, 740 / height) >= 28:
            content = base64.b64encode(pdf(picture, fontsize=size)).decode()
            return {"image/svg+xml": svg, "application/pdf": content}
    raise ValueError(f"slides: {picture!r} is too large for a slide: show less of it.")

formatters = get_ipython().display_formatter
formatters.mimebundle_formatter.for_type(viz.Plot, plot)
formatters.formatters["application/pdf"].for_type(viz.Drawing, pdf)
"""
STYLE = """
body { background: #fff; }
.reveal { font-family: "DejaVu Sans", "Segoe UI", sans-serif; font-size: 36px; color: #1a1a1a; }
.reveal .slides { text-align: left; }
.reveal .slides section { padding: 0; }
.slide { display: flex; flex-direction: column; box-sizing: border-box; height: 1080px;
         padding: 40px 80px 36px; }
.slide:has(h1) { justify-content: center; }
.reveal h1 { font-size: 2.1em; margin: 0 0 .5em; color: #0072b2; }
.reveal h2 { font-size: 1.4em; margin: 0 0 .4em; color: #0072b2; }
.reveal ol, .reveal ul { display: block; margin: 0 0 0 1.4em; }
.reveal li { font-size: 1.07em; margin: .5em 0; }
.reveal p { margin: 0 0 .6em; }
.slide img, .slide iframe { flex: 1 1 0; min-height: 0; width: 100%; max-width: none;
                            max-height: none; margin: 0; object-fit: contain; border: 0; }
.slide iframe { zoom: 1.6; }
.reveal .slide-number { font-size: 20px; background: none; }
.reveal .slide-number a { color: #555; text-decoration: none; }
.reveal pre { font-size: 34px; line-height: 1.35; background: #f3f3f3; padding: .6em .8em;
              margin: 0 0 .6em; width: auto; border-radius: 8px; box-shadow: none; }
.reveal pre.long { font-size: 28px; line-height: 1.25; }
.reveal math { font-size: 1.1em; font-family: "Latin Modern Math", "STIX Two Math",
               "Cambria Math", "DejaVu Math TeX Gyre", math; }
.reveal math[display="block"] { margin: .2em 0 .5em; }
.reveal mtd { text-align: left; } .reveal mtable { font-size: 1.3em; }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{reveal}</style><style>{style}</style></head>
<body><div class="reveal"><div class="slides">
{sections}
</div></div>
<script>{script}</script><script>{notes}</script>
<script>Reveal.initialize({{width: 1920, height: 1080, margin: 0, center: false, hash: true,
controls: false, slideNumber: "c/t", transition: "none", plugins: [RevealNotes]}});</script>
</body></html>
"""


def executed(script):
    """The cells of a percent script with their outputs, pictures as PDF, too."""
    import jupytext
    from nbformat.v4 import new_code_cell

    notebook = jupytext.read(script, fmt="py:percent")
    notebook.cells.insert(0, new_code_cell(SETUP))
    run(notebook)
    return notebook.cells[1:]


def mathml(latex, display):
    """An equation in LaTeX as MathML, which a browser sets without help."""
    from latex2mathml.converter import convert

    return convert(latex, display=display)


def markdown(text):
    """Markdown as HTML, with equations as MathML: the slide, and the quotations in it apart."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    def equation(content, options):
        return mathml(content, "block" if options["display_mode"] else "inline")

    reader = MarkdownIt().use(dollarmath_plugin, renderer=equation).enable("table")
    slide, told, depth = [], [], 0
    for token in reader.parse(text):
        depth += (token.type == "blockquote_open") - (token.type == "blockquote_close")
        if not token.type.startswith("blockquote"):
            (told if depth else slide).append(token)
    return tuple(reader.renderer.render(part, reader.options, {}) for part in (slide, told))


def shown(output, title):
    """One output of a cell as HTML, and the figure in it by ending, if there is one."""
    if output.output_type == "stream":
        text = output.text.rstrip()
        long = ' class="long"' if text.count("\n") >= LONG else ""
        return f"<pre{long}>{html.escape(text)}</pre>", {}
    data = output.get("data", {})
    if player := re.search(r"frame\.srcdoc = (\".*\");", data.get("text/html", "")):
        page = html.escape(json.loads(player[1]))
        return f'<iframe title="{html.escape(title)}" srcdoc="{page}"></iframe>', {}
    if svg := data.get("image/svg+xml"):
        figure = {"svg": svg.encode()}
        if pdf := data.get("application/pdf"):
            figure["pdf"] = base64.b64decode(pdf)
        source = base64.b64encode(figure["svg"]).decode()
        image = f'<img alt="{html.escape(title)}" src="data:image/svg+xml;base64,{source}">'
        return image, figure
    if latex := data.get("text/latex"):
        return mathml(latex, "block"), {}
    raise ValueError(
        f"slides: {title!r} shows {', '.join(data) or output.output_type}, and a slide takes "
        "printed text, equations, a picture or a player: print it, or draw it with viz."
    )


def sections(cells):
    """The slides as HTML; their figures, each a heading and its files' content by ending."""
    slides, figures, title = [], [], ""
    for cell in cells:
        if cell.cell_type == "markdown":
            page, told = markdown(cell.source)
            title = re.search(r"^#+ (.+)$", cell.source, re.MULTILINE)[1]
            slides.append(([page], told))
        else:
            for output in cell.outputs:
                page, figure = shown(output, title)
                slides[-1][0].append(page)
                figures += [(title, figure)] if figure else []
    return [
        f'<section><div class="slide">{"".join(parts)}</div>'
        f'<aside class="notes">{told}</aside></section>'
        for parts, told in slides
    ], figures


def deck(script):
    """The whole file, and the figures."""
    found, figures = sections(executed(script))
    reveal = HERE / "reveal"
    script_of = {
        name: (reveal / f"{name}.js").read_text("utf-8").replace("</script", "<\\/script")
        for name in ("reveal", "notes")
    }
    page = PAGE.format(
        title=html.escape(re.search(r"^# # (.+)$", script.read_text("utf-8"), re.MULTILINE)[1]),
        style=STYLE,
        sections="\n".join(found),
        reveal=(reveal / "reveal.css").read_text("utf-8"),
        script=script_of["reveal"],
        notes=script_of["notes"],
    )
    return page, figures


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=Path("out/slides.html"))
    options = parser.parse_args(arguments)
    os.environ["VIZ_NOTEBOOK"] = "svg"
    page, figures = deck(HERE / "lecture_60min.py")
    folder = options.out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for number, (title, figure) in enumerate(figures, start=1):
        name = re.sub(r"\W+", "_", title.lower()).strip("_")
        for ending, content in figure.items():
            with replacing(folder / f"{number:02}_{name}.{ending}", "slides") as file:
                file.write(content)
    with replacing(options.out, "slides") as file:
        file.write(page.encode())
    print(f"slides: open {options.out}; {len(figures)} figures, as SVG and PDF, are in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
