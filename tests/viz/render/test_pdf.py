"""Is a document of several PDFs whole: each page there, each reference to something, in order?"""

import re
import zlib

import pytest

import viz
from tinygrad_rnn import nn
from viz.render.pdf import joined


def packed(pdf):
    """The same as newer writers have it: objects without streams are packed into one stream."""
    plain, streams = [], []
    for number, body in re.findall(rb"(\d+) 0 obj\b(.*?)\bendobj", pdf, re.DOTALL):
        (streams if b"stream" in body else plain).append((int(number), body.strip()))
    starts, text = [], b""
    for number, body in plain:
        starts.append(b"%d %d" % (number, len(text)))
        text += body + b"\n"
    head = b" ".join(starts) + b"\n"
    data = zlib.compress(head + text)
    words = (len(plain), len(head), len(data))
    stream = (
        b"<< /Type /ObjStm /N %d /First %d /Length %d /Filter /FlateDecode >>\nstream\n" % words
    )
    every = [*streams, (900, stream + data + b"\nendstream"), (901, b"<< /Type /XRef >>")]
    return b"%PDF-1.7\n" + b"".join(b"%d 0 obj\n%s\nendobj\n" % x for x in every)


def pages(pdf):
    """The content of each page, found by way of the table, the root and the tree."""
    begin = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", pdf)[1])
    count = int(re.match(rb"xref\n0 (\d+)\n", pdf[begin:])[1])
    places = [int(x) for x in re.findall(rb"(\d{10}) 00000 n \n", pdf[begin:])]
    assert len(places) == count - 1

    def at(number):
        body = pdf[places[number - 1] :]
        assert body.startswith(b"%d 0 obj\n" % number)
        return body[: body.index(b"endobj")]

    for number in range(1, count):
        head = at(number).partition(b"stream")[0]
        assert all(0 < int(n) < count for n in re.findall(rb"(\d+) 0 R", head))
    found = []
    todo = [(int(re.search(rb"/Root (\d+) 0 R", pdf)[1]), None)]
    while todo:
        number, parent = todo.pop(0)
        body = at(number)
        if b"/Catalog" in body:
            todo.append((int(re.search(rb"/Pages (\d+)", body)[1]), None))
        elif kids := re.search(rb"/Kids \[(.*?)\]", body):
            todo[:0] = [(int(n), number) for n in re.findall(rb"(\d+) 0 R", kids[1])]
        if b"/Kids" in body or b"/Contents" in body:
            assert (parent is None) or b"/Parent %d 0 R" % parent in body
        if b"/Contents" in body:
            content = at(int(re.search(rb"/Contents (\d+) 0 R", body)[1]))
            data = content.partition(b"stream")[2].lstrip(b"\r\n")
            found.append(zlib.decompressobj().decompress(data))
    return found


@pytest.fixture
def documents():
    cells = (nn.RNNCell(2, 3, rng=0), nn.GRUCell(2, 3, rng=0))
    return [viz.cell(cell)._draw("pdf") for cell in cells]


@pytest.mark.parametrize("newer", [False, True])
def test_each_page_of_each_document_is_there_in_its_order(newer, documents):
    alone = [pages(joined([document]))[0] for document in documents]
    assert alone[0] != alone[1]
    given = [packed(document) for document in documents] if newer else documents
    assert pages(joined([*given, given[0]])) == [*alone, alone[0]]
    assert pages(joined([joined(given), given[1]])) == [*alone, alone[1]]


def test_what_is_no_pdf_is_refused():
    with pytest.raises(ValueError, match=r"pages of document 0 are not found.*\.svg"):
        joined([b"<svg/>"])
