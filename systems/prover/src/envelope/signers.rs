//! The bit list that says whom a part covers.

use crate::MAX_SIGNERS;

/// The keys of a statement that a part covers: one bit for each, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signers<'a>(&'a [u8]);

impl<'a> Signers<'a> {
    /// The list of these bytes, of which the spare bits are not yet checked.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The list's bytes.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The number of signers.
    #[must_use]
    pub fn count(self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// The signers' positions among the statement's keys, ascending.
    pub fn positions(self) -> impl Iterator<Item = usize> + 'a {
        self.0.iter().enumerate().flat_map(|(index, &byte)| {
            (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| index * 8 + bit)
        })
    }
}

/// Bytes of a bit list over so many keys.
pub(crate) fn bit_list_len(keys: usize) -> usize {
    keys.div_ceil(8)
}

/// The bits of the last byte that stand for keys.
pub(crate) fn last_byte_mask(keys: usize) -> u8 {
    match keys % 8 {
        0 => u8::MAX,
        used => (1 << used) - 1,
    }
}

/// The signers seen so far, of any statement.
pub(super) struct Seen([u8; MAX_SIGNERS / 8]);

impl Seen {
    pub(super) fn none() -> Self {
        Self([0; MAX_SIGNERS / 8])
    }

    /// Adds signers; gives one that was there already, and then adds none.
    pub(super) fn add(&mut self, signers: Signers<'_>) -> Result<(), usize> {
        let bytes = signers.as_bytes();
        let both = self.0.iter().zip(bytes).position(|(seen, new)| seen & new != 0);
        if let Some(index) = both {
            let common = self.0[index] & bytes[index];
            return Err(index * 8 + common.trailing_zeros() as usize);
        }
        for (seen, new) in self.0.iter_mut().zip(bytes) {
            *seen |= new;
        }
        Ok(())
    }

    /// The first of so many signers that is missing.
    pub(super) fn first_missing(&self, keys: usize) -> Option<usize> {
        let index = self.0.iter().position(|&byte| byte != u8::MAX)?;
        let signer = index * 8 + self.0[index].trailing_ones() as usize;
        (signer < keys).then_some(signer)
    }
}
