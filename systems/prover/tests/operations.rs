//! Aggregate, merge and split, with a cheap signature scheme.

mod support;

use quintet_prover::{
    CancelToken, Child, Multisig, ProofSystem, ProveError, RawSignature, Refused, SignatureCheck,
    SignedItem, Statement, VerifyError,
};
use support::{Fake, MESSAGE, SIGNATURE_LEN, SLOT, World, raw};

fn invalid(result: &Result<(), VerifyError>) -> &str {
    match result {
        Err(VerifyError::Invalid(reason)) => reason,
        other => panic!("not invalid: {other:?}"),
    }
}

fn invalid_input<T: std::fmt::Debug>(result: Result<T, ProveError>) -> String {
    match result {
        Err(ProveError::InvalidInput(reason)) => reason,
        other => panic!("not an invalid input: {other:?}"),
    }
}

fn coverage<T: std::fmt::Debug>(result: Result<T, ProveError>) -> String {
    match result {
        Err(ProveError::Coverage(reason)) => reason,
        other => panic!("not a matter of coverage: {other:?}"),
    }
}

#[test]
fn single_fresh_signature() {
    let world = World::new(3);
    let statement = world.statement(&[2]);
    let proof = world.prove(&statement);
    assert_eq!(world.fake.checked(), 0, "proving checks no signature");
    assert_eq!(world.system.verify_single(&statement, &proof), Ok(()));
    assert_eq!(world.fake.checked(), 1);
}

#[test]
fn one_child_only_gives_its_bytes_again() {
    let world = World::new(20);
    let validators = [3, 1, 17, 9, 4, 5, 6, 7, 8];
    let child = world.proof(&validators);
    let children = [Child { signers: (0..9).collect(), proof: &child }];
    let proof = world.aggregate(&world.statement(&validators), &children, &[]).expect("covered");
    assert_eq!(proof, child);
}

#[test]
fn overlapping_children_and_signatures_make_the_same_proof_as_signatures_alone() {
    let world = World::new(10);
    let all: Vec<_> = (0..10).collect();
    let statement = world.statement(&all);
    let (left, right) = (world.proof(&all[..6]), world.proof(&[1, 3, 5, 7, 8]));
    let signatures = World::signatures(&statement);
    let fresh = &raw(&signatures)[5..];
    let children = [
        Child { signers: all[..6].to_vec(), proof: &left },
        Child { signers: vec![1, 3, 5, 7, 8], proof: &right },
    ];
    let proof = world.aggregate(&statement, &children, fresh).expect("covered");
    assert_eq!(proof, world.proof(&all));
    assert_eq!(world.system.verify_single(&statement, &proof), Ok(()));

    // An aggregate is a child in its turn.
    let children = [
        Child { signers: all.clone(), proof: &proof },
        Child { signers: all[..6].to_vec(), proof: &left },
    ];
    assert_eq!(world.aggregate(&statement, &children, &[]), Ok(proof.clone()));
}

#[test]
fn the_first_child_that_covers_a_signer_counts_then_the_first_signature() {
    let world = World::new(4);
    let marked = |mark: u8, signers: &[usize]| {
        let signature = [mark; SIGNATURE_LEN];
        let raw: Vec<_> = (0..signers.len())
            .map(|signer| RawSignature { signer, signature: &signature })
            .collect();
        world.aggregate(&world.statement(signers), &[], &raw).expect("covered")
    };
    let (first, second) = (marked(1, &[1, 2]), marked(2, &[0, 1]));
    let fresh: Vec<_> =
        [(0, 3), (3, 4), (3, 5)].map(|(signer, mark)| (signer, [mark; SIGNATURE_LEN])).to_vec();
    let fresh: Vec<_> = fresh
        .iter()
        .map(|(signer, bytes)| RawSignature { signer: *signer, signature: bytes })
        .collect();
    let children = [
        Child { signers: vec![1, 2], proof: &first },
        Child { signers: vec![0, 1], proof: &second },
    ];
    let proof =
        world.aggregate(&world.statement(&[0, 1, 2, 3]), &children, &fresh).expect("covered");
    let body = &proof[proof.len() - 4 * SIGNATURE_LEN..];
    let marks: Vec<_> = body.chunks(SIGNATURE_LEN).map(|signature| signature[0]).collect();
    assert_eq!(marks, [2, 1, 1, 4]);
}

