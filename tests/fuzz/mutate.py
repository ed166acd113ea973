"""Inputs nobody thought of: a seed, changed a few times at random places, the same way for the same random numbers."""

from collections.abc import Sequence
from random import Random

LONGEST = 64 * 1024


def mutate(rng: Random, seeds: Sequence[bytes], dictionary: Sequence[bytes]) -> bytes:
    data = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 9))):
        data = _change(rng, data, seeds, dictionary)
    return data[:LONGEST]


def _change(rng: Random, data: bytes, seeds: Sequence[bytes], dictionary: Sequence[bytes]) -> bytes:
    begin = rng.randint(0, len(data))
    end = min(len(data), begin + rng.choice((1, 1, 2, 4, 16, 64)))
    before, cut, after = data[:begin], data[begin:end], data[end:]
    match rng.randrange(10):
        case 0:  # flip a bit
            return before + (bytes([cut[0] ^ 1 << rng.randrange(8)]) if cut else b"") + data[begin + 1 :]
        case 1:  # insert bytes
            return before + rng.randbytes(rng.randint(1, 4)) + cut + after
        case 2:  # delete
            return before + after
        case 3:  # duplicate, sometimes often
            return before + cut * rng.choice((2, 2, 3, 50)) + after
        case 4:  # splice with the end of another seed
            other = rng.choice(seeds)
            return before + other[rng.randint(0, len(other)) :]
        case 5:  # move
            elsewhere = rng.randint(0, len(before))
            return before[:elsewhere] + cut + before[elsewhere:] + after
        case 6:
            return before if rng.random() < 0.5 else after
        case 7:  # replace one token by another, where it stands
            old = rng.choice(dictionary)
            return data.replace(old, rng.choice(dictionary), rng.choice((1, -1)))
        case 8:  # overwrite with a token
            return before + rng.choice(dictionary) + after
        case _:  # insert a token
            return before + rng.choice(dictionary) + cut + after
