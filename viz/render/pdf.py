"""How do several PDFs become one document, in the order of its pages?

By the objects that a PDF is made of (ISO 32000-1, 7.5): all are numbered anew, and one tree of
pages holds the trees of all documents.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

_OBJECT = re.compile(rb"(\d+) 0 obj\b(.*?)\bendobj", re.DOTALL)
_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
ROOT, TREE = 1, 2  # the numbers of the catalog and of the tree of pages


def joined(documents: list[bytes]) -> bytes:
    """One document with the pages of all.

    Raises
    ------
    ValueError
        A document is no PDF, or one whose pages are not found.
    """
    objects: dict[int, bytes] = {}
    trees: list[int] = []
    pages = 0
    for k, document in enumerate(documents):
        found = _objects(document)
        catalog = next((body for body in found.values() if _is(body, b"Catalog")), b"")
        top = int(_value(catalog, b"Pages"))
        if top not in found:
            raise ValueError(
                f"save: the pages of document {k} are not found in what the renderer wrote. Save "
                "each picture to a file of its own: .svg or .png."
            )
        number = {old: len(objects) + TREE + n for n, old in enumerate(found, start=1)}
        trees.append(number[top])
        pages += int(_value(found[top], b"Count"))
        for old, body in found.items():
            head, stream, data = body.partition(b"stream")
            head = _renumbered(head, number)
            if old == top:
                head = head.replace(b"<<", b"<< /Parent %d 0 R" % TREE, 1)
            objects[number[old]] = head + stream + data
    kids = b" ".join(b"%d 0 R" % tree for tree in trees)
    objects[ROOT] = b"<< /Type /Catalog /Pages %d 0 R >>" % TREE
    objects[TREE] = b"<< /Type /Pages /Kids [ %s ] /Count %d >>" % (kids, pages)
    return _written(objects)


def _objects(document: bytes) -> dict[int, bytes]:
    """What stands in each object, by its number; also of those that are packed into one stream."""
    found = {int(number): body.strip() for number, body in _OBJECT.findall(document)}
    for number, body in list(found.items()):
        if _is(body, b"XRef"):
            del found[number]
        elif _is(body, b"ObjStm"):
            del found[number]
            head, _, data = body.partition(b"stream")
            count, first = (int(_value(head, name)) for name in (b"N", b"First"))
            text = zlib.decompressobj().decompress(data.lstrip(b"\r\n"))
            words = [int(word) for word in text[:first].split()][: 2 * count]
            starts = [*words[1::2], len(text) - first]
            for k, packed in enumerate(words[::2]):
                found[packed] = text[first + starts[k] : first + starts[k + 1]].strip()
    return found


def _renumbered(head: bytes, number: Mapping[int, int]) -> bytes:
    """The same with references to the new numbers; one to nothing is null, as PDF has it."""

    def other(match: re.Match[bytes]) -> bytes:
        new = number.get(int(match[1]))
        return b"null" if new is None else b"%d 0 R" % new

    return _REFERENCE.sub(other, head)


def _is(body: bytes, kind: bytes) -> bool:
    return re.search(rb"/Type\s*/" + kind + rb"\b", body.partition(b"stream")[0]) is not None


def _value(head: bytes, name: bytes) -> bytes:
    match = re.search(rb"/" + name + rb"\s+(\d+)", head)
    return match[1] if match else b"0"


def _written(objects: dict[int, bytes]) -> bytes:
    """The file: its objects, where each begins, and which is the root."""
    text, begins = b"%PDF-1.7\n%\xb5\xed\xae\xfb\n", list[int]()
    for number in sorted(objects):
        begins.append(len(text))
        text += b"%d 0 obj\n%s\nendobj\n" % (number, objects[number])
    table = b"".join(b"%010d 00000 n \n" % begin for begin in begins)
    size = len(begins) + 1
    return text + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root %d 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (size, table, size, ROOT, len(text))
    )
