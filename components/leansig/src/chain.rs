//! Walks hash chains, as many at a time as a vector has lanes.

use p3_field::{PackedValue, PrimeCharacteristicRing};

use crate::field::{DIGEST_LEN, Digest, Packed, Parameter};
use crate::packing::LANES;
use crate::params::BASE;
use crate::poseidon::compress_16;
use crate::tweak;

/// A chain to walk from `first_step` (exclusive) to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainJob<'a> {
    pub(crate) parameter: &'a Parameter,
    pub(crate) epoch: u32,
    pub(crate) chain_index: u8,
    /// Steps already taken.
    pub(crate) step: u8,
    /// Steps at which the walk ends.
    pub(crate) end: u8,
    /// The value at `step`; after the walk, the value at `end`.
    pub(crate) value: Digest,
}

/// Walks every chain to its end.
///
/// Chains differ in length, so a lane whose chain ends takes the next one at once. The longest
/// chains start first, so that few lanes are idle at the end.
pub(crate) fn walk(jobs: &mut [ChainJob<'_>]) {
    let mut by_length: [Vec<u32>; BASE as usize] = Default::default();
    for (index, job) in (0u32..).zip(jobs.iter()) {
        by_length[usize::from(job.end - job.step)].push(index);
    }
    let mut waiting = by_length.into_iter().skip(1).rev().flatten().map(|index| index as usize);

    let mut state = [Packed::ZERO; 16];
    let mut lanes = [usize::MAX; LANES];
    let mut active = 0;
    for (lane, slot) in lanes.iter_mut().enumerate() {
        if let Some(index) = waiting.next() {
            *slot = index;
            load(&mut state, lane, &jobs[index]);
            active += 1;
        }
    }
    while active > 0 {
        let value = compress_16(&state);
        state[..DIGEST_LEN].copy_from_slice(&value);
        for (lane, slot) in lanes.iter_mut().enumerate() {
            let index = *slot;
            if index == usize::MAX {
                continue;
            }
            let job = &mut jobs[index];
            job.step += 1;
            if job.step < job.end {
                set_tweak(&mut state, lane, job);
                continue;
            }
            job.value = std::array::from_fn(|i| state[i].as_slice()[lane]);
            if let Some(next) = waiting.next() {
                *slot = next;
                load(&mut state, lane, &jobs[next]);
            } else {
                *slot = usize::MAX;
                active -= 1;
            }
        }
    }
}

/// Puts a chain into a lane: value, parameter, tweak, and the zero that fills the state.
#[inline]
fn load(state: &mut [Packed; 16], lane: usize, job: &ChainJob<'_>) {
    for (slot, value) in state.iter_mut().zip(job.value.iter().chain(job.parameter)) {
        slot.as_slice_mut()[lane] = *value;
    }
    set_tweak(state, lane, job);
}

#[inline]
fn set_tweak(state: &mut [Packed; 16], lane: usize, job: &ChainJob<'_>) {
    let [low, high] = tweak::chain(job.epoch, job.chain_index, job.step + 1);
    state[13].as_slice_mut()[lane] = low;
    state[14].as_slice_mut()[lane] = high;
}
