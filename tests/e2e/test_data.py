"""Data in from files and simulators, and out again, beside a running Wayside."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from e2e.running import up, wait_for
from wayside.cli.app import run


def reading(number: int) -> str:
    at = f"2026-01-05T12:{number // 60:02}:{number % 60:02}Z"
    value = "hot" if number == 7 else 20.0
    return json.dumps({"device_id": "a", "timestamp": at, "tag": "Thermostat", "temperature": value})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAYSIDE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WAYSIDE_LAKE_EVERY", "200ms")


def test_files_go_in_once_and_everything_comes_out_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = tmp_path / "recorded.ndjson"
    recorded.write_text("\n".join(map(reading, range(120))))
    with up(tmp_path) as running:
        to = ["--to", running.address]
        for _ in range(2):
            assert run(["replay", str(recorded), "--feed", "devices", *to]) == 0
        err = capsys.readouterr().err
        assert "119 records accepted, 1 rejected" in err
        assert "0 records accepted, 1 rejected, 119 known already" in err

        def counted() -> bool:
            run(["sql", "--json", "select count(*) as n from bronze.processed_messages"])
            return json.loads(capsys.readouterr().out or "[{}]")[0].get("n") == 119

        wait_for(counted)

        def latest() -> str:
            assert run(["sql", "select device_id, timestamp, value from hot.device_latest"]) == 0
            return capsys.readouterr().out

        wait_for(lambda: "12:01:59" in latest())  # the lake and the engine do not wait for each other
        assert run(["sql", "select device_id, value from hot.device_latest"]) == 0
        assert capsys.readouterr().out == "device_id\tvalue\na\t20.0\n"
        assert run(["sql", "delete from hot.device_latest"]) == 1
        assert "Only one statement that reads" in capsys.readouterr().err

        assert run(["export", "hot.device_latest", "--where", "value > 19"]) == 0
        header, row = capsys.readouterr().out.splitlines()
        assert header == "device_id,timestamp,sensor,value,unit"
        assert row == "a,2026-01-05T12:01:59.000000Z,temperature,20.0,Cel"
        parquet = tmp_path / "all.parquet"
        assert run(["export", "bronze.processed_messages", "-o", str(parquet)]) == 0
        assert pl.read_parquet(parquet).height == 119
        assert run(["export", "hot.device_lates"]) == 1
        assert "Did you mean 'hot.device_latest'?" in capsys.readouterr().err
        assert run(["export", "hot.device_latest", "--where", "nonsense > 1"]) == 1

        assert run(["topic", "ls", "--json"]) == 0
        ends = {(row["topic"], row["partition"]): row["end"] for row in json.loads(capsys.readouterr().out)}
        assert sum(end for (topic, _), end in ends.items() if topic == "processed_messages") == 119
        assert run(["topic", "tail", "processed_messages", "-n", "2"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["timestamp"] for line in lines] == ["2026-01-05T12:01:58Z", "2026-01-05T12:01:59Z"]
        assert run(["topic", "tail", "processed_messages", "--from", "2026-01-05T12:01:59Z"]) == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["timestamp"] == "2026-01-05T12:01:59Z"

        again = ["topic", "replay", "processed_messages", "--until", "2026-01-05T12:00:10Z", *to]
        assert run(again) == 0
        assert "Sent 9 records again: 9 accepted, 0 rejected." in capsys.readouterr().err
        assert run(["simulate", "generator", "--things", "3", "--seconds", "1", *to]) == 0
        assert " accepted, 0 rejected" in capsys.readouterr().err
        names = {row["device_id"] for row in running.rows("/v1/tables/device_latest")}
        wait_for(lambda: names | {row["device_id"] for row in running.rows("/v1/tables/device_latest")} >= {"1", "2"})


def test_nobody_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = tmp_path / "recorded.ndjson"
    recorded.write_text(reading(1))
    assert run(["replay", str(recorded), "--feed", "devices", "--to", "http://127.0.0.1:1"]) == 1
    err = capsys.readouterr().err
    assert "No Wayside answers." in err
    assert "wayside up" in err
    assert run(["topic", "ls"]) == 1
    assert "There is no log." in capsys.readouterr().err
    assert run(["sql", "select 1"]) == 1
    assert "There is nothing to ask yet." in capsys.readouterr().err
