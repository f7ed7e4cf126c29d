"""What the marker of regions says, in the languages of the annotation page."""

from __future__ import annotations

_GERMAN = {
    "Keep marks": "Markierungen behalten",
    "Cancel": "Abbrechen",
    "Undo": "Rückgängig",
    "Mark where {name} is on image {number}: {how}": "Markieren, wo {name} auf Bild {number} ist: {how}",
    "drag from corner to corner, once for each place.": "von Ecke zu Ecke ziehen, einmal für jede Stelle.",
    "click, once for each place.": "klicken, einmal für jede Stelle.",
    "1 box marked before stays as it is.": "1 Rahmen von vorher bleibt, wie er ist.",
    "1 point marked before stays as it is.": "1 Punkt von vorher bleibt, wie er ist.",
    "{n} boxes marked before stay as they are.": "{n} Rahmen von vorher bleiben, wie sie sind.",
    "{n} points marked before stay as they are.": "{n} Punkte von vorher bleiben, wie sie sind.",
    "{n} marks, and nothing is saved yet: one label of an image holds at most {most}. Take {surplus} away with Undo": (
        "{n} Markierungen, und noch ist nichts gespeichert: ein Label eines Bildes hat höchstens {most}. "
        "Nehmen Sie {surplus} mit Rückgängig weg"
    ),
    "the marks were not saved: {reason}": "die Markierungen sind nicht gespeichert: {reason}",
    "{reason}. Try again, or cancel.": "{reason}. Versuchen Sie es noch einmal, oder brechen Sie ab.",
}


def said(words: str, language: str, **values: object) -> str:
    """Return words in a language, with the values put in; numbers are written as that language writes them."""
    own = _GERMAN[words] if language == "de" else words
    separator = "." if language == "de" else ","
    texts = {
        name: f"{value:,}".replace(",", separator) if isinstance(value, int) else value
        for name, value in values.items()
    }
    return own.format(**texts)
