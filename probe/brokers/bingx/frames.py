"""BingX's messages as they travel: the server's are gzip in binary frames, a client's are plain text. Unpacked within bounds."""

import zlib

from probe.session.codec import Message

LARGEST = (
    4 * 1024 * 1024
)  # bytes of one message, unpacked; the longest seen, a full order book, has some 10 KB
_GZIP = 31  # zlib's number for it


def pack(text: str) -> bytes:
    packer = zlib.compressobj(1, wbits=_GZIP)
    return packer.compress(text.encode(errors="replace")) + packer.flush()


def unpack(message: Message) -> str:
    """The text inside; an occasional text frame is taken as it is.

    Raises:
        ValueError: it is no gzip, or cut, or unpacks to more than any message has, or to no UTF-8.
    """
    if isinstance(message, str):
        return message
    unpacker = zlib.decompressobj(_GZIP)
    try:
        data = unpacker.decompress(message, LARGEST + 1)
    except zlib.error:
        raise ValueError("it is no gzip") from None
    if len(data) > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("its gzip is cut short, or goes on after its end")
    return data.decode()
