"""PHP's serialised arrays, the form of a real account's session, read as strictly as PHP does: lengths are bytes."""

import re

_ARRAY = re.compile(rb"a:(\d{1,4}):\{")
_STRING = re.compile(rb's:(\d{1,6}):"')
_SCALAR = re.compile(rb"(?:i:(?P<int>-?\d{1,19})|d:(?P<float>-?[\d.]{1,24})|b:(?P<bool>[01])|N);")
_DEPTH_LIMIT = 8


class PhpDamaged(Exception):
    """`position` counts characters from 1; `problem` shows none of the content."""

    def __init__(self, position: int, problem: str) -> None:
        self.position, self.problem = position, problem
        super().__init__(f"character {position}: {problem}")


def read_php_array(text: str, start: int = 0) -> tuple[dict[object, object], int]:
    """What the array at `start` holds, and the index behind its closing brace.

    Raises:
        PhpDamaged: PHP would not read it either.
    """
    data = text[start:].encode("utf-8", "surrogatepass")
    try:
        values, end = _read_array(data, 0, 1)
    except _Stop as stop:
        position, problem = len(data[: stop.at].decode("utf-8", "replace")) + 1, stop.problem
    else:
        return values, start + len(data[:end].decode("utf-8", "surrogatepass"))
    raise PhpDamaged(position, problem)


class _Stop(Exception):
    def __init__(self, at: int, problem: str) -> None:
        self.at, self.problem = at, problem


def _read_array(data: bytes, at: int, depth: int) -> tuple[dict[object, object], int]:
    head = _ARRAY.match(data, at)
    if head is None or depth > _DEPTH_LIMIT:
        raise _unexpected(data, at)
    at = head.end()
    values: dict[object, object] = {}
    for _ in range(int(head[1])):
        if data[at : at + 2] not in (b"s:", b"i:"):
            raise _unexpected(data, at)
        key, at = _read_value(data, at, depth)
        values[key], at = _read_value(data, at, depth)
    if data[at : at + 1] != b"}":
        raise _unexpected(data, at)
    return values, at + 1


def _read_value(data: bytes, at: int, depth: int) -> tuple[object, int]:
    kind = data[at : at + 1]
    if kind == b"s":
        return _read_string(data, at)
    if kind == b"a":
        return _read_array(data, at, depth + 1)
    scalar = _SCALAR.match(data, at)
    if scalar is None:
        raise _unexpected(data, at)
    value: object = None
    if scalar["int"]:
        value = int(scalar["int"])
    elif scalar["float"]:
        value = scalar["float"].decode()
    elif scalar["bool"]:
        value = scalar["bool"] == b"1"
    return value, scalar.end()


def _read_string(data: bytes, at: int) -> tuple[str, int]:
    head = _STRING.match(data, at)
    if head is None:
        raise _unexpected(data, at)
    stated, begin = int(head[1]), head.end()
    end = begin + stated
    if data[end : end + 2] == b'";':
        try:
            return data[begin:end].decode("utf-8", "surrogatepass"), end + 2
        except UnicodeDecodeError:
            pass  # the stated length ends inside a character
    closing = data.find(b'";', begin)
    if closing < 0:
        raise _Stop(at, f"a string of {stated} bytes begins here and is not closed")
    raise _Stop(at, f"a string says it has {stated} bytes and has {closing - begin}")


def _unexpected(data: bytes, at: int) -> _Stop:
    if len(data) - at < 24 and b";" not in data[at:]:  # no notation before a string's content is longer
        return _Stop(at, "it ends in the middle")
    return _Stop(at, "PHP's notation is broken here")
