"""Encoders that write to a file, unchanged: what is pulled is what they write to a file that cannot seek, byte for byte."""

from __future__ import annotations

import base64
import bz2
import codecs
import configparser
import csv
import gzip
import io
import json
import logging
import lzma
import marshal
import pickle
import plistlib
import pprint
import shutil
import tarfile
import wave
import xml.dom.minidom
import xml.etree.ElementTree
import xml.sax.saxutils
import zipfile
from email.generator import BytesGenerator
from email.message import EmailMessage

import pytest

import pushpull

try:
    import pushpull.local
except ImportError:
    ENGINES = [pushpull.pull]
else:
    ENGINES = [pushpull.pull, pushpull.local.pull]

DATA = bytes(range(256)) * 1000
ROWS = [{"n": n, "text": f"row {n} é", "share": n / 7} for n in range(2000)]
ENCODERS = {}


def encoder(function=None, *, text=False, compare=lambda data: data):
    """Note an encoder. With `text` it writes text; `compare` leaves out what says when a file was written."""
    if function is None:
        return lambda function: encoder(function, text=text, compare=compare)
    ENCODERS[function.__name__] = (function, text, compare)
    return function


class Unseekable(io.BytesIO):
    def seekable(self):
        return False

    def seek(self, *_):
        raise io.UnsupportedOperation("seek")

    truncate = seek


def members(data):
    """The members of a zip file, without the one that says when it was written."""
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {name: z.read(name) for name in z.namelist() if name != "docProps/core.xml"}


def make_zip(file, method):
    with zipfile.ZipFile(file, "w", method) as z:
        for name in ("a", "b"):
            z.writestr(zipfile.ZipInfo(name), DATA, method)
        with z.open(zipfile.ZipInfo("c"), "w") as member:
            member.write(DATA)


@encoder
def zipfile_stored(w):
    make_zip(w, zipfile.ZIP_STORED)


@encoder
def zipfile_deflated(w):
    make_zip(w, zipfile.ZIP_DEFLATED)


def make_tar(file, mode):
    with tarfile.open(fileobj=file, mode=mode) as t:
        for name in ("a", "b"):
            info = tarfile.TarInfo(name)
            info.size = len(DATA)
            t.addfile(info, io.BytesIO(DATA))


def without_gzip_time(data):
    return gzip.decompress(data)


@encoder
def tarfile_plain(w):
    make_tar(w, "w")


@encoder(compare=without_gzip_time)
def tarfile_gz(w):
    make_tar(w, "w:gz")


@encoder
def tarfile_stream(w):
    make_tar(w, "w|")


@encoder(compare=without_gzip_time)
def tarfile_stream_gz(w):
    make_tar(w, "w|gz")


@encoder
def tarfile_stream_xz(w):
    make_tar(w, "w|xz")


@encoder
def gzip_file(w):
    with gzip.GzipFile(fileobj=w, mode="wb", mtime=0) as f:
        f.write(DATA)


@encoder
def bz2_file(w):
    with bz2.BZ2File(w, "wb") as f:
        f.write(DATA)


@encoder
def lzma_file(w):
    with lzma.LZMAFile(w, "wb") as f:
        f.write(DATA)


@encoder(text=True)
def csv_writer(w):
    csv.writer(w).writerows(row.values() for row in ROWS)


@encoder(text=True)
def csv_dict_writer(w):
    writer = csv.DictWriter(w, ROWS[0])
    writer.writeheader()
    writer.writerows(ROWS)


@encoder(text=True)
def json_dump(w):
    json.dump(ROWS, w, indent=1)


@encoder
def pickle_dump(w):
    pickle.dump([ROWS, DATA], w)


@encoder
def marshal_dump(w):
    marshal.dump([ROWS, DATA], w, 2)


@encoder
def plistlib_dump(w):
    plistlib.dump(ROWS, w)


@encoder
def base64_encode(w):
    base64.encode(io.BytesIO(DATA), w)


@encoder
def copyfileobj(w):
    shutil.copyfileobj(io.BytesIO(DATA), w)


@encoder
def buffered_writer(w):
    f = io.BufferedWriter(w)
    f.write(DATA)
    f.flush()
    f.detach()


@encoder
def codecs_writer(w):
    codecs.getwriter("utf-16")(w).writelines(row["text"] for row in ROWS)


@encoder(text=True)
def print_to(w):
    for row in ROWS:
        print(*row.values(), file=w)


@encoder(text=True)
def pprint_to(w):
    pprint.pprint(ROWS[:100], w)


@encoder(text=True)
def logging_handler(w):
    handler = logging.StreamHandler(w)
    for row in ROWS:
        handler.handle(logging.LogRecord("x", 20, "", 1, "%s", (row["text"],), None))


@encoder(text=True)
def configparser_write(w):
    parser = configparser.ConfigParser()
    parser["section"] = {f"key{row['n']}": row["text"] for row in ROWS}
    parser.write(w)


@encoder
def email_generator(w):
    message = EmailMessage()
    message.set_content("text")
    message.add_attachment(DATA, maintype="application", subtype="octet-stream")
    message.set_boundary("boundary")
    BytesGenerator(w).flatten(message)


@encoder
def element_tree(w):
    root = xml.etree.ElementTree.Element("rows")
    for row in ROWS:
        xml.etree.ElementTree.SubElement(root, "row", n=str(row["n"])).text = row["text"]
    xml.etree.ElementTree.ElementTree(root).write(w, encoding="utf-8", xml_declaration=True)


