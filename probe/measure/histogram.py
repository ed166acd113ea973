"""A histogram of durations: log-linear, mergeable, small. Percentiles come from merged counts, never from averages.

Every power of two is cut into 64 buckets of one width, so a value is known to 1/128 (0.8 %) of itself. `frexp` gives power
and place in one step, which makes adding a few dictionary operations. Only buckets that were hit take memory.
"""

import math
import struct
import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from math import frexp
from operator import rshift
from typing import Any, Self

LOWEST_SECONDS = 1e-6  # what is shorter, zero or negative counts in the bucket of this
_BITS = 6  # 2**6 buckets for each power of two
_SCALE = 2 << _BITS  # a mantissa, 0.5 to 1, times this is the place: 64 to 128
_VERSION = 1

# The upper half of a double is sign, 11 bits of exponent and 20 of mantissa, of which the highest _BITS are the place: shifted, it is
# the bucket but for a constant.
_UPPER_HALF = 1 if sys.byteorder == "little" else 0
_BELOW_BUCKET = 20 - _BITS
_BUCKET_BIAS = (1022 << _BITS) - (1 << _BITS)

_EXACT = struct.Struct("<ddd")
_CHECK = struct.Struct("<I")


def _bucket(seconds: float) -> int:
    mantissa, exponent = math.frexp(max(seconds, LOWEST_SECONDS))
    return (exponent << _BITS) + int(mantissa * _SCALE)


def _middle(bucket: int) -> float:
    exponent, place = divmod(bucket - (1 << _BITS), 1 << _BITS)
    return math.ldexp((place + (1 << _BITS) + 0.5) / _SCALE, exponent)


_LOWEST = _bucket(LOWEST_SECONDS)


class _Pairs(Mapping[int, int]):
    """Buckets and counts in a tenth of the memory of a dictionary, for what is only read."""

    __slots__ = ("_pairs",)

    def __init__(self, counts: Mapping[int, int]) -> None:
        self._pairs = array("i", list(chain.from_iterable(counts.items())))

    def __len__(self) -> int:
        return len(self._pairs) // 2

    def __iter__(self) -> Iterator[int]:
        return iter(self._pairs[::2])

    def items(self) -> Any:
        return zip(self._pairs[::2], self._pairs[1::2], strict=True)

    def __getitem__(self, bucket: int) -> int:
        return self._pairs[2 * self._pairs[::2].index(bucket) + 1]


