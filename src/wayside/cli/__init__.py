"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Entry point of the program `wayside`."""
    # Imports make objects that stay; looking through them again and again is a part of the time to be ready.
    gc.set_threshold(50_000, 20, 50)
    from wayside.cli.app import run

    code = run(sys.argv[1:])
    if {"duckdb", "deltalake"} & sys.modules.keys():
        # The one prints pages about its own objects when the interpreter ends, the other can abort it there.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
