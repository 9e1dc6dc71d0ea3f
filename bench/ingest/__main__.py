"""`python -m bench.ingest`, or `python bench/http_ingest.py`: HTTP ingest in one run."""

from __future__ import annotations

import argparse
import os

from bench import report
from bench.ingest.run import Options, run


def main() -> None:
    # Programs are measured as they run everywhere, with their bytecode kept: compiling is not what is compared.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--wayside-url", default="", help="load a Wayside that is running")
    parser.add_argument("--wayside-command", default="", help="start Wayside so; {port} and {data} are filled in")
    parser.add_argument("--wayside-topic", default=Options.topic)
    parser.add_argument("--only", default="", help="bare, fastapi, wayside; several with commas")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    told = parser.parse_args()
    _, text = run(Options(told.seconds, told.wayside_url, told.wayside_command, told.wayside_topic, told.only))
    print(text)
    if told.write:
        report.write_section("ingest", text)


if __name__ == "__main__":
    main()
