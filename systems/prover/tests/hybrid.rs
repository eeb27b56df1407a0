//! The hybrid system: what is carried raw, what is proved, and what is made of children.

mod support;

use leansig::{KeyGenOptions, scheme::Scheme, scheme::SecretKey};
use quintet_prover::envelope::{Multi, RAW_SIGNATURES, Single};
use quintet_prover::{
    CancelToken, Child, Hybrid, MAX_PROOF_BYTES, MergePart, Multisig, ProofSystem, ProveError,
    RawSignature, Statement, VerifyError, by_name,
};
use rand::{SeedableRng, rngs::StdRng};
use support::{Fake, KEY_LEN, SIGNATURE_LEN, keys, seal::Seal, sign};

type System = Hybrid<Fake, Seal>;

fn system() -> System {
    Hybrid::new(Fake::default(), Seal::default(), MAX_PROOF_BYTES)
}

/// A system that proves more than four signatures, even where there would be room for them.
fn proving() -> System {
    system().with_crossover(4)
}

/// A statement over validators, and what they signed.
struct Case {
    keys: Vec<[u8; KEY_LEN]>,
    signatures: Vec<[u8; SIGNATURE_LEN]>,
    slot: u64,
    message: [u8; 32],
}

impl Case {
    fn new(validators: &[usize], slot: u32, message: u8) -> Self {
        let all = keys(256);
        let keys: Vec<_> = validators.iter().map(|&index| all[index]).collect();
        let message = [message; 32];
        let signatures = keys.iter().map(|key| sign(key, slot, &message)).collect();
        Self { keys, signatures, slot: slot.into(), message }
    }

    fn statement(&self) -> Statement<'_> {
        Statement {
            slot: self.slot,
            message: self.message,
            public_keys: self.keys.iter().map(|key| &key[..]).collect(),
        }
    }

    fn raw(&self, signers: impl IntoIterator<Item = usize>) -> Vec<RawSignature<'_>> {
        let raw = |signer: usize| RawSignature { signer, signature: &self.signatures[signer] };
        signers.into_iter().map(raw).collect()
    }

    fn prove(&self, system: &System) -> Vec<u8> {
        let proof = aggregate(system, self, &[], &self.raw(0..self.keys.len())).expect("a proof");
        system.verify_single(&self.statement(), &proof).expect("it verifies");
        proof
    }

    /// The same for some of the keys.
    fn part(&self, signers: &[usize]) -> Self {
        Self {
            keys: signers.iter().map(|&signer| self.keys[signer]).collect(),
            signatures: signers.iter().map(|&signer| self.signatures[signer]).collect(),
            ..*self
        }
    }
}

