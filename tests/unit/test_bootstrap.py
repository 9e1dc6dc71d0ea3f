"""Set-up gets the right uv for a machine, checks it, and says what went wrong when nothing works."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

import bootstrap_uv
from bootstrap_uv import LockedUv, SetupError

ROOT = Path(__file__).resolve().parents[2]
FAKE_UV = "#!/bin/sh\necho 'uv 9.9.9'\n"


def fake_wheel(folder: Path) -> tuple[Path, str]:
    """A wheel that holds a program where uv's wheels hold theirs, named for this machine."""
    machine = bootstrap_uv.platform.machine()
    file = folder / f"uv-9.9.9-py3-none-manylinux_2_17_{machine}.manylinux2014_{machine}.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("uv-9.9.9.data/scripts/uv", FAKE_UV)
    return file, hashlib.sha256(file.read_bytes()).hexdigest()


def write_lock(root: Path, address: str, digest: str) -> None:
    (root / "uv.lock").write_text(
        f'[[package]]\nname = "uv"\nversion = "9.9.9"\nwheels = [{{ url = "{address}", hash = "sha256:{digest}" }}]\n'
    )


@pytest.fixture
def only_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without ensurepip and pip, as Debian ships it, and no mirror configured."""
    monkeypatch.setattr(bootstrap_uv, "find_spec", lambda name: None)
    monkeypatch.setattr(bootstrap_uv, "mirror", lambda: None)


@pytest.mark.usefixtures("only_download")
@pytest.mark.skipif(sys.platform != "linux", reason="the made wheel is named for Linux")
def test_a_python_without_pip_gets_uv_from_the_wheel_itself(tmp_path: Path) -> None:
    file, digest = fake_wheel(tmp_path)
    write_lock(tmp_path, file.as_uri(), digest)
    program = bootstrap_uv.get_uv(tmp_path)
    assert subprocess.run([program], capture_output=True, text=True).stdout == "uv 9.9.9\n"
    assert bootstrap_uv.find_uv(tmp_path) is not None


@pytest.mark.usefixtures("only_download")
@pytest.mark.skipif(sys.platform != "linux", reason="the made wheel is named for Linux")
def test_a_wheel_with_another_checksum_is_refused(tmp_path: Path) -> None:
    file, _digest = fake_wheel(tmp_path)
    write_lock(tmp_path, file.as_uri(), "0" * 64)
    with pytest.raises(SetupError, match=r"has the checksum(.|\n)*Next: install uv yourself"):
        bootstrap_uv.get_uv(tmp_path)
    assert not (tmp_path / ".setup/uv/bin/uv").exists()


@pytest.fixture
def web_root(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that a server on the loopback serves, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(sys.platform != "linux", reason="the made wheel is named for Linux")
def test_a_mirror_is_asked_in_place_of_the_locked_address(
    tmp_path: Path, web_root: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = web_root
    file, digest = fake_wheel(folder)
    write_lock(tmp_path, f"https://unreachable.invalid/{file.name}", digest)
    (folder / "simple/uv").mkdir(parents=True)
    (folder / "simple/uv/index.html").write_text(f'<a href="../../{file.name}#sha256={digest}">{file.name}</a>')
    monkeypatch.setattr(bootstrap_uv, "find_spec", lambda name: None)
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
    assert bootstrap_uv.get_uv(tmp_path).is_file()


@pytest.mark.parametrize(
    ("system", "machine", "libc", "part"),
    [
        ("linux", "x86_64", "glibc", "manylinux_2_17_x86_64"),
        ("linux", "aarch64", "glibc", "manylinux_2_17_aarch64"),
        ("linux", "x86_64", "", "musllinux_1_1_x86_64"),
        ("darwin", "arm64", "", "macosx_11_0_arm64"),
        ("darwin", "x86_64", "", "macosx_10_12_x86_64"),
    ],
)
def test_the_committed_lock_has_a_uv_for_every_usual_machine(system: str, machine: str, libc: str, part: str) -> None:
    assert part in bootstrap_uv.wheel_for(bootstrap_uv.locked_uv(ROOT), system, machine, libc)


def test_an_unknown_processor_is_said_plainly() -> None:
    with pytest.raises(SetupError, match=r"no uv for linux on abacus"):
        bootstrap_uv.wheel_for(LockedUv("1", {"uv-1-py3-none-win32.whl": ("", "")}), "linux", "abacus", "glibc")


@pytest.mark.parametrize("version", ["uv 0.4.1", "not uv", ""])
def test_an_old_or_broken_uv_on_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    program = tmp_path / "uv"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap_uv.find_uv(tmp_path) is None
    program.write_text("#!/bin/sh\necho 'uv 0.13.9 (x86_64)'\n")
    assert bootstrap_uv.find_uv(tmp_path) == program


def test_passwords_of_mirrors_are_not_printed() -> None:
    assert bootstrap_uv._without_password("https://ann:secret@mirror.example/x") == "https://mirror.example/x"


def test_every_locked_package_has_a_wheel_so_that_no_compiler_is_needed() -> None:
    lock = bootstrap_uv.tomllib.loads((ROOT / "uv.lock").read_text())
    without = [p["name"] for p in lock["package"] if not p.get("wheels") and "editable" not in p["source"]]
    assert without == ["pyspark"]  # pure Python, and only in the extra of that name
