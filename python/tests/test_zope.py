"""Zope 5, whose `RESPONSE.write()` streams."""

from __future__ import annotations

import importlib.util
import os
import urllib.parse

import pytest
from http_client import Exchange, get
from server import Serve

if not os.environ.get("CI") and importlib.util.find_spec("ZPublisher") is None:
    pytest.skip("Zope is not installed", allow_module_level=True)

PIECES = 5


@pytest.fixture(scope="module", params=["application", "iterable"])
def at(request):
    with Serve(app=f"zope_app:{request.param}") as server:
        yield server.address


def test_pieces_arrive_as_they_are_written(at):
    with Exchange(at, "/pieces") as exchange:
        status, fields = exchange.head()
        assert (status, fields["content-type"]) == (200, "text/plain; charset=utf-8")
        blocks = exchange.blocks()
        for n in range(PIECES):
            assert next(blocks) == b"%d\n" % n
            assert get(at, "/go").status == 200
        assert list(blocks) == []
        assert exchange.end == "whole"


def test_text_and_what_is_returned(at):
    response = get(at, "/text")
    assert (response.body, response.end) == ("w\xe9 returned".encode(), "whole")


def test_what_is_not_written_is_as_ever(at):
    response = get(at, "/go")
    assert (response.status, response.body, response.fields["content-length"]) == (200, b"hello", "5")
    assert get(at, "/missing").status == 404
    assert get(at, "/fails").status == 500


@pytest.mark.parametrize("kind", ["fails_later", "unauthorized_later"])
def test_an_exception_after_the_first_piece_cuts_the_response(at, kind):
    response = get(at, f"/{kind}")
    assert (response.status, response.body, response.end) == (200, b"some\n", "cut")


def test_a_conflict_after_the_first_piece_is_not_tried_again(at):
    response = get(at, "/writes_and_conflicts?name=late" + at)
    assert (response.status, response.body, response.end) == (200, b"some\n", "cut")
    assert get(at, "/attempts?name=late" + at).body == b"1"


def test_a_conflict_before_it_is_tried_again(at):
    value = "x" * 300_000
    body = urllib.parse.urlencode({"name": "early", "value": value}).encode()
    fields = ["Content-Type: application/x-www-form-urlencoded"]
    with Exchange(at, "/conflicts", method="POST", body=body, fields=fields) as exchange:
        response = exchange.response()
    assert (response.status, response.body == value.encode(), response.end) == (200, True, "whole")
    assert get(at, "/attempts?name=early").body == b"2"


def test_a_doomed_transaction_does_no_harm(at):
    response = get(at, "/doomed")
    assert (response.body, response.end) == (b"doomed", "whole")
