"""Where a text stands in another one, give or take a few characters."""

from __future__ import annotations


def starts(needle: str, text: str, most: int) -> list[int]:
    """Every place where a piece of `text` begins that `most` edits (Levenshtein) at most make of `needle`.

    Sellers' algorithm: one column of the edit table at a time, each entry with the place where its piece begins.
    """
    if most == 0:
        return _exact(needle, text)
    found: dict[int, None] = {}
    costs = list(range(len(needle) + 1))
    begins = [0] * (len(needle) + 1)
    for place, letter in enumerate(text, 1):
        before, before_begin = costs[0], begins[0]
        costs[0], begins[0] = 0, place
        for row, wanted in enumerate(needle, 1):
            cost, begin = before + (wanted != letter), before_begin
            before, before_begin = costs[row], begins[row]
            if before + 1 < cost:
                cost, begin = before + 1, before_begin
            if costs[row - 1] + 1 < cost:
                cost, begin = costs[row - 1] + 1, begins[row - 1]
            costs[row], begins[row] = cost, begin
        if costs[-1] <= most:
            found[begins[-1]] = None
    return list(found)


def _exact(needle: str, text: str) -> list[int]:
    found = []
    place = text.find(needle)
    while place >= 0:
        found.append(place)
        place = text.find(needle, place + 1)
    return found


def likeness(one: str, other: str) -> float:
    """From 0 to 1: twice the longest common subsequence by the length of both."""
    if one == other:
        return 1.0
    row = [0] * (len(other) + 1)
    for letter in one:
        diagonal = 0
        for place, against in enumerate(other, 1):
            above = row[place]
            row[place] = diagonal + 1 if letter == against else max(above, row[place - 1])
            diagonal = above
    return 2 * row[-1] / (len(one) + len(other))
