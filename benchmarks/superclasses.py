"""Twenty made-up classes above those of ImageNet-1k, for projects with classes that no model knows."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from pipeline.project.label_space import load_label_space

Span = tuple[int, int]


@dataclass(frozen=True)
class Superclass:
    """A class, what people call it, and the ImageNet-1k classes that it is made of (first and last of each span)."""

    key: str
    synonyms: str
    definition: str
    spans: tuple[Span | int, ...]

    @property
    def members(self) -> set[int]:
        """Return the indices of its ImageNet-1k classes."""
        spans = [(span, span) if isinstance(span, int) else span for span in self.spans]
        return {index for first, last in spans for index in range(first, last + 1)}


SUPERCLASSES = (
    Superclass("fish", "shark;ray", "an animal with fins that lives in water", ((0, 6), (389, 397))),
    Superclass("bird", "", "an animal with feathers and wings", ((7, 24), (80, 100), (127, 146))),
    Superclass("reptile", "snake;lizard;turtle;frog", "a cold-blooded animal with scales or moist skin", ((25, 68),)),
    Superclass("insect", "spider;beetle;butterfly", "a small animal with six legs or more", ((70, 79), (300, 326))),
    Superclass("sea creature", "crab;snail;jellyfish;starfish", "a sea animal without bones", ((107, 126), (327, 329))),
    Superclass("dog", "hound;terrier", "a domestic dog of any breed", ((151, 268),)),
    Superclass("beast of prey", "cat;wolf;fox;bear", "a wild or tame animal that hunts", ((269, 299),)),
    Superclass("hoofed animal", "horse;sheep;antelope;camel", "a mammal with hooves", ((339, 355),)),
    Superclass("monkey", "ape;lemur", "a primate other than man", ((365, 384),)),
    Superclass(
        "boat", "ship;canoe;yacht", "a craft that travels on water",
        (403, 472, 484, 510, 554, 576, 625, 628, 724, 780, 814, 833, 871, 913, 914),
    ),
    Superclass(
        "road vehicle", "car;truck;bus;bicycle", "a vehicle that travels on roads",
        (407, 436, 444, 468, 511, 555, 569, 575, 609, 627, 654, 656, 661, 665, 670, 671, 675, 717, 734, 751, 757, 779,
         817, 829, 864, 867, 874),
    ),
    Superclass(
        "furniture", "chair;table;cabinet;bed", "a piece that furnishes a room",
        (423, 431, 453, 493, 495, 516, 520, 526, 532, 548, 553, 559, 564, 648, 703, 736, 765, 831, 857, 861, 894),
    ),
    Superclass(
        "musical instrument", "guitar;horn;drum;piano", "an instrument on which music is played",
        (401, 402, 420, 432, 486, 494, 513, 541, 546, 558, 566, 577, 579, 593, 594, 641, 642, 683, 684, 687, 699, 776,
         822, 875, 881, 889),
    ),
    Superclass(
        "garment", "clothing;coat;dress;skirt", "a piece of clothing for the body",
        (399, 400, 411, 445, 459, 474, 501, 568, 578, 601, 608, 610, 614, 617, 652, 655, 689, 697, 735, 775, 834, 841,
         842, 869, 887),
    ),
    Superclass("food", "fruit;vegetable;dish", "something that is eaten", ((924, 957), (959, 967))),
    Superclass(
        "vessel", "bottle;cup;bowl;pot", "a container for drink or food",
        (438, 440, 441, 463, 469, 503, 504, 505, 544, 567, 572, 647, 653, 659, 720, 725, 737, 809, 849, 883, 898, 899,
         901, 907, 923, 968),
    ),
    Superclass(
        "building", "church;castle;tower", "a structure with walls and a roof",
        (425, 437, 442, 449, 483, 497, 498, 500, 538, 580, 663, 668, 698, 727, 743, 832, 900, 915),
    ),
    Superclass(
        "electronic device", "computer;telephone;camera;radio", "a device that works by electronics",
        (481, 482, 485, 487, 508, 527, 528, 590, 592, 605, 620, 632, 650, 662, 664, 673, 681, 707, 713, 732, 742, 745,
         754, 759, 761, 782, 848, 851),
    ),
    Superclass(
        "tool", "hammer;screwdriver;knife", "a thing held in the hand to do work with",
        (473, 477, 491, 499, 512, 587, 596, 618, 623, 626, 677, 710, 726, 731, 740, 772, 783, 784, 792, 813, 910),
    ),
    Superclass(
        "sports gear", "ball;racket;barbell", "a thing that sports are done with",
        (416, 422, 429, 430, 518, 522, 543, 560, 574, 602, 702, 722, 746, 747, 752, 768, 795, 805, 852, 890),
    ),
)  # fmt: skip


def write_classes(path: Path) -> Path:
    """Write the twenty classes as a file for `mlf init --classes`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("index", "key", "name", "synonyms", "definition"))
        for index, info in enumerate(SUPERCLASSES):
            writer.writerow((index, info.key, info.key, info.synonyms, info.definition))
    return path


def superclass_of() -> dict[str, int]:
    """Return the superclass of each ImageNet-1k class that has one, by WordNet id."""
    keys = load_label_space("imagenet-1k").keys
    return {keys[member]: index for index, info in enumerate(SUPERCLASSES) for member in sorted(info.members)}
