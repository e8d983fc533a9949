"""Whether the classes of a recipe have names that layers can have, and fit its network and loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geounet.annotations.classes import MOST
from geounet.card import RESERVED
from geounet.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geounet.training.recipe import Recipe

OF_ONE = ("focal", "boundary")
"""Losses of maps of which each is a question by itself."""
WEIGHED = ("cross-entropy", "dice-entropy")
"""Losses in which pixels of a class may weigh more."""


def check_classes(recipe: Recipe) -> None:
    """Refuse classes that do not fit the rest of a recipe.

    Raises:
        TrainingError: names the entry, what it is and what it may be.
    """
    check_names(recipe.classes)
    said = recipe.network_options.get("classes", recipe.maps)
    if said != recipe.maps:
        raise TrainingError(
            f"recipe: network {recipe.network} is to give {said} maps (expected {recipe.maps} of "
            f"{', '.join(recipe.names)}); leave classes out of its options, name them in classes"
        )
    if recipe.exclusive and recipe.loss in OF_ONE:
        raise TrainingError(
            f"recipe: loss {recipe.loss} is for maps that do not exclude each other, those of "
            f"{recipe.network} do; take cross-entropy, dice, dice-entropy, jaccard or lovasz"
        )
    for entry, shares in (("class_weights", recipe.class_weights), ("balance", recipe.balance)):
        if recipe.classes:  # else the dataset may name some
            check_known(entry, shares, recipe.names)
        if min(shares.values(), default=0.0) < 0:
            raise TrainingError(f"recipe: {entry} is {dict(shares)} (expected 0 or more)")
    if recipe.class_weights and recipe.loss not in WEIGHED:
        raise TrainingError(
            f"recipe: class_weights is for the losses {' and '.join(WEIGHED)}, the recipe's is "
            f"{recipe.loss}; take one of them, or leave class_weights out"
        )
    if sum(recipe.balance.values()) > 1:
        raise TrainingError(f"recipe: balance is {dict(recipe.balance)} (expected a sum up to 1)")
    if recipe.balance and recipe.size is not None:
        raise TrainingError(
            f"recipe: balance chooses where chips are cut, but whole images are shown (size = "
            f"{recipe.size}); leave one of the two out, or take class_weights"
        )


def check_known(entry: str, shares: Mapping[str, float], names: Sequence[str]) -> None:
    """Refuse shares of what is no class.

    Raises:
        TrainingError: names it.
    """
    unknown = [name for name in shares if name not in names]
    if unknown:
        raise TrainingError(
            f"recipe: {entry} names {unknown[0]} (expected some of {', '.join(names)})"
        )


def check_names(names: tuple[str, ...]) -> None:
    """Refuse names that a layer cannot have.

    Raises:
        TrainingError: names which, and why.
    """
    for at, name in enumerate(names):
        low = name.lower()
        if low in (other.lower() for other in names[:at]):
            why = "stands twice, and layers do not tell capitals apart"
        elif low in {"background", *RESERVED} or low.startswith(("gpkg_", "rtree_", "sqlite_")):
            why = "means something else already"
        elif not name.strip() or not name.isprintable() or name != name.strip():
            why = "is no name of a layer"
        else:
            continue
        raise TrainingError(f"class {name!r} {why}; call it otherwise")
    if len(names) > MOST:
        raise TrainingError(f"{len(names)} classes are too many (expected {MOST} at most)")
