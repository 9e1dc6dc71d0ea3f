"""Writes the tables: on the terminal, and between markers on the performance page."""

from __future__ import annotations

import datetime as dt

from bench import machine, places
from bench.engine import Row
from bench.entrants import ENTRANTS

JOBS = {
    "A": "Job A: parse, validate, 10 s event-time windows per device and sensor",
    "B": "Job B: the latest reading per device and sensor",
    "C": "Job C: join with the device table, then 10 s windows per region and sensor",
}
HEAD = ("", "version", "messages", "events/s", "Wayside ÷ it", "goal", "CPU s per 1 M", "peak MB", "rejects", "answer")
BUSY_SHARE = 0.05
PAGE_HEAD = """# Performance

Every table below is written by `make bench`; [bench/README.md](../bench/README.md) says what is measured and how.
"""


def table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """A Markdown table that is aligned for reading as it is."""
    widths = [max(len(row[i]) for row in [list(head), *rows]) for i in range(len(head))]
    pad = lambda row: "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"  # noqa: E731 - a name for one line
    return "\n".join([pad(list(head)), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(pad, rows)])


def engine(rows: list[Row]) -> str:
    """The tables of jobs A, B and C, and what they were measured on."""
    parts = []
    for job, title in JOBS.items():
        of_job = {row.name: row for row in rows if row.job == job}
        if of_job:
            lines = [_line(row, of_job) for row in of_job.values()]
            parts.append(f"### {title}\n\n{table(HEAD, lines)}")
    parts.append(_note(rows))
    return "\n\n".join(parts)


def _line(row: Row, of_job: dict[str, Row]) -> list[str]:
    head = [row.title, row.version, f"{row.messages:,}"]
    if row.error:
        return [*head, *["–"] * 6, f"not run: {row.error}"]
    ours = of_job.get("wayside")
    ratio = ours.events_per_s / row.events_per_s if ours and ours.correct and ours is not row else None
    return [
        *head,
        ("~" if row.other_cpu_s > BUSY_SHARE * row.wall_s else "") + f"{row.events_per_s:,.0f}",
        times(ratio),
        _goal(row, ratio, of_job.get("limit")),
        f"{row.cpu_s / row.messages * 1e6:.2f}",
        f"{row.peak_mb:,.0f}",
        "kept" if row.rejects_kept else "dropped",
        f"correct: {row.answer}" if row.correct else f"**{row.answer}**",
    ]


def times(ratio: float | None) -> str:
    """A ratio as text: `13×`, `0.52×`, or a dash."""
    return "–" if ratio is None else f"{ratio:.3g}×"


def _goal(row: Row, ratio: float | None, limit: Row | None) -> str:
    entrant = next(e for e in ENTRANTS if e.name == row.name)
    goals = []
    if row.job in entrant.goals:
        must, wanted = entrant.goals[row.job]
        text = f"≥ {must:g}×" + (f", wanted {wanted:g}×" if wanted != must else "")
        if ratio is not None:
            text += ": missed" if ratio < must else ": wanted met" if must < wanted <= ratio else ": met"
        goals.append(text)
    if entrant.of_limit:
        share = row.events_per_s / limit.events_per_s if limit and limit.events_per_s else None
        goals.append(f"≥ {times(entrant.of_limit)} the limit" + (f": {times(share)}" if share else ""))
    if entrant.peak_mb and row.job == "A":
        goals.append(f"≤ {entrant.peak_mb:g} MB: {'met' if row.peak_mb <= entrant.peak_mb else 'missed'}")
    return "; ".join(goals) or "–"


def _note(rows: list[Row]) -> str:
    note = (
        "Events per second are messages over the time of the job's loop (start of the program and of a JVM not "
        "counted); memory and CPU time are those of the whole process tree. A row whose answer is in bold does "
        "not do the job as the reference does."
    )
    disturbed = [row for row in rows if row.other_cpu_s > BUSY_SHARE * row.wall_s]
    if disturbed:
        cores = sum(row.other_cpu_s for row in disturbed) / sum(row.wall_s for row in disturbed)
        note += (
            f" **The machine was not quiet**: in the rows with ~ other programs took {cores:.1f} of its cores, so "
            "their rates are too low and their ratios rough; CPU time per message suffers less."
        )
    times_of_day = sorted(row.at[:16].replace("T", " ") for row in rows)
    return f"{note}\n\n{footer(f'{times_of_day[0]} to {times_of_day[-1]} UTC')}"


def footer(when: str = "") -> str:
    """The machine, and when it was measured; today unless said."""
    return f"{machine.describe()}; {when or dt.datetime.now(dt.UTC).date().isoformat()}."


def write_section(name: str, text: str) -> None:
    """Put `text` between the markers of a section of the performance page, which is made when it is missing."""
    page = places.PERFORMANCE_PAGE
    begin, end = f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"
    old = page.read_text() if page.exists() else PAGE_HEAD
    if begin not in old:
        old = f"{old.rstrip()}\n\n{begin}\n{end}\n"
    before, _, rest = old.partition(begin)
    after = rest.partition(end)[2]
    page.parent.mkdir(exist_ok=True)
    page.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")
