"""What does the page look like that shows every picture?"""

from __future__ import annotations

import html
import itertools
from collections.abc import Collection, Mapping, Sequence

from viz.exhibit import Exhibit

STYLE = """
  :root { color-scheme: light dark; --page: #fafafa; --card: #ffffff; --ink: #222222;
          --quiet: #595959; --line: #dddddd; --link: #00629b; }
  @media (prefers-color-scheme: dark) {
    :root { --page: #17191c; --card: #212429; --ink: #ededed; --quiet: #b3b3b3;
            --line: #3a3f46; --link: #8ccbf2; } }
  * { box-sizing: border-box; }
  body { font: 17px/1.45 Helvetica, Arial, sans-serif; margin: 0 auto; padding: 1.5rem;
         max-width: 1500px; background: var(--page); color: var(--ink); }
  h1 { font-size: 2rem; margin: .5rem 0; } h2 { margin: 3rem 0 1rem; }
  a { color: var(--link); } p { max-width: 46em; margin: 0 0 1rem; }
  nav a { margin-right: 1.2em; white-space: nowrap; }
  .grid { display: grid; gap: 1.2rem;
          grid-template-columns: repeat(auto-fill, minmax(27rem, 1fr)); }
  .grid { grid-auto-flow: dense; }
  .grid.many { grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); }
  @media (max-width: 32rem) { .grid, .grid.many { grid-template-columns: 1fr; } }
  figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
           overflow: hidden; display: flex; flex-direction: column; break-inside: avoid; }
  figure > a { display: block; background: #ffffff; padding: .6rem; height: 20rem; }
  .many figure > a { height: 12rem; }
  figure > a:focus-visible { outline: 3px solid var(--link); outline-offset: -3px; }
  img { width: 100%; height: 100%; object-fit: contain; }
  figure.live, .full { grid-column: 1 / -1; }
  @media (min-width: 60rem) { .wide { grid-column: span 2; } }
  iframe { width: 100%; height: 44rem; border: 0; background: #ffffff; }
  iframe[src*="frames"] { height: 18rem; }
  figcaption { padding: .7rem .9rem .8rem; border-top: 1px solid var(--line); }
  figcaption span { display: block; color: var(--quiet); }
  figcaption small { font-size: .85rem; }
  @media print { figure.live { display: none; } nav { display: none; } }
"""


def page(
    exhibits: Sequence[Exhibit], numbers: Mapping[str, str], wide: Collection[str] = ()
) -> str:
    """One HTML page that asks for nothing but the files beside it.

    Parameters
    ----------
    exhibits
        What is shown, sections together.
    numbers
        By the file of a picture, the CSV with its numbers.
    wide
        Files of pictures that take the room of two, or of a line where nothing stands beside.
    """
    sections = [
        (title, list(group)) for title, group in itertools.groupby(exhibits, lambda e: e.section)
    ]
    links = "\n".join(
        f'<a href="#s{k}">{html.escape(title)}</a>' for k, (title, _) in enumerate(sections)
    )
    body = "\n".join(_section(k, *section, numbers, wide) for k, section in enumerate(sections))
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pictures of recurrent networks</title>
<style>{STYLE}</style>
<h1>Pictures of recurrent networks</h1>
<p>Nothing here is drawn by hand: every picture is read from what was recorded while a net ran.
Choose one to see it in full size.</p>
<nav>
{links}
</nav>
{body}
</html>
"""


def _section(
    number: int,
    title: str,
    exhibits: Sequence[Exhibit],
    numbers: Mapping[str, str],
    wide: Collection[str],
) -> str:
    many = " many" if not any(e.caption for e in exhibits[:1]) else ""
    broad = [e.file for e in exhibits if e.file in wide and not many]
    narrow = sum(not e.file.endswith(".html") for e in exhibits) - len(broad)
    # of three columns, a narrow picture fills the one beside a broad; without one it stays empty
    sizes = {file: "wide" if k < narrow else "full" for k, file in enumerate(broad)}
    figures = "\n".join(_figure(e, numbers.get(e.file), sizes.get(e.file, "")) for e in exhibits)
    return (
        f'<h2 id="s{number}">{html.escape(title)}</h2>\n<div class="grid{many}">\n{figures}\n</div>'
    )


def _figure(exhibit: Exhibit, numbers: str | None, size: str) -> str:
    file, title = html.escape(exhibit.file), html.escape(exhibit.title)
    live = file.endswith(".html")
    kind = " class=live" if live else f" class={size}" if size else ""
    shown = (
        f'<iframe src="{file}" title="{title}" loading="lazy"></iframe>'
        if live
        else f'<a href="{file}"><img src="{file}" alt="{title}" loading="lazy"></a>'
    )
    more = [f'<a href="{file}">on a page of its own</a>'] if live else []
    more += [f'<a href="{html.escape(numbers)}">its numbers</a>'] if numbers else []
    caption = f"<span>{html.escape(exhibit.caption)}</span>" if exhibit.caption else ""
    small = f"<small>{', '.join(more)}</small>" if more else ""
    return (
        f"<figure{kind}>{shown}\n"
        f"<figcaption><strong>{title}</strong>{caption}{small}</figcaption></figure>"
    )