#[test]
fn merge_split_and_reaggregate() {
    let world = World::new(12);
    let statements = [
        world.statement_of(&[0, 1, 2, 3], 5, [1; 32]),
        world.statement_of(&[2, 4, 6, 8, 10], 6, [2; 32]),
        world.statement_of(&[11], 7, [3; 32]),
    ];
    let singles: Vec<_> = statements.iter().map(|statement| world.prove(statement)).collect();
    let parts: Vec<_> = statements.iter().cloned().zip(singles.iter().map(Vec::as_slice)).collect();
    let merged = world.merge(&parts).expect("each fits its statement");
    assert_eq!(merged.len(), world.system.multi_proof_bytes(&[4, 5, 1]));
    assert_eq!(world.fake.checked(), 0, "proving checks no signature");
    assert_eq!(world.system.verify_multi(&statements, &merged), Ok(()));
    assert_eq!(world.fake.checked(), 10);

    for (index, single) in singles.iter().enumerate() {
        assert_eq!(world.split(&merged, &statements, index).as_ref(), Ok(single));
    }
    assert_eq!(invalid_input(world.split(&merged, &statements, 3)), "no statement 3 of 3");

    // A vote split from a block joins votes that the block did not have.
    let split = world.split(&merged, &statements, 1).expect("in range");
    let wider = world.statement_of(&[1, 2, 4, 6, 8, 10], 6, [2; 32]);
    let signatures = World::signatures(&wider);
    let children = [Child { signers: vec![1, 2, 3, 4, 5], proof: &split }];
    let proof = world.aggregate(&wider, &children, &raw(&signatures)[..1]).expect("covered");
    assert_eq!(world.system.verify_single(&wider, &proof), Ok(()));
}

#[test]
fn a_proof_is_bound_to_slot_message_keys_and_their_order() {
    let world = World::new(6);
    let proof = world.proof(&[0, 1, 2]);
    let verdict = |statement: &Statement<'_>| world.system.verify_single(statement, &proof);
    assert_eq!(verdict(&world.statement(&[0, 1, 2])), Ok(()));
    let forged = "signature of signer 0: forged";
    assert_eq!(invalid(&verdict(&world.statement_of(&[0, 1, 2], SLOT + 1, MESSAGE))), forged);
    assert_eq!(invalid(&verdict(&world.statement_of(&[0, 1, 2], SLOT, [8; 32]))), forged);
    let other = verdict(&world.statement(&[0, 1, 3]));
    assert_eq!(invalid(&other), "signature of signer 2: forged");
    let swapped = verdict(&world.statement(&[0, 2, 1]));
    assert_eq!(invalid(&swapped), "signature of signer 1: forged");
    let checked = world.fake.checked();
    let fewer = verdict(&world.statement(&[0, 1]));
    assert_eq!(invalid(&fewer), "it is over 3 keys, the statement has 2");
    let more = verdict(&world.statement(&[0, 1, 2, 3]));
    assert_eq!(invalid(&more), "it is over 3 keys, the statement has 4");
    assert_eq!(world.fake.checked(), checked, "participants are compared before signatures");
}

