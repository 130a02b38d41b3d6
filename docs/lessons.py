"""How do the lessons come to be pages? As the notebooks beside the scripts, copied for each build.

A page needs a link to its script and its notebook, and the last of its sections says where to go
on. Nothing is run here: `make notebooks` has.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

TUTORIALS = Path(__file__).parents[1] / "tutorials"
FOLDER = "lessons"  # below the sources, for this build


def copy(app: Sphinx) -> None:
    """Copy each notebook, with a line that says where it is from; a missing one is an error."""
    folder = Path(app.srcdir) / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for script in sorted(TUTORIALS.glob("[0-9]*.py")):
        notebook = script.with_suffix(".ipynb")
        if not notebook.exists():
            raise ExtensionError(f"docs: {script.name} has no notebook. Run make notebooks.")
        page = json.loads(notebook.read_text("utf-8"))
        title, *rest = "".join(page["cells"][0]["source"]).split("\n")
        where = (
            f"*This page is a notebook: {{download}}`{script.name} <{script.name}>`, "
            f"{{download}}`{notebook.name} <{notebook.name}>`.*"
        )
        page["cells"][0]["source"] = "\n".join([title, "", where, *rest])
        (folder / notebook.name).write_text(json.dumps(page), "utf-8")
        shutil.copy(script, folder)


def title(script: Path) -> str:
    """The title of a lesson without its number: the second line of its script."""
    found = re.match(r"# %% \[markdown\]\n# # \d+ · (.+)", script.read_text("utf-8"))
    return found[1] if found else script.stem


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx calls this."""
    app.connect("builder-inited", copy)
    return {"parallel_read_safe": True}
