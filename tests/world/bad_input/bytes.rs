//! Bytes: any decoder, any input.

use proptest::{prelude::*, sample::Index};
use ssz::DecodeError;

use crate::bad_input::samples::{Kind, kinds};

/// One way to spoil a valid encoding.
#[derive(Clone, Debug)]
enum Mutation {
    Truncate(Index),
    Append(Vec<u8>),
    FlipBit(Index),
    Remove(Index),
    Insert(Index, u8),
    /// Replaces four bytes anywhere, as an offset that need not be aligned.
    WriteU32(Index, u32),
    /// A length or offset near the input's own length.
    WriteNearLength(Index, i32),
    Fill(Index, Index, u8),
    Swap(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        any::<Index>().prop_map(Mutation::Truncate),
        prop::collection::vec(any::<u8>(), 1..80).prop_map(Mutation::Append),
        any::<Index>().prop_map(Mutation::FlipBit),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        (any::<Index>(), prop_oneof![Just(0), Just(u32::MAX), Just(1 << 31), any::<u32>()])
            .prop_map(|(at, value)| Mutation::WriteU32(at, value)),
        (any::<Index>(), -9i32..9).prop_map(|(at, by)| Mutation::WriteNearLength(at, by)),
        (any::<Index>(), any::<Index>(), prop_oneof![Just(0), Just(255)])
            .prop_map(|(from, to, byte)| Mutation::Fill(from, to, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Mutation::Swap(one, other)),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    if let Mutation::Append(more) = mutation {
        bytes.extend(more);
        return;
    }
    if len == 0 {
        return;
    }
    let write = |bytes: &mut Vec<u8>, at: &Index, value: u32| {
        let at = at.index(len);
        for (byte, new) in bytes[at..].iter_mut().zip(value.to_le_bytes()) {
            *byte = new;
        }
    };
    match mutation {
        Mutation::Append(_) => {}
        Mutation::Truncate(at) => bytes.truncate(at.index(len)),
        Mutation::FlipBit(at) => {
            let bit = at.index(8 * len);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        Mutation::Remove(at) => drop(bytes.remove(at.index(len))),
        Mutation::Insert(at, byte) => bytes.insert(at.index(len), *byte),
        Mutation::WriteU32(at, value) => write(bytes, at, *value),
        Mutation::WriteNearLength(at, by) => {
            write(bytes, at, u32::try_from(len).expect("short").saturating_add_signed(*by));
        }
        Mutation::Fill(from, to, byte) => {
            let (from, to) = (from.index(len), to.index(len));
            bytes[from.min(to)..from.max(to)].fill(*byte);
        }
        Mutation::Swap(one, other) => bytes.swap(one.index(len), other.index(len)),
    }
}

/// Accepted bytes are the one encoding of what they say; refused ones are refused by name.
fn check(kind: &Kind, bytes: &[u8]) -> Result<(), TestCaseError> {
    match (kind.decode)(bytes) {
        Ok(encoded) => prop_assert_eq!(encoded, bytes, "{} has two encodings", kind.name),
        Err(error) if kind.fields.is_empty() => drop(error),
        Err(DecodeError::BytesInvalid(detail)) => {
            let named = detail.split_once(": ").map_or("", |(name, _)| name);
            prop_assert!(
                named == kind.name || kind.fields.contains(&named),
                "{}: {detail:?} names no field",
                kind.name
            );
        }
        Err(other) => prop_assert!(false, "{}: {other:?} names no field", kind.name),
    }
    Ok(())
}

#[test]
fn every_sample_decodes_and_every_proper_prefix_is_refused_or_canonical() {
    for kind in kinds() {
        for (bytes, _) in &kind.samples {
            assert_eq!((kind.decode)(bytes).as_ref(), Ok(bytes), "{}", kind.name);
            for len in 0..bytes.len() {
                check(kind, &bytes[..len]).expect(kind.name);
            }
        }
    }
}

#[test]
fn a_prefix_of_a_fixed_size_container_is_refused() {
    for kind in kinds().iter().filter(|kind| {
        ["AttestationData", "BlockHeader", "Checkpoint", "GenesisConfig", "Status", "Validator"]
            .contains(&kind.name)
    }) {
        for (bytes, _) in &kind.samples {
            for len in 0..bytes.len() {
                assert!((kind.decode)(&bytes[..len]).is_err(), "{}: {len} bytes", kind.name);
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert!((kind.decode)(&longer).is_err(), "{}: one byte more", kind.name);
        }
    }
}

#[test]
fn an_error_names_the_whole_path_to_the_field() {
    let block = kinds().iter().find(|kind| kind.name == "SignedBlock").expect("listed");
    let (mut bytes, _) = block.samples[1].clone();
    // The signed block's own offsets, the block's fixed part, the body's and the list's offsets:
    // the next four bytes are the first attestation's offset to its bits.
    let at = 8 + (8 + 8 + 32 + 32 + 4) + 4 + 8;
    assert_eq!(bytes[at..at + 4], 132u32.to_le_bytes());
    bytes[at] = 131;
    let error = (block.decode)(&bytes).expect_err("the offset points into the fixed part");
    let DecodeError::BytesInvalid(detail) = error else { panic!("{error:?}") };
    assert!(detail.starts_with("block: body: attestations: "), "{detail}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn random_bytes_are_canonical_or_refused_by_name(
        bytes in prop::collection::vec(any::<u8>(), 0..700),
    ) {
        for kind in kinds() {
            check(kind, &bytes)?;
        }
    }

    #[test]
    fn spoiled_encodings_are_canonical_or_refused_by_name(
        which in any::<Index>(),
        sample in any::<Index>(),
        mutations in prop::collection::vec(mutation(), 1..4),
    ) {
        let kind = which.get(kinds());
        let mut bytes = sample.get(&kind.samples).0.clone();
        for mutation in &mutations {
            apply(&mut bytes, mutation);
        }
        check(kind, &bytes)?;
    }
}

/// One more than the limit, in the encoding of a list that size.
#[test]
fn lists_above_their_limits_are_refused() {
    let decode = |name: &str, bytes: &[u8]| {
        let kind = kinds().iter().find(|kind| kind.name == name).expect("listed");
        (kind.decode)(bytes).map(|encoded| encoded.len())
    };
    let roots = |count: usize| vec![7; 32 * count];
    let bits = |count: usize| [vec![0; count / 8], vec![1 << (count % 8)]].concat();
    for (name, limit, bytes) in [
        ("RequestedRoots", 1024, roots as fn(usize) -> Vec<u8>),
        ("RootList", 1 << 18, roots),
        ("ProofBytes", 512 << 10, |count| vec![3; count]),
        ("AggregationBits", 4096, bits),
        ("JustifiedSlots", 1 << 18, bits),
    ] {
        let largest = bytes(limit);
        assert_eq!(decode(name, &largest), Ok(largest.len()), "{name} at its limit");
        assert!(decode(name, &bytes(limit + 1)).is_err(), "{name} above its limit");
    }
    // Lists of items with offsets: 4096 or 4097 equal attestations.
    let item = kinds().iter().find(|kind| kind.name == "AggregatedAttestation").expect("listed");
    let item = &item.samples[0].0;
    let list = |count: usize| {
        let offsets = (0..count).map(|index| 4 * count + index * item.len());
        let mut bytes: Vec<u8> = offsets
            .flat_map(|offset| u32::try_from(offset).expect("below 2^32").to_le_bytes())
            .collect();
        bytes.extend(item.repeat(count));
        bytes
    };
    assert_eq!(decode("AggregatedAttestations", &list(4096)), Ok(list(4096).len()));
    assert!(decode("AggregatedAttestations", &list(4097)).is_err());
}
