//! The memory that hostile input makes the decoders and readers allocate. One test, so that nothing
//! else allocates meanwhile.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[allow(dead_code, reason = "names of fields are not needed here")]
#[path = "../world/bad_input/samples.rs"]
mod samples;
#[path = "../support/mod.rs"]
mod support;

use std::alloc::System;

use samples::{Kind, kinds};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that a call asks for in all, freed or not.
fn allocated<T>(call: impl FnOnce() -> T) -> usize {
    let region = Region::new(ALLOCATOR);
    drop(std::hint::black_box(call()));
    region.change().bytes_allocated
}

fn bytes_of(kind: &Kind) -> Vec<(String, Vec<u8>)> {
    let mut inputs = vec![("nothing".to_owned(), vec![])];
    for len in [4usize, 64, 1000, 1 << 13, 1 << 16, 1 << 18] {
        inputs.push((format!("{len} zeros"), vec![0; len]));
        inputs.push((format!("{len} ones"), vec![255; len]));
        // Offsets that all point to the end, and offsets of as many empty items.
        let words =
            |value: usize| u32::try_from(value).expect("small").to_le_bytes().repeat(len / 4);
        inputs.push((format!("{len} bytes of offsets to the end"), words(len)));
        inputs.push((format!("{len} bytes of offsets 4"), words(4)));
        for gap in [8, 16, 32, 64, 256, 1024] {
            // Trees of words are dearest where few words share a path.
            let mut sparse: Vec<u8> = (0..len).map(|at| u8::from(at % gap == 0)).collect();
            sparse[len - 1] = 1;
            inputs.push((format!("{len} bytes, every {gap}th set"), sparse));
        }
    }
    for (sample, _) in &kind.samples {
        inputs.push(("a sample".to_owned(), sample.clone()));
        for at in (0..sample.len().saturating_sub(4)).take(600) {
            for value in [0, 1 << 20, 1 << 31, u32::MAX] {
                let mut spoiled = sample.clone();
                spoiled[at..at + 4].copy_from_slice(&value.to_le_bytes());
                inputs.push((format!("{value} at {at}"), spoiled));
            }
        }
    }
    inputs
}

fn texts_of(kind: &Kind) -> Vec<(String, String)> {
    let mut inputs = vec![("nothing".to_owned(), String::new())];
    for (_, sample) in &kind.samples {
        let text = sample.to_string();
        for cut in (0..text.len()).step_by(37) {
            inputs.push((format!("cut at {cut}"), text[..cut].to_owned()));
        }
        inputs.push(("a sample".to_owned(), text));
    }
    for count in [1, 1000, 100_000] {
        for item in ["0", "false", "{}", "[]", "\"\"", "\"0x00\"", "[[[]],0]", "{\"data\":[]}"] {
            let list = vec![item; count].join(",");
            // Every list there is, and every container as a list of its fields.
            let fields = kind.samples[0].1.as_object().map(|fields| fields.keys().cloned());
            for field in fields.into_iter().flatten() {
                let text = format!("{{\"{field}\":{{\"data\":[{list}]}}}}");
                inputs.push((format!("{count} times {item} in {field}"), text));
            }
            inputs.push((format!("{count} times {item}"), format!("{{\"data\":[{list}]}}")));
            inputs.push((format!("a list of {count} times {item}"), format!("[{list}]")));
        }
        inputs.push((format!("{count} brackets"), "[".repeat(count)));
        inputs.push((format!("{count} braces"), "{\"data\":".repeat(count)));
        inputs.push((format!("{count} digits"), "1".repeat(count)));
        inputs.push((format!("{count} hex digits"), format!("\"0x{}\"", "0".repeat(count))));
        inputs.push((format!("{count} escapes"), format!("\"{}\"", "\\u0041".repeat(count))));
    }
    inputs
}

/// Persistent lists keep a tree over their items, which costs the most: 14 bytes a byte. What is
/// empty or refused at once still costs the empty trees and the words of the refusal.
const FACTOR: usize = 24;
const CONSTANT: usize = 32 << 10;

#[test]
fn decoders_and_readers_allocate_a_small_multiple_of_their_input() {
    for kind in kinds() {
        for (name, bytes) in bytes_of(kind) {
            let spent = allocated(|| (kind.decode)(&bytes));
            let limit = FACTOR * bytes.len() + CONSTANT;
            assert!(spent <= limit, "{}, {name}: {spent} for {} bytes", kind.name, bytes.len());
        }
        for (name, text) in texts_of(kind) {
            let spent = allocated(|| (kind.read)(&text));
            let limit = FACTOR * text.len() + CONSTANT;
            assert!(spent <= limit, "{}, {name}: {spent} for {} letters", kind.name, text.len());
        }
    }
}