fn aggregate(
    system: &System,
    case: &Case,
    children: &[Child<'_>],
    raw: &[RawSignature<'_>],
) -> Result<Vec<u8>, ProveError> {
    system.aggregate(&case.statement(), children, raw, &CancelToken::default())
}

fn kinds(proof: &[u8]) -> Vec<u8> {
    let single = Single::decode(proof, MAX_PROOF_BYTES).expect("an envelope");
    single.parts().iter().map(|part| part.kind).collect()
}

fn all(count: usize) -> Vec<usize> {
    (0..count).collect()
}

#[test]
fn few_signatures_are_carried_raw_as_multisig_does() {
    let case = Case::new(&all(4), 7, 1);
    let multisig = Multisig::new(Fake::default());
    let raw = multisig
        .aggregate(&case.statement(), &[], &case.raw(0..4), &CancelToken::default())
        .expect("a proof");
    assert_eq!(case.prove(&system()), raw);
}

#[test]
fn many_signatures_are_proved() {
    let proof = Case::new(&all(5), 7, 1).prove(&system());
    assert_eq!(kinds(&proof), [2]);
}

#[test]
fn a_few_signatures_are_carried_beside_a_proof_that_is_full() {
    let engine = |full: usize, limit| Hybrid::new(Fake::default(), Seal { full }, limit);
    let case = Case::new(&all(9), 7, 1);
    let prove = |system: &System| {
        let raw = case.raw(0..9);
        let proof = system.aggregate(&case.statement(), &[], &raw, &CancelToken::default());
        let proof = proof.expect("a proof");
        system.verify_single(&case.statement(), &proof).expect("it verifies");
        let single = Single::decode(&proof, MAX_PROOF_BYTES).expect("an envelope");
        single.parts().iter().map(|part| (part.kind, part.signers.count())).collect::<Vec<_>>()
    };
    assert_eq!(prove(&engine(8, MAX_PROOF_BYTES)), [(RAW_SIGNATURES, 1), (2, 8)]);
    assert_eq!(prove(&engine(9, MAX_PROOF_BYTES)), [(2, 9)]);
    // Four signatures are not worth a proof, so that all nine go into one.
    assert_eq!(prove(&engine(100, MAX_PROOF_BYTES)), [(2, 9)]);
    // An envelope of 74 bytes leaves less than a sixteenth of 77, and a sixteenth of 78.
    assert_eq!(prove(&engine(5, 77)), [(2, 9)]);
    assert_eq!(prove(&engine(5, 78)), [(RAW_SIGNATURES, 4), (2, 5)]);
}

#[test]
fn signatures_of_children_go_into_one_proof() {
    let system = system();
    let case = Case::new(&all(6), 7, 1);
    let (low, high) = (case.part(&[0, 1, 2]), case.part(&[2, 4]));
    let (low_proof, high_proof) = (low.prove(&system), high.prove(&system));
    let children = [
        Child { signers: vec![0, 1, 2], proof: &low_proof },
        Child { signers: vec![2, 4], proof: &high_proof },
    ];
    let proof = aggregate(&system, &case, &children, &case.raw([3, 5])).expect("a proof");
    assert_eq!(kinds(&proof), [2]);
    system.verify_single(&case.statement(), &proof).expect("it verifies");
}

#[test]
fn children_are_joined_without_a_proof_as_long_as_there_is_room() {
    let case = Case::new(&all(9), 7, 1);
    let [low, high] = [case.part(&[0, 1, 2, 3]), case.part(&[4, 5, 6, 7, 8])];
    let (low_proof, high_proof) = (low.prove(&system()), high.prove(&system().with_crossover(9)));
    let children = [
        Child { signers: all(4), proof: &low_proof },
        Child { signers: vec![4, 5, 6, 7, 8], proof: &high_proof },
    ];
    let join = |limit| {
        let system = Hybrid::new(Fake::default(), Seal::default(), limit);
        let proof = aggregate(&system, &case, &children, &[]).expect("a proof");
        system.verify_single(&case.statement(), &proof).expect("it verifies");
        proof
    };
    let joined = join(MAX_PROOF_BYTES);
    assert_eq!(kinds(&joined), [RAW_SIGNATURES]);
    assert_eq!(join(joined.len()), joined);
    assert_eq!(kinds(&join(joined.len() - 1)), [2]);
}

#[test]
fn statements_are_merged_without_a_proof_as_long_as_there_is_room() {
    let cases = [Case::new(&all(4), 7, 1), Case::new(&all(9), 8, 2), Case::new(&[4, 2, 9], 9, 3)];
    let proofs: Vec<_> = cases.iter().map(|case| case.prove(&system())).collect();
    let parts: Vec<_> =
        cases.iter().zip(&proofs).map(|(case, proof)| (case.statement(), &proof[..])).collect();
    let merge_within = |limit| {
        let system = Hybrid::new(Fake::default(), Seal::default(), limit);
        let merged = system.merge(&parts, &CancelToken::default()).expect("a proof");
        system.verify_multi(&statements(&cases), &merged).expect("it verifies");
        let multi = Multi::decode(&merged, MAX_PROOF_BYTES).expect("an envelope");
        let kinds: Vec<_> = multi.singles().map(|single| single.parts()[0].kind).collect();
        (merged.len(), kinds)
    };
    let (bytes, kinds) = merge_within(MAX_PROOF_BYTES);
    assert_eq!(kinds, [RAW_SIGNATURES, 2, RAW_SIGNATURES]);
    assert_eq!(merge_within(bytes), (bytes, kinds));
    let (shorter, kinds) = merge_within(bytes - 1);
    assert!(shorter < bytes);
    assert_eq!(kinds, [4, 2, 4]);
}

#[test]
fn proofs_of_children_are_carried_beside() {
    let system = system();
    let case = Case::new(&all(12), 7, 1);
    let (low, high) = (case.part(&[0, 1, 2, 3, 4]), case.part(&[3, 5, 6, 7, 8, 9]));
    let (low_proof, high_proof) = (low.prove(&system), high.prove(&system));
    let children = [
        Child { signers: vec![0, 1, 2, 3, 4], proof: &low_proof },
        Child { signers: vec![3, 5, 6, 7, 8, 9], proof: &high_proof },
    ];
    let proof = aggregate(&system, &case, &children, &case.raw([10, 11])).expect("a proof");
    assert_eq!(kinds(&proof), [RAW_SIGNATURES, 2, 2]);
    system.verify_single(&case.statement(), &proof).expect("it verifies");

    // And once more, as a child of another.
    let wide = Case::new(&all(14), 7, 1);
    let children = [Child { signers: all(12), proof: &proof }];
    let proof = aggregate(&system, &wide, &children, &wide.raw([12, 13])).expect("a proof");
    system.verify_single(&wide.statement(), &proof).expect("it verifies");
}

#[test]
fn a_proof_that_adds_nothing_is_left_out() {
    let system = system();
    let case = Case::new(&all(8), 7, 1);
    let part = case.part(&[0, 1, 2, 3, 4]);
    let proof = part.prove(&system);
    let children = [Child { signers: vec![0, 1, 2, 3, 4], proof: &proof }];
    let whole = aggregate(&system, &case, &children, &case.raw(0..8)).expect("a proof");
    assert_eq!(kinds(&whole), [2]);
    assert_eq!(whole, case.prove(&system));
}

#[test]
fn a_signer_without_anything_is_named() {
    let system = system();
    let case = Case::new(&all(3), 7, 1);
    let error = aggregate(&system, &case, &[], &case.raw([0, 2])).expect_err("no signer 1");
    assert_eq!(error, ProveError::Coverage("signer 1 has neither child nor signature".to_owned()));
}

#[test]
fn a_forged_signature_makes_no_proof() {
    let system = system();
    let mut case = Case::new(&all(5), 7, 1);
    case.signatures.swap(0, 1);
    let error = aggregate(&system, &case, &[], &case.raw(0..5)).expect_err("forged");
    assert!(matches!(error, ProveError::InvalidInput(_)), "{error}");
}

/// Three statements of which the second is a proof already.
fn block() -> [Case; 3] {
    [Case::new(&all(3), 7, 1), Case::new(&all(9), 8, 2), Case::new(&[4, 2, 9], 9, 3)]
}

fn merge(system: &System, cases: &[Case]) -> Vec<u8> {
    let proofs: Vec<_> = cases.iter().map(|case| case.prove(system)).collect();
    let parts: Vec<_> =
        cases.iter().zip(&proofs).map(|(case, proof)| (case.statement(), &proof[..])).collect();
    system.merge(&parts, &CancelToken::default()).expect("a proof")
}

fn statements(cases: &[Case]) -> Vec<Statement<'_>> {
    cases.iter().map(Case::statement).collect()
}

#[test]
fn a_block_is_proved_at_once_and_every_attestation_comes_out_again() {
    let system = proving();
    let cases = block();
    let merged = merge(&system, &cases);
    let statements = statements(&cases);
    system.verify_multi(&statements, &merged).expect("it verifies");
    let multi = Multi::decode(&merged, MAX_PROOF_BYTES).expect("an envelope");
    let found: Vec<Vec<u8>> = multi
        .singles()
        .map(|single| single.parts().iter().map(|part| part.kind).collect())
        .collect();
    assert_eq!(found, [[4], [2], [4]]);

    for (index, case) in cases.iter().enumerate() {
        let share =
            system.split(&merged, &statements, index, &CancelToken::default()).expect("a share");
        assert_eq!(kinds(&share), if index == 1 { [2] } else { [3] });
        system.verify_single(&case.statement(), &share).expect("it verifies");
        // A share is a child like any other.
        let mut wide: Vec<_> = case.keys.iter().map(|key| usize::from(key[0])).collect();
        wide.push(100);
        let slot = u32::try_from(case.slot).expect("small");
        let wide = Case::new(&wide, slot, case.message[0]);
        let last = case.keys.len();
        let children = [Child { signers: all(last), proof: &share }];
        let proof = aggregate(&system, &wide, &children, &wide.raw([last])).expect("a proof");
        system.verify_single(&wide.statement(), &proof).expect("it verifies");
        // And it can be merged again.
        let again =
            system.merge(&[(wide.statement(), &proof)], &CancelToken::default()).expect("a proof");
        system.verify_multi(&[wide.statement()], &again).expect("it verifies");
    }
    assert!(system.split(&merged, &statements, 3, &CancelToken::default()).is_err());
}

#[test]
fn a_small_block_stays_raw() {
    let system = system();
    let cases = [Case::new(&all(2), 7, 1), Case::new(&all(2), 8, 2)];
    let merged = merge(&system, &cases);
    let multisig = Multisig::new(Fake::default());
    multisig.verify_multi(&statements(&cases), &merged).expect("it is as multisig's");
}

#[test]
fn one_claim_with_signatures_among_proofs_is_proved_alone() {
    let system = system().with_crossover(3);
    let cases = [Case::new(&all(9), 7, 1), Case::new(&all(3), 8, 2)];
    let proofs: Vec<_> = cases.iter().map(|case| case.prove(&system)).collect();
    let parts: Vec<_> =
        cases.iter().zip(&proofs).map(|(case, proof)| (case.statement(), &proof[..])).collect();
    let merged =
        system.clone().with_crossover(2).merge(&parts, &CancelToken::default()).expect("a proof");
    system.verify_multi(&statements(&cases), &merged).expect("it verifies");
}

#[test]
fn other_statements_are_refused() {
    let system = proving();
    let cases = block();
    let merged = merge(&system, &cases);
    for index in 0..3 {
        let mut other = statements(&cases);
        other[index].message[0] ^= 1;
        assert!(system.verify_multi(&other, &merged).is_err());
        let mut other = statements(&cases);
        other[index].slot += 1;
        assert!(system.verify_multi(&other, &merged).is_err());
        let mut other = statements(&cases);
        other[index].public_keys.swap(0, 1);
        assert!(system.verify_multi(&other, &merged).is_err());
    }
    let mut other = statements(&cases);
    other.swap(0, 2);
    assert!(system.verify_multi(&other, &merged).is_err());
    other.pop();
    let error = system.verify_multi(&other, &merged).expect_err("one is missing");
    assert!(matches!(error, VerifyError::Invalid(_)), "{error}");
}

#[test]
fn every_changed_byte_and_every_truncation_is_refused() {
    let system = proving();
    let cases = block();
    let statements = statements(&cases);
    let merged = merge(&system, &cases);
    let share = system.split(&merged, &statements, 0, &CancelToken::default()).expect("a share");
    let check = |single: bool, bytes: &[u8]| match single {
        true => system.verify_single(&statements[0], bytes),
        false => system.verify_multi(&statements, bytes),
    };
    for (single, proof) in [(true, share), (false, merged)] {
        check(single, &proof).expect("it verifies");
        for at in 0..proof.len() {
            for bit in 0..8 {
                let mut changed = proof.clone();
                changed[at] ^= 1 << bit;
                assert!(check(single, &changed).is_err(), "byte {at}, bit {bit}");
            }
            assert!(check(single, &proof[..at]).is_err(), "{at} bytes");
        }
        let longer = [&proof[..], &[0]].concat();
        assert!(check(single, &longer).is_err());
    }
}

#[test]
fn a_joint_part_is_none_of_a_single_message() {
    let system = proving();
    let cases = block();
    let merged = merge(&system, &cases);
    let multi = Multi::decode(&merged, MAX_PROOF_BYTES).expect("an envelope");
    let joint = multi.single_bytes(0).expect("the first");
    assert!(matches!(
        system.verify_single(&cases[0].statement(), joint),
        Err(VerifyError::Malformed(_))
    ));
}

#[test]
fn sizes_never_say_more_than_a_proof_takes() {
    let system = proving();
    for count in 1..40 {
        let proof = Case::new(&all(count), 7, 1).prove(&system);
        assert!(system.single_proof_bytes(count) <= proof.len(), "{count}");
    }
    let cases = block();
    let merged = merge(&system, &cases);
    assert!(system.multi_proof_bytes(&[3, 9, 3]) <= merged.len());
}

/// The planned length is that of the merged proof, up to the lists of keys: for proofs, for
/// signatures that become one, and for both.
#[test]
fn a_block_is_planned_by_the_proofs_that_it_carries() {
    let case = |signers: usize, slot: u32| Case::new(&all(signers), slot, 1);
    let (proved, other) = (case(40, 7), case(60, 8));
    for cases in [
        vec![case(1, 9)],
        vec![proved, other, case(1, 9)],
        vec![case(2, 7), case(1, 8), case(1, 9)],
        vec![case(3, 7), case(1, 8), case(1, 9)],
        vec![case(40, 7), case(2, 8), case(1, 9)],
    ] {
        for system in [system(), proving()] {
            let proofs: Vec<_> = cases.iter().map(|case| case.prove(&system)).collect();
            let parts: Vec<_> = cases
                .iter()
                .zip(&proofs)
                .map(|(case, proof)| (case.statement(), &proof[..]))
                .collect();
            let merged = system.merge(&parts, &CancelToken::default()).expect("a proof");
            let parts: Vec<_> = cases
                .iter()
                .zip(&proofs)
                .map(|(case, proof)| MergePart { signers: case.keys.len(), bytes: proof.len() })
                .collect();
            let planned = system.merged_bytes(&parts);
            let lists = 16 * cases.len();
            assert!(planned.abs_diff(merged.len()) <= lists, "{planned} for {}", merged.len());
        }
    }
}

#[test]
fn real_signatures_become_a_real_proof() {
    let scheme = Scheme::Lifetime8;
    let (slot, message) = (9, [5; 32]);
    let secret: Vec<_> = (0..5)
        .map(|seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            SecretKey::generate(scheme, &mut rng, 0, 32, &KeyGenOptions::default()).expect("a key")
        })
        .collect();
    let keys: Vec<_> = secret.iter().map(|key| key.public_key().to_vec()).collect();
    let signatures: Vec<_> =
        secret.iter().map(|key| key.sign(slot, &message).expect("prepared").to_vec()).collect();
    let statement = |count: usize| Statement {
        slot: slot.into(),
        message,
        public_keys: keys[..count].iter().map(Vec::as_slice).collect(),
    };
    let raw = |count: usize| -> Vec<_> {
        (0..count).map(|signer| RawSignature { signer, signature: &signatures[signer] }).collect()
    };
    let token = CancelToken::default();
    let system = Hybrid::stark(scheme).with_crossover(2);
    let proof = system.aggregate(&statement(5), &[], &raw(5), &token).expect("a proof");
    assert_eq!(kinds(&proof), [2]);
    // Another node finds the system by its name and has its own crossover.
    let other = by_name("stark", scheme).expect("embedded");
    other.verify_single(&statement(5), &proof).expect("it verifies");
    assert!(other.verify_single(&statement(4), &proof).is_err());

    let small = |count| system.aggregate(&statement(count), &[], &raw(count), &token);
    let (two, one) = (small(2).expect("raw"), small(1).expect("raw"));
    let parts = [(statement(2), &two[..]), (statement(1), &one[..])];
    let merged = system.merge(&parts, &token).expect("a proof");
    let statements = [statement(2), statement(1)];
    other.verify_multi(&statements, &merged).expect("it verifies");
    let share = other.split(&merged, &statements, 1, &token).expect("a share");
    other.verify_single(&statement(1), &share).expect("it verifies");
}
