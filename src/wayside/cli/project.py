"""Commands around a project: configuration, a new domain, the version, and mending of a data folder."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from wayside import __version__
from wayside.cli.output import BUILD, LOOK, AsJson, DataDir, note, print_json, print_table, state
from wayside.errors import WaysideError

TEMPLATE = Path(__file__).parent / "template"
PLACES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "test_domain.py": "tests/test_domain.py",
    "__init__.py": "$name/__init__.py",
    "records.py": "$name/records.py",
    "feeds.py": "$name/feeds.py",
    "flow.py": "$name/flow.py",
    "layers.py": "$name/layers.py",
    "endpoints.py": "$name/endpoints.py",
}

config = typer.Typer(no_args_is_help=True, help="Settings, and where each comes from.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(config, name="config", rich_help_panel=LOOK)
    app.command("new-domain", rich_help_panel=BUILD)(new_domain)
    app.command(rich_help_panel=BUILD)(migrate)
    app.command(rich_help_panel=BUILD)(rebuild)
    app.command(rich_help_panel=BUILD)(bench)
    app.command(rich_help_panel=BUILD)(version)


@config.command("show")
def show(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Print every setting with its value and where it comes from; secrets are masked."""
    rows = state(ctx).load().shown()
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, value, origin in rows})
    else:
        print_table(("setting", "value", "origin"), rows)


def new_domain(
    name: Annotated[str, typer.Argument(help="Name of the domain: small letters, digits, - and _.")],
    *,
    folder: Annotated[Path, typer.Option("--in", help="Folder to write it into.")] = Path(),
) -> None:
    """Write a folder with a domain that runs, to begin from.

    Nothing that exists is overwritten; the same command again changes nothing.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name) or keyword.iskeyword(name) or name.startswith("wayside"):
        raise WaysideError(
            f"A domain cannot be named {name!r}.",
            why="It becomes the name of a Python package: a small letter, then small letters, digits, - and _.",
            next="Choose another name, as in `wayside new-domain wells`.",
        )
    target = folder / name
    files = written(name)
    changed = [path for path, text in files.items() if (target / path).is_file() and read(target / path) != text]
    if changed:
        raise WaysideError(
            f"{target} holds other work already; nothing was written.",
            where=str(target / changed[0]),
            next="Choose another name, or another folder with --in.",
        )
    for path, text in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text, encoding="utf-8")
    note(f"Wrote the domain {name} into {target}. Next:")
    note(f"  uv pip install -e {target}        (or: pip install -e {target})")
    note(f"  wayside check {name.replace('-', '_')}")
    note(f"  wayside up --domains {name.replace('-', '_')} --simulate")


def written(name: str) -> dict[str, str]:
    """The files of a new domain by their path in its folder."""
    words = {
        "name": name.replace("-", "_"),
        "dashed": name.replace("_", "-"),
        "title": name.replace("-", " ").replace("_", " ").capitalize(),
        "version": __version__,
    }
    return {
        Template(place).substitute(words): Template(read(TEMPLATE / f"{source}.tmpl")).substitute(words)
        for source, place in PLACES.items()
    }


def read(path: Path) -> str:
    """A text file."""
    return path.read_text(encoding="utf-8")


def migrate(ctx: typer.Context, *, data_dir: DataDir = None) -> None:
    """Bring a data folder of an older version up to this one. Nothing is lost: what changes is kept aside."""
    from wayside.runtime.folder import hold

    settings = state(ctx).settings(data_dir=data_dir)
    with hold(settings.data_dir) as folder:
        steps = folder.migrate()
    note("\n".join(steps) if steps else f"{settings.data_dir} is of this version already; nothing to do.")


def rebuild(ctx: typer.Context, *, data_dir: DataDir = None) -> None:
    """Compute tables and windows again from the log. The old ones are kept aside until it is done."""
    from wayside.runtime.rebuild import rebuild as run

    settings = state(ctx).settings(data_dir=data_dir)
    done = run(settings)
    note(f"Read {done.records:,} records again: {done.rows:,} table rows, {done.windows:,} closed windows.")
    note(f"The store that was replaced is kept as {done.kept}.")


def bench(ctx: typer.Context) -> None:
    """Say how the performance claims are measured."""
    note("The claims are measured by scripts of the source tree, each in its own environment: run `make bench` there.")
    note("The newest figures with machine and versions are in docs/performance.md.")


def version(*, as_json: AsJson = False) -> None:
    """Print the version of Wayside and of what its answers depend on."""
    import platform
    from importlib.metadata import version as of

    parts = {name: of(name) for name in ("polars", "pyarrow", "duckdb", "deltalake", "apsw", "fastapi")}
    if as_json:
        print_json({"wayside": __version__, "python": platform.python_version(), **parts})
        return
    typer.echo(f"wayside {__version__}")
    note("  ".join(f"{name} {number}" for name, number in {"python": platform.python_version(), **parts}.items()))