@encoder
def sax_generator(w):
    generator = xml.sax.saxutils.XMLGenerator(w, "utf-8")
    for row in ROWS:
        generator.startElement("row", {"n": str(row["n"])})
        generator.characters(row["text"])
        generator.endElement("row")
    generator.endDocument()


@encoder(text=True)
def minidom_write(w):
    xml.dom.minidom.parseString("<a>" + "<b>é</b>" * 1000 + "</a>").writexml(w)


@encoder
def wave_write(w):
    with wave.open(w, "wb") as f:
        f.setparams((1, 1, 8000, len(DATA), "NONE", None))
        f.writeframesraw(DATA)


def array():
    return pytest.importorskip("numpy").arange(50_000).reshape(500, 100)


@encoder
def numpy_save(w):
    pytest.importorskip("numpy").save(w, array())


@encoder(compare=members)
def numpy_savez(w):
    pytest.importorskip("numpy").savez(w, a=array())


@encoder(compare=members)
def numpy_savez_compressed(w):
    pytest.importorskip("numpy").savez_compressed(w, a=array())


@encoder
def numpy_savetxt(w):
    pytest.importorskip("numpy").savetxt(w, array())


def picture(file, kind, **options):
    image = pytest.importorskip("PIL.Image")
    image.frombytes("RGB", (256, 256), bytes(range(256)) * 768).save(file, kind, **options)


@encoder
def pillow_png(w):
    picture(w, "PNG")


@encoder
def pillow_jpeg(w):
    picture(w, "JPEG")


@encoder
def pillow_gif(w):
    picture(w, "GIF")


@encoder
def pillow_bmp(w):
    picture(w, "BMP")


def frame():
    return pytest.importorskip("pandas").DataFrame(ROWS)


@encoder
def pandas_csv(w):
    frame().to_csv(w)


@encoder(text=True)
def pandas_csv_text(w):
    frame().to_csv(w)


@encoder
def pandas_json(w):
    frame().to_json(w, orient="records", lines=True)


@encoder
def pandas_pickle(w):
    frame().to_pickle(w)


@encoder
def pandas_parquet(w):
    pytest.importorskip("pyarrow")
    frame().to_parquet(w)


@encoder(compare=members)
def pandas_excel(w):
    pytest.importorskip("openpyxl")
    frame().to_excel(w)


@encoder
def pyarrow_parquet(w):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.Table.from_pylist(ROWS)
    with parquet.ParquetWriter(w, table.schema) as writer:
        for _ in range(3):
            writer.write_table(table)


@encoder
def pyarrow_ipc(w):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.Table.from_pylist(ROWS)
    with pyarrow.ipc.new_stream(w, table.schema) as writer:
        writer.write_table(table)


@encoder
def pyarrow_csv(w):
    pyarrow, written = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.csv")
    written.write_csv(pyarrow.Table.from_pylist(ROWS), w)


@encoder(compare=members)
def openpyxl_write(w):
    book = pytest.importorskip("openpyxl").Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in ROWS:
        sheet.append(list(row.values()))
    book.save(w)


@encoder(compare=members)
def xlsxwriter_write(w):
    book = pytest.importorskip("xlsxwriter").Workbook(w, {"in_memory": True})
    sheet = book.add_worksheet()
    for n, row in enumerate(ROWS):
        sheet.write_row(n, 0, row.values())
    book.close()


@encoder
def lxml_tree(w):
    etree = pytest.importorskip("lxml.etree")
    root = etree.Element("rows")
    for row in ROWS:
        etree.SubElement(root, "row", n=str(row["n"])).text = row["text"]
    etree.ElementTree(root).write(w, xml_declaration=True, encoding="utf-8")


@encoder
def lxml_xmlfile(w):
    etree = pytest.importorskip("lxml.etree")
    with etree.xmlfile(w, encoding="utf-8") as file, file.element("rows"):
        for row in ROWS:
            with file.element("row", n=str(row["n"])):
                file.write(row["text"])


@encoder
def reportlab_pdf(w):
    canvas = pytest.importorskip("reportlab.pdfgen.canvas").Canvas(w, invariant=1)
    for _ in range(20):
        canvas.drawString(72, 720, "hello")
        canvas.showPage()
    canvas.save()


@encoder
def fastavro_write(w):
    fastavro = pytest.importorskip("fastavro")
    fields = [{"name": "n", "type": "int"}, {"name": "text", "type": "string"}, {"name": "share", "type": "double"}]
    fastavro.writer(w, {"type": "record", "name": "Row", "fields": fields}, ROWS, sync_marker=b"0123456789abcdef")


@pytest.mark.parametrize("pull", ENGINES, ids=lambda pull: pull.__module__.rpartition(".")[0])
@pytest.mark.parametrize("name", list(ENCODERS))
def test_an_encoder(name, pull):
    function, text, compare = ENCODERS[name]
    file = Unseekable()
    if text:
        wrapped = io.TextIOWrapper(file, "utf-8", newline="")
        function(wrapped)
        wrapped.detach()
    else:
        function(file)
    pulled = b"".join(pull(function, **({"encoding": "utf-8", "newline": ""} if text else {})))
    assert len(pulled) > 0
    assert compare(pulled) == compare(file.getvalue())
