//! Aggregation of the attestations at interval 2.

use std::collections::BTreeSet;

use quintet_components::{
    containers::{AttestationData, ProofBytes, PublicKey, Signature, SingleMessageAggregate},
    preset::SignaturePreset,
};
use quintet_prover::{CancelToken, Child, ProofSystem, RawSignature, Statement};
use ssz::Encode;
use tree_hash::TreeHash;

use crate::{
    properties::store::{Payload, Store, find},
    support::{chain, mocked::MockedProofs},
};

impl Store {
    pub fn aggregate(&mut self) {
        let mut order: Vec<AttestationData> = self.new.iter().map(|(data, _)| *data).collect();
        for (data, _) in &self.signatures {
            if !order.contains(data) {
                order.push(*data);
            }
        }
        let made: Vec<(AttestationData, Payload)> = order
            .into_iter()
            .filter_map(|data| Some((data, self.aggregate_attestation(&data)?)))
            .collect();
        self.signatures.retain(|(data, _)| made.iter().all(|(proved, _)| proved != data));
        self.new = made.into_iter().map(|(data, one)| (data, BTreeSet::from([one]))).collect();
    }

    fn aggregate_attestation(&self, data: &AttestationData) -> Option<Payload> {
        let mut children: Vec<Payload> = vec![];
        let mut covered: BTreeSet<u64> = BTreeSet::new();
        for pool in [&self.new, &self.known] {
            let mut left = find(pool, data).cloned().unwrap_or_default();
            while let Some(best) = left.iter().cloned().max_by_key(|payload| {
                (payload.voters.difference(&covered).count(), encoding(payload))
            }) {
                if best.voters.is_subset(&covered) {
                    break;
                }
                covered.extend(&best.voters);
                left.remove(&best);
                children.push(best);
            }
        }
        let signers = find(&self.signatures, data).cloned().unwrap_or_default();
        let signers: Vec<u64> = signers.difference(&covered).copied().collect();
        if signers.is_empty() && children.len() < 2 {
            return None;
        }
        covered.extend(&signers);
        Some(self.prove(data, covered, &children, &signers))
    }

    /// The aggregate that the tests' proof system makes of these inputs.
    fn prove(
        &self,
        data: &AttestationData,
        voters: BTreeSet<u64>,
        children: &[Payload],
        signers: &[u64],
    ) -> Payload {
        let validators = chain::validators(self.validators);
        let keys: Vec<_> = voters
            .iter()
            .map(|voter| validators.get(*voter).expect("checked").attestation_public_key)
            .collect();
        let statement = Statement {
            slot: data.slot,
            message: data.tree_hash_root().0,
            public_keys: keys.iter().map(PublicKey::as_slice).collect(),
        };
        let signature = Signature::placeholder(SignaturePreset::Test);
        let children: Vec<Child<'_>> =
            children.iter().map(|child| Child { signers: vec![], proof: &child.proof }).collect();
        let raw: Vec<RawSignature<'_>> = signers
            .iter()
            .map(|_| RawSignature { signer: 0, signature: signature.as_bytes() })
            .collect();
        let proof = MockedProofs.aggregate(&statement, &children, &raw, &CancelToken::default());
        Payload { voters, proof: proof.expect("placeholders never fail") }
    }
}

fn encoding(payload: &Payload) -> Vec<u8> {
    let voters: Vec<u64> = payload.voters.iter().copied().collect();
    SingleMessageAggregate {
        participants: chain::bits(&voters),
        proof: ProofBytes::new(payload.proof.clone()).expect("short"),
    }
    .as_ssz_bytes()
}