class Histogram:
    """Count, total, smallest and largest are exact; an empty one has `smallest` inf and `largest` -inf."""

    __slots__ = ("_counts", "count", "largest", "smallest", "total")

    count: int
    total: float
    smallest: float
    largest: float

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.smallest = math.inf
        self.largest = -math.inf

    def add(self, value: float, count: int = 1) -> None:
        # Hot: `_bucket` is written out with literals, and a known bucket is the usual case.
        if 1e-6 < value < 1e300:
            mantissa, exponent = frexp(value)
            bucket = (exponent << 6) + int(mantissa * 128)
        elif -1e300 < value <= LOWEST_SECONDS:
            bucket = _LOWEST
        else:
            raise ValueError(f"{value} is not a duration")
        if count < 1:
            raise ValueError(f"a value cannot be added {count} times")
        counts = self._counts
        if bucket in counts:
            counts[bucket] += count
        else:
            counts[bucket] = count
        self.count += count
        self.total += value * count
        if value < self.smallest:  # noqa: PLR1730 - calling `min` and `max` takes as long as all the rest
            self.smallest = value
        if value > self.largest:  # noqa: PLR1730
            self.largest = value

    def add_all(self, values: Sequence[float]) -> None:
        """The same as adding them one by one, in a fifth of the time."""
        if not values:
            return
        smallest, largest, total = min(values), max(values), sum(values)
        if not (smallest > -1e300 and largest < 1e300) or math.isnan(total):
            raise ValueError("one of these values is not a duration")
        if smallest <= LOWEST_SECONDS:
            values = [max(each, LOWEST_SECONDS) for each in values]
        halves = memoryview(array("d", values)).cast("B").cast("I")[_UPPER_HALF::2].tolist()
        counts = self._counts
        for upper_bits, count in Counter(map(rshift, halves, repeat(_BELOW_BUCKET))).items():
            bucket = upper_bits - _BUCKET_BIAS
            counts[bucket] = counts.get(bucket, 0) + count
        self.count += len(values)
        self.total += total
        self.smallest = min(self.smallest, smallest)
        self.largest = max(self.largest, largest)

    def merge(self, other: Self) -> None:
        if self._counts:
            for bucket, count in other._counts.items():
                self._counts[bucket] = self._counts.get(bucket, 0) + count
        else:
            self._counts = dict(other._counts.items())
        self.count += other.count
        self.total += other.total
        self.smallest = min(self.smallest, other.smallest)
        self.largest = max(self.largest, other.largest)

    def quantile(self, share: float) -> float | None:
        """The value that `share` of all values do not exceed, within 1 %; None: there is no value."""
        if not 0 <= share <= 1:
            raise ValueError(f"a quantile lies between 0 and 1, not at {share}")
        if not self.count:
            return None
        # 0.07 × 100 is a hair more than 7.
        rank = max(1, math.ceil(share * self.count - 1e-9))
        if rank == 1:
            return self.smallest
        if rank >= self.count:
            return self.largest
        for bucket, count in sorted(self._counts.items()):
            rank -= count
            if rank <= 0:
                return min(max(_middle(bucket), self.smallest), self.largest)
        raise AssertionError("the buckets hold fewer values than were counted")

    def buckets(self) -> Iterator[tuple[float, float, int]]:
        """Where each bucket that was hit begins and ends, and its count; ascending."""
        for bucket, count in sorted(self._counts.items()):
            exponent, place = divmod(bucket - (1 << _BITS), 1 << _BITS)
            begins = place + (1 << _BITS)
            yield math.ldexp(begins / _SCALE, exponent), math.ldexp((begins + 1) / _SCALE, exponent), count

    def packed(self) -> Self:
        """The same in little memory. Nothing can be added to it."""
        small = type(self)()
        small._counts = _Pairs(self._counts)  # type: ignore[assignment]  # noqa: SLF001 - what would write fails
        small.count, small.total = self.count, self.total
        small.smallest, small.largest = self.smallest, self.largest
        return small

    def to_bytes(self) -> bytes:
        """Version, then for each bucket the step from the one before and its count, then the exact figures and a checksum."""
        packed = bytearray([_VERSION])
        _put(packed, len(self._counts))
        before = _LOWEST
        for bucket in sorted(self._counts):
            _put(packed, bucket - before)
            _put(packed, self._counts[bucket])
            before = bucket
        if self.count:
            packed += _EXACT.pack(self.total, self.smallest, self.largest)
        return bytes(packed + _CHECK.pack(zlib.crc32(packed)))

    @classmethod
    def from_bytes(cls, packed: bytes) -> Self:
        """What `to_bytes` gave.

        Raises:
            ValueError: it is damaged, or of a version that this program does not know.
        """
        body, check = packed[: -_CHECK.size], packed[-_CHECK.size :]
        if len(packed) < 2 + _CHECK.size or _CHECK.unpack(check) != (zlib.crc32(body),):
            raise ValueError(f"these {len(packed)} bytes are not a histogram, or a damaged one")
        if body[0] != _VERSION:
            raise ValueError(
                f"the histogram is of version {body[0]}; this program reads version {_VERSION} only"
            )
        try:
            return cls._read(body)
        except (IndexError, struct.error) as error:
            raise ValueError("the histogram ends too early") from error

    @classmethod
    def _read(cls, body: bytes) -> Self:
        read = cls()
        buckets, at = _get(body, 1)
        bucket = _LOWEST
        counts = read._counts
        for _ in range(buckets):
            # Hot: nearly every number has one byte.
            step, count = body[at], body[at + 1]
            if step > 127 or count > 127:
                step, at = _get(body, at)
                count, at = _get(body, at)
            else:
                at += 2
            bucket += step
            if not count or bucket in counts:
                raise ValueError("the histogram has an empty or a repeated bucket")
            counts[bucket] = count
        read.count = sum(read._counts.values())
        if buckets:
            read.total, read.smallest, read.largest = _EXACT.unpack_from(body, at)
            at += _EXACT.size
            if (
                not all(map(math.isfinite, (read.total, read.smallest, read.largest)))
                or (_bucket(read.smallest), _bucket(read.largest)) != (min(read._counts), bucket)
            ):  # fmt: skip
                raise ValueError("the histogram's smallest and largest values are not those of its buckets")
        if at != len(body):
            raise ValueError("the histogram goes on after its end")
        return read

    def __reduce__(self) -> tuple[Callable[[bytes], Self], tuple[bytes]]:
        return type(self).from_bytes, (self.to_bytes(),)

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        made = cls()
        for value in values:
            made.add(value)
        return made

    def __eq__(self, other: object) -> bool:
        """The order in which values came shows in the last digits of a total only; it makes no difference here."""
        if not isinstance(other, Histogram):
            return NotImplemented
        if self._counts != other._counts:
            return False
        scale = self.count * max(abs(self.smallest), abs(self.largest)) if self.count else 0.0
        return (self.smallest, self.largest) == (other.smallest, other.largest) and math.isclose(
            self.total, other.total, rel_tol=0, abs_tol=1e-9 * scale
        )

    __hash__ = None  # type: ignore[assignment] # it changes

    def __repr__(self) -> str:
        if not self.count:
            return "<Histogram: empty>"
        return (
            f"<Histogram: {self.count} from {self.smallest:.4g} to {self.largest:.4g} s, "
            f"p50 {self.quantile(0.5):.4g} s, p95 {self.quantile(0.95):.4g} s>"
        )


def _put(packed: bytearray, number: int) -> None:
    """Seven bits a byte, the lowest first; a set eighth bit says that more follow."""
    while number > 127:
        packed.append(number & 127 | 128)
        number >>= 7
    packed.append(number)


def _get(packed: bytes, at: int) -> tuple[int, int]:
    """The number and where the next one begins."""
    number = shift = 0
    while packed[at] > 127:
        number |= (packed[at] & 127) << shift
        shift += 7
        at += 1
    return number | packed[at] << shift, at + 1
