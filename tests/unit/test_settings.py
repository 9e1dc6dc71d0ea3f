from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from wayside import settings
from wayside.errors import ConfigError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a configuration file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return tmp_path


def test_defaults_are_for_this_user_and_this_machine(elsewhere: Path) -> None:
    loaded = settings.load()
    assert loaded.settings.data_dir == elsewhere / "share" / "wayside" / "data"
    assert (loaded.settings.host, loaded.settings.port) == ("127.0.0.1", 8000)
    assert set(loaded.origins.values()) == {"default"}


def test_command_line_over_environment_over_file_over_default(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "wayside.toml").write_text('port = 1\nhost = "::1"\nlog_level = "debug"\nlake_every = "2m"\n')
    monkeypatch.setenv("WAYSIDE_PORT", "2")
    monkeypatch.setenv("WAYSIDE_HOST", "localhost")
    loaded = settings.load({"port": 3, "host": None})
    found = loaded.settings
    assert (found.port, found.host, found.log_level) == (3, "localhost", "debug")
    assert found.lake_every == timedelta(minutes=2)
    origins = {name: loaded.origins[name] for name in ("port", "host", "log_level", "lake")}
    expected = {"port": "command line", "host": "WAYSIDE_HOST", "log_level": "wayside.toml", "lake": "default"}
    assert origins == expected


def test_an_unknown_key_of_the_file_names_the_nearest_one_and_its_line(elsewhere: Path) -> None:
    (elsewhere / "wayside.toml").write_text("# ours\nport = 1\ndata_dri = '/tmp'\n")
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert caught.value.where == "wayside.toml:3"
    assert caught.value.next == "Did you mean 'data_dir'?"


def test_an_unknown_variable_names_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_DATADIR", "x")
    with pytest.raises(ConfigError, match="no setting 'WAYSIDE_DATADIR'") as caught:
        settings.load()
    assert caught.value.next == "Did you mean 'WAYSIDE_DATA_DIR'?"


def test_variables_that_kubernetes_sets_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("WAYSIDE_PORT_8000_TCP", "tcp://10.0.0.1:8000")
    assert settings.load().settings.port == 8000
    monkeypatch.setenv("WAYSIDE_PORT", "tcp://10.0.0.1:8000")
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert "enableServiceLinks" in caught.value.next


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("port", "70000", "less than or equal to 65535"),
        ("port", "many", "valid integer"),
        ("log_level", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("lake_every", "soon", "not a duration"),
        ("lake_every", "0s", "longer than nothing"),
        ("lake", "maybe", "valid boolean"),
    ],
)
def test_a_value_that_does_not_fit_says_why_and_where(
    name: str, value: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"WAYSIDE_{name.upper()}", value)
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert value in caught.value.what
    assert part in caught.value.why
    assert caught.value.where == f"WAYSIDE_{name.upper()}"
    assert not caught.value.why.endswith("..")


def test_lists_and_durations_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_DOMAINS", "one, two")
    monkeypatch.setenv("WAYSIDE_LAKE_KEEP", "1h30m")
    loaded = settings.load()
    assert loaded.settings.domains == ("one", "two")
    shown = {name: value for name, value, _ in loaded.shown()}
    assert (shown["domains"], shown["lake_keep"], shown["lake"]) == ("one,two", "1h30m", "true")


def test_a_file_that_was_asked_for_must_exist_and_be_toml(elsewhere: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        settings.load(file=elsewhere / "nowhere.toml")
    broken = elsewhere / "broken.toml"
    broken.write_text("port = = 3")
    with pytest.raises(ConfigError, match="not valid TOML"):
        settings.load(file=broken)


def test_the_file_can_be_named_by_the_environment(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "other.toml").write_text("port = 9")
    monkeypatch.setenv("WAYSIDE_CONFIG", str(elsewhere / "other.toml"))
    assert settings.load().settings.port == 9


def test_a_secret_shows_only_whether_it_is_set() -> None:
    from pydantic import SecretStr

    assert settings.text(SecretStr("hunter2")) == settings.MASK
    assert settings.text(SecretStr("")) == ""


def test_limits_are_a_table_in_the_file_and_json_in_the_environment(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "wayside.toml").write_text("[limits]\nrows = 10\n")
    assert settings.load().settings.limits == {"rows": 10}
    monkeypatch.setenv("WAYSIDE_LIMITS", '{"rows": 20}')
    loaded = settings.load()
    assert (loaded.settings.limits, loaded.origins["limits"]) == ({"rows": 20}, "WAYSIDE_LIMITS")
    monkeypatch.setenv("WAYSIDE_LIMITS", "{rows")
    with pytest.raises(ConfigError, match="not valid JSON"):
        settings.load()
