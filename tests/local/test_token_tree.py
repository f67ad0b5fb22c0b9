"""The tree of tokens of a scoring batch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from recloop.llm.local.scoring import SEQUENCES, _shared_chunks, _waves
from recloop.llm.local.tree import Leaf, tree

TOKEN = st.integers(0, 3)
LEAVES = st.lists(
    st.tuples(st.lists(TOKEN, max_size=4), st.lists(TOKEN, min_size=1, max_size=4)), min_size=1, max_size=12
).map(lambda pairs: [Leaf(n, 0, tuple(suffix), tuple(label)) for n, (suffix, label) in enumerate(pairs)])


@given(LEAVES)
def test_every_label_is_read_after_its_own_beginning_and_nothing_is_computed_twice(leaves: list[Leaf]) -> None:
    nodes, sequences = tree(9, 100, leaves)
    lines: dict[int, list[int]] = {s: [] for s in range(sequences)}
    reads: dict[int, dict[tuple[int, ...], int]] = {leaf.question: {} for leaf in leaves}
    for node in nodes:
        for s in node.sequences:
            assert node.position == 100 + len(lines[s])  # parents first, no gaps: what the memory asks for
            lines[s].append(node.token)
        for question, _, token in node.reads:
            reads[question][tuple(lines[node.sequences[0]])] = token
    for leaf in leaves:
        whole = (9, *leaf.suffix, *leaf.label)
        expected = {whole[:i]: whole[i] for i in range(1 + len(leaf.suffix), len(whole))}
        assert reads[leaf.question] == expected
    beginnings = {(9, *leaf.path)[:i] for leaf in leaves for i in range(1, len(leaf.path) + 2)}
    assert len(nodes) == len(beginnings)
    assert all(node.sequences for node in nodes)


@given(LEAVES, st.integers(9, 40))
def test_waves_keep_the_order_and_the_limits(leaves: list[Leaf], room: int) -> None:
    waves = list(_waves(leaves, room))
    assert [leaf for wave in waves for leaf in wave] == leaves
    for wave in waves:
        nodes, sequences = tree(9, 0, wave)
        assert sequences <= SEQUENCES
        assert len(nodes) <= room


@given(st.integers(0, 600), st.integers(0, 600), st.integers(0, 600))
def test_only_whole_equal_chunks_stay_in_memory(shared: int, held: int, body: int) -> None:
    first, second = [1] * shared + [2] * held, [1] * shared + [3] * body
    kept = _shared_chunks(first, second)
    assert kept % 128 == 0
    assert kept <= shared < kept + 128 or kept == shared
