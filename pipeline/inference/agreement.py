"""Measured on a sample before a run: how far rankings agree with those in float32, and with those of Pillow's pixels.

Each table keeps its figures. A run that goes on has them already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.inference.decoding import refuse_other_rankings
from pipeline.inference.parts import DECODING
from pipeline.inference.precision import AGREEMENT, DECODING_AGREEMENT, agreement_record, sample_of
from pipeline.project.tables import PREDICTIONS

if TYPE_CHECKING:
    from pipeline.inference.engine import Engine
    from pipeline.inference.filling import Sink


def measure_precision(sinks: Sequence[Sink], engine: Engine, n_images: int) -> None:
    """Measure how far rankings agree with those in float32."""
    left = [
        number
        for number in _without_figure(sinks, AGREEMENT)
        if sinks[number].filling.network.precision != "float32" or sinks[number].filling.network.is_compiled
    ]
    while left:
        config = sinks[left[0]].filling.network.data_config
        together = [number for number in left if sinks[number].filling.network.data_config == config]
        left = [number for number in left if number not in together]
        for number, found in zip(together, engine.agreements(together, sample_of(n_images)), strict=True):
            sinks[number].note(agreement_record(found))


def measure_decoding(sinks: Sequence[Sink], engine: Engine, n_images: int) -> None:
    """Measure how far rankings of a GPU's pixels agree with those of Pillow's.

    Raise `DecodingError` where those of one table do not; then no table has been touched.
    """
    from pipeline.inference.engine import LocalEngine

    found = {}
    for number in _without_figure(sinks, DECODING_AGREEMENT):
        if DECODING in sinks[number].filling.settings:
            assert isinstance(engine, LocalEngine)  # no other is given such tables
            found[number] = engine.decoding_agreement(number, n_images)
            refuse_other_rankings(sinks[number].filling.name, found[number])
    for number, agreement in found.items():
        sinks[number].note(agreement_record(agreement, DECODING_AGREEMENT))


def _without_figure(sinks: Sequence[Sink], key: bytes) -> list[int]:
    """Return the tables of rankings, by position, that have no such figure yet."""
    return [
        number
        for number, sink in enumerate(sinks)
        if sink.filling.schema == PREDICTIONS and key.decode() not in (sink.parts.note or {})
    ]
