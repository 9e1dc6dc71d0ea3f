"""The registry's settings: compatibility levels and modes, of one subject and of all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from wayside.server.compat import Answer, Asked
from wayside.server.registry import refusals, rules
from wayside.server.registry.state import State

Ask = Callable[[Callable[[State], Any]], Awaitable[Any]]
Make = Callable[[Callable[[State], rules.Decision]], Awaitable[Any]]


def setting_routes(ask: Ask, change: Make) -> list[tuple[str, str, Answer]]:
    """`/config` and `/mode`, each for all subjects and for one."""
    return [*level_routes(ask, change), *mode_routes(ask, change)]


def level_routes(ask: Ask, change: Make) -> list[tuple[str, str, Answer]]:
    """Compatibility levels."""

    async def get_level(asked: Asked) -> Any:
        """The compatibility level; of a subject only if it has its own, or with `defaultToGlobal`."""
        subject = asked.request.path_params.get("subject", "")
        lax = asked.flag("defaultToGlobal")

        def question(state: State) -> str:
            if subject and subject not in state.levels and not lax:
                raise refusals.no_level(subject)
            return state.level(subject)

        return {"compatibilityLevel": await ask(question)}

    async def put_level(asked: Asked) -> Any:
        """Set the compatibility level."""
        wanted = (await asked.members()).get("compatibility")
        return {"compatibility": await change(rules.set_level(subject_of(asked), wanted))}

    async def delete_level(asked: Asked) -> Any:
        """Take the level away: that of all holds, or BACKWARD."""
        return {"compatibilityLevel": await change(rules.unset_level(subject_of(asked)))}

    return [
        (method, path, answer)
        for path in ("/config", "/config/{subject}")
        for method, answer in (("GET", get_level), ("PUT", put_level), ("DELETE", delete_level))
    ]


def mode_routes(ask: Ask, change: Make) -> list[tuple[str, str, Answer]]:
    """Modes; that of all subjects can be changed, and not be taken away."""

    async def get_mode(asked: Asked) -> Any:
        """The mode; of a subject only if it has its own, or with `defaultToGlobal`."""
        subject = asked.request.path_params.get("subject", "")
        lax = asked.flag("defaultToGlobal")

        def question(state: State) -> str:
            if subject and subject not in state.modes and not lax:
                raise refusals.no_mode(subject)
            return state.mode(subject)

        return {"mode": await ask(question)}

    async def put_mode(asked: Asked) -> Any:
        """Set the mode: READWRITE, READONLY or READONLY_OVERRIDE."""
        wanted = (await asked.members()).get("mode")
        return {"mode": await change(rules.set_mode(subject_of(asked), wanted))}

    async def delete_mode(asked: Asked) -> Any:
        """Take the subject's mode away."""
        return {"mode": await change(rules.unset_mode(subject_of(asked)))}

    return [
        ("GET", "/mode", get_mode),
        ("PUT", "/mode", put_mode),
        ("GET", "/mode/{subject}", get_mode),
        ("PUT", "/mode/{subject}", put_mode),
        ("DELETE", "/mode/{subject}", delete_mode),
    ]


def subject_of(asked: Asked) -> str:
    """The subject of a setting; empty for that of all. Raises RefusalError 42208."""
    subject = asked.request.path_params.get("subject")
    if subject is None:
        return ""
    rules.check_subject(str(subject))
    return str(subject)
