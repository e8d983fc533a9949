"""Rules of run lengths in memory: exact both ways, equal to pycocotools', and never misread."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from geounet.errors import AnnotationError, GeounetError, OptionError
from geounet.rle import (
    Rle,
    compress,
    decode,
    decompress,
    encode,
    mask_to_pairs,
    pairs_text,
    pairs_to_mask,
    strings_to_masks,
)
from geounet.rle import compressed as compressed_room

MASKS = npst.arrays(np.bool_, npst.array_shapes(min_dims=2, max_dims=2, max_side=40))
SHAPES = st.tuples(st.integers(1, 30), st.integers(1, 30))


def random_mask(rng, largest=120):
    """Empty, full, one pixel, noise of any density, or blocks."""
    shape = tuple(rng.integers(1, largest, 2))
    kind = rng.integers(5)
    mask = np.zeros(shape, np.bool_)
    if kind == 1:
        mask[:] = True
    elif kind == 2:
        mask[rng.integers(shape[0]), rng.integers(shape[1])] = True
    elif kind == 3:
        mask = rng.random(shape) < rng.random()
    elif kind == 4:
        for _ in range(rng.integers(1, 9)):
            row, col = rng.integers(0, shape)
            mask[row : row + rng.integers(1, 30), col : col + rng.integers(1, 30)] = True
    return mask


def blocks(size=4096, count=400):
    """A row-major mask of a town's size."""
    rng, mask = np.random.default_rng(3), np.zeros((size, size), np.bool_)
    for row, col in rng.integers(0, size, (count, 2)):
        mask[row : row + 60, col : col + 40] = True
    return mask


@given(MASKS)
def test_decoding_undoes_encoding(mask):
    """A mask comes back from its counts, its text and its pairs, whatever its memory layout."""
    for layout in (np.ascontiguousarray(mask), np.asfortranarray(mask), mask[::1, ::1].view()):
        rle = encode(layout)
        assert (decode(rle) == mask).all()
        found = decode(rle, row_major=True)
        assert found.flags.c_contiguous
        assert (found == mask).all()
        assert rle.area == mask.sum()
        assert (decompress(compress(rle), mask.shape).counts == rle.counts).all()
    for order in ("column", "row"):
        pairs = mask_to_pairs(mask, order=order)
        assert (pairs_to_mask(pairs, mask.shape, order=order) == mask).all()
        assert (pairs_to_mask(pairs_text(pairs), mask.shape, order=order) == mask).all()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_two_thousand_masks_equal_pycocotools():
    """The compressed text is theirs, and each reads the other's."""
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for mask in [*(random_mask(rng) for _ in range(1999)), blocks()]:
        theirs = coco.encode(np.asfortranarray(mask.view(np.uint8)))
        text = compress(encode(mask))
        assert text == theirs["counts"].decode()
        assert (decode(decompress(theirs["counts"].decode(), mask.shape)) == mask).all()
        assert (coco.decode({"size": list(mask.shape), "counts": text}) == mask).all()


@pytest.mark.parametrize(
    ("mask", "text"), [(np.zeros((5, 7), bool), "S1"), (np.ones((5, 7), bool), "0S1")]
)
def test_two_texts_that_can_be_looked_up(mask, text):
    """All zeros of 5 × 7 are one count of 35, all ones a count of 0 before it."""
    assert compress(encode(mask)) == text


def test_large_counts_are_exact():
    """Counts beyond 32 bits pass through the text unharmed."""
    counts = np.array([2**58, 2**33 + 1, 2**57, 5, 2**58 - 2**33 - 6 - 2**57 + 2**57])
    counts[-1] = 2**59 - counts[:-1].sum()
    rle = Rle(2**30, 2**29, counts)
    assert (decompress(compress(rle), rle.shape).counts == counts).all()


def test_pieces_do_not_show(monkeypatch):
    """Text that is worked on in pieces, cut anywhere, is the same text."""
    mask = np.random.default_rng(1).random((60, 70)) < 0.3
    whole = compress(encode(mask))
    for piece in (13, 17, 100):
        monkeypatch.setattr(compressed_room, "PIECE", piece)
        assert compress(encode(mask)) == whole
        assert (decode(decompress(whole, mask.shape)) == mask).all()


def test_pairs_that_can_be_counted_by_hand():
    """Starts count from 1, down the columns or along the rows."""
    mask = np.array([[0, 1, 1], [1, 1, 0]], np.uint8)
    assert mask_to_pairs(mask).tolist() == [[2, 4]]
    assert mask_to_pairs(mask, order="row").tolist() == [[2, 4]]
    mask = np.array([[1, 0, 1], [1, 0, 0]], np.uint8) * 255
    assert mask_to_pairs(mask).tolist() == [[1, 2], [5, 1]]
    assert mask_to_pairs(mask, order="row").tolist() == [[1, 1], [3, 2]]


