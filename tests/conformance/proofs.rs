//! Proofs over real signatures: of blocks, of one message, of several, and taken apart and joined
//! anew as after an import.

use leansig::scheme::Scheme;
use libtest_mimic::Failed;
use quintet_components::{
    chain::Registry,
    containers::{
        AggregationBits, AttestationData, ProofBytes, PublicKey, Root, SignedBlock,
        SingleMessageAggregate, Slot, State, Validator, ValidatorIndex, Validators,
    },
    preset::SignaturePreset,
    rejection::{Rejection, RejectionReason},
};
use quintet_plugins::scenario;
use quintet_prover::{
    CancelToken, Child, Multisig, ProofSystem, RawSignature, Statement, VerifyError,
};
use quintet_systems::verification::{scheme_of, verify_aggregate};
use serde_json::Value;
use tree_hash::TreeHash;

use crate::{
    key_set,
    vectors::{bytes, field, optional, same},
};

/// The proof system of a vector with real proofs.
fn system(case: &Value) -> Result<Multisig<Scheme>, Failed> {
    let setting: u8 = field(case, "proofSetting")?;
    same("proofs are real", &(1..=2).contains(&setting), &true)?;
    let preset = match field::<String>(case, "leanEnv")?.as_str() {
        "test" => SignaturePreset::Test,
        "prod" => SignaturePreset::Production,
        other => return Err(format!("unknown leanEnv {other}").into()),
    };
    Ok(Multisig::new(scheme_of(preset)))
}

/// The outcome is the vector's, and a refusal has its reason.
fn verdict(case: &Value, outcome: Result<(), Rejection>) -> Result<(), Failed> {
    let refused = outcome.err().map(|rejection| rejection.reason.name().to_owned());
    same("refusal", &refused, &optional(case, "rejectionReason")?)
}

/// A proof that does not verify, as the node calls it.
fn unproven(error: &VerifyError) -> Rejection {
    RejectionReason::InvalidSignature.because(error.to_string())
}

/// A signed block against the registry of its parent's state.
pub fn block(case: &Value) -> Result<(), Failed> {
    // The driver reads them once more.
    field::<State>(case, "anchorState")?;
    field::<SignedBlock>(case, "signedBlock")?;
    verdict(case, scenario::verify_signatures(case, SignaturePreset::Test)?)
}

/// A proof over one message.
pub fn single_message(case: &Value) -> Result<(), Failed> {
    let proofs = system(case)?;
    let data: AttestationData = field(case, "attestationData")?;
    let message: Root = field(case, "message")?;
    let slot: Slot = field(case, "slot")?;
    let keys: Vec<PublicKey> = field(case, "publicKeys")?;
    let participants: AggregationBits = field(case, "aggregationBits")?;
    let proof: ProofBytes = field(case, "proof")?;
    same("message", &data.tree_hash_root(), &message)?;
    same("participants", &participants.indices().count(), &keys.len())?;

    let outcome = proofs.verify_single(&statement(slot, message, &keys), proof.as_bytes());
    verdict(case, outcome.map_err(|error| unproven(&error)))?;
    if slot == data.slot {
        let registry = registry(&participants, &keys)?;
        let aggregate = SingleMessageAggregate { participants, proof };
        verdict(case, verify_aggregate(&data, &aggregate, &registry, &proofs))?;
    }
    Ok(())
}

fn statement(slot: Slot, message: Root, keys: &[PublicKey]) -> Statement<'_> {
    Statement { slot, message: message.0, public_keys: keys.iter().map(|key| &key[..]).collect() }
}

/// A registry that has these attestation keys for the participants, in their order.
fn registry(participants: &AggregationBits, keys: &[PublicKey]) -> Result<Registry, Failed> {
    let count = participants.highest().map_or(0, |highest| highest + 1);
    let nobody = |index| Validator {
        attestation_public_key: PublicKey::ZERO,
        proposal_public_key: PublicKey::ZERO,
        index,
    };
    let mut validators: Vec<Validator> = (0..count).map(nobody).collect();
    for (index, key) in participants.indices().zip(keys) {
        validators[usize::try_from(index)?].attestation_public_key = *key;
    }
    Ok(Registry::new(&Validators::new(validators)?))
}

