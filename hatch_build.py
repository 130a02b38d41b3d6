"""Where does this project live, for those who read its page on an index? Where it was cloned from.

A wheel and an sdist name the address of ``git remote get-url origin``, and README's pictures and
links lead there, to the commit that they were built from. Without an address they stay as written.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|<)([^)\s]+)\)")


class Home(MetadataHookInterface):
    """Fills in ``readme`` and ``urls``."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the two fields that pyproject.toml calls dynamic."""
        root = Path(self.root)
        home, commit = (
            address(git(root, "remote", "get-url", "origin")),
            git(root, "rev-parse", "HEAD"),
        )
        text = (root / "README.md").read_text("utf-8")
        if home and commit:
            text = absolute(text, home, commit)
            metadata["urls"] = {
                "Source": home,
                "Changelog": f"{home}/blob/{commit}/CHANGELOG.md",
                "Issues": f"{home}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def git(root: Path, *words: str) -> str:
    """The answer of git in this checkout; empty where there is none."""
    try:
        run = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 and (root / ".git").exists() else ""


def address(remote: str) -> str:
    """The page of a repository whose remote is on the web, without a name or password in it.

    >>> address("git@example.org:someone/rnn.git"), address("https://me:key@example.org/rnn")
    ('https://example.org/someone/rnn', 'https://example.org/rnn')
    >>> address("/a/folder")
    ''
    """
    found = re.fullmatch(
        r"(?:https?://|ssh://|git@)(?:[^/@]*@)?([^/:]+)(?::\d+)?[:/](.+?)(?:\.git)?/?", remote
    )
    return f"https://{found[1]}/{found[2]}" if found else ""


def absolute(text: str, home: str, commit: str) -> str:
    """README with pictures and links that lead to a commit.

    >>> absolute("![a](x.svg) [b](y.md) [c](#d)", "https://example.org/rnn", "1f")
    '![a](https://example.org/rnn/raw/1f/x.svg) [b](https://example.org/rnn/blob/1f/y.md) [c](#d)'
    """
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    for k in range(0, len(parts), 2):  # between blocks of code
        parts[k] = RELATIVE.sub(
            lambda m: f"{m[1]}[{m[2]}]({home}/{'raw' if m[1] else 'blob'}/{commit}/{m[3]})",
            parts[k],
        )
    return "".join(parts)
