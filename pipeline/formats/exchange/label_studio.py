"""Label Studio's JSON: tasks with everyone's annotations, and models' predictions.

https://labelstud.io/guide/task_format. A task that somebody skipped has `was_cancelled`, and is no empty result.
Choices come as text, as the path of a nested choice or of a taxonomy (its last word counts), or as an alias.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, Label, Outgoing, Proposal, ReadOptions, Refused, Sitting
from pipeline.formats.exchange.rows import as_name, as_number, json_content
from pipeline.project.names import first_few
from pipeline.project.notices import tell
from pipeline.project.writing import whole_file, write_text
from pipeline.votes.words import Round, Vote

_CHOICES, _UNSURE, _COMMENT, _ANNOTATOR = "labels", "unsure", "comment", "annotator"
_REFINED = "refined labels"
_IMAGE = ("image", "img", "image_url", "url", "file", "path")


def read(paths: Sequence[Path], options: ReadOptions) -> Iterator[ImageContent | Refused]:
    """Read tasks; each annotation is somebody's word, and what nobody said is left open."""
    found = set[str]()
    wanted = options.controls
    for path in paths:
        content = json_content(path)
        tasks = [content] if isinstance(content, dict) else content
        if not isinstance(tasks, list):
            raise DatasetError(f"{path}: holds a {type(content).__name__}; expected Label Studio's list of tasks")
        said, offered = (_controls(tasks, of) for of in (_annotations, _predictions))
        found |= said | offered
        named = {*wanted, _UNSURE}
        if wanted and said and not said & named:
            tell(f"{path}: no label is chosen in it: --controls names none of {', '.join(sorted(said))}")
        controls, of_models = (named, named) if wanted else _controls_of_labels(said, offered, path)
        for number, task in enumerate(tasks):
            yield from _task(task, f"{path.name}, task {number}", options.annotator, controls, of_models)
    if unknown := [name for name in wanted if name not in found]:
        reason = f"no control {unknown[0]!r} (--controls) has choices; there are {sorted(found)}"
        if len(unknown) == len(wanted):
            raise DatasetError(f"{first_few(map(str, paths))}: {reason}")
        tell(reason)


