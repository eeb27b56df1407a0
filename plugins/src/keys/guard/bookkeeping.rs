//! Entries of the guard itself in the record, among the entries of keys.
//!
//! The record stores only entries, and writes them atomically. The guard's own data is therefore
//! stored as entries too, of keys that cannot exist: a public key consists of little-endian field
//! elements below 2^31, so the top bit of its first word is never set.
//!
//! | key | slot | message |
//! | --- | --- | --- |
//! | all ones | 0 | the record's id, 16 bytes, and its generation, 8 bytes big-endian |
//! | a public key with the top bit of its first word set | 0 | the key's floor, 8 bytes big-endian |

use quintet_components::{
    containers::{PublicKey, Root, Slot},
    storage::SigningEntry,
};

/// A random id that a record gets when it is made.
pub(crate) type RecordId = [u8; 16];

/// The byte of a public key that has the top bit of its first word.
const TAG_BYTE: usize = 3;
const TAG: u8 = 0x80;
const HEADER_KEY: PublicKey = PublicKey::repeat_byte(0xff);

/// The id of a record, and how many batches were written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: RecordId,
    pub(super) generation: u64,
}

/// The kinds of entries.
pub(super) enum Kind {
    Header(Header),
    Floor(PublicKey, Slot),
    Signed(SigningEntry),
}

/// Returns true if this cannot be a key.
pub(super) fn is_reserved(key: &PublicKey) -> bool {
    key[TAG_BYTE] & TAG != 0
}

pub(super) fn header_entry(header: Header) -> SigningEntry {
    let mut message = Root::ZERO;
    message[..16].copy_from_slice(&header.id);
    message[16..24].copy_from_slice(&header.generation.to_be_bytes());
    SigningEntry { public_key: HEADER_KEY, slot: 0, message, signature: None }
}

pub(super) fn floor_entry(key: &PublicKey, floor: Slot) -> SigningEntry {
    let mut public_key = *key;
    public_key[TAG_BYTE] |= TAG;
    let mut message = Root::ZERO;
    message[..8].copy_from_slice(&floor.to_be_bytes());
    SigningEntry { public_key, slot: 0, message, signature: None }
}

pub(super) fn kind_of(entry: SigningEntry) -> Kind {
    if !is_reserved(&entry.public_key) {
        return Kind::Signed(entry);
    }
    let number = |at: usize| {
        let bytes = entry.message[at..].first_chunk().expect("a root has 32 bytes");
        u64::from_be_bytes(*bytes)
    };
    if entry.public_key == HEADER_KEY {
        let id = *entry.message.first_chunk().expect("a root has 32 bytes");
        return Kind::Header(Header { id, generation: number(16) });
    }
    let mut key = entry.public_key;
    key[TAG_BYTE] &= !TAG;
    Kind::Floor(key, number(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guards_own_entries_are_told_from_signatures() {
        let key = PublicKey::repeat_byte(0x42);
        let header = Header { id: [7; 16], generation: 1 << 40 };
        assert!(matches!(kind_of(header_entry(header)), Kind::Header(found) if found == header));
        assert!(matches!(kind_of(floor_entry(&key, 9)), Kind::Floor(found, 9) if found == key));
        let entry = SigningEntry { public_key: key, slot: 9, message: Root::ZERO, signature: None };
        assert!(matches!(kind_of(entry.clone()), Kind::Signed(found) if found == entry));
    }

    #[test]
    fn no_key_is_reserved() {
        // The largest field element.
        let largest = 0x7f00_0000_u32.to_le_bytes();
        let key = PublicKey::from_slice(&largest.repeat(13));
        assert!(!is_reserved(&key));
    }
}