def test_labelled_strings_become_channels():
    """Channel = label - 1; a repeated label is a union, a label without string stays empty."""
    masks = strings_to_masks([(1, "1 2"), (3, "4 1"), (1, "2 2")], (2, 3), channels=4)
    assert masks.shape == (4, 2, 3)
    assert [masks[at].sum() for at in range(4)] == [3, 0, 1, 0]
    assert masks[0].T.ravel()[:3].all()
    for label in (0, 5, True, "1"):
        with pytest.raises(AnnotationError, match="row 1: label"):
            strings_to_masks([(label, "1 1")], (2, 3), channels=4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 2 3", "3 numbers"),
        ("1 2 2 1", "pair 2 is `2 1`; the run before it ends at 2"),
        ("5 1 1 1", "pair 2 is `1 1`"),
        ("1 0", "pair 1 is `1 0`"),
        ("0 3", "pair 1 is `0 3`"),
        ("30 7", "ends beyond the mask's 35 pixels"),
        ("36 1", "ends beyond"),
        ("1 2.5", "character 4 is '.'"),
        ("1 -2", "character 3 is '-'"),
        ("1 x", "character 3 is 'x'"),
        ("1 ٣", "character 3 is '٣'"),
        ("nan", "character 1 is 'n'"),
        ("9223372036854775807 9223372036854775807", "more than 18 digits"),
        ("1 99999999999999999999", "more than 18 digits"),
        ("999999999999999999 999999999999999999", "ends beyond"),
    ],
)
def test_malformed_pairs_are_refused_with_their_place(text, told):
    """Odd counts, foreign letters, overlapping or unsorted runs, and what leaves the mask."""
    with pytest.raises(AnnotationError) as caught:
        pairs_to_mask(text, (5, 7))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("S1 ", "character 3 is ' '"),
        ("Sü", "character 2 is 'ü'"),
        ("p", "character 1 is 'p'"),
        ("S", "promises another"),
        ("o" * 99, "longer than 12"),
        ("", "0 counts fill 0 of 35"),
        ("R1", "1 counts fill 34 of 35"),
        ("T1", "count 1"),
        ("N", "count 1 is -2"),
        ("1112J", "count 5 is -5"),
        ("S11", "count 2 is 1"),
        ("oooooooooooO", "count 1"),
    ],
)
def test_malformed_texts_are_refused_with_their_place(text, told):
    """Foreign characters, a cut end, and counts that do not fill the mask exactly."""
    with pytest.raises(AnnotationError) as caught:
        decompress(text, (5, 7), "file: annotation 3")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("counts", [[34], [36], [], [-1, 36], [2**62, 2**62, 2**62, 2**62 + 35]])
def test_counts_fill_the_mask_exactly(counts):
    """Too few, too many, below 0, or a sum that would wrap: refused when the thing is made."""
    with pytest.raises(AnnotationError):
        Rle(5, 7, np.array(counts, np.int64))


def test_what_is_no_mask_is_refused():
    """Other axes, no pixels, fractions, an order that is none."""
    for wrong in (np.zeros((2, 3, 4)), np.zeros((0, 3), bool), np.zeros((2, 3))):
        with pytest.raises(OptionError):
            encode(wrong)
    with pytest.raises(OptionError):
        mask_to_pairs(np.zeros((2, 3), bool), order="C")


def parsed(text, shape):
    """Feed a text to both parsers; only our own errors, and only masks that encode back."""
    for parser in (pairs_to_mask, lambda text, shape: decode(decompress(text, shape))):
        try:
            mask = parser(text, shape)
        except GeounetError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        else:
            assert mask.shape == shape
            assert mask.dtype == np.bool_
            assert (decode(encode(mask)) == mask).all()


TEXTS = st.one_of(
    st.text(),
    st.text(st.sampled_from("0123456789 \t-"), max_size=60),
    st.text(st.characters(min_codepoint=46, max_codepoint=113), max_size=60),
    st.lists(st.integers(0, 40)).map(lambda numbers: " ".join(map(str, numbers))),
)


@given(TEXTS, SHAPES)
@example("1 1\n", (2, 2))
@example("0001 01", (2, 2))
def test_any_text_is_a_mask_or_our_own_error(text, shape):
    """No input makes a parser crash, hang, or hand out another shape."""
    parsed(text, shape)


@pytest.mark.slow
@settings(max_examples=100_000, deadline=None)
@given(TEXTS, SHAPES)
def test_any_text_a_hundred_thousand_times(text, shape):
    """The same, for as many inputs as the contract names."""
    parsed(text, shape)


@given(MASKS, st.integers(0, 200), st.characters(min_codepoint=40, max_codepoint=120))
def test_a_damaged_text_is_never_read_as_more_than_the_mask(mask, at, letter):
    """One character replaced: another mask of the same shape, or a refusal."""
    text = compress(encode(mask))
    at %= len(text)
    parsed(text[:at] + letter + text[at + 1 :], mask.shape)
