"""Events to facts: the embedded engine that runs a plan over the log."""

from wayside.dataflow.embedded import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
