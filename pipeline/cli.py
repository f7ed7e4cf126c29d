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
from pipeline.commands.json_output import NOTICES, is_json, print_json, reports, with_json
from pipeline.errors import MlfError, in_plain_words
from pipeline.project.notices import notices_to

_AROUND = "Around a project"
#: The commands of each panel of the help, in its order: modules of `pipeline.commands`, with the function where it is
#: not called as its module is.
_PANELS = {
    "Begin here": "demo",
    "The stages, in order": "init propose assign annotate analyze refine settle evaluate improve report",
    _AROUND: "doctor add exchange:import_ exchange:export status models compare_labels why backup backup:restore "
    "toybox",
    "For several people at once": "hub serve",
    "On files of votes and predictions, without a project": "aggregate score compare_datasets",
}
#: Every command as (module of `pipeline.commands`, function, panel in the help), in the order the help shows them.
COMMANDS = tuple(
    (module, function or module, panel)
    for panel, commands in _PANELS.items()
    for module, _, function in (command.partition(":") for command in commands.split())
)
#: Groups of commands, as (module of `pipeline.commands`, its Typer app, panel in the help).
GROUPS = (("classes", "classes", _AROUND), ("project", "project", _AROUND), ("store", "store", _AROUND))
_ARGS = "mlf.args"


class _Root(TyperGroup):
    """Tells an error that was foreseen in one line; any other is a defect and keeps its traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--debug` wherever it stands, since people add it to the end; and `~` where the shell leaves it."""
        if "--debug" in args:
            args = ["--debug", *(arg for arg in args if arg != "--debug")]
        args = [_with_home(arg) for arg in args]
        ctx.color = False if os.environ.get("NO_COLOR") else ctx.color
        ctx.meta[_ARGS] = args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with notices_to(lambda message: _tell(ctx, message)):
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
        typer.echo(f"{typer.style('Error:', fg='red', bold=True)} {told}", err=True)
        if is_json(ctx):
            figures = getattr(error, "figures", None)
            found = {} if figures is None else {"result": figures}
            print_json(ctx, error={"kind": type(error).__name__, "message": told}, **found)
        raise typer.Exit(2) from error


def _tell(ctx: Any, message: str) -> None:
    ctx.meta.setdefault(NOTICES, []).append(message)
    typer.echo(f"{typer.style('Note:', fg='yellow')} {message}", err=True)


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


def command_name(function: str) -> str:
    """Return what the command of a function is called: `compare-labels`, `import`."""
    return function.rstrip("_").replace("_", "-")


def _register() -> None:
    for module, function, panel in COMMANDS:
        command = getattr(import_module(f"pipeline.commands.{module}"), function)
        command = with_json(command) if reports(command) else command
        app.command(name=command_name(function), rich_help_panel=panel)(command)
    for module, group, panel in GROUPS:
        verbs = getattr(import_module(f"pipeline.commands.{module}"), group)
        for verb in verbs.registered_commands:
            if verb.callback is not None and reports(verb.callback):
                verb.callback = with_json(verb.callback)
        app.add_typer(verbs, name=group, rich_help_panel=panel)


_register()


def main() -> None:
    """Run the command line."""
    if not sys.stderr.isatty():  # a pipe or a file gets no progress bars; nor do the kernels of stages
        os.environ.setdefault("TQDM_DISABLE", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal or a log of another encoding must not stop a command
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="mlf")


if __name__ == "__main__":
    main()
