"""Three lines that never rest: trains at stations, people through turnstiles, the weather above, and a status board.

It runs where it is asked for: `wayside up --domains metro --simulate`.
"""

from wayside_domains.metro.declare import Metro

metro = Metro("metro", "Metro")
domain = metro.domain()

__all__ = ["Metro", "domain", "metro"]
