from __future__ import annotations

import json
import logging
import sys

import pytest

from service.logs import JsonFormatter, configure_logging, request_id_var


def line_of(message: str = "hello", **attributes: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "test", "levelname": "INFO", "msg": message, **attributes})
    text = JsonFormatter().format(record)
    assert "\n" not in text
    parsed: dict[str, object] = json.loads(text)
    return parsed


def test_a_record_is_one_json_object() -> None:
    line = line_of()
    assert (line["message"], line["level"], line["logger"]) == ("hello", "info", "test")
    assert str(line["time"]).endswith("+00:00")


def test_fields_are_added_and_cannot_forge_the_formatters_own() -> None:
    line = line_of(fields={"status": 200, "level": "forged", "message": "forged"})
    assert (line["status"], line["level"], line["message"]) == (200, "info", "hello")


def test_a_line_break_in_a_message_makes_no_second_line() -> None:
    assert line_of('one\ntwo {"level": "forged"}')["message"] == 'one\ntwo {"level": "forged"}'


def test_a_traceback_stays_in_its_line() -> None:
    try:
        raise ValueError("inside")
    except ValueError:
        line = line_of(exc_info=sys.exc_info())
    assert "ValueError: inside" in str(line["traceback"])


def test_the_request_id_is_there_inside_of_a_request_only() -> None:
    assert "request_id" not in line_of()
    token = request_id_var.set("r-1")
    try:
        assert line_of()["request_id"] == "r-1"
    finally:
        request_id_var.reset(token)


def test_all_loggers_of_the_process_write_json(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        configure_logging("WARNING")
        logging.getLogger("uvicorn.error").warning("careful %d", 7)
        logging.getLogger("uvicorn.error").info("not shown")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "careful 7"