def _controls(tasks: list[Any], of: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> set[str]:
    """Return the controls that have choices in the annotations or the predictions of tasks, skipped ones aside."""
    given = (each for task in tasks if isinstance(task, dict) for each in of(task) if not _is_skipped(each))
    items = (item for each in given for item in each.get("result") or () if isinstance(item, dict))
    said = (item for item in items if item.get("type") != "textarea" and isinstance(item.get("value"), dict))
    return {str(item.get("from_name", "")) for item in said} - {_ANNOTATOR}


def _controls_of_labels(said: set[str], offered: set[str], path: Path) -> tuple[set[str], set[str]]:
    """Return the controls whose choices are labels, in annotations and in predictions: the only one with choices.

    Predictions may come from a control of their own. Where nobody annotated, they alone decide.

    Raises
    ------
    DatasetError
        If several have choices, since one may ask for something else (quality, what is absent).
    """
    controls = said if said - {_UNSURE} else said | offered
    of_models = (offered & controls) - {_UNSURE} or offered
    several = next((each for each in (controls, of_models) if len(each - {_UNSURE}) > 1), None)
    if several:
        raise DatasetError(
            f"{path}: several controls have choices ({', '.join(sorted(several))}), and nothing says which of them are "
            "labels; name those with --controls"
        )
    return controls, of_models


def _is_skipped(annotation: dict[str, Any]) -> bool:
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def _task(
    task: Any, place: str, annotator: str, controls: set[str], of_models: set[str]
) -> Iterator[ImageContent | Refused]:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        yield Refused(place, "", "it has no `data`: export as JSON, not as JSON-MIN, which leaves out who skipped what")
        return
    place = f"{place} (id {task['id']})" if "id" in task else place
    data = task["data"]
    image = _image_of(data)
    if not image:
        yield Refused(place, "", f"its `data` names no image; expected one of {', '.join(_IMAGE)}")
        return
    read = [_annotation_of(each, data, place, image, annotator, controls) for each in _annotations(task)]
    yield from (each for each in read if isinstance(each, Refused))
    found = [each for each in read if not isinstance(each, Refused)]
    labels = next((each for _, each in reversed(found) if each is not None), None)
    sittings = tuple(each for each, _ in found if each is not None)
    proposals = _of_models(_predictions(task), of_models)
    if not read and not proposals:
        yield Refused(place, image, "nobody has annotated it", is_skip=True)
    if labels is not None or sittings or proposals:
        source = as_name(data.get("empty_source"))
        yield ImageContent(image, place, labels=labels, empty_source=source, sittings=sittings, proposals=proposals)


def _annotations(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a task's annotations; older versions called them completions."""
    return [each for each in task.get("annotations") or task.get("completions") or () if isinstance(each, dict)]


def _predictions(task: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in task.get("predictions") or () if isinstance(each, dict)]


def _annotation_of(
    each: dict[str, Any], data: dict[str, Any], place: str, image: str, annotator: str, controls: set[str]
) -> tuple[Sitting | None, tuple[Label, ...] | None] | Refused:
    """Return what an annotation says as somebody's word and, where it is the ground truth, as the label set."""
    who = _who(each) or annotator
    if _is_skipped(each):
        return Refused(place, image, "skipped by its annotator (was_cancelled)", is_skip=True)
    said = _said(each, controls)
    if isinstance(said, str):
        return Refused(place, image, said)
    votes, comment, posteriors = said
    labels = None
    is_truth = Vote.YES in votes.values() or not (votes or _is_only_a_comment(each))
    if each.get("ground_truth") and is_truth:
        labels = tuple(Label(n, "", posteriors.get(n)) for n, vote in votes.items() if vote is Vote.YES)
    if who == _REFINED:
        return None, labels
    if not who:
        return Refused(place, image, "nothing says whose annotation it is; say so with --annotator")
    seen, not_asked = (_listed(data.get(field), who) for field in ("shown", "not_asked"))
    asked = [name for name in seen or () if name not in (not_asked or ())]
    voted = {name: votes.get(name, Vote.NO) for name in [*asked, *votes]}
    is_empty = not (any(vote is not Vote.NO for vote in voted.values()) or _is_only_a_comment(each) or not_asked)
    name, round_ = _in_round(who)
    sitting = Sitting(
        name,
        voted,
        None if seen is None else tuple(seen),
        is_empty,
        comment,
        round_,
        str(each.get("created_at") or ""),
        place,
    )
    return sitting, labels


def _listed(value: Any, who: str) -> list[str] | None:
    """Return what a field of the task's `data` lists of somebody; None where it says nothing of them."""
    listed = value.get(who) if isinstance(value, dict) else None
    return [str(each) for each in listed] if isinstance(listed, list) else None


def _image_of(data: dict[str, Any]) -> str:
    """Return the name of the task's image: what a local file, an upload, a bucket or a web address calls it."""
    value = next((data[key] for key in _IMAGE if isinstance(data.get(key), str)), "")
    value = value or next((v for v in data.values() if isinstance(v, str) and "/" in v), "")
    parts = urlsplit(value)
    if parts.path.rstrip("/").endswith("local-files") and "d" in parse_qs(parts.query):
        return as_name(parse_qs(parts.query)["d"][0])
    is_address = bool(parts.scheme) and parts.netloc
    return as_name(unquote(parts.path).lstrip("/") if is_address or value.startswith("/data/") else value)


def _who(annotation: dict[str, Any]) -> str:
    """Return whose annotation it is: as a field of the result says, else the account."""
    for item in annotation.get("result") or ():
        if item.get("from_name") == _ANNOTATOR and (item.get("value") or {}).get("text"):
            return as_name(item["value"]["text"][0])
    by = annotation.get("completed_by", annotation.get("created_username", ""))
    if isinstance(by, dict):
        return next((n for key in ("email", "username", "first_name", "id") if (n := as_name(by.get(key)))), "")
    return f"user {by}" if isinstance(by, int) else as_name(by)


def _in_round(who: str) -> tuple[str, Round]:
    ending = f" [{Round.REFINEMENT}]"
    return (who.removesuffix(ending), Round.REFINEMENT) if who.endswith(ending) else (who, Round.ANNOTATION)


def _is_only_a_comment(annotation: dict[str, Any]) -> bool:
    fields = [each for each in annotation["result"] if each.get("from_name") != _ANNOTATOR]
    return bool(fields) and all(each.get("type") == "textarea" for each in fields)


def _said(annotation: dict[str, Any], controls: set[str]) -> tuple[dict[str, Vote], str, dict[str, float]] | str:
    """Return what an annotation says of classes, its comment and its posteriors; or why it cannot be read."""
    result = annotation.get("result")
    if not isinstance(result, list):
        return "it has an annotation without `result`"
    votes: dict[str, Vote] = {}
    comments, posteriors = list[str](), dict[str, float]()
    for item in result:
        kind, value = str(item.get("type", "")), item.get("value") or {}
        if item.get("from_name") == _ANNOTATOR:
            continue
        if kind == "textarea":
            comments += [str(text) for text in value.get("text", [])]
            continue
        if str(item.get("from_name", "")) not in controls:
            continue
        names = _names(value.get(kind) if kind else None)
        if names is None:
            return f"its result of type {kind!r} names no classes; name the controls of the labels with --controls"
        vote = Vote.UNSURE if item.get("from_name") == _UNSURE else Vote.YES
        votes |= dict.fromkeys(names, vote)
        scores = (item.get("meta") or {}).get("posteriors") or []
        posteriors |= {n: p for n, p in zip(names, map(as_number, scores), strict=False) if p is not None}
    return votes, "\n".join(comments), posteriors


def _names(value: Any) -> list[str] | None:
    """Return the classes of a value; of the path of a nested choice the last word counts."""
    if not isinstance(value, list):
        return None
    flat = [each[-1] if isinstance(each, list) and each else each for each in value]
    names = [as_name(each) for each in flat]
    return names if all(names) else None


def _of_models(predictions: list[dict[str, Any]], controls: set[str]) -> tuple[Proposal, ...]:
    """Return one list of what all models propose: the surest first where all of them say how sure they are."""
    found = [proposal for each in predictions for proposal in _proposals(each, controls)]
    if len(predictions) > 1 and all(proposal.score is not None for proposal in found):
        found.sort(key=lambda proposal: -(proposal.score or 0.0))
    return tuple(found)


def _proposals(prediction: dict[str, Any], controls: set[str]) -> Iterator[Proposal]:
    model = as_name(prediction.get("model_version"))
    for item in prediction.get("result") or ():
        if str(item.get("from_name", "")) not in controls:
            continue
        names = _names((item.get("value") or {}).get(str(item.get("type", "")))) or []
        scores = list((item.get("meta") or {}).get("scores") or [])
        alone = item.get("score", prediction.get("score")) if len(names) == 1 else None
        for place, name in enumerate(names):
            yield Proposal(name, as_number(scores[place] if place < len(scores) else alone), model)


def write(given: Outgoing, folder: Path) -> list[str]:
    """Write `tasks.json` and the `labeling_config.xml` that goes with it into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "labeling_config.xml", labelling_config(given))
    with whole_file(folder / "tasks.json") as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, record in enumerate(given.images()):
            task = json.dumps(_as_task(record, number), ensure_ascii=False, allow_nan=False)
            file.write(f"{',' if number else ''}\n{task}")
        file.write("\n]\n")
    return [
        "what people were shown is in each task's `data`: Label Studio keeps it, and has no place of its own for it",
        "an annotator whose name is no e-mail address of an account stands in the field `annotator` alone",
        "`data.image` holds the images' paths: serve their folder as local files, or put its address before them",
    ]


def labelling_config(given: Outgoing) -> str:
    """Return the labelling interface that these tasks need: choices (the key is an alias), unsure, a comment."""
    choices = "\n".join(
        f"    <Choice value={quoteattr(shown)}{f' alias={quoteattr(name)}' if shown != name else ''}/>"
        for name, shown in zip(given.classes, _unique(given), strict=True)
    )
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <Choices name="{_CHOICES}" toName="image" choice="multiple">\n{choices}\n  </Choices>\n'
        f'  <Choices name="{_UNSURE}" toName="image" choice="multiple">\n{choices}\n  </Choices>\n'
        f'  <TextArea name="{_COMMENT}" toName="image"/>\n  <TextArea name="{_ANNOTATOR}" toName="image"/>\n</View>\n'
    )


def _unique(given: Outgoing) -> list[str]:
    """Return what people read: the names of classes, or their keys where two share a name."""
    names = given.class_names
    return list(names if len(set(names)) == len(names) else given.classes)


def _as_task(record: ImageContent, number: int) -> dict[str, Any]:
    data: dict[str, Any] = {"image": record.file_name, "image_id": record.image}
    if record.empty_source:
        data["empty_source"] = record.empty_source
    annotations = []
    for sitting in record.sittings:
        who = sitting.annotator + (f" [{sitting.round}]" if sitting.round is Round.REFINEMENT else "")
        if sitting.shown is not None and sitting.is_decided:
            data.setdefault("shown", {})[who] = list(sitting.shown)
            if sitting.not_asked:
                data.setdefault("not_asked", {})[who] = sitting.not_asked
        result = _result(sitting.label_set, _CHOICES)
        result += _result([n for n, vote in sitting.votes.items() if vote is Vote.UNSURE], _UNSURE)
        if sitting.comment:
            result.append(_text(sitting.comment, _COMMENT))
        annotations.append(_annotation(who, result))
    if record.labels is not None:
        result = _result([label.name for label in record.labels], _CHOICES)
        for item in result:
            item["meta"] = {"posteriors": [label.posterior for label in record.labels]}
        annotations.append(_annotation(_REFINED, result) | {"ground_truth": True})
    predictions = []
    for model in dict.fromkeys(each.model for each in record.proposals):
        mine = [each for each in record.proposals if each.model == model]
        result = _result([each.name for each in mine], _CHOICES)
        for item in result:
            item["meta"] = {"scores": [each.score for each in mine]}
        predictions.append({"model_version": model, "score": mine[0].score, "result": result})
    return {"id": number + 1, "data": data, "annotations": annotations, "predictions": predictions}


def _annotation(who: str, result: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an annotation; Label Studio refuses one of an account that it does not have."""
    account = {"completed_by": {"email": who}} if "@" in who else {}
    return {**account, "was_cancelled": False, "ground_truth": False, "result": [*result, _text(who, _ANNOTATOR)]}


def _text(text: str, control: str) -> dict[str, Any]:
    return {"from_name": control, "to_name": "image", "type": "textarea", "value": {"text": [text]}}


def _result(names: list[str], control: str) -> list[dict[str, Any]]:
    value = {"choices": names}
    return [{"from_name": control, "to_name": "image", "type": "choices", "value": value}] if names else []