/// A proof over several messages.
pub fn multi_message(case: &Value) -> Result<(), Failed> {
    let proofs = system(case)?;
    let data: Vec<AttestationData> = field(case, "attestationDataPerMessage")?;
    let messages: Vec<Root> = field(case, "messages")?;
    let slots: Vec<Slot> = field(case, "slots")?;
    let keys: Vec<Vec<PublicKey>> = field(case, "publicKeysPerMessage")?;
    let participants: Vec<AggregationBits> = field(case, "aggregationBitsPerMessage")?;
    let proof: ProofBytes = field(case, "proof")?;
    same("slots", &slots.len(), &messages.len())?;
    let counts: Vec<usize> = participants.iter().map(|bits| bits.indices().count()).collect();
    same("participants", &counts, &keys.iter().map(Vec::len).collect())?;
    let roots: Vec<Root> = data.iter().map(TreeHash::tree_hash_root).collect();
    same("the messages are roots", &messages.iter().all(|each| roots.contains(each)), &true)?;
    if optional::<String>(case, "rejectionReason")?.is_none() {
        same("messages", &messages, &roots)?;
        same("slots", &slots, &data.iter().map(|data| data.slot).collect())?;
    }

    let bindings = slots.into_iter().zip(messages).zip(&keys);
    let statements: Vec<_> =
        bindings.map(|((slot, message), keys)| statement(slot, message, keys)).collect();
    let outcome = proofs.verify_multi(&statements, proof.as_bytes());
    verdict(case, outcome.map_err(|error| unproven(&error)))
}

/// A block's proof is split, and what comes out is joined with a proof of one's own.
pub fn reaggregation(case: &Value) -> Result<(), Failed> {
    let proofs = system(case)?;
    let cancel = CancelToken::default();
    let message: Root = field(case, "attestationMessage")?;
    let slot: Slot = field(case, "attestationSlot")?;
    let block_attesters: Vec<ValidatorIndex> = field(case, "blockAttesters")?;
    let local_attesters: Vec<ValidatorIndex> = field(case, "localAttesters")?;
    let combined_attesters: Vec<ValidatorIndex> = field(case, "combinedAttesters")?;
    let mut union = [block_attesters.clone(), local_attesters.clone()].concat();
    union.sort_unstable();
    union.dedup();
    same("combined attesters", &combined_attesters, &union)?;

    let keys: Vec<Vec<PublicKey>> = field(case, "publicKeysPerMessage")?;
    let (Some(block_keys), [proposer]) =
        (keys.first(), keys.last().map_or(&[][..], |keys| &keys[..]))
    else {
        return Err("no attestation, or no proposal of one proposer".into());
    };
    same("keys of the block's attesters", block_keys, &attestation_keys(&block_attesters)?)?;
    let combined_keys = attestation_keys(&combined_attesters)?;
    let local_keys = attestation_keys(&local_attesters)?;

    // The vector does not tell the block. To take an attestation's part out needs its keys alone.
    let statements: Vec<_> = keys.iter().map(|keys| statement(slot, message, keys)).collect();
    let block_proof = bytes(case, "blockProof")?;
    let split = |index: usize| proofs.split(&block_proof, &statements, index, &cancel);
    let recovered = split(0)?;
    proofs.verify_single(&statements[0], &recovered)?;
    let proposal = split(statements.len() - 1)?;
    let outcome =
        proofs.verify_single(&statement(slot, message, std::slice::from_ref(proposer)), &proposal);
    same("the proposal proves the attestation", &outcome.is_ok(), &false)?;

    let local = own_proof(&proofs, &statement(slot, message, &local_keys), &local_attesters)?;
    let combined = statement(slot, message, &combined_keys);
    let signers = |attesters: &[ValidatorIndex]| -> Vec<usize> {
        let place = |attester| combined_attesters.iter().position(|each| each == attester);
        attesters.iter().filter_map(place).collect()
    };
    let mut children = vec![Child { signers: signers(&block_attesters), proof: &recovered }];
    if let Some(local) = &local {
        children.push(Child { signers: signers(&local_attesters), proof: local });
    }
    let joined = proofs.aggregate(&combined, &children, &[], &cancel)?;
    proofs.verify_single(&combined, &joined)?;
    proofs.verify_single(&combined, &bytes(case, "reaggregatedProof")?)?;
    same("refusal", &optional::<String>(case, "rejectionReason")?, &None)
}

fn attestation_keys(attesters: &[ValidatorIndex]) -> Result<Vec<PublicKey>, Failed> {
    let key = |index: &u64| Ok(key_set::validator(*index)?.attestation_public_key);
    attesters.iter().map(key).collect()
}

/// A proof by these attesters, who sign; none by nobody.
fn own_proof(
    proofs: &dyn ProofSystem,
    statement: &Statement<'_>,
    attesters: &[ValidatorIndex],
) -> Result<Option<Vec<u8>>, Failed> {
    let epoch = u32::try_from(statement.slot)?;
    let signatures: Vec<Vec<u8>> = attesters
        .iter()
        .map(|index| Ok(key_set::attestation_secret(*index)?.sign(epoch, &statement.message)?))
        .collect::<Result<_, Failed>>()?;
    if signatures.is_empty() {
        return Ok(None);
    }
    let raw: Vec<_> = signatures
        .iter()
        .enumerate()
        .map(|(signer, signature)| RawSignature { signer, signature })
        .collect();
    Ok(Some(proofs.aggregate(statement, &[], &raw, &CancelToken::default())?))
}
