"""What searches look into."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from wayside.hot.columns import search_text, search_texts

NAMES = st.none() | st.sampled_from(["", "a", "AbC", "ﬁ", "ÄΣ", "ς", "a\u0308"])


@given(st.lists(st.tuples(NAMES, st.none() | st.integers(0, 9)), max_size=8))
def test_texts_of_ascii_alone_are_those_that_all_texts_get(rows: list[tuple[str | None, int | None]]) -> None:
    frame = pl.DataFrame(rows, schema={"name": pl.String, "number": pl.Int64}, orient="row")
    columns = ["name", "number"]
    wanted = frame.select(search_text(columns)).to_series()
    assert search_texts(frame, columns).to_list() == wanted.to_list()
