"""IDX files under damage: 120,000 mutations, each refused or read as an independent reader reads its bytes."""

import gzip
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from funcnet.data import IDXError, read_idx

MUTATIONS = 120_000
MOST_MEMORY = 2**29  # what the process may take more than it has before the first file

LETTERS = {8: "B", 9: "b", 11: "h", 12: "i", 13: "f", 14: "d"}  # of struct, by the codes of dtypes
SIZES = (0, 1, 2, 3, 255, 256, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def main() -> None:
    """Run all mutations, print how they ended, and exit 1 if one was read wrongly or raised another error."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_virtual_memory() + MOST_MEMORY, before[1]))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ends = judged(Path(folder), MUTATIONS)
    for end, count in sorted(ends.items()):
        print(f"{end:24} {count:>8,}")
    print(f"{'seconds':24} {time.monotonic() - started:>8.0f}")
    sys.exit(1 if set(ends) - {"refused", "read"} else 0)


def judged(folder, mutations, seed=0):
    """Return how many mutations ended in which way: "refused" and "read" are right, everything else is wrong."""
    ends = Counter()
    for name, content in mutated(mutations, seed):
        path = folder / name
        path.unlink(missing_ok=True)  # a new file is written ten times as fast as one that is cut first
        path.write_bytes(content)
        try:
            found = read_idx(path)
        except IDXError:
            found = None
        except Exception as error:
            ends[f"raised {type(error).__name__}"] += 1
            continue
        meant = read_independently(unpacked(content) if name.endswith(".gz") else content)
        ends[_end(found, meant, is_packed=name.endswith(".gz"))] += 1
    return ends


def _end(found, meant, is_packed):
    if found is None:
        # A packed file may hold the right content under a damaged wrapping, which the independent reader forgives.
        return "refused" if meant is None or is_packed else "refused, though right"
    if meant is None:
        return "read, though wrong"
    shape, values = meant
    is_same = found.shape == shape and found.dtype.isnative and found.astype(found.dtype, "C").tobytes() == values
    return "read" if is_same else "read as something else"


def read_independently(content):
    """Return the shape and the native bytes of the numbers that an IDX file's content means; None if it means none."""
    if content is None or len(content) < 4 or content[0] or content[1] or content[2] not in LETTERS:
        return None
    rank, shape, count = content[3], [], 1
    if not 1 <= rank <= 8 or len(content) < 4 + 4 * rank:
        return None
    for axis in range(rank):
        shape.append(int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big"))
        count *= shape[-1]
    letter, data = LETTERS[content[2]], content[4 + 4 * rank :]
    width = struct.calcsize(f">{letter}")
    if len(data) != count * width or width * np.prod([float(max(size, 1)) for size in shape]) > 2**31:
        return None
    # Bytes turned around one number at a time, so that NaNs keep theirs.
    numbers = [data[place : place + width] for place in range(0, len(data), width)]
    return tuple(shape), b"".join(number[::-1] if sys.byteorder == "little" else number for number in numbers)


def unpacked(content):
    """Return what the members of a gzip file hold, or None where one is damaged; a header's checksum is not looked at.

    RFC 1952, read by hand: a header, raw deflate data, the CRC-32 and the length.
    """
    parts = []
    while content.lstrip(b"\0") or not parts:
        content = content.lstrip(b"\0") if parts else content
        if len(content) < 18 or content[:3] != b"\x1f\x8b\x08":
            return None
        flags, start = content[3], 10
        if flags & 4:
            start += 2 + int.from_bytes(content[10:12], "little")
        for flag in (8, 16):
            if flags & flag:
                start = content.find(b"\0", start) + 1
                if start == 0:
                    return None
        start += 2 * bool(flags & 2)
        inflater = zlib.decompressobj(wbits=-15)
        try:
            part = inflater.decompress(content[start:], 10**6)  # no mutation means more
        except zlib.error:
            return None
        end = inflater.unused_data
        if not inflater.eof or len(end) < 8 or struct.unpack("<2I", end[:8]) != (zlib.crc32(part), len(part)):
            return None
        parts.append(part)
        content = end[8:]
    return b"".join(parts)


def mutated(mutations, seed):
    """Yield the name and the content of so many files, each made of a whole one by one to three changes."""
    rng = random.Random(seed)
    plain = [_file(rng, code) for code in LETTERS for _ in range(3)]
    for _ in range(mutations):
        content = rng.choice(plain)
        if rng.random() < 0.5:
            yield "file", _changed(rng, content, header=True)
        elif rng.random() < 0.5:  # whole gzip of a damaged file
            yield "file.gz", _packed(rng, _changed(rng, content, header=True))
        else:
            yield "file.gz", _changed(rng, _packed(rng, content), header=False)


def _file(rng, code):
    shape = [rng.randrange(0, 5) for _ in range(rng.randrange(1, 5))]
    size = int(np.prod(shape)) * struct.calcsize(LETTERS[code])
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + rng.randbytes(size)


def _packed(rng, content):
    """Return a gzip file of one or two members, at any level, with or without a name and another field."""
    cut = rng.randrange(len(content) + 1) if rng.random() < 0.2 else 0
    packed = b"".join(
        gzip.compress(part, rng.randrange(10), mtime=0) for part in (content[:cut], content[cut:]) if part
    )
    if rng.random() < 0.2:
        fields = rng.choice([(8, b"name\0"), (16, b"comment\0"), (4, b"\3\0abc"), (2, b"\0\0"), (12, b"\1\0xname\0")])
        packed = packed[:3] + bytes([fields[0]]) + packed[4:10] + fields[1] + packed[10:]
    return packed


def _changed(rng, content, header):
    """Return a file's content with one to three changes: of bits, of its length, of its header."""
    content = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(content) + 1)
        kind = rng.randrange(8 if header else 6)
        if kind == 0 and content:
            content[place % len(content)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del content[place:]
        elif kind == 2:
            content[place:place] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 3:
            del content[place : place + rng.randrange(1, 9)]
        elif kind == 4:
            content += rng.choice([b"\0", bytes(8), rng.randbytes(3), bytes(content)])
        elif kind == 5 and content:
            content[place % len(content)] = rng.randrange(256)
        elif kind == 6:  # a size of a dimension
            axis = 4 + 4 * rng.randrange(4)
            content[axis : axis + 4] = struct.pack(">I", rng.choice(SIZES))
        elif kind == 7:  # the magic number
            content[:4] = bytes([0, 0, rng.choice([*LETTERS, 10, 0]), rng.randrange(10)])
    return bytes(content)


def _virtual_memory():
    """Return the bytes of address space that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
