"""Whatever two servers do in turns: ids keep their schemas, versions grow, and every reader of the log agrees."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wayside.broker import MemoryBroker
from wayside.clock import SYSTEM
from wayside.server.compat import RefusalError
from wayside.server.registry import rules
from wayside.server.registry.state import State
from wayside.server.registry.store import SchemaStore

SUBJECTS = st.sampled_from(["a", "b"])
FIELDS = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["int", "long", "string"]), st.booleans()), max_size=3
)
STEPS = st.one_of(
    st.tuples(st.just("register"), SUBJECTS, FIELDS),
    st.tuples(st.just("level"), st.sampled_from(["", "a", "b"]), st.sampled_from(rules.LEVELS)),
    st.tuples(st.just("unset"), SUBJECTS, st.none()),
    st.tuples(st.just("delete"), SUBJECTS, st.booleans()),
    st.tuples(st.just("delete version"), SUBJECTS, st.tuples(st.sampled_from([-1, 1, 2]), st.booleans())),
)


def decision(kind: str, subject: str, detail: Any) -> Any:
    """The decision of one step."""
    if kind == "register":
        defaults = {"int": 0, "long": 0, "string": ""}
        fields = {
            name: {"name": name, "type": type_, **({"default": defaults[type_]} if default else {})}
            for name, type_, default in detail
        }
        schema = {"type": "record", "name": "R", "fields": list(fields.values())}
        return rules.register(subject, rules.schema_text(json.dumps(schema)))
    if kind == "level":
        return rules.set_level(subject, detail)
    if kind == "unset":
        return rules.unset_level(subject)
    if kind == "delete":
        return rules.delete_subject(subject, permanent=detail)
    return rules.delete_version(subject, detail[0], permanent=detail[1])


@given(st.lists(st.tuples(st.sampled_from([0, 1]), STEPS), max_size=25))
def test_two_servers_in_turns(steps: list[tuple[int, tuple[str, str, Any]]]) -> None:
    broker = MemoryBroker()
    stores = [SchemaStore(broker, SYSTEM) for _ in range(2)]
    given_ids: dict[int, str] = {}
    for which, step in steps:
        with contextlib.suppress(RefusalError):
            stores[which].change(decision(*step))
        state = stores[1 - which].read(lambda found: found)
        check(state, given_ids)
    late = SchemaStore(broker, SYSTEM).read(lambda found: found)
    assert all(store.read(lambda found: found) == late for store in stores)


def check(state: State, given_ids: dict[int, str]) -> None:
    for number, text in state.texts.items():
        assert given_ids.setdefault(number, text) == text, "an id keeps its schema"
    assert len(set(state.texts.values())) == len(state.texts), "a schema has one id"
    assert given_ids.keys() == state.texts.keys(), "and no id is forgotten"
    for subject, versions in state.subjects.items():
        assert versions, subject
        live = [state.texts[each.id] for each in state.versions(subject)]
        assert len(set(live)) == len(live), "a subject has a schema once"
