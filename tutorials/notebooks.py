"""Which notebook is a lesson? Runs the percent scripts and writes an executed .ipynb beside each.

Nothing in a notebook depends on when or how often it was made: cells are numbered, times are left
out, pictures are PNGs (GitHub shows no Graphviz SVG), and a second run gives the same bytes.
"""

import argparse
import base64
import io
import os
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from tinygrad_rnn.files import replacing

LESSONS = Path(__file__).parent
WIDTH = 1400  # pixels, a third more than a notebook's column
SECONDS = 600  # a cell that takes longer is ended
QUIET = ["--IPKernelApp.log_level=40"]  # it warns of its port, which is open to this machine alone
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def executed(script):
    """The lesson as a notebook with its outputs, which depend on nothing but the script."""
    import jupytext
    import nbformat

    notebook = jupytext.read(script, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    run(notebook)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [plain(output) for output in cell.outputs]
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def run(notebook):
    """Run the cells in an empty folder, and keep with each what it shows and prints."""
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": folder}},
            extra_arguments=QUIET,
        ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = merged(cell.outputs)


def merged(outputs):
    """Printed lines as one output, however they arrived; nothing of what goes to stderr."""
    found = []
    for output in outputs:
        if output.output_type == "stream" and found and found[-1].get("name") == output.name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def plain(output):
    """An output without what changes from run to run."""
    if output.output_type in ("display_data", "execute_result"):
        output.metadata = {}
        if "image/png" in output.data:
            output.data["image/png"] = smaller(output.data["image/png"])
    return output


def smaller(image):
    """A PNG, in base64, of at most WIDTH pixels and 128 colours: a fifth of the bytes."""
    from PIL import Image

    drawn = Image.open(io.BytesIO(base64.b64decode(image))).convert("RGBA")
    picture = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
    if picture.width > WIDTH:
        height = round(picture.height * WIDTH / picture.width)
        picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.quantize(128, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode() + "\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, help="another folder for the notebooks")
    parser.add_argument("lessons", nargs="*", help="their numbers; all if there is none")
    options = parser.parse_args(arguments)
    os.environ.update(VIZ_NOTEBOOK="png", VIZ_OUT="out", PYTHONHASHSEED="0")
    scripts = [
        script
        for script in sorted(LESSONS.glob("[0-9]*.py"))
        if not options.lessons or script.name[:2] in options.lessons
    ]
    if not scripts:
        print(f"notebooks: there is no lesson {', '.join(options.lessons)}", file=sys.stderr)
        return 2
    folder = options.out or LESSONS
    folder.mkdir(parents=True, exist_ok=True)
    bar = tqdm(scripts, unit="lesson", disable=None)
    for script in bar:
        bar.set_description(script.stem)
        path = folder / f"{script.stem}.ipynb"
        with replacing(path, "notebooks") as file:
            file.write(executed(script).encode())
        bar.write(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
