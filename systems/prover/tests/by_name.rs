//! The choice of a proof system at run time.

use std::sync::Arc;

use leansig::scheme::Scheme;
use quintet_prover::{
    CancelToken, Child, MAX_PROOF_BYTES, MAX_SIGNERS, NoProofSystem, ProofSystem, ProofSystems,
    ProveError, RawSignature, Statement, UnknownProofSystem, VerifyError, by_name,
};

/// A system that refuses everything and says nothing of sizes, or that proofs grow like this.
struct Custom(Option<fn(usize) -> usize>);

impl ProofSystem for Custom {
    fn name(&self) -> &'static str {
        "custom"
    }

    fn aggregate(
        &self,
        _: &Statement<'_>,
        _: &[Child<'_>],
        _: &[RawSignature<'_>],
        _: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        Err(ProveError::Cancelled)
    }

    fn merge(&self, _: &[(Statement<'_>, &[u8])], _: &CancelToken) -> Result<Vec<u8>, ProveError> {
        Err(ProveError::Cancelled)
    }

    fn split(
        &self,
        _: &[u8],
        _: &[Statement<'_>],
        _: usize,
        _: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        Err(ProveError::Cancelled)
    }

    fn verify_single(&self, _: &Statement<'_>, _: &[u8]) -> Result<(), VerifyError> {
        Err(VerifyError::Malformed(String::new()))
    }

    fn verify_multi(&self, _: &[Statement<'_>], _: &[u8]) -> Result<(), VerifyError> {
        Err(VerifyError::Malformed(String::new()))
    }

    fn single_proof_bytes(&self, signers: usize) -> usize {
        self.0.map_or(0, |bytes| bytes(signers))
    }
}

#[test]
fn the_embedded_system_is_found_and_knows_its_sizes() {
    let system = by_name("multisig", Scheme::Lifetime32).expect("embedded");
    assert_eq!(system.name(), "multisig");
    assert_eq!(system.max_proof_bytes(), MAX_PROOF_BYTES);
    assert_eq!(system.max_signers(), 206);
    let (last, beyond) = (system.single_proof_bytes(206), system.single_proof_bytes(207));
    assert!(last <= MAX_PROOF_BYTES && MAX_PROOF_BYTES < beyond);
    // A block: two votes and the proposer's signature.
    assert_eq!(system.multi_proof_bytes(&[100, 100, 1]), 7 + 3 * 4 + 2 * 253_627 + 2551);
}

#[test]
fn two_thirds_of_the_largest_registry_have_room_in_a_block() {
    for (scheme, validators) in [(Scheme::Lifetime32, 307), (Scheme::Lifetime8, 0)] {
        let system = by_name("multisig", scheme).expect("embedded");
        let (most, limit) = (system.max_validators(), system.max_proof_bytes());
        let two_thirds = |count: usize| (2 * count).div_ceil(3);
        assert!(system.multi_proof_bytes(&[two_thirds(most), 1]) <= limit);
        assert!(system.multi_proof_bytes(&[two_thirds(most + 1), 1]) > limit);
        assert!(validators == 0 || most == validators, "{most}");
    }
    assert_eq!(Custom(None).max_validators(), MAX_SIGNERS, "one that cannot say has room");
    let none = Custom(Some(|_| usize::MAX));
    assert_eq!((none.max_block_signers(), none.max_validators()), (0, 0));
}

#[test]
fn more_signers_than_the_limit_are_too_large() {
    let system = by_name("multisig", Scheme::Lifetime32).expect("embedded");
    let key = vec![0; Scheme::Lifetime32.public_key_len()];
    let public_keys = vec![key.as_slice(); 207];
    let statement = Statement { slot: 1, message: [0; 32], public_keys };
    let refused = system.aggregate(&statement, &[], &[], &CancelToken::default());
    let bytes = system.single_proof_bytes(207);
    assert_eq!(refused, Err(ProveError::TooLarge { bytes, limit: 524_288 }));
}

#[test]
fn an_unknown_name_is_refused_with_the_known_ones() {
    let error = by_name("snark", Scheme::Lifetime8).err().expect("unknown");
    assert_eq!(
        error,
        NoProofSystem::Unknown(UnknownProofSystem {
            name: "snark".to_owned(),
            known: vec!["multisig", "stark"]
        })
    );
    assert_eq!(error.to_string(), "unknown proof system \"snark\"; known are: multisig, stark");
    assert!(by_name("Multisig", Scheme::Lifetime8).is_err());
}

#[test]
fn a_custom_system_can_be_brought() {
    let mut systems = ProofSystems::default();
    systems.register("custom", Box::new(|_| Arc::new(Custom(None))));
    let names: Vec<_> = systems.names().collect();
    assert_eq!(names, ["custom", "multisig", "stark"]);
    let system = systems.by_name("custom", Scheme::Lifetime8).expect("registered");
    assert_eq!(system.name(), "custom");
    assert!(systems.by_name("multisig", Scheme::Lifetime8).is_ok());
}

#[test]
fn sizes_have_defaults() {
    let unknown = Custom(None);
    assert_eq!(unknown.multi_proof_bytes(&[5, 7]), 0);
    assert_eq!(unknown.max_signers(), MAX_SIGNERS);
    let linear = Custom(Some(|signers| signers * 1000));
    assert_eq!(linear.multi_proof_bytes(&[5, 7]), 12_000);
    assert_eq!(linear.max_signers(), 524);
    let exact = Custom(Some(|signers| signers * 1024));
    assert_eq!(exact.max_signers(), 512);
    let none = Custom(Some(|_| usize::MAX));
    assert_eq!((none.max_signers(), none.multi_proof_bytes(&[1, 1])), (0, usize::MAX));
}
