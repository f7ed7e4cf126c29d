"""`mlf classes`: a project's list of classes, seen and changed."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.project.wording import so_many

if TYPE_CHECKING:
    from pipeline.project.class_changes import ChangedClasses
    from pipeline.project.folder import Project
    from pipeline.project.label_space import LabelSpace


class _ProjectFirst(typer.core.TyperGroup):
    """Takes the project before the verb, too: ``mlf classes birds add lynx``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if len(args) > 1 and args[0] not in self.commands and args[1] in self.commands:
            args = [args[1], args[0], *args[2:]]
        return super().parse_args(ctx, args)


classes = typer.Typer(
    cls=_ProjectFirst,
    no_args_is_help=True,
    help="Show and change a project's list of classes, while people work. A class never moves and never changes its "
    "meaning, so votes, proposals and models' outputs stay true; each change is kept in the project's sealed history.",
)

Root = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")]
By = Annotated[str, typer.Option(help="Who makes the change; left out, the account that runs the command.")]
Keys = Annotated[list[str], typer.Argument(help="Classes, by key or name.")]


@classes.command("list")
def list_(
    project: Root,
    everything: Annotated[bool, typer.Option("--all", help="Also classes that are no longer in the list.")] = False,
) -> object:
    """Show the classes: index, key, name, parent, and what became of those that are gone.

    Example: mlf classes list birds --all
    """
    space = _opened(project).label_space
    for info in space:
        if info.fate and not everything:
            continue
        into = ", ".join(space[i].key for i in info.into)
        notes = [f"a kind of {info.parent}"] if info.parent else []
        notes += [f"{info.fate} into {into}" if into else info.fate] if info.fate else []
        notes += [f"since change {info.since}"] if info.since else []
        called = info.key if info.name == info.key else f"{info.key}  {info.name}"
        typer.echo(f"{info.index:>6}  {called}" + (f"  ({'; '.join(notes)})" if notes else ""))
    gone = f"; {len(space.gone):,} more were merged, split or retired" if space.gone else ""
    typer.echo(f"{so_many(len(space) - len(space.gone), 'class')}{gone}")
    return [info for info in space if everything or not info.fate]


@classes.command()
def add(
    project: Root,
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of the new classes.")] = None,
    name: Annotated[str, typer.Option(help="What people call it, where one class is added.")] = "",
    synonyms: Annotated[str, typer.Option(help="Other names, separated by semicolons.")] = "",
    definition: Annotated[str, typer.Option(help="What it is.")] = "",
    parent: Annotated[str, typer.Option(help="Key of the class that it is a kind of.")] = "",
    file: Annotated[
        Path | None, typer.Option("--from", help="A file of classes, as `mlf init --classes` reads.")
    ] = None,
    by: By = "",
) -> None:
    """Add classes at the end of the list.

    On images that are done they count as not shown, never as `no`; `offer` has people look again. Proposals get them
    from the next model that knows them, and search finds them at once.

    Example: mlf classes add birds lynx --name "Eurasian lynx" --parent cat
    """
    from pipeline.errors import ProjectError
    from pipeline.project.class_changes import add_classes, find_class
    from pipeline.project.class_files import synonyms_in
    from pipeline.project.label_space import ClassInfo, load_label_space, name_from_key
    from pipeline.project.names import settled

    keys = [settled(key) for key in keys or []]
    if file is not None and keys:
        raise ProjectError("name the classes, or give a file of them with --from; not both")
    if len(keys) > 1 and (name or synonyms or definition):
        raise ProjectError("--name, --synonyms and --definition describe one class; add several with --from FILE")
    other = synonyms_in(synonyms)

    def make(space: LabelSpace, since: int) -> ChangedClasses:
        above = find_class(space, parent).key if parent else ""
        new = list(load_label_space(file)) if file is not None else []
        for key in keys:
            called = settled(name) or name_from_key(key)
            new.append(ClassInfo(0, key, called, other, settled(definition), above))
        return add_classes(space, new, since)

    opened = _opened(project)
    _change(opened, "add", make, by)
    first = keys[0] if keys else "KEY"
    _say_next(f"classes {_root(opened)} offer {shlex.quote(first)}", "have people look again")


@classes.command()
def rename(
    project: Root,
    key: Annotated[str, typer.Argument(help="The class, by key or name.")],
    name: Annotated[str, typer.Argument(help="Its new name; the key stays.")],
    synonyms: Annotated[str | None, typer.Option(help="Other names, separated by semicolons.")] = None,
    definition: Annotated[str | None, typer.Option(help="What it is.")] = None,
    by: By = "",
) -> None:
    """Change what people read; the former name stays a synonym, and votes and files stay as they are.

    Example: mlf classes rename birds cup "drinking vessel"
    """
    from pipeline.project.class_changes import rename_class
    from pipeline.project.class_files import synonyms_in

    words = None if synonyms is None else synonyms_in(synonyms)
    _change(_opened(project), "rename", lambda space, _since: rename_class(space, key, name, words, definition), by)


@classes.command()
def merge(
    project: Root,
    keys: Keys,
    into: Annotated[str, typer.Option(help="What the merged class is called.")],
    by: By = "",
) -> None:
    """Make one class of several: yes where either was yes, no only where all of them were.

    Where only some of them were shown and refused, the merged class counts as not shown. What was voted stays in the
    log, and each vote that follows is an event of its own.

    Example: mlf classes merge birds cat kitten --into cat
    """
    from pipeline.project.class_changes import merge_classes

    _change(_opened(project), "merge", lambda space, since: merge_classes(space, keys, into, since), by)


