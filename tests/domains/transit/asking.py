"""Asks a domain's endpoints over a trial, as the server would."""

from __future__ import annotations

from wayside.domain import Answer
from wayside.ports import Lake
from wayside.runtime.trial import Trial
from wayside.server.queries import LiveQueries
from wayside.server.services import Services


class Asking:
    """`Asking(trial)("passed", place="halcyon/central")` asks `GET /api/<the domain's name>/passed`."""

    def __init__(self, trial: Trial, *, lake: Lake | None = None) -> None:
        (domain,) = trial.plan.domains
        self.domain = domain
        ports = (trial.plan, trial.broker, trial.store, trial.engine)
        self.services = Services(*ports, {}, clock=trial.clock, lake=lake)
        self.queries = LiveQueries(self.services)

    def __call__(self, what: str, /, **given: str) -> Answer:
        (endpoint,) = (one for one in self.domain.endpoints if one.path == f"/api/{self.domain.name}/{what}")
        return endpoint.handler(self.queries, None, given)
