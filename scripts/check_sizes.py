"""Holds the code to its size budgets, and says for each breach what is allowed and what was found.

Budgets: a file 300 lines (a test file 400), a function 40 lines without its docstring, a signature
5 positional parameters, a class 12 public methods (properties are not counted), folders two deep
below the package, no import cycle, and no suppression without its reason on the line.

    python scripts/check_sizes.py [ROOT]
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_LINES, TEST_FILE_LINES = 300, 400
FUNCTION_LINES, POSITIONAL, PUBLIC_METHODS, FOLDER_DEPTH = 40, 5, 12, 2
MEASURED = ("src", "bench", "scripts")
SKIPPED_FOLDERS = {"__pycache__", "node_modules", "dist", ".venv", ".setup"}

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Each suppression, and what must follow it: a separator and at least three letters of reason.
SUPPRESSIONS = (
    re.compile(r"#\s*(?P<kind>noqa)(?::\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?(?P<rest>.*)", re.IGNORECASE),
    re.compile(r"#\s*(?P<kind>type:\s*ignore)(?:\[[^\]]*\])?(?P<rest>.*)"),
    re.compile(r"#\s*(?P<kind>pragma:\s*no\s+(?:cover|branch))(?P<rest>.*)"),
)
REASON = re.compile(r"[A-Za-z]{3,}")


@dataclass(frozen=True, order=True)
class Breach:
    """One place where a budget is broken."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def python_files(folder: Path) -> list[Path]:
    """All Python files below the folder, in a stable order, without what builds leave behind."""
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else []
    return [file for file in files if not SKIPPED_FOLDERS & set(file.relative_to(folder).parts)]


