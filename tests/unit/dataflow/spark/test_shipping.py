"""A plan with feeds, pages and endpoints travels to workers and comes out with its flows, windows and tables."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import polars as pl
import pytest

pytest.importorskip("pyspark", reason="the extra 'spark' is not installed")

from wayside.dataflow.spark.shipping import Parcel, pickled
from wayside.domain import Chore, Domain, Plan, Topic, discover
from wayside.record import Record


@pytest.mark.parametrize("name", ["devices", "transit"])
def test_a_plan_travels_without_what_tasks_do_not_need(name: str) -> None:
    plan = Plan.of(discover([name]))
    arrived = pickle.loads(pickled(plan))
    assert list(arrived.flows) == list(plan.flows)
    assert {name: window.spec for name, window in arrived.windows.items()} == {
        name: window.spec for name, window in plan.windows.items()
    }
    assert list(arrived.tables) == list(plan.tables)
    assert arrived.domains == ()


class Word(Record, key=("word",), time="at"):
    """A word."""

    word: str
    at: datetime


class Book:
    """What a transform looks words up in."""

    def __init__(self) -> None:
        self.edition = 1

    def known(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.filter(pl.col("word") == f"edition {self.edition}")


def test_what_transforms_look_things_up_in_is_sent_anew_when_it_has_changed() -> None:
    book = Book()
    words = Topic("words", Word)
    known = words.stream("known_words", into=Word, transform=book.known).table("known")
    chore = Chore("edition", "1h", lambda _: None, version=lambda: book.edition)
    parcel = Parcel(Plan.of([Domain("book", "Book", [known], chores=[chore])]))
    first = parcel.content()
    assert parcel.content() is first, "it is written once"
    book.edition = 2
    second = parcel.content()
    assert parcel.content() is second is not first
    for content, edition in ((first, 1), (second, 2)):
        flow = pickle.loads(content).flows["known_words"]
        rows = pl.DataFrame({"word": ["edition 1", "edition 2"], "at": [datetime(2026, 1, 1, tzinfo=UTC)] * 2})
        assert flow.transform(rows.lazy()).collect()["word"].to_list() == [f"edition {edition}"]
