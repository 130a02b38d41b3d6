"""How is the documentation built? By `make docs`, from the docstrings and from real pictures."""

import sys
from pathlib import Path

import tinygrad_rnn

sys.path.insert(0, str(Path(__file__).parent))  # rooms.py and thumbnails.py are extensions

project = "tinygrad_rnn"
author = copyright = "The tinygrad_rnn authors"
version = release = tinygrad_rnn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_nb",
    "sphinx-mathjax-offline",
    "lessons",
    "cell_pages",
    "rooms",
    "thumbnails",
]

# -- lessons --------------------------------------------------------------------------------------
nb_execution_mode = "off"  # the notebooks are executed when they are made
nb_mime_priority_overrides = [("html", "image/png", 0)]
myst_enable_extensions = ["dollarmath"]
exclude_patterns = ["lessons/*.py"]

# -- docstrings -----------------------------------------------------------------------------------
default_role = "py:obj"  # `name` in a docstring: a link where there is such a name, else code
add_module_names = False
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "DTypeLike": "DTypeLike"}
maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_custom_sections = [
    "Returns",  # sentences, not a list of types
    ("Attributes", "params_style"),  # described once, several in one line if they belong together
]
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True

# -- pages ----------------------------------------------------------------------------------------
html_theme = "furo"
html_title = "tinygrad_rnn"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}
pygments_style, pygments_dark_style = "friendly", "monokai"