def parse(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except SyntaxError:
        return None


def check_file_length(source: str, path: str, allowed: int) -> Iterator[Breach]:
    lines = len(source.splitlines())
    if lines > allowed:
        yield Breach(path, 1, f"the file has {lines} lines; {allowed} are allowed. Split it by what it does")


def check_definitions(tree: ast.AST, path: str) -> Iterator[Breach]:
    """Functions, signatures and classes of one file."""
    methods = {id(item) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for item in node.body}
    for node in ast.walk(tree):
        if isinstance(node, Function):
            lines = function_lines(node)
            if lines > FUNCTION_LINES:
                text = f"the function {node.name} has {lines} lines; {FUNCTION_LINES} are allowed"
                yield Breach(path, node.lineno, text)
            count = positional_parameters(node, is_method=id(node) in methods)
            if count > POSITIONAL:
                text = f"{node.name} takes {count} parameters by position; {POSITIONAL} are allowed"
                yield Breach(path, node.lineno, text)
        elif isinstance(node, ast.ClassDef):
            names = public_methods(node)
            if len(names) > PUBLIC_METHODS:
                text = f"the class {node.name} has {len(names)} public methods; {PUBLIC_METHODS} are allowed"
                yield Breach(path, node.lineno, text)


def function_lines(node: Function) -> int:
    """Lines from ``def`` to the end, without decorators and the docstring."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def positional_parameters(node: Function, *, is_method: bool) -> int:
    """Parameters that a caller may pass by position; ``self`` and ``cls`` are not passed."""
    count = len(node.args.posonlyargs) + len(node.args.args)
    is_static = any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in node.decorator_list)
    return count - 1 if is_method and not is_static and count else count


def public_methods(node: ast.ClassDef) -> set[str]:
    """Names of the public methods; a property is an attribute, and overloads are one method."""
    return {
        item.name
        for item in node.body
        if isinstance(item, Function) and not item.name.startswith("_") and not _is_property(item)
    }


def _is_property(node: Function) -> bool:
    names = {ast.unparse(decorator).rsplit(".", 1)[-1] for decorator in node.decorator_list}
    return bool(names & {"property", "cached_property", "setter", "deleter", "getter"})


def check_suppressions(source: str, path: str) -> Iterator[Breach]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        for pattern in SUPPRESSIONS:
            match = pattern.search(token.string)
            if match and not REASON.search(match["rest"]):
                text = f"'{match['kind']}' without a reason; write it after the suppression, on the same line"
                yield Breach(path, token.start[0], text)


def check_depth(relative: Path, path: str) -> Iterator[Breach]:
    """``relative`` is the file's path below the folder that holds the packages."""
    depth = len(relative.parts) - 2  # without the package itself and the file
    if depth > FOLDER_DEPTH:
        yield Breach(path, 1, f"the file lies {depth} folders below its package; {FOLDER_DEPTH} are allowed")


def check_packages(src: Path, root: Path) -> Iterator[Breach]:
    """Import contracts overlook a folder that is no package."""
    for folder in sorted({file.parent for file in python_files(src)} - {src}):
        if not (folder / "__init__.py").is_file():
            text = "the folder has no __init__.py, so the import contracts overlook it"
            yield Breach(folder.relative_to(root).as_posix(), 1, text)


def module_name(relative: Path) -> str:
    parts = list(relative.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(tree: ast.AST, module: str, *, is_package: bool, known: set[str]) -> dict[str, int]:
    """Known modules that this one imports when it runs, each with the line of its first import."""
    found: dict[str, int] = {}
    for node in _running_nodes(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package=is_package)
            names = [f"{base}.{a.name}" if f"{base}.{a.name}" in known else base for a in node.names]
        for name in names:
            if name in known and name != module:
                found.setdefault(name, getattr(node, "lineno", 1))
    return found


def _running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node except the body of ``if TYPE_CHECKING:``, which never runs."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield other
                yield from _running_nodes(other)
            continue
        yield child
        yield from _running_nodes(child)


def _absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    keep = len(parts) - node.level + (1 if is_package else 0)
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def find_cycles(graph: dict[str, dict[str, int]]) -> list[list[str]]:
    """One shortest cycle through each module that can reach itself; every cycle is given once."""
    cycles: dict[frozenset[str], list[str]] = {}
    for start in sorted(graph):
        queue, seen = [[start]], {start}
        while queue:
            path = queue.pop(0)
            for target in sorted(graph.get(path[-1], {})):
                if target == start:
                    cycles.setdefault(frozenset(path), path)
                    queue.clear()
                    break
                if target not in seen:
                    seen.add(target)
                    queue.append([*path, target])
    return list(cycles.values())


def check_cycles(src: Path, root: Path) -> Iterator[Breach]:
    files = {module_name(file.relative_to(src)): file for file in python_files(src)}
    known = set(files)
    graph = {}
    for name, file in files.items():
        tree = parse(file.read_text(encoding="utf-8"))
        graph[name] = imported_modules(
            tree or ast.Module([], []), name, is_package=file.name == "__init__.py", known=known
        )
    for cycle in find_cycles(graph):
        line = graph[cycle[0]][cycle[1 % len(cycle)]]
        text = f"import cycle: {' -> '.join([*cycle, cycle[0]])}"
        yield Breach(files[cycle[0]].relative_to(root).as_posix(), line, text)


def check_tree(root: Path) -> list[Breach]:
    """All breaches below the root of the repository."""
    breaches: list[Breach] = []
    for folder in (*MEASURED, "tests"):
        for file in python_files(root / folder):
            path = file.relative_to(root).as_posix()
            source = file.read_text(encoding="utf-8")
            tree = parse(source)
            if tree is None:
                breaches.append(Breach(path, 1, "the file is no valid Python of the version that runs this check"))
                continue
            breaches += check_suppressions(source, path)
            if folder == "tests":
                breaches += check_file_length(source, path, TEST_FILE_LINES)
                continue
            breaches += check_file_length(source, path, FILE_LINES)
            breaches += check_definitions(tree, path)
            if folder == "src":
                breaches += check_depth(file.relative_to(root / "src"), path)
    breaches += check_packages(root / "src", root)
    breaches += check_cycles(root / "src", root)
    return sorted(breaches)


def main(arguments: list[str]) -> int:
    root = Path(arguments[0] if arguments else Path(__file__).parent.parent).resolve()
    breaches = check_tree(root)
    for breach in breaches:
        print(breach)
    count = sum(len(python_files(root / folder)) for folder in (*MEASURED, "tests"))
    print(
        f"sizes: {count} files, {len(breaches)} over budget" if breaches else f"sizes: {count} files, all within budget"
    )
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
