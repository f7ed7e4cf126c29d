"""Several pictures in one answer: how they are asked for, and how they are sent."""

from pipeline.service.admission import Refusal, Service
from pipeline.session import Picture, Unreadable

MANY_PICTURES = "application/vnd.mlf.pictures"
PICTURES: dict[int | str, dict[str, object]] = {
    200: {"content": {MANY_PICTURES: {}}, "description": "A length, heads as JSON, and the pictures' bytes."}
}
#: Whole numbers, separated by commas.
SEVERAL = r"^\d{1,10}(,\d{1,10})*$"
MAX_SMALL_SIDE_PX = 512


def several(numbers: str, most: int, what: str) -> list[int]:
    """Return the numbers of a text that fits :data:`SEVERAL`.

    Raises
    ------
    Refusal
        If there are more than `most`.
    """
    wanted = [int(text) for text in numbers.split(",")]
    if len(wanted) > most:
        raise Refusal(400, "StoreError", f"{len(wanted)} {what} asked for at once; at most {most} are given")
    return wanted


def placeless(service: Service, picture: Picture | Unreadable) -> Picture | Unreadable:
    """Return a picture whose reason, where it has none to show, names no folder of this machine."""
    return Unreadable(service.without_places(picture.reason)) if isinstance(picture, Unreadable) else picture
