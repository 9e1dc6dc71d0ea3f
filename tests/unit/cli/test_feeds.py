from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from wayside.cli.app import run

GOOD = {"device_id": "a", "timestamp": "2026-01-05T12:00:01Z", "tag": "Thermostat", "temperature": 20.5}


def test_messages_are_tried_without_being_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAYSIDE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps(GOOD).encode() + b"\n{}\n")))
    assert run(["feed", "test", "devices"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["value"] == 20.5
    assert "message 2: device_id.required" in err
    assert "2 messages became 1 rows; 1 were refused." in err
    room = tmp_path / "data.txt"
    room.write_text(
        '"Date","Temperature","Humidity","Light","CO2","HumidityRatio","Occupancy"\n'
        '"2015-02-04 17:51:00",23.18,27.272,426,721.25,0.00479298817650529,1\n'
    )
    assert run(["feed", "test", "room_climate", str(room)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["sensor"] for row in rows} == {"temperature", "humidity", "light", "co2", "humidity_ratio"}
    assert run(["feed", "test", "devicse"]) == 1
    assert "Did you mean 'devices'?" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
