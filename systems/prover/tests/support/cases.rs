//! Envelopes by name, with what the decoder or the verifier says to them.

use quintet_prover::envelope::{EnvelopeError as Fault, MAGIC, RAW_SIGNATURES};
use quintet_prover::{MAX_PROOF_BYTES, MAX_SIGNERS};

use super::{SIGNATURE_LEN, World};

/// The result for an envelope.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It proves the usual statement of its first keys.
    Valid,
    /// Its structure is sound, and the verifier refuses it, in these words.
    Refused(&'static str),
    /// It is no envelope.
    Fault(Fault),
}

/// An envelope that ends where the case does.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub outcome: Outcome,
}

use Outcome::{Refused, Valid};

fn case(name: &'static str, bytes: Vec<u8>, outcome: Outcome) -> Case {
    Case { name, bytes, outcome }
}

fn fault(name: &'static str, bytes: Vec<u8>, fault: Fault) -> Case {
    case(name, bytes, Outcome::Fault(fault))
}

/// A part: kind, bit list, payload.
type PartBytes<'a> = (u8, &'a [u8], &'a [u8]);

/// An envelope from fields that need not agree.
fn envelope(keys: usize, parts: &[PartBytes<'_>]) -> Vec<u8> {
    let mut bytes = prologue(1);
    bytes.extend_from_slice(&(keys as u16).to_le_bytes());
    bytes.push(parts.len() as u8);
    for (kind, signers, payload) in parts {
        bytes.push(*kind);
        bytes.extend_from_slice(signers);
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes
}

fn multi_envelope(singles: &[&[u8]]) -> Vec<u8> {
    let mut bytes = prologue(2);
    bytes.push(singles.len() as u8);
    for single in singles {
        bytes.extend_from_slice(&(single.len() as u32).to_le_bytes());
        bytes.extend_from_slice(single);
    }
    bytes
}

fn prologue(form: u8) -> Vec<u8> {
    [&MAGIC[..], &[1, form]].concat()
}

/// With one byte replaced.
fn with(bytes: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = byte;
    bytes
}

/// Single-message envelopes over the usual validators.
pub fn singles() -> Vec<Case> {
    let world = World::new(16);
    let proof = world.proof(&[0, 1, 2]);
    let sixteen = world.proof(&(0..16).collect::<Vec<_>>());
    let signature = [7; SIGNATURE_LEN];
    let raw = RAW_SIGNATURES;
    let lists: Vec<_> = (0..17).map(|key| (1_u32 << key).to_le_bytes()).collect();
    let part = |index: usize, keys: usize| -> PartBytes<'_> {
        (index as u8 + 1, &lists[index][..keys.div_ceil(8)], &signature)
    };
    let parts = |count: usize| (0..count).map(|index| part(index, count)).collect::<Vec<_>>();
    let mut huge = proof.clone();
    huge[11..15].copy_from_slice(&u32::MAX.to_le_bytes());
    vec![
        case("valid-1", world.proof(&[0]), Valid),
        case("valid-3", proof.clone(), Valid),
        case("valid-16", sixteen.clone(), Valid),
        fault("empty", vec![], Fault::Truncated { wanted: 4, left: 0 }),
        fault(
            "oversized",
            vec![0; MAX_PROOF_BYTES + 1],
            Fault::TooLong { bytes: MAX_PROOF_BYTES + 1, limit: MAX_PROOF_BYTES },
        ),
        fault("magic", with(&proof, 0, b'X'), Fault::Magic),
        fault("version-0", with(&proof, 4, 0), Fault::Version(0)),
        fault("version-2", with(&proof, 4, 2), Fault::Version(2)),
        fault("form-0", with(&proof, 5, 0), Fault::Form { found: 0, expected: 1 }),
        fault("form-2", with(&proof, 5, 2), Fault::Form { found: 2, expected: 1 }),
        fault("keys-0", envelope(0, &[(raw, &[], &signature)]), Fault::Keys(0)),
        fault("keys-4097", envelope(MAX_SIGNERS + 1, &[]), Fault::Keys(MAX_SIGNERS + 1)),
        fault("parts-0", envelope(1, &[]), Fault::Parts(0)),
        case("parts-16", envelope(16, &parts(16)), Refused("part 1: unknown kind 2")),
        fault("parts-17", envelope(17, &parts(17)), Fault::Parts(17)),
        fault("truncated-prologue", proof[..5].to_vec(), Fault::Truncated { wanted: 1, left: 0 }),
        fault("truncated-keys", proof[..7].to_vec(), Fault::Truncated { wanted: 2, left: 1 }),
        fault("truncated-bits", sixteen[..11].to_vec(), Fault::Truncated { wanted: 2, left: 1 }),
        fault("truncated-length", proof[..13].to_vec(), Fault::Truncated { wanted: 4, left: 2 }),
        fault("truncated-payload", proof[..20].to_vec(), Fault::Truncated { wanted: 18, left: 5 }),
        fault("length-huge", huge, Fault::Truncated { wanted: u32::MAX as usize, left: 18 }),
        fault("trailing", [&proof[..], &[0, 0]].concat(), Fault::TrailingBytes(2)),
        fault("spare-bits", with(&proof, 10, 0b1111), Fault::SpareBits { part: 0 }),
        fault("no-signer", with(&proof, 10, 0), Fault::EmptyPart { part: 0 }),
        fault("missing-signer", with(&proof, 10, 0b101), Fault::MissingSigner { signer: 1 }),
        fault(
            "duplicate-signer",
            envelope(2, &[(raw, &[0b11], &[7; 12]), (raw, &[0b10], &signature)]),
            Fault::DuplicateSigner { part: 1, signer: 1 },
        ),
        fault(
            "duplicate-across-kinds",
            envelope(2, &[(raw, &[0b11], &[7; 12]), (9, &[0b01], &signature)]),
            Fault::DuplicateSigner { part: 1, signer: 0 },
        ),
        fault(
            "kinds-descend",
            envelope(2, &[(2, &[0b01], &signature), (raw, &[0b10], &signature)]),
            Fault::Order { part: 1 },
        ),
        fault(
            "signers-descend",
            envelope(2, &[(raw, &[0b10], &signature), (raw, &[0b01], &signature)]),
            Fault::Order { part: 1 },
        ),
        case(
            "two-raw-parts",
            envelope(2, &[(raw, &[0b01], &signature), (raw, &[0b10], &signature)]),
            Refused("part 1: a second part of kind 1"),
        ),
        case("kind-0", with(&proof, 9, 0), Refused("part 0: unknown kind 0")),
        case(
            "payload-short",
            envelope(2, &[(raw, &[0b11], &[7; 11])]),
            Refused("part 0: 11 bytes of signatures, expected 12"),
        ),
        case(
            "payload-long",
            envelope(2, &[(raw, &[0b11], &[7; 13])]),
            Refused("part 0: 13 bytes of signatures, expected 12"),
        ),
        case(
            "payload-empty",
            envelope(1, &[(raw, &[1], &[])]),
            Refused("part 0: 0 bytes of signatures, expected 6"),
        ),
        case(
            "forged",
            envelope(1, &[(raw, &[1], &signature)]),
            Refused("signature of signer 0: forged"),
        ),
    ]
}

/// Multi-message envelopes over statements of the usual validators.
pub fn multis() -> Vec<Case> {
    let world = World::new(3);
    let (three, two) = (world.proof(&[0, 1, 2]), world.proof(&[0, 1]));
    let merged = multi_envelope(&[&three, &two]);
    let short = multi_envelope(&[&three, &two[..20]]);
    let inner = |index: usize, fault: Fault| Fault::Statement { index, fault: Box::new(fault) };
    vec![
        case("valid-2", merged.clone(), Valid),
        case("valid-64", multi_envelope(&[two.as_slice(); 64]), Valid),
        fault("empty", vec![], Fault::Truncated { wanted: 4, left: 0 }),
        fault(
            "oversized",
            vec![0; MAX_PROOF_BYTES + 1],
            Fault::TooLong { bytes: MAX_PROOF_BYTES + 1, limit: MAX_PROOF_BYTES },
        ),
        fault("magic", with(&merged, 3, 0), Fault::Magic),
        fault("version-255", with(&merged, 4, 255), Fault::Version(255)),
        fault("form-1", three.clone(), Fault::Form { found: 1, expected: 2 }),
        fault("statements-0", multi_envelope(&[]), Fault::Statements(0)),
        fault("statements-65", multi_envelope(&[two.as_slice(); 65]), Fault::Statements(65)),
        fault("count-high", with(&merged, 6, 3), Fault::Truncated { wanted: 4, left: 0 }),
        fault("count-low", with(&merged, 6, 1), Fault::TrailingBytes(two.len() + 4)),
        fault(
            "truncated",
            merged[..merged.len() - 1].to_vec(),
            Fault::Truncated { wanted: two.len(), left: two.len() - 1 },
        ),
        fault(
            "length-high",
            with(&merged, 10, 255),
            Fault::Truncated { wanted: 255 << 24 | three.len(), left: merged.len() - 11 },
        ),
        fault("inner-truncated", short, inner(1, Fault::Truncated { wanted: 12, left: 5 })),
        fault("inner-trailing", multi_envelope(&[&[&three[..], &[0]].concat()]), {
            inner(0, Fault::TrailingBytes(1))
        }),
        fault("inner-version", multi_envelope(&[&three, &with(&two, 4, 2)]), {
            inner(1, Fault::Version(2))
        }),
        fault("nested", multi_envelope(&[&merged]), {
            inner(0, Fault::Form { found: 2, expected: 1 })
        }),
        case(
            "inner-kind",
            multi_envelope(&[&three, &with(&two, 9, 3)]),
            Refused("statement 1: part 0: unknown kind 3"),
        ),
        case(
            "forged",
            multi_envelope(&[&three, &with(&two, 15, two[15] ^ 1)]),
            Refused("statement 1: signature of signer 0: forged"),
        ),
    ]
}
