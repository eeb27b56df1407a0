#!/usr/bin/env python3
"""Measures the field's own prover, to stand beside `cargo bench -p quintet-stark`.

It is no dependency of anything here: `pip install --target DIR py-lean-pq==0.7.0`, and
`PYTHONPATH=DIR python3 tests/benches/peer_prover.py [NUMBER OF SIGNATURES]...`. Its signatures are of
another scheme (2404 bytes), so that only orders of magnitude compare.
"""

import resource
import sys
import time

import py_lean_pq as peer


def timed(work):
    """The result, wall seconds and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


def resident_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    sizes = [int(size) for size in sys.argv[1:]] or [4, 16, 64]
    key = peer.XmssSecretKey.from_seed(bytes([1] * 32))
    message = bytes([2] * 32)
    # One key signs many messages at as many leaves: an aggregate lists each pair once.
    key.prepare(0)
    _, wall, processor = timed(peer.setup)
    print(f"set-up: {wall:.2f} s, {processor:.2f} s of processor, {resident_mib():.0f} MiB")
    for size in sizes:
        signed = []
        for leaf in range(size):
            text = leaf.to_bytes(4, "big") + message[4:]
            signed.append((key.public_key, text, key.sign(text, leaf)))
        proof, wall, processor = timed(lambda: peer.aggregate(xmss=signed))
        data = proof.to_bytes()
        _, check, _ = timed(lambda: peer.Aggregate.from_bytes(data))
        print(
            f"{size} signatures: {wall:.2f} s, {processor:.2f} s of processor, "
            f"{len(data)} bytes, checked in {check * 1000:.0f} ms, {resident_mib():.0f} MiB at most"
        )


if __name__ == "__main__":
    main()