@classes.command()
def split(
    project: Root,
    key: Annotated[str, typer.Argument(help="The class, by key or name.")],
    into: Annotated[str, typer.Option(help="Its parts, separated by commas; new ones are added.")],
    by: By = "",
) -> None:
    """Make several classes of one: images that had it are open again, and offer the parts; a no holds for each part.

    Example: mlf classes split birds bird --into songbird,waterbird
    """
    from pipeline.project.class_changes import split_class
    from pipeline.project.names import names_in

    opened = _opened(project)
    _change(opened, "split", lambda space, since: split_class(space, key, names_in(into), since), by)
    _say_next(f"status {_root(opened)}", "see whose tasks are open again")


@classes.command()
def retire(project: Root, keys: Keys, by: By = "") -> None:
    """Take classes out of the list: no longer offered or found, and votes on them no longer count.

    Example: mlf classes retire birds lamp
    """
    from pipeline.project.class_changes import retire_classes

    _change(_opened(project), "retire", lambda space, _since: retire_classes(space, keys), by)


@classes.command()
def offer(
    project: Root,
    key: Annotated[str, typer.Argument(help="The class, by key or name.")],
    images: Annotated[
        Path | None, typer.Option(help="Text file with an image's id on each line; left out, all assigned images.")
    ] = None,
    by: By = "",
) -> None:
    """Offer a class on images where it was not shown: their tasks are open again until it was seen.

    Example: mlf classes offer birds lynx --images ids.txt
    """
    from pipeline.errors import DatasetError
    from pipeline.stages.classes import offer_class

    ids = None
    if images is not None:
        try:
            ids = [line for line in images.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{images}: cannot be read as a list of image ids, one on each line: {error}") from error
    outcome = offer_class(_opened(project), key, ids, by)
    typer.echo(f"Change {outcome.change.number}: {outcome.change.text}")


@classes.command()
def pairs(project: Root) -> object:
    """Show which classes stand beside each other on the annotators' page, and take up new lines of the guidelines.

    They are pairs that guidelines name, that votes confuse, or that share the first two proposals of the same images.
    `mlf assign` and `mlf analyze` find them anew; images that somebody has begun stay as they are.

    Example: mlf classes pairs birds
    """
    from pipeline.stages.class_pairs import keep_class_pairs

    opened = _opened(project)
    space, found = opened.label_space, keep_class_pairs(opened)
    for pair in found:
        typer.echo(f"  {space[pair.one].name} / {space[pair.other].name}  ({pair.source})")
    if not opened.settings.annotation.pairs_together:
        typer.echo("They stand where they are: pairs_together is off in mlf.toml, section [annotation]")
    untold = next((pair for pair in found if pair.source != "guidelines"), None)
    if untold is not None:
        one, other = space[untold.one].name, space[untold.other].name
        typer.echo(f"To say how they differ, add a line to guidelines.md below `## Classes`: - {one} / {other}: …")
    typer.echo(f"{len(found):,} pairs of classes that are easily taken for each other")
    return [{"one": space[pair.one].key, "other": space[pair.other].key, "source": pair.source} for pair in found]


@classes.command()
def suggestions(project: Root) -> object:
    """Show the classes that annotators miss: a line `class: NAME` in a comment suggests one.

    Example: mlf classes suggestions birds
    """
    from pipeline.stages.class_suggestions import class_suggestions

    opened = _opened(project)
    found = class_suggestions(opened)
    for each in found:
        typer.echo(f"  {each.name}: {so_many(len(each.images), 'image')}, suggested by {', '.join(each.people)}")
    if not found:
        typer.echo("Nobody suggests a class; annotators do so by a line `class: NAME` in a comment")
        return found
    typer.echo(f"Take one up, or not: mlf classes take {_root(opened)} NAME, mlf classes decline {_root(opened)} NAME")
    return found


@classes.command()
def take(
    project: Root,
    name: Annotated[str, typer.Argument(help="The class, as it was suggested.")],
    key: Annotated[str, typer.Option(help="Its key; left out, its name.")] = "",
    parent: Annotated[str, typer.Option(help="Key of the class that it is a kind of.")] = "",
    by: By = "",
) -> None:
    """Add a class that annotators suggest, and offer it on the images on which they did.

    Example: mlf classes take birds lynx --parent cat
    """
    from pipeline.stages.class_suggestions import take_up

    outcome = take_up(_opened(project), name, key=key, parent=parent, by=by)
    typer.echo(
        f"Change {outcome.change.number}: {outcome.change.text}; {so_many(outcome.n_classes, 'class')} in the list"
    )


@classes.command()
def decline(
    project: Root,
    name: Annotated[str, typer.Argument(help="The class, as it was suggested.")],
    by: By = "",
) -> None:
    """Do not take up a class that annotators suggest; it is no longer listed, and the comments stay.

    Example: mlf classes decline birds gryphon
    """
    from pipeline.stages.class_suggestions import decline as note

    change = note(_opened(project), name, by=by)
    typer.echo(f"Change {change.number}: {change.text}")


def _change(project: Project, what: str, make: Callable[[LabelSpace, int], ChangedClasses], by: str) -> None:
    from pipeline.stages.classes import change_classes

    outcome = change_classes(project, what, make, by)
    typer.echo(
        f"Change {outcome.change.number}: {outcome.change.text}; {so_many(outcome.n_classes, 'class')} in the list"
    )
    if project.refined_labels_path.exists() and what != "rename":
        typer.echo(f"Labels settled before are of the earlier list; settle again: mlf settle {_root(project)}")


def _say_next(command: str, why: str) -> None:
    typer.echo(f"To {why}: mlf {command}")


def _opened(project: Path) -> Project:
    from pipeline.project.image_table import open_whole_project

    return open_whole_project(project)


def _root(project: Project) -> str:
    return shlex.quote(str(project.root))
