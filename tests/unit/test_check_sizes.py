"""The size budgets bite: each is broken once here, and each neighbour within budget passes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import check_sizes


def write(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    folder = file.parent
    while path.startswith("src/") and folder != root / "src":
        (folder / "__init__.py").touch()
        folder = folder.parent
    file.write_text(text)
    return file


def texts(root: Path) -> list[str]:
    return [str(breach) for breach in check_sizes.check_tree(root)]


def function(text: str) -> ast.FunctionDef:
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


@pytest.mark.parametrize("folder", ["src/wayside", "bench", "scripts"])
def test_a_file_of_300_lines_passes_and_of_301_fails(tmp_path: Path, folder: str) -> None:
    write(tmp_path, f"{folder}/fits.py", "x = 1\n" * 300)
    assert texts(tmp_path) == []
    write(tmp_path, f"{folder}/long.py", "x = 1\n" * 301)
    assert texts(tmp_path) == [f"{folder}/long.py:1: the file has 301 lines; 300 are allowed. Split it by what it does"]


def test_a_test_file_may_have_400_lines_and_long_functions(tmp_path: Path) -> None:
    write(tmp_path, "tests/unit/test_a.py", "def test_a():\n" + "    x = 1\n" * 399)
    assert texts(tmp_path) == []
    write(tmp_path, "tests/unit/test_b.py", "x = 1\n" * 401)
    assert "401 lines; 400 are allowed" in texts(tmp_path)[0]


def test_a_function_of_41_lines_fails_and_its_docstring_is_not_counted(tmp_path: Path) -> None:
    write(tmp_path, "src/p/a.py", "def long():\n" + "    x = 1\n" * 40)
    assert texts(tmp_path) == ["src/p/a.py:1: the function long has 41 lines; 40 are allowed"]
    docstring = '    """One.\n\n    Two.\n    """\n'
    write(tmp_path, "src/p/a.py", "def fits():\n" + docstring + "    x = 1\n" * 39)
    assert texts(tmp_path) == []


def test_decorators_are_not_lines_of_the_function() -> None:
    assert check_sizes.function_lines(function("@a\n@b\ndef f():\n    return 1\n")) == 2


@pytest.mark.parametrize(
    ("signature", "count"),
    [("a, b, /, c", 3), ("a, b, *, c, d", 2), ("*args, **kwargs", 0), ("a=1, b=2, c=3, d=4, e=5, f=6", 6)],
)
def test_positional_parameters(signature: str, count: int) -> None:
    node = function(f"def f({signature}): ...")
    assert check_sizes.positional_parameters(node, is_method=False) == count


def test_self_is_not_passed_but_every_parameter_of_a_static_method_is(tmp_path: Path) -> None:
    text = "class A:\n    def f(self, a, b, c, d, e): ...\n    @staticmethod\n    def g(a, b, c, d, e, f): ...\n"
    write(tmp_path, "src/p/a.py", text)
    assert texts(tmp_path) == ["src/p/a.py:4: g takes 6 parameters by position; 5 are allowed"]


def test_a_class_with_13_public_methods_fails_and_properties_are_attributes(tmp_path: Path) -> None:
    methods = "".join(f"    def m{i}(self): ...\n" for i in range(12))
    more = "    @property\n    def p(self): ...\n    @p.setter\n    def p(self, v): ...\n    def _private(self): ...\n"
    write(tmp_path, "src/p/a.py", "class A:\n" + methods + more)
    assert texts(tmp_path) == []
    write(tmp_path, "src/p/a.py", "class A:\n" + methods + more + "    async def last(self): ...\n")
    assert texts(tmp_path) == ["src/p/a.py:1: the class A has 13 public methods; 12 are allowed"]


def test_folders_are_at_most_two_deep_below_the_package(tmp_path: Path) -> None:
    write(tmp_path, "src/p/one/two/a.py", "")
    assert texts(tmp_path) == []
    write(tmp_path, "src/p/one/two/three/a.py", "")
    text = "src/p/one/two/three/a.py:1: the file lies 3 folders below its package; 2 are allowed"
    assert text in texts(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: E501",
        "x = 1  # noqa: E501, F401",
        "x = 1  # type: ignore",
        "x = 1  # type: ignore[arg-type]",
        "x = 1  # pragma: no cover",
        "x = 1  # type: ignore[arg-type]  # --",
    ],
)
def test_a_suppression_without_reason_fails(tmp_path: Path, line: str) -> None:
    for folder in ("src/p", "bench", "scripts", "tests/unit"):
        write(tmp_path, f"{folder}/a.py", line + "\n")
    assert [text.split(":")[0] for text in texts(tmp_path)] == [
        "bench/a.py",
        "scripts/a.py",
        "src/p/a.py",
        "tests/unit/a.py",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa: E501 - the address cannot be broken",
        "x = 1  # noqa: E501, F401 re-exported for users",
        "x = 1  # type: ignore[arg-type]  # pyarrow ships no types",
        "x = 1  # pragma: no cover - only on macOS",
        'x = "# noqa"',
        "x = 1  # an ordinary comment",
    ],
)
def test_a_suppression_with_reason_passes(tmp_path: Path, line: str) -> None:
    write(tmp_path, "src/p/a.py", line + "\n")
    assert texts(tmp_path) == []


def test_an_import_cycle_is_named_once_and_in_order(tmp_path: Path) -> None:
    write(tmp_path, "src/p/__init__.py", "")
    write(tmp_path, "src/p/a.py", "from p import b\n")
    write(tmp_path, "src/p/b.py", "import p.c\n")
    write(tmp_path, "src/p/c.py", "\n\ndef late():\n    from .a import x\n")
    write(tmp_path, "src/p/d.py", "from p.a import x\n")
    assert texts(tmp_path) == ["src/p/a.py:1: import cycle: p.a -> p.b -> p.c -> p.a"]


def test_imports_for_type_checking_only_make_no_cycle(tmp_path: Path) -> None:
    write(tmp_path, "src/p/__init__.py", "")
    write(tmp_path, "src/p/a.py", "from p import b\n")
    guarded = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import a\n"
    write(tmp_path, "src/p/b.py", guarded)
    assert texts(tmp_path) == []
    write(tmp_path, "src/p/b.py", guarded + "else:\n    import p.a\n")
    assert texts(tmp_path) == ["src/p/a.py:1: import cycle: p.a -> p.b -> p.a"]


def test_relative_imports_of_a_package_resolve_against_itself(tmp_path: Path) -> None:
    write(tmp_path, "src/p/__init__.py", "")
    write(tmp_path, "src/p/q/__init__.py", "from .a import x\n")
    write(tmp_path, "src/p/q/a.py", "from ..r import y\n")
    write(tmp_path, "src/p/r.py", "from p.q import x\n")
    assert texts(tmp_path) == ["src/p/q/__init__.py:1: import cycle: p.q -> p.q.a -> p.r -> p.q"]


def test_what_builds_leave_behind_is_not_measured(tmp_path: Path) -> None:
    for folder in ("__pycache__", "node_modules", "dist"):
        write(tmp_path, f"src/p/{folder}/a.py", "x = 1\n" * 500)
    assert texts(tmp_path) == []


def test_a_folder_that_is_no_package_is_named(tmp_path: Path) -> None:
    write(tmp_path, "src/p/q/a.py", "")
    (tmp_path / "src/p/q/__init__.py").unlink()
    text = "src/p/q:1: the folder has no __init__.py, so the import contracts overlook it"
    assert texts(tmp_path) == [text]


def test_a_file_that_does_not_parse_is_named(tmp_path: Path) -> None:
    write(tmp_path, "src/p/a.py", "def f(:\n")
    write(tmp_path, "src/p/b.py", "from p import a\n")
    assert texts(tmp_path) == ["src/p/a.py:1: the file is no valid Python of the version that runs this check"]


def test_the_exit_code_and_the_last_line_tell_the_outcome(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "src/p/a.py", "x = 1\n")
    assert check_sizes.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "sizes: 2 files, all within budget\n"
    write(tmp_path, "src/p/a.py", "x = 1\n" * 301)
    assert check_sizes.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.endswith("sizes: 2 files, 1 over budget\n")
