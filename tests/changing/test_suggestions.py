"""An annotator suggests a class in a comment; the researcher takes it up or not."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.annotation.events import Event, EventKind
from pipeline.project.folder import Project, open_project
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round

Mlf = Callable[..., str]


def comment(project: Project, annotator: str, image: int, text: str) -> None:
    event = Event(
        f"{annotator}-comments-{image}", Round.ANNOTATION, annotator, image, EventKind.COMMENT, {"text": text}
    )
    assert LocalSession(project, annotator).save([event])[0].seq


def test_a_suggested_class_is_taken_up_on_its_images_or_declined(project: Project, mlf: Mlf) -> None:
    assert "Nobody suggests a class" in mlf("classes", project.root, "suggestions")
    comment(project, "ada", 1, "blurred\nclass: lynx")
    comment(project, "ben", 2, "Class:  Lynx ")
    comment(project, "ada", 3, "new class: gryphon")
    comment(project, "ben", 4, "class: cup")  # the list has it
    printed = mlf("classes", project.root, "suggestions")
    assert "lynx: 2 images, suggested by ada, ben" in printed
    assert "gryphon: 1 image, suggested by ada" in printed
    assert "cup" not in printed
    assert "suggested are 'lynx', 'gryphon'" in mlf("classes", project.root, "take", "unicorn", code=2)
    assert "added 'lynx', which ada, ben suggested" in mlf("classes", project.root, "take", "lynx", "--parent", "cat")
    mlf("classes", project.root, "decline", "gryphon", "--by", "maria")
    assert "Nobody suggests a class" in mlf("classes", project.root, "suggestions")
    opened = open_project(project.root)
    lynx = opened.label_space[opened.label_space.index_of("lynx")]
    assert lynx.parent == "cat"
    for name in ("ada", "ben"):
        offered = {task.image_index: task.state.offered for task in LocalSession(opened, name).tasks(range(6))}
        assert {image for image, classes in offered.items() if classes == (lynx.index,)} == {1, 2}
    assert "maria: did not take up the class 'gryphon'" in mlf("project", "history", project.root)
