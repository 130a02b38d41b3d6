"""Which deck is the lecture? One HTML file with figures, notes and equations, for a lecture hall.

A heading begins a slide, a quotation is a note for who presents, and of code only what it shows is
seen. The file needs nothing else: Reveal, pictures and mathematics are inside.
"""

import argparse
import base64
import html
import os
import re
import sys
import tempfile
from pathlib import Path

from tinygrad_rnn.files import replacing

HERE = Path(__file__).parent
SECONDS = 600  # a cell that takes longer is ended
STYLE = """
.reveal { font-family: "DejaVu Sans", "Segoe UI", sans-serif; font-size: 34px; color: #1a1a1a; }
.reveal .slides { text-align: left; }
.reveal h1 { font-size: 2.1em; margin: 3em 0 .5em; color: #0072b2; }
.reveal h2 { font-size: 1.25em; margin: 0 0 .5em; color: #0072b2; }
.reveal ol, .reveal ul { margin-left: 1.4em; } .reveal li { margin: .3em 0; }
.reveal p { margin: .4em 0; }
.reveal img { display: block; margin: .5em auto 0; max-width: 100%; object-fit: contain; }
.reveal pre { font-size: 24px; line-height: 1.35; background: #f3f3f3; padding: .6em .8em;
              width: auto; border-radius: 8px; white-space: pre-wrap; box-shadow: none; }
.reveal iframe { width: 100%; height: 800px; border: 1px solid #ccc; border-radius: 8px; }
.reveal math { font-size: 1.1em; } .reveal math[display="block"] { margin: .4em 0; }
body { background: #fff; }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{reveal}</style><style>{style}</style></head>
<body><div class="reveal"><div class="slides">
{sections}
</div></div>
<script>{script}</script><script>{notes}</script>
<script>Reveal.initialize({{width: 1920, height: 1080, margin: 0.04, center: false, hash: true,
slideNumber: "c/t", transition: "none", plugins: [RevealNotes]}});</script>
</body></html>
"""


def executed(script):
    """The cells of a percent script with their outputs."""
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(script, fmt="py:percent")
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            record_timing=False,
            extra_arguments=["--IPKernelApp.log_level=40"],
            resources={"metadata": {"path": folder}},
        ).execute()
    return notebook.cells


def markdown(text):
    """Markdown as HTML, with equations as MathML, which a browser sets without help."""
    from latex2mathml.converter import convert
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    def equation(content, options):
        return convert(content, display="block" if options["display_mode"] else "inline")

    return MarkdownIt().use(dollarmath_plugin, renderer=equation).enable("table").render(text)


def shown(output):
    """One output of a cell as HTML, and the figure in it if there is one."""
    if output.output_type == "stream":
        return f"<pre>{html.escape(output.text.rstrip())}</pre>", None
    data = output.get("data", {})
    if page := data.get("text/html"):
        source = re.search(r"frame\.srcdoc = (\".*\");", page)
        if source:  # a player: its page in a frame
            import json

            return f'<iframe srcdoc="{html.escape(json.loads(source[1]))}"></iframe>', None
        return page, None
    if svg := data.get("image/svg+xml"):
        encoded = base64.b64encode(svg.encode()).decode()
        return f'<img alt="" src="data:image/svg+xml;base64,{encoded}">', svg
    return "", None


def sections(cells):
    """The slides as HTML, and their figures as SVG."""
    slides, figures = [], []
    for cell in cells:
        if cell.cell_type == "markdown":
            told = re.findall(r"^> ?(.*)$", cell.source, re.MULTILINE)
            text = re.sub(r"^>.*\n?", "", cell.source, flags=re.MULTILINE)
            notes = f'<aside class="notes">{markdown(chr(10).join(told))}</aside>' if told else ""
            slides.append([markdown(text), notes])
        else:
            for output in cell.outputs:
                page, figure = shown(output)
                slides[-1].insert(-1, page)
                figures += [figure] if figure else []
    return ["<section>" + "\n".join(parts) + "</section>" for parts in slides], figures


def deck(script):
    """The whole file, and the figures."""
    found, figures = sections(executed(script))
    reveal = HERE / "reveal"
    title = re.search(r"^# # (.+)$", script.read_text("utf-8"), re.MULTILINE)[1]
    page = PAGE.format(
        title=html.escape(title),
        style=STYLE,
        sections="\n".join(found),
        reveal=(reveal / "reveal.css").read_text("utf-8"),
        script=(reveal / "reveal.js").read_text("utf-8").replace("</script", "<\\/script"),
        notes=(reveal / "notes.js").read_text("utf-8").replace("</script", "<\\/script"),
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
    for number, figure in enumerate(figures, start=1):
        with replacing(folder / f"{number:02}.svg", "slides") as file:
            file.write(figure.encode())
    with replacing(options.out, "slides") as file:
        file.write(page.encode())
    print(f"slides: open {options.out}; {len(figures)} figures are in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
