import contextlib
import os
import re
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from cry_lite import __version__
from cry_tf.cli import main as cli

FIXTURES = Path(__file__).parents[2] / "fixtures"


def test_help_lists_every_command_and_succeeds(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in cli.COMMANDS:
        assert command in shown


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    assert cli.main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "example" in shown
    assert f"cry-tf {command}" in shown.split("example")[1]


def test_the_version_is_told(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"cry-tf {__version__}"


@pytest.mark.parametrize("argv", [[], ["dance"], ["train"], ["evaluate", "run"]])
def test_wrong_usage_is_2(argv, capsys):
    assert cli.main(argv) == 2
    assert "usage: cry-tf" in capsys.readouterr().err


def test_the_home_folder_is_known_where_a_shell_leaves_its_sign(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main(["export", "~/gone.keras", "-o=~/cry.tflite"]) == 1
    assert f"File not found: {tmp_path}/gone.keras." in capsys.readouterr().err


def test_without_a_command_the_whole_help_is_shown(capsys):
    assert cli.main([]) == 2
    shown = capsys.readouterr().err
    assert all(command in shown for command in cli.COMMANDS)


def test_another_backend_of_keras_ends_in_one_sentence(capsys, monkeypatch):
    monkeypatch.setattr(
        "cry_hub.requirements._backend", lambda: ("jax", "KERAS_BACKEND=jax")
    )
    assert cli.main(["train", "data", "-o", "run"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["train", "one", "two", "-o", "run"],
        ["evaluate", "run", "one", "two", "-o", "result"],
        ["distill", "run", "one", "two", "-o", "small"],
        ["reproduce", "vggish", "one", "two", "-o", "tables"],
        ["personalize", "run", "one", "two", "-o", "personal"],
        ["benchmark", "a.tflite", "--data", "one", "--data", "two"],
        ["export", "run", "-o", "a.tflite", "--check", "one", "--check", "two"],
        ["quickstart", "--data", "one", "--data", "two"],
    ],
)
def test_every_command_takes_recordings_of_several_folders(argv):
    args = vars(cli._parser()[0].parse_args(argv))
    assert ["one", "two"] in (args.get("data"), args.get("clips"), args.get("check"))


@pytest.mark.parametrize("level", [None, "2"])
def test_nothing_that_tensorflow_says_of_itself_reaches_a_user(
    level, tmp_path, cries_and_rain
):
    # At level 2 TensorFlow reports a machine without a GPU as an error.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_CPP_MIN_LOG_LEVEL"
    }
    if level is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    environment["CRY_TF_HOME"] = str(tmp_path / "home")
    run = FIXTURES / "before_rebuild" / "detect_statistic"
    done = subprocess.run(
        [sys.executable, "-m", "cry_tf.cli.main", "evaluate", str(run)]
        + [str(cries_and_rain), "--positive", "hungry", "-o", str(tmp_path / "result")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    own = re.compile(r"(scoring|channel features): \d+/\d+|warning: ")
    assert [line for line in done.stderr.splitlines() if not own.match(line)] == []


def test_help_imports_no_framework():
    code = (
        "import sys; from cry_tf.cli.main import main; main(['train', '--help']); "
        "heavy = {'tensorflow', 'keras', 'sklearn', 'numpy', 'rich'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def failing(monkeypatch):
    """Replaces the work of `cry-tf train` by an error."""

    def fail_with(error):
        def run(args):
            raise error() if callable(error) else error

        real = cli.importlib.import_module

        def imported(name):
            module = real(name)
            if name == "cry_tf.cli.train":
                return types.SimpleNamespace(add_parser=module.add_parser, run=run)
            return module

        monkeypatch.setattr(cli.importlib, "import_module", imported)
        return cli.main(["train", "data", "-o", "run", "--task", "detect"])

    return fail_with


def test_errors_become_one_sentence_and_exit_code_1(failing, capsys):
    assert failing(ValueError("folds must be at least 2. Received: folds=1.")) == 1
    shown = capsys.readouterr()
    assert shown.err == "error: folds must be at least 2. Received: folds=1.\n"
    assert shown.out == ""


def test_an_error_of_the_system_names_the_file(failing, capsys):
    assert failing(PermissionError(13, "Permission denied", "/runs/x")) == 1
    assert capsys.readouterr().err == "error: /runs/x: Permission denied\n"


def test_ctrl_c_is_one_line(failing, capsys):
    assert failing(KeyboardInterrupt()) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_a_library_turns_into_another_error_is_one_line(
    failing, capsys, number
):
    def swallow():
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        return TypeError("cannot convert")

    before = signal.getsignal(number)
    assert failing(swallow) == 1
    assert capsys.readouterr().err == "Stopped. No incomplete files were left.\n"
    assert signal.getsignal(number) is before


def test_a_fault_of_the_program_is_not_hidden(failing):
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
def test_a_signal_that_was_to_be_ignored_stays_so(name, failing, monkeypatch, capsys):
    """As `nohup` and the background jobs of a script ask for."""
    number = getattr(signal, name)
    earlier = signal.signal(number, signal.SIG_IGN)
    try:
        assert failing(lambda: (signal.raise_signal(number), ValueError("went on"))[1])
        assert "went on" in capsys.readouterr().err
    finally:
        signal.signal(number, earlier)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
def test_a_terminal_that_is_closed_stops_as_ctrl_c_does(failing, capsys):
    failing(lambda: (signal.raise_signal(signal.SIGHUP), ValueError("went on"))[1])
    assert "Stopped" in capsys.readouterr().err


def test_help_survives_a_reader_that_leaves_and_closed_streams():
    command = f'"{sys.executable}" -m cry_tf.cli.main train --help'
    for redirections in ("| true", ">&- 2>&- <&-", "| head -1"):
        done = subprocess.run(
            ["bash", "-c", f"{command} {redirections}; exit ${{PIPESTATUS[0]}}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 141)
        assert "Traceback" not in done.stderr
        assert "Broken pipe" not in done.stderr
