//! The facts that a prover process sends about its proof system when it starts: the answers to
//! questions that a node asks too often to ask a process.

use std::collections::BTreeMap;

use leansig::scheme::Scheme;

use super::wire::{Body, Fields, MAGIC, MalformedBody, VERSION, scheme_byte, scheme_of};
use crate::{MAX_PROOF_BYTES, MAX_SIGNERS, ProofSystem};

/// Bytes of the longest name.
const MAX_NAME: usize = 64;
/// The logarithm of the most input bytes that a process is asked about: 64 MiB.
const LOG_INPUT_BYTES: usize = 26;

/// The facts of a process' proof system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) max_proof_bytes: usize,
    pub(super) max_signers: usize,
    pub(super) max_block_signers: usize,
    pub(super) max_validators: usize,
    pub(super) joins_proofs: bool,
    /// For some numbers of signers, the least bytes of a proof.
    single: BTreeMap<usize, usize>,
    /// For some numbers of input bytes, the most bytes of memory.
    working: BTreeMap<usize, usize>,
}

impl Facts {
    pub(super) fn of(system: &dyn ProofSystem) -> Self {
        let powers = |log: usize| (0..=log).map(|log| 1 << log);
        let signers = powers(MAX_SIGNERS.ilog2() as usize);
        Self {
            name: system.name().to_owned(),
            max_proof_bytes: system.max_proof_bytes(),
            max_signers: system.max_signers(),
            max_block_signers: system.max_block_signers(),
            max_validators: system.max_validators(),
            joins_proofs: system.joins_proofs(),
            single: signers.map(|count| (count, system.single_proof_bytes(count))).collect(),
            working: powers(LOG_INPUT_BYTES)
                .map(|bytes| (bytes, system.working_bytes(bytes)))
                .collect(),
        }
    }

    /// The least bytes of a proof over so many signers: no less than over fewer.
    pub(super) fn single_proof_bytes(&self, signers: usize) -> usize {
        self.single.range(..=signers).next_back().map_or(0, |(_, bytes)| *bytes)
    }

    /// The most memory of a proof with so many bytes of input: no more than with more.
    pub(super) fn working_bytes(&self, input_bytes: usize) -> usize {
        self.working.range(input_bytes..).next().map_or(usize::MAX, |(_, bytes)| *bytes)
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = hello();
        body.text(&self.name)
            .number(self.max_proof_bytes)
            .number(self.max_signers)
            .number(self.max_block_signers)
            .number(self.max_validators);
        body.0.push(u8::from(self.joins_proofs));
        for table in [&self.single, &self.working] {
            body.number(table.len());
            for (of, bytes) in table {
                body.number(*of).long(*bytes);
            }
        }
        body.0
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let mut fields = Fields::new(body);
        read_hello(&mut fields)?;
        let table = |fields: &mut Fields<'_>| fields.list(|row| Ok((row.number()?, row.long()?)));
        let mut read = || -> Result<Self, MalformedBody> {
            let facts = Self {
                name: fields.text()?,
                max_proof_bytes: fields.number()?,
                max_signers: fields.number()?,
                max_block_signers: fields.number()?,
                max_validators: fields.number()?,
                joins_proofs: fields.byte()? != 0,
                single: table(&mut fields)?.into_iter().collect(),
                working: table(&mut fields)?.into_iter().collect(),
            };
            fields.end()?;
            Ok(facts)
        };
        let facts = read().map_err(|error| error.to_string())?;
        let name = &facts.name;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
        if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err("its name is not 1 to 64 letters, digits, -, _, . or +".to_owned());
        }
        if !(1..=MAX_PROOF_BYTES).contains(&facts.max_proof_bytes)
            || [facts.max_signers, facts.max_block_signers, facts.max_validators]
                .iter()
                .any(|count| !(1..=MAX_SIGNERS).contains(count))
        {
            return Err("its limits are none of a proof system".to_owned());
        }
        Ok(facts)
    }
}

fn hello() -> Body {
    let mut body = Body::default();
    body.0.extend(MAGIC);
    body.0.extend(VERSION.to_le_bytes());
    body
}

/// The body of the node's first frame.
pub(super) fn greeting(scheme: Scheme) -> Vec<u8> {
    let mut body = hello();
    body.0.push(scheme_byte(scheme));
    body.0
}

/// The scheme that the node's first frame names.
pub(super) fn read_greeting(body: &[u8]) -> Result<Scheme, String> {
    let mut fields = Fields::new(body);
    read_hello(&mut fields)?;
    let byte = fields.byte().map_err(|error| error.to_string())?;
    fields.end().map_err(|error| error.to_string())?;
    scheme_of(byte).ok_or_else(|| format!("there is no signature scheme {byte}"))
}

fn read_hello(fields: &mut Fields<'_>) -> Result<(), String> {
    if fields.take(MAGIC.len()) != Ok(MAGIC) {
        return Err("it does not speak the provers' protocol".to_owned());
    }
    match fields.short() {
        Ok(VERSION) => Ok(()),
        Ok(other) => Err(format!("it speaks version {other} of the protocol, expected {VERSION}")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Multisig;

    #[test]
    fn facts_go_through_and_never_promise_less() {
        let system = Multisig::new(Scheme::Lifetime8);
        let facts = Facts::read(&Facts::of(&system).body()).expect("facts");
        assert_eq!(facts, Facts::of(&system));
        for signers in [1, 2, 3, 100, 4095, 4096] {
            assert!(facts.single_proof_bytes(signers) <= system.single_proof_bytes(signers));
        }
        for bytes in [1, 1000, 1 << 20, (1 << 20) + 1] {
            assert!(facts.working_bytes(bytes) >= system.working_bytes(bytes));
        }
        assert_eq!(facts.max_validators, system.max_validators());
    }

    #[test]
    fn other_versions_and_names_are_refused() {
        let mut body = Facts::of(&Multisig::new(Scheme::Lifetime8)).body();
        body[8] = 9;
        assert_eq!(
            Facts::read(&body),
            Err("it speaks version 9 of the protocol, expected 1".to_owned())
        );
        assert!(Facts::read(b"hello").is_err());
        let facts =
            Facts { name: "multi sig".into(), ..Facts::of(&Multisig::new(Scheme::Lifetime8)) };
        assert!(Facts::read(&facts.body()).is_err());
        for scheme in [Scheme::Lifetime8, Scheme::Lifetime18, Scheme::Lifetime32] {
            assert_eq!(read_greeting(&greeting(scheme)), Ok(scheme));
        }
    }
}
