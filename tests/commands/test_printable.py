"""No text of a model, a server or a file steers the terminal that shows it, and nothing is lost in the files."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from ponder import commands as commanding
from ponder.commands.options.shared import print_json
from ponder.commands.progress import Bars
from ponder.commands.terminal import Terminal
from ponder.printable import json_line, printable
from ponder.reports.templates import environment
from ponder.runlog.files import append_line, read_jsonl, write_json

# Clear the screen, set the title, ring, go back; the same by the one-byte C1 code; turn the direction; hide text.
EVIL = "5\x1b[2J\x1b]0;owned\x07\r\x08 \x9b31m \u202e6\u2066 \u200b\U000e0041 \x7f"
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]"
)
TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from(EVIL), max_size=20)


@given(TEXTS)
def test_what_is_shown_holds_nothing_that_is_obeyed_and_stays_the_same_the_second_time(text: str) -> None:
    shown = printable(text)
    assert not OBEYED.search(shown)
    assert printable(shown) == shown


@given(TEXTS)
def test_json_reads_back_as_what_was_written_and_holds_nothing_that_is_obeyed(text: str) -> None:
    line = json_line({"text": text, text: [text]})
    assert json.loads(line) == {"text": text, text: [text]}
    assert not OBEYED.search(line) and "\n" not in line


def test_a_control_character_is_written_out_and_text_of_every_script_stays() -> None:
    assert printable("a\x1b[31mb\x9b\u202e\ud800") == "a\\x1b[31mb\\x9b\\u202e\\ud800"
    kept = "è 東京 می\u200cخواهم 👩\u200d🔬 \u00a0\u2009x\n\ty"
    assert printable(kept) == kept


def test_wherever_it_stands_on_the_terminal_it_is_written_out_and_our_own_colours_stay() -> None:
    stream = io.StringIO()
    terminal = Terminal(file=stream, force_terminal=True, width=200, color_system="standard")
    table = Table(title=EVIL)
    table.add_column(EVIL)
    table.add_row(Text(EVIL))
    terminal.print(Text(EVIL, style="bold green"), table, markup=False)
    terminal.print(f"error: {EVIL}", markup=False, style="red")
    text = stream.getvalue()
    assert text.count("\\x1b[2J") == 4 and "\x1b[2J" not in text
    assert "\x1b[1;32m" in text
    assert not OBEYED.search(re.sub(r"\x1b\[[0-9;]*m", "", text))


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_writes_it_out_and_a_note_stays_on_its_line(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    if terminal:
        monkeypatch.setattr(stream, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with Bars(lines=True, stream=stream) as bars:
        bars.tell("eval", 0, 2, f"model {EVIL}\nsecond line")
        bars.tell("eval", 1, 2, "next")
    text = stream.getvalue()
    assert "\\x1b[2J" in text and "\x07" not in text and "\x1b[2J" not in text and "\x9b" not in text
    assert terminal or "second line\n" in text


def test_json_on_the_terminal_and_in_files_holds_it_written_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json({"answer": EVIL})
    printed = capsys.readouterr().out
    write_json(tmp_path / "a.json", {"answer": EVIL, "half": "\ud800"})
    append_line(tmp_path / "a.jsonl", {"answer": EVIL, "half": "\ud800"})
    texts = [printed, (tmp_path / "a.json").read_text(), (tmp_path / "a.jsonl").read_text()]
    assert not any(OBEYED.search(text) for text in texts)
    assert json.loads(printed)["answer"] == EVIL
    assert read_jsonl(tmp_path / "a.jsonl") == [{"answer": EVIL, "half": "\ud800"}]


def test_a_page_writes_it_out_whatever_the_template_forgot() -> None:
    shown = environment().from_string("<p>{{ text }}</p>{{ safe | safe }}").render(text=f"<b>{EVIL}", safe=f"<i>{EVIL}")
    assert "&lt;b&gt;5\\x1b[2J" in shown and "<i>5\\x1b[2J" in shown
    assert not OBEYED.search(shown)


def test_no_command_prints_to_a_terminal_of_another_kind() -> None:
    commands = Path(commanding.__file__).parent
    files = [commands.parent / "cli.py", *(file for file in commands.rglob("*.py") if file.name != "terminal.py")]
    assert len(files) > 10
    assert [file.name for file in files if re.search(r"\bConsole\(", file.read_text(encoding="utf-8"))] == []