#[test]
fn a_multi_message_proof_is_bound_to_its_statements_and_their_order() {
    let world = World::new(6);
    let statements = [world.statement(&[0, 1]), world.statement_of(&[2, 3], 8, [2; 32])];
    let singles = statements.each_ref().map(|statement| world.prove(statement));
    let parts: Vec<_> = statements.iter().cloned().zip(singles.iter().map(Vec::as_slice)).collect();
    let merged = world.merge(&parts).expect("each fits its statement");
    let swapped = [statements[1].clone(), statements[0].clone()];
    assert_eq!(
        invalid(&world.system.verify_multi(&swapped, &merged)),
        "statement 0: signature of signer 0: forged"
    );
    let fewer = world.system.verify_multi(&statements[..1], &merged);
    assert_eq!(invalid(&fewer), "it is over 2 statements, expected 1");
    assert_eq!(
        invalid(&world.system.verify_multi(&[], &merged)),
        "it is over 2 statements, expected 0"
    );
    let last = [statements[0].clone(), world.statement_of(&[2, 4], 8, [2; 32])];
    assert_eq!(
        invalid(&world.system.verify_multi(&last, &merged)),
        "statement 1: signature of signer 1: forged"
    );
    let wider = [statements[0].clone(), world.statement(&[2, 3, 4])];
    assert_eq!(
        invalid(&world.system.verify_multi(&wider, &merged)),
        "statement 1: it is over 2 keys, the statement has 3"
    );
    assert_eq!(
        invalid_input(world.split(&merged, &wider, 0)),
        "statement 1: it is over 2 keys, the statement has 3"
    );
}

#[test]
fn the_forged_signature_is_named_across_batches() {
    let world = World::new(200);
    let all: Vec<_> = (0..200).collect();
    let mut proof = world.proof(&all);
    let at = proof.len() - (200 - 130) * SIGNATURE_LEN;
    proof[at] ^= 1;
    let verdict = world.system.verify_single(&world.statement(&all), &proof);
    assert_eq!(invalid(&verdict), "signature of signer 130: forged");
    assert_eq!(world.fake.checked(), 192, "batches after the forged one are not checked");
}

#[test]
fn a_key_that_two_validators_share_needs_a_signature_for_each() {
    let world = World::new(3);
    let statement = world.statement(&[1, 1, 2]);
    let proof = world.prove(&statement);
    assert_eq!(world.system.verify_single(&statement, &proof), Ok(()));
    let once = world.proof(&[1, 2]);
    assert!(world.system.verify_single(&statement, &once).is_err());
}

#[test]
fn inputs_that_do_not_cover_the_statement_are_refused() {
    let world = World::new(5);
    let statement = world.statement(&[0, 1, 2]);
    let signatures = World::signatures(&statement);
    let fresh = raw(&signatures);
    let refused = |children: &[Child<'_>], fresh: &[RawSignature<'_>]| {
        coverage(world.aggregate(&statement, children, fresh))
    };
    assert_eq!(refused(&[], &[]), "signer 0 has neither child nor signature");
    assert_eq!(refused(&[], &fresh[..2]), "signer 2 has neither child nor signature");
    let beyond = RawSignature { signer: 3, signature: &signatures[0] };
    assert_eq!(refused(&[], &[fresh[0], beyond]), "signature 1 names signer 3 of 3");
    let proof = world.proof(&[0, 1]);
    let child = Child { signers: vec![1, 3], proof: &proof };
    assert_eq!(refused(&[child], &fresh), "child 0 names signer 3 of 3");
}

