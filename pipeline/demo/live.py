"""Simulated colleagues who work beside a person, deciding an image now and then until they or the person are done."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from random import Random

from pipeline.demo.annotator import SimulatedAnnotator
from pipeline.errors import MlfError


class Colleagues:
    """Threads, one per annotator, that decide an image now and then; a context manager that ends them.

    Parameters
    ----------
    annotators
        The simulated annotators.
    every_s
        Mean time between two images of one annotator, in seconds.
    """

    def __init__(self, annotators: Iterable[SimulatedAnnotator], every_s: float = 5.0) -> None:
        self._every_s = every_s
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(annotator,), name=annotator.name, daemon=True)
            for annotator in annotators
        ]
        #: Errors that ended an annotator's work early, by the annotator's name.
        self.failures: dict[str, str] = {}

    def __enter__(self) -> Colleagues:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, annotator: SimulatedAnnotator) -> None:
        rng = Random(annotator.name)
        try:
            while not self._stop.wait(self._every_s * rng.uniform(0.4, 1.6)):
                if annotator.work(1) == 0:
                    return
        except MlfError as error:
            self.failures[annotator.name] = str(error)
