//! The names that tools give to key files.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The use of a validator's key. Each role has its own key, because both may sign in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Attestations, in every slot.
    Attestation,
    /// Block proposals.
    Proposal,
}

/// The half of a pair that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The public key.
    Public,
    /// The secret key.
    Secret,
}

impl Role {
    /// The role in a file name: `attester` or `attestation`, `proposer` or `proposal`.
    #[must_use]
    pub fn from_file_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let attests = name.contains("attester") || name.contains("attestation");
        let proposes = name.contains("proposer") || name.contains("proposal");
        match (attests, proposes) {
            (true, false) => Some(Self::Attestation),
            (false, true) => Some(Self::Proposal),
            _ => None,
        }
    }

    /// The field of leanSpec's JSON that holds the role's pair.
    pub(super) const fn pair_field(self) -> &'static str {
        match self {
            Self::Attestation => "attestation_keypair",
            Self::Proposal => "proposal_keypair",
        }
    }

    const fn words(self) -> [&'static str; 2] {
        match self {
            Self::Attestation => ["attester", "attestation"],
            Self::Proposal => ["proposer", "proposal"],
        }
    }
}

/// The names that a validator's key file may have, in order of preference; SSZ before JSON.
#[must_use]
pub fn file_names(index: u64, role: Role, kind: KeyKind) -> Vec<String> {
    let half = match kind {
        KeyKind::Public => "pk",
        KeyKind::Secret => "sk",
    };
    let mut names = Vec::new();
    for extension in ["ssz", "json"] {
        for word in role.words() {
            for infix in ["_key", ""] {
                names.push(format!("validator_{index}_{word}{infix}_{half}.{extension}"));
            }
        }
    }
    // leanSpec's files have all keys of a validator.
    names.push(format!("{index}.json"));
    names
}

/// The first of [`file_names`] that is in a folder, whatever it is: reading it says if it is no
/// file, or if the folder may not be entered.
#[must_use]
pub fn find_file(folder: &Path, index: u64, role: Role, kind: KeyKind) -> Option<PathBuf> {
    let is_absent = |path: &Path| {
        path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    file_names(index, role, kind)
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| !is_absent(path))
}