#[test]
fn wrong_children_and_signatures_are_refused() {
    let world = World::new(5);
    let statement = world.statement(&[0, 1, 2]);
    let signatures = World::signatures(&statement);
    let fresh = raw(&signatures);
    let proof = world.proof(&[0, 1]);
    // The signatures alone would do: a wrong child is refused all the same.
    let refused = |signers: &[usize], proof: &[u8]| {
        let child = Child { signers: signers.to_vec(), proof };
        invalid_input(world.aggregate(&statement, &[child], &fresh))
    };
    assert_eq!(refused(&[], &proof), "child 0 has no signer");
    assert_eq!(refused(&[0], &proof), "child 0: it is over 2 keys, the statement has 1");
    let order = "child 0: signer 1 follows 1, expected them strictly ascending";
    assert_eq!(refused(&[1, 1], &proof), order);
    let order = "child 0: signer 0 follows 1, expected them strictly ascending";
    assert_eq!(refused(&[1, 0], &proof), order);
    assert_eq!(refused(&[0, 1], b"?"), "child 0: truncated: 4 bytes wanted, 1 left");
    let merged = world.merge(&[(world.statement(&[0, 1]), &proof)]).expect("fits");
    assert_eq!(refused(&[0, 1], &merged), "child 0: form 2, expected 1");

    let short = RawSignature { signer: 1, signature: &signatures[1][1..] };
    let result = world.aggregate(&statement, &[], &[fresh[0], short, fresh[2]]);
    assert_eq!(invalid_input(result), "signature 1 has 5 bytes, expected 6");
    assert_eq!(invalid_input(world.merge(&[])), "0 proofs to merge, expected 1 to 64");
    let many = vec![(world.statement(&[0, 1]), proof.as_slice()); 65];
    assert_eq!(invalid_input(world.merge(&many)), "65 proofs to merge, expected 1 to 64");
    assert!(world.merge(&many[1..]).is_ok());
    let mismatch = [(world.statement(&[0, 1]), proof.as_slice()), (statement, proof.as_slice())];
    assert_eq!(
        invalid_input(world.merge(&mismatch)),
        "proof 1: it is over 2 keys, the statement has 3"
    );
    assert_eq!(world.fake.checked(), 0);
}

#[test]
fn statements_that_nobody_can_sign_are_refused_everywhere() {
    let world = World::new(4097);
    let usual = world.proof(&[0, 1]);
    let all: Vec<_> = (0..4097).collect();
    let late = world.statement_of(&[0, 1], 1 << 32, MESSAGE);
    let mut short_key = world.statement(&[0, 1]);
    short_key.public_keys[1] = &[0; 3];
    let cases = [
        (late, "the statement's slot 4294967296 is beyond the last epoch 4294967295"),
        (world.statement(&[]), "the statement has 0 keys, expected 1 to 4096"),
        (world.statement(&all), "the statement has 4097 keys, expected 1 to 4096"),
        (short_key, "the statement's key 1 has 3 bytes, expected 4"),
    ];
    for (statement, reason) in cases {
        let signatures = [[0; SIGNATURE_LEN]; 4097];
        let fresh = &raw(&signatures)[..statement.public_keys.len()];
        assert_eq!(invalid_input(world.aggregate(&statement, &[], fresh)), reason);
        assert_eq!(
            invalid_input(world.merge(&[(statement.clone(), &usual)])),
            format!("proof 0: {reason}")
        );
        let statements = [statement];
        let merged = world.merge(&[(world.statement(&[0, 1]), &usual)]).expect("fits");
        assert_eq!(
            invalid_input(world.split(&merged, &statements, 0)),
            format!("statement 0: {reason}")
        );
        assert_eq!(invalid(&world.system.verify_single(&statements[0], &usual)), reason);
        assert_eq!(
            invalid(&world.system.verify_multi(&statements, &merged)),
            format!("statement 0: {reason}")
        );
    }
    assert_eq!(world.fake.checked(), 0);
    let last = world.statement_of(&[0, 1], u64::from(u32::MAX), MESSAGE);
    assert_eq!(world.system.verify_single(&last, &world.prove(&last)), Ok(()));
    let most = world.statement(&all[..4096]);
    assert_eq!(world.system.verify_single(&most, &world.prove(&most)), Ok(()));
}

#[test]
fn a_cancelled_token_ends_every_kind_of_proving() {
    let world = World::new(3);
    let statement = world.statement(&[0, 1, 2]);
    let proof = world.proof(&[0, 1, 2]);
    let parts = [(statement.clone(), proof.as_slice())];
    let merged = world.merge(&parts).expect("fits");
    let cancel = CancelToken::default();
    cancel.clone().cancel();
    let children = [Child { signers: vec![0, 1, 2], proof: &proof }];
    let system = &world.system;
    assert_eq!(system.aggregate(&statement, &children, &[], &cancel), Err(ProveError::Cancelled));
    assert_eq!(system.merge(&parts, &cancel), Err(ProveError::Cancelled));
    assert_eq!(system.split(&merged, &[statement], 0, &cancel), Err(ProveError::Cancelled));
}

