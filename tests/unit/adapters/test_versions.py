"""Versions of what is replaced as a whole: each with the instants between which it was in use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from wayside.adapters.versions import Versions

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def at(hour: float) -> datetime:
    return NOON + timedelta(hours=hour)


def never() -> bytes:
    raise AssertionError("what is known already need not be written")


def test_the_version_of_an_instant_is_the_one_that_was_in_use(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "kept", "a.b")
    assert versions.all() == []
    assert versions.at(NOON) is None
    assert versions.keep("one", at(0), lambda: b"1")
    assert not versions.keep("one", at(1), never)
    assert versions.keep("two", at(2), lambda: b"2")
    assert versions.keep("one", at(4), lambda: b"1"), "back to the one before"
    assert versions.at(at(-0.1)) is None
    found = {hour: versions.at(at(hour)) for hour in (0, 1.9, 2, 3.9, 4, 99)}
    assert {hour: (one.path.read_bytes(), one.since, one.until) for hour, one in found.items() if one} == {
        0: (b"1", at(0), at(2)),
        1.9: (b"1", at(0), at(2)),
        2: (b"2", at(2), at(4)),
        3.9: (b"2", at(2), at(4)),
        4: (b"1", at(4), None),
        99: (b"1", at(4), None),
    }


def test_it_is_the_same_after_a_restart_and_in_another_process(tmp_path: Path) -> None:
    Versions(tmp_path, "a").keep("one", at(0), lambda: b"1")
    other = Versions(tmp_path, "a")
    assert not other.keep("one", at(5), never)
    assert [one.since for one in other.all()] == [at(0)]
    # Two that saw the same change at nearly the same time have both written it.
    (tmp_path / f"a.{(at(1) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1):017d}.one.version").touch()
    assert [one.since for one in other.all()] == [at(0)]


def test_names_do_not_meet_and_other_files_do_not_matter(tmp_path: Path) -> None:
    Versions(tmp_path, "a").keep("one", at(0), lambda: b"1")
    Versions(tmp_path, "a.b").keep("two", at(0), lambda: b"2")
    for name in ("a.x.one.version", "a.version", "notes.txt", "a.00000000000000001.one.version.tmp"):
        (tmp_path / name).touch()
    assert [one.digest for one in Versions(tmp_path, "a").all()] == ["one"]
    assert [one.digest for one in Versions(tmp_path, "a.b").all()] == ["two"]


def test_the_oldest_go_when_they_are_too_many_or_too_large(tmp_path: Path) -> None:
    few = Versions(tmp_path / "few", "a", most=3)
    small = Versions(tmp_path / "small", "a", largest=1_000)
    for hour in range(6):
        few.keep(f"v{hour}", at(hour), lambda: b"1")
        small.keep(f"v{hour}", at(hour), lambda: bytes(400))
    assert [one.digest for one in few.all()] == ["v3", "v4", "v5"]
    assert [one.digest for one in small.all()] == ["v4", "v5"]
    small.keep("huge", at(9), lambda: bytes(5_000))
    assert [one.digest for one in small.all()] == ["huge"], "that of now stays, however large"
