"""Numbers and instants straight from the bytes of their texts, eight at a time, for many rows at once.

Only the most common forms are read: numbers of up to eight bytes without an exponent, and instants in whole seconds
that end in Z. All others are marked as not read, and never read wrongly. Everything is arithmetic on arrays of words
whose lowest byte is the first of the text, so that no other thread has to be woken for it.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wayside.record.block import HIGHS, ONE, ONES, Mask, Positions, Words

WORD = 8
"""Bytes of a word, and of the longest number that is read."""
MASKS = np.array([(1 << (8 * n)) - 1 for n in range(WORD + 1)], np.uint64)
"""The lowest n bytes of a word."""
DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)
ZEROS = np.uint64(0x3030303030303030)
FILLING = np.array([0x3030303030303030 & ((1 << (8 * (WORD - n))) - 1) for n in range(WORD + 1)], np.uint64)
"""Zeros in front of n digits."""
SHIFTS = np.array([8 * (WORD - n) if n else 0 for n in range(WORD + 1)], np.uint64)
POWERS = np.array([10.0**n for n in range(WORD + 1)])
BYTE, MINUS, ZERO = np.uint64(0xFF), np.uint64(0x2D), np.uint64(0x30)
NIBBLES, SIXES = np.uint64(0xF0F0F0F0F0F0F0F0), np.uint64(0x0606060606060606)
THREES = np.uint64(0x3333333333333333)
LOW = np.uint64(0x0F0F0F0F0F0F0F0F)
PAIRS = np.uint64(0x00FF00FF00FF00FF)
FOURS = np.uint64(0x0000FFFF0000FFFF)
FOUR, EIGHT, SIXTEEN, HALF = np.uint64(4), np.uint64(8), np.uint64(16), np.uint64(32)
TEN, HUNDRED, MYRIAD = np.uint64(10), np.uint64(100), np.uint64(10_000)

SECONDS_SIZE = 20
"""Length of an instant in whole seconds, such as 2023-03-28T20:04:22Z."""
DATES = 8
"""Different days that are looked for in one block."""
EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY = 86_400_000_000
NONE = -(1 << 60)
"""What stands for a part of an instant that is none; three of them still fit 64 bits."""
DAY_BYTES = np.uint64(0xFFFFFF)
COLON_MASK, COLON = np.uint64(0xFF << 40), np.uint64(0x3A << 40)
END_MASK, END = np.uint64(0xFF0000FF), np.uint64(0x5A00003A)
TWO_BYTES = np.uint64(0xFFFF)


class Read(NamedTuple):
    """Values of rows, and whether each could be read; where it could not, the value means nothing."""

    values: npt.NDArray[np.float64] | npt.NDArray[np.int64]
    good: Mask


def numbers(words: Words, sizes: Positions, *, whole: bool) -> Read:
    """Numbers in JSON's own form, of which `words` are the first eight bytes; with `whole` only integers.

    Both the digits and the power of ten are exact, so the quotient is the double that is nearest to the text.
    """
    size = np.clip(sizes, 0, WORD)
    good: Mask = size == sizes
    text = words & MASKS.take(size)
    negative = (text & BYTE) == MINUS
    if negative.any():
        text = np.where(negative, text >> EIGHT, text)
        size = np.maximum(size - negative, 0)
    dot = before_dot(text)
    below = MASKS.take(dot)
    count = size - (dot < size)  # of digits
    digits = ((text & below) | ((text >> EIGHT) & ~below)) << SHIFTS.take(count)
    digits |= FILLING.take(count)
    decimals = np.maximum(count - dot, 0)
    integral = count - decimals
    good &= (digits & NIBBLES) | (((digits + SIXES) & NIBBLES) >> FOUR) == THREES
    good &= (integral > 0) & (((text & BYTE) != ZERO) | (integral == 1))
    good &= (dot >= size) if whole else ((decimals > 0) | (dot >= size))
    found = decimal(digits)
    if whole:
        signed = found.view(np.int64)
        return Read(np.where(negative, -signed, signed), good & ~(negative & (signed == 0)))
    values = found.astype(np.float64)
    values /= POWERS.take(decimals)
    if negative.any():
        good &= ~(negative & (dot >= size) & (values == 0.0))  # readers differ on what -0 is
        np.negative(values, out=values, where=negative)
    return Read(values, good)


def before_dot(words: Words) -> Positions:
    """How many bytes come before the first dot of each word, 8 where there is none."""
    zero = words ^ DOTS
    found = (zero - ONES) & ~zero & HIGHS  # of the bits that are set, the lowest is always right
    bits: npt.NDArray[np.uint8] = np.bitwise_count((found - ONE) & ~found)
    return (bits >> 3).astype(np.int64)


def decimal(digits: Words) -> Words:
    """The numbers that words of eight digits stand for, the first digit in the lowest byte."""
    value = digits & LOW
    value = (value * TEN + (value >> EIGHT)) & PAIRS
    value = (value * HUNDRED + (value >> SIXTEEN)) & FOURS
    return (value * MYRIAD + (value >> HALF)) & (BYTE | (BYTE << EIGHT) | (BYTE << SIXTEEN) | (BYTE << np.uint64(24)))


def pairs(unit: int, limit: int) -> npt.NDArray[np.int64]:
    """For each two bytes that are digits of a number below `limit`, so many units; for all others none."""
    table = np.full(1 << 16, NONE, np.int64)
    for value in range(limit):
        table[int.from_bytes(b"%02d" % value, "little")] = value * unit
    return table


HOURS, MINUTES, SECONDS = pairs(3_600_000_000, 24), pairs(60_000_000, 60), pairs(1_000_000, 60)


def seconds(first: Words, second: Words, third: Words, sizes: Positions) -> Read:
    """Microseconds since 1970 of texts like 2023-03-28T20:04:22Z, given as three words of which the last may be any
    bytes from the seventeenth on."""
    micros = HOURS.take((second >> np.uint64(24)) & TWO_BYTES, mode="clip")
    micros += MINUTES.take(second >> np.uint64(48), mode="clip")
    micros += SECONDS.take((third >> EIGHT) & TWO_BYTES, mode="clip")
    good: Mask = sizes == SECONDS_SIZE
    good &= micros >= 0
    good &= ((second & COLON_MASK) == COLON) & ((third & END_MASK) == END)
    return Read(micros, good & dated(micros, first, second & DAY_BYTES))


def dated(micros: npt.NDArray[np.int64], months: Words, days: Words) -> Mask:
    """Add the days to the times of day; returns which rows have a day of the calendar among the first few."""
    good = np.zeros(len(micros), np.bool_)
    left: Positions | None = None
    for _ in range(DATES):
        here = (months, days) if left is None else (months[left], days[left])
        if not len(here[0]):
            break
        same: Mask = (here[0] == here[0][0]) & (here[1] == here[1][0])
        day = day_of(int(here[0][0]).to_bytes(8, "little") + int(here[1][0]).to_bytes(3, "little"))
        if left is None and day is not None and same.all():
            micros += day * DAY
            return same
        rows = np.flatnonzero(same) if left is None else left[same]
        if day is not None:
            micros[rows] += day * DAY
            good[rows] = True
        left = np.flatnonzero(~same) if left is None else left[~same]
    return good


def day_of(text: bytes) -> int | None:
    """Days since 1970 of a text like 2023-03-28T, or null when it is no day."""
    year, month, day = text[:4], text[5:7], text[8:10]
    if not (year + month + day).isdigit() or text[4:5] + text[7:8] + text[10:] != b"--T":
        return None
    try:
        return date(int(year), int(month), int(day)).toordinal() - EPOCH_DAY
    except ValueError:  # a day that its month does not have
        return None
