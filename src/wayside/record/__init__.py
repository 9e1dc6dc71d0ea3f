"""Records: typed, documented rows with a key, an event time, units and named constraints."""

from wayside.record.base import Record
from wayside.record.fields import FieldSpec, field
from wayside.record.rules import Rule, rule

__all__ = ["FieldSpec", "Record", "Rule", "field", "rule"]
