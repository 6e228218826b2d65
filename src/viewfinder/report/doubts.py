"""Why the numbers of a report deserve less trust than they seem to."""

from collections.abc import Mapping, Sequence
from typing import Any

from viewfinder.metrics.bootstrap import LEAST_IMAGES
from viewfinder.words import plural

FEW_IMAGES, FEW_OF_A_CLASS, MOST_NAMED = 100, 10, 10


def doubts(
    words: str,
    images: int,
    per_class: Sequence[Mapping[str, Any]],
    accuracy: float | None,
    guessing: Mapping[str, Any] | None,
    near_copies: int,
) -> list[str]:
    """Return a sentence for each reason: few images, few of a class, near copies, no better than guessing.

    `words` name the judged images; a row of `per_class` has the class and its images (`support`), or its `objects`.
    """
    found = [_few_images(words, images), _few_of_a_class(words, per_class), _copies(near_copies, images)]
    if guessing and accuracy is not None and accuracy <= guessing["value"]:
        found.append(
            f"The model is not better than guessing: always naming the commonest class ({guessing['class']}) is right "
            f"for {guessing['value']:.1%}, the model for {accuracy:.1%}. It has learned nothing of use."
        )
    return [one for one in found if one]


def _few_images(words: str, images: int) -> str:
    if images >= FEW_IMAGES:
        return ""
    told = "too few for an interval" if images < LEAST_IMAGES else "the 95 % intervals are wide"
    return (
        f"Few images were judged: of {words}, a single one is {1 / images:.1%}, and {told}. With {FEW_IMAGES} or more, "
        "the numbers say more."
    )


def _few_of_a_class(words: str, per_class: Sequence[Mapping[str, Any]]) -> str:
    key, kind = ("objects", "objects") if per_class and "objects" in per_class[0] else ("support", "images")
    few = [f"{row['class']} ({row[key]})" for row in per_class if row[key] < FEW_OF_A_CLASS]
    if not few:
        return ""
    named = ", ".join(few[:MOST_NAMED]) + (f" and {len(few) - MOST_NAMED} more" if len(few) > MOST_NAMED else "")
    return (
        f"{plural(len(few), 'class')} with fewer than {FEW_OF_A_CLASS} {kind} on {words}: {named}. What is measured of "
        "each of them alone is little more than chance, and it counts as much in every mean over the classes."
    )


def _copies(near_copies: int, images: int) -> str:
    if not near_copies:
        return ""
    return (
        f"{plural(near_copies, 'test image')} of {images:,} {'is' if near_copies == 1 else 'are'} nearly the same as a "
        "training image (the findings name them), so the model may know them by heart: the numbers flatter it. A "
        "split.group_column keeps such images together."
    )
