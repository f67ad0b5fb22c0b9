"""Questions and labels as a tree of tokens, so that shared beginnings are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Leaf(NamedTuple):
    """One label of one question, as tokens."""

    question: int
    place: int
    suffix: tuple[int, ...]
    label: tuple[int, ...]

    @property
    def path(self) -> tuple[int, ...]:
        """What must be computed to read the label: all but its last token, which is only looked up."""
        return self.suffix + self.label[:-1]


@dataclass(slots=True)
class Node:
    """A token to compute. `sequences`: the paths that run through it. `reads`: what is looked up in the distribution
    after it: (question, label's place, token)."""

    token: int
    position: int
    sequences: list[int] = field(default_factory=list)
    reads: list[tuple[int, int, int]] = field(default_factory=list)
    children: dict[int, Node] = field(default_factory=dict)


def tree(first: int, position: int, leaves: Sequence[Leaf]) -> tuple[list[Node], int]:
    """The tokens of some leaves after the root `first` at `position`: parents before children, branch by branch, in the
    order of the leaves; and the number of sequences: paths that no longer path runs through."""
    root = Node(first, position)
    for leaf in leaves:
        node = root
        for depth, token in enumerate(leaf.suffix + leaf.label):
            place_in_label = depth - len(leaf.suffix)
            if place_in_label >= 0:
                node.reads.append((leaf.question, leaf.place, token))
            if place_in_label < len(leaf.label) - 1:
                node = node.children.setdefault(token, Node(token, node.position + 1))
    ordered: list[Node] = []
    path: list[Node] = []
    sequences = 0
    stack = [root]
    while stack:
        node = stack.pop()
        del path[node.position - position :]
        path.append(node)
        ordered.append(node)
        stack.extend(reversed(node.children.values()))
        if not node.children:
            for above in path:
                above.sequences.append(sequences)
            sequences += 1
    return ordered, sequences
