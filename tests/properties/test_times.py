"""What Python reads of a few times, and NumPy of many of one length, is what Polars reads."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wayside.record.block import Block
from wayside.record.times import bounded, common_times, parse_times
from wayside.record.zulu import ENDINGS, fractions
from wayside.specs import TIME

DIGITS = st.text("0123456789", min_size=2, max_size=2)
FRACTIONS = st.one_of(st.just(""), st.integers(0, 999_999_999).map(lambda n: f".{n:09d}"), st.just("."), st.just(".5"))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Something like an instant: mostly well formed, at times impossible, at times with a stray character."""
    two = lambda least, most: f"{draw(st.integers(least, most)):02d}"  # noqa: E731 - a name for five uses
    year = draw(st.sampled_from(["0000", "0001", "1969", "1970", "2024", "2026", "2300", "9999"]))
    fraction = draw(FRACTIONS)[: draw(st.sampled_from([0, 4, 7, 10]))]
    text = f"{year}-{two(0, 13)}-{two(0, 32)}T{two(0, 24)}:{two(0, 60)}:{two(0, 60)}{fraction}"
    text += draw(st.sampled_from(["Z", "Z", "Z", "", "z", "+00:00", "Z ", "\n"]))
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(text) - 1))
        text = text[:place] + draw(st.sampled_from(["٣", "x", " ", "-", ",", ""])) + text[place + 1 :]
    return text


@given(st.lists(texts(), min_size=1, max_size=5))
@example(["2026-11-26T15:14:48Z"])
@example(["2026-11-26T15:14:48.856Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
@example(["2026-02-29T00:00:00Z"])
@example(["2026-01-01T24:00:00Z"])
def test_a_few_are_read_as_many_are(values: list[str]) -> None:
    found = common_times(values)
    if found is not None:
        assert found.to_list() == parse_times(pl.Series(values, dtype=pl.String), None).to_list()


def test_the_most_common_forms_are_read_in_python() -> None:
    found = common_times(["2026-11-26T15:14:48Z", "2026-11-26T15:14:48.856Z", "1969-12-31T23:59:59.999999Z"])
    assert found is not None
    assert found.dtype == pl.Datetime("us", "UTC")
    assert found.to_physical().to_list()[2] == -1
    for other in ([None], [3], ["2026-11-26"], ["2026-11-26T15:14:48"], ["2026-11-26T15:14:48Z"] * 257):
        assert common_times(other) is None


@given(st.lists(texts(), min_size=1, max_size=5))
@example(["2024-02-29T00:00:00Z", "2026-02-29T00:00:00Z", "2000-02-29T23:59:59Z", "1900-02-29T00:00:00Z"])
@example(["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000001Z"])
@example(["0000-12-31T00:00:00.000Z", "2026-12-00T00:00:00.000Z", "2026-00-01T00:00:00.123Z"])
def test_digits_are_read_as_texts_are(values: list[str]) -> None:
    for length in {len(value.encode()) for value in values}:
        alike = [value for value in values if len(value.encode()) == length and "\n" not in value]
        found = read_digits(alike) if alike else None
        if found is None:
            continue
        kept = found.is_not_null()
        wanted = parse_times(pl.Series(alike, dtype=pl.String), None)
        assert bounded(found).filter(kept).to_list() == wanted.filter(kept).to_list()


@pytest.mark.parametrize("length", sorted(ENDINGS))
def test_every_byte_that_is_not_of_the_form_is_seen(length: int) -> None:
    good = "2026-11-26T15:14:48" + {24: ".856Z", 27: ".856123Z"}[length]
    wrong = [good[:place] + sign + good[place + 1 :] for place in range(length) for sign in "/:;@\x7fé "]
    found = read_digits([good, *wrong])
    assert found is not None
    assert found[0] == parse_times(pl.Series([good]), None)[0]
    same = [text == good for text in wrong]  # a colon in the place of a colon
    assert found[1:].is_not_null().to_list() == same


def read_digits(values: list[str]) -> pl.Series | None:
    """Texts as instants, null where one is not read; null for all where the length of the first has no such form."""
    block = Block("\n".join(values).encode())
    places, length = block.starts, len(values[0].encode())
    if length not in ENDINGS:
        return None
    heads, later = block.heads(places), block.heads(np.minimum(places + 16, len(block.pairs) - 1))
    micros, good = fractions([heads[:, 0], heads[:, 1], later[:, 0], later[:, 1]], block.ends - places, length)
    return pl.Series(micros).cast(TIME).set(pl.Series(~good), None)


def test_texts_of_other_lengths_are_left_to_others() -> None:
    assert read_digits(["2026-11-26"]) is None
    found = read_digits(["2026-11-26T15:14:48.856Z", "2026-11-26T15:14:48Z", "2026-11-26T15:14:48.856123Z", "x"])
    assert found is not None
    assert found.is_not_null().to_list() == [True, False, False, False]