/// Keys are as the cheap scheme's; the token is cancelled when a signature's length is asked for.
struct Cancels(CancelToken);

impl SignatureCheck for Cancels {
    fn public_key_len(&self) -> usize {
        Fake::default().public_key_len()
    }

    fn signature_len(&self) -> usize {
        self.0.cancel();
        SIGNATURE_LEN
    }

    fn check(&self, _: &[SignedItem<'_>]) -> Result<(), Refused> {
        Ok(())
    }
}

#[test]
fn the_token_is_looked_at_again_while_proving() {
    let world = World::new(3);
    let statement = world.statement(&[0, 1, 2]);
    let proof = world.proof(&[0, 1, 2]);
    let parts = [(statement.clone(), proof.as_slice())];
    let merged = world.merge(&parts).expect("fits");
    let signatures = World::signatures(&statement);
    let aggregate = |children: &[Child<'_>], fresh: &[RawSignature<'_>]| {
        let token = CancelToken::default();
        Multisig::new(Cancels(token.clone())).aggregate(&statement, children, fresh, &token)
    };
    let children = [Child { signers: vec![0, 1, 2], proof: &proof }];
    assert_eq!(aggregate(&children, &[]), Err(ProveError::Cancelled));
    assert_eq!(aggregate(&[], &raw(&signatures)), Err(ProveError::Cancelled));
    let token = CancelToken::default();
    let system = Multisig::new(Cancels(token.clone()));
    assert_eq!(system.merge(&parts, &token), Err(ProveError::Cancelled));
    let token = CancelToken::default();
    let system = Multisig::new(Cancels(token.clone()));
    let split = system.split(&merged, std::slice::from_ref(&statement), 0, &token);
    assert_eq!(split, Err(ProveError::Cancelled));
}

#[test]
fn the_limit_is_exact_and_known_beforehand() {
    let world = World::new(8);
    let all: Vec<_> = (0..8).collect();
    let (seven, eight) = (world.statement(&all[..7]), world.statement(&all));
    let limit = world.system.single_proof_bytes(7);
    let system = Multisig::with_limit(Fake::default(), limit);
    assert_eq!((system.max_proof_bytes(), system.max_signers()), (limit, 7));
    let signatures = World::signatures(&eight);
    let fresh = raw(&signatures);
    let cancel = CancelToken::default();
    let proof = system.aggregate(&seven, &[], &fresh[..7], &cancel).expect("within the limit");
    assert_eq!(proof.len(), limit);
    assert_eq!(system.verify_single(&seven, &proof), Ok(()));
    let bytes = system.single_proof_bytes(8);
    // What is too large is refused before any input is looked at.
    let refused = Err(ProveError::TooLarge { bytes, limit });
    assert_eq!(system.aggregate(&eight, &[], &[], &cancel), refused);

    let longer = world.proof(&all);
    let malformed = VerifyError::Malformed(format!("{bytes} bytes, the limit is {limit}"));
    assert_eq!(system.verify_single(&eight, &longer), Err(malformed));
    let bytes = system.multi_proof_bytes(&[7]);
    let merged = system.merge(&[(seven.clone(), &proof)], &cancel);
    assert_eq!(merged, Err(ProveError::TooLarge { bytes, limit }));
    let two = world.proof(&all[..2]);
    let pair = world.statement(&all[..2]);
    let limit = system.multi_proof_bytes(&[2, 2]);
    for (limit, fits) in [(limit, true), (limit - 1, false)] {
        let system = Multisig::with_limit(Fake::default(), limit);
        let merged = system.merge(&[(pair.clone(), &two), (pair.clone(), &two)], &cancel);
        assert_eq!(merged.is_ok(), fits);
    }
}
