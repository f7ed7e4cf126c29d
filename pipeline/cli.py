"""The command `mlf`: every module of `pipeline.commands`, and how errors are told."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline import __version__
from pipeline.errors import MlfError, in_plain_words
from pipeline.project.notices import notices_to

_STAGES = "The stages, in order"
_PEOPLE = "For several people at once"
_FILES = "On files of votes and predictions, without a project"
_AROUND = "Around a project"

#: Every command as (module of `pipeline.commands`, function, panel in the help), in the order the help shows them.
COMMANDS = (
    ("demo", "demo", "Begin here"),
    ("init", "init", _STAGES),
    ("propose", "propose", _STAGES),
    ("assign", "assign", _STAGES),
    ("annotate", "annotate", _STAGES),
    ("analyze", "analyze", _STAGES),
    ("refine", "refine", _STAGES),
    ("settle", "settle", _STAGES),
    ("evaluate", "evaluate", _STAGES),
    ("improve", "improve", _STAGES),
    ("report", "report", _STAGES),
    ("status", "status", _AROUND),
    ("why", "why", _AROUND),
    ("backup", "backup", _AROUND),
    ("backup", "restore", _AROUND),
    ("toybox", "toybox", _AROUND),
    ("hub", "hub", _PEOPLE),
    ("serve", "serve", _PEOPLE),
    ("aggregate", "aggregate", _FILES),
    ("score", "score", _FILES),
)
#: Groups of commands, as (module of `pipeline.commands`, its Typer app, panel in the help).
GROUPS = (("store", "store", _AROUND),)
#: Commands that have another name now, and answer with it.
OLD_COMMANDS = (("analyze", "disagreement"),)
_ARGS = "mlf.args"


class _Root(TyperGroup):
    """Tells an error that was foreseen in one line; any other is a defect and keeps its traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--debug` wherever it stands, since people add it to the end; and `~` where the shell leaves it."""
        if "--debug" in args:
            args = ["--debug", *(arg for arg in args if arg != "--debug")]
        args = [_with_home(arg) for arg in args]
        ctx.meta[_ARGS] = args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with notices_to(lambda message: typer.echo(f"Note: {message}")):
                return super().invoke(ctx)
        except MlfError as error:
            self._end(ctx, error, str(error))
        except (OSError, UnicodeError) as error:
            if getattr(error, "errno", None) == errno.EPIPE:
                raise  # whoever read the output has gone; click ends quietly
            self._end(ctx, error, in_plain_words(error, _place(ctx.meta[_ARGS])))
        except typer.BadParameter as error:
            if "is not readable" not in error.message:
                raise  # typer shows how the command is used
            self._end(ctx, error, in_plain_words(f"[Errno {errno.EACCES}] {error.message}"))
        except KeyboardInterrupt:
            typer.echo("Stopped. Give the same command again to go on.", err=True)
            raise typer.Exit(130) from None

    def _end(self, ctx: Any, error: Exception, told: str) -> None:
        if ctx.params.get("debug"):
            raise error
        typer.echo(f"Error: {told}", err=True)
        raise typer.Exit(2) from error


def _with_home(arg: str) -> str:
    """Return an argument with the home folder in place of `~`: of `--out=~/folder` no shell but zsh makes one."""
    option, equals, value = arg.partition("=") if arg.startswith("--") else ("", "", arg)
    is_in_home = value == "~" or value.startswith("~/")
    return f"{option}{equals}{Path(value).expanduser()}" if is_in_home else arg


def _place(args: list[str]) -> str | None:
    """Return the file or folder that a command was about, for errors that name none."""
    values = [arg.partition("=")[2] if arg.startswith("--") else arg for arg in args[1:]]
    return next((value for value in values if value and os.path.exists(value)), None)  # noqa: PTH110 - Path raises for long names


app = typer.Typer(
    name="mlf",
    cls=_Root,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"multilabelfy {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error, not one line.")] = False,
) -> None:
    """Turn a single-label image data set into a multi-label one, with pretrained models and a small team.

    A project is one folder, and each stage one command:

    mlf init birds --images photos/

    mlf propose birds --model resnet50.a1_in1k

    mlf assign birds --annotators ada,ben

    mlf annotate birds --annotator ada

    mlf analyze birds

    mlf refine birds --refiners dora

    mlf settle birds

    mlf evaluate birds

    mlf report birds

    `mlf status birds` says how far a project is and what comes next; `mlf demo` shows all of it on data that it draws
    itself. Each command explains itself: mlf propose --help
    """


def _register() -> None:
    for module, function, panel in COMMANDS:
        command = getattr(import_module(f"pipeline.commands.{module}"), function)
        app.command(name=function, rich_help_panel=panel)(command)
    for module, group, panel in GROUPS:
        app.add_typer(getattr(import_module(f"pipeline.commands.{module}"), group), name=group, rich_help_panel=panel)
    for module, function in OLD_COMMANDS:
        app.command(name=function, hidden=True)(getattr(import_module(f"pipeline.commands.{module}"), function))


_register()


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal or a log of another encoding must not stop a command
            stream.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
