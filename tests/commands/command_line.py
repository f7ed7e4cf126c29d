"""The command line as a person uses it, in this process."""

from __future__ import annotations

from typer.testing import CliRunner

from pipeline.cli import app


def run_mlf(*arguments: object, code: int = 0) -> str:
    """Run a command, check the status with which it ends, and return what it prints."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.output
