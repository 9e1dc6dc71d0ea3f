"""HTTP ingest of Wayside, bare Starlette + msgspec and FastAPI in one run; `--help` tells the options."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    runpy.run_module("bench.ingest", run_name="__main__", alter_sys=True)
