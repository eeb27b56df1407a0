//! Proof systems by name.

use std::{collections::BTreeMap, fmt, sync::Arc};

use leansig::scheme::Scheme;

use crate::{Exec, ExecError, ExecLimits, Hybrid, Multisig, ProofSystem};

/// Makes a proof system for a signature scheme.
pub type Constructor = Box<dyn Fn(Scheme) -> Arc<dyn ProofSystem> + Send + Sync>;

/// The configuration names a proof system that is not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown proof system {name:?}; known are: {}", known.join(", "))]
pub struct UnknownProofSystem {
    /// The name asked for.
    pub name: String,
    /// The names there are, sorted.
    pub known: Vec<&'static str>,
}

/// The reason there is no proof system of a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProofSystem {
    /// Nobody brought one of this name.
    #[error(transparent)]
    Unknown(#[from] UnknownProofSystem),
    /// The command after [`Exec::PREFIX`] is no prover.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

/// The proof systems to choose from: the embedded ones and those of a custom client.
pub struct ProofSystems(BTreeMap<&'static str, Constructor>);

impl ProofSystems {
    /// The embedded systems: `multisig` and `stark`.
    #[must_use]
    pub fn embedded() -> Self {
        let mut systems = Self(BTreeMap::new());
        systems.register(Multisig::NAME, Box::new(|scheme| Arc::new(Multisig::new(scheme))));
        systems.register(Hybrid::NAME, Box::new(|scheme| Arc::new(Hybrid::stark(scheme))));
        systems
    }

    /// Adds a system under its [`ProofSystem::name`], in place of one of that name.
    pub fn register(&mut self, name: &'static str, constructor: Constructor) {
        self.0.insert(name, constructor);
    }

    /// The names there are, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// Makes the system of this name for a signature scheme. `exec:COMMAND` starts the command with
    /// the usual limits.
    ///
    /// # Errors
    /// No system has this name, and the error lists the registered ones; or the command is no prover.
    pub fn by_name(
        &self,
        name: &str,
        scheme: Scheme,
    ) -> Result<Arc<dyn ProofSystem>, NoProofSystem> {
        if let Some(command) = name.strip_prefix(Exec::PREFIX) {
            return Ok(Arc::new(Exec::start(command, scheme, ExecLimits::default())?));
        }
        let system = self.0.get(name).map(|constructor| constructor(scheme));
        Ok(system.ok_or_else(|| UnknownProofSystem {
            name: name.to_owned(),
            known: self.names().collect(),
        })?)
    }
}

impl Default for ProofSystems {
    fn default() -> Self {
        Self::embedded()
    }
}

impl fmt::Debug for ProofSystems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Makes the embedded system of this name, or starts that of `exec:COMMAND`, for a signature scheme.
///
/// # Errors
/// As [`ProofSystems::by_name`].
pub fn by_name(name: &str, scheme: Scheme) -> Result<Arc<dyn ProofSystem>, NoProofSystem> {
    ProofSystems::embedded().by_name(name, scheme)
}
