//! The signature preset of a run: the XMSS instantiation of its keys and signatures.

use std::{fmt, str::FromStr};

use bevy_ecs::prelude::Resource;

/// Bytes of a public key, the same in every preset.
pub const PUBLIC_KEY_BYTES: usize = 52;

/// An XMSS instantiation, chosen at run time. One binary supports all of them.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignaturePreset {
    /// Lifetime 2^32, dimension 46. Public networks use it.
    #[default]
    Production,
    /// Lifetime 2^18, dimension 46. As strong as production, but a key is made in about a second;
    /// for local devnets.
    Short,
    /// Lifetime 2^8, dimension 4: leanSpec's test scheme. Not secure.
    Test,
}

impl SignaturePreset {
    /// Every preset.
    pub const ALL: [Self; 3] = [Self::Production, Self::Short, Self::Test];

    /// Bytes of a signature.
    pub const fn signature_bytes(self) -> usize {
        // Three offsets, seven field elements of randomness, and one 32-byte digest for each
        // level of the tree and each chain.
        3 * 4 + 7 * 4 + (self.log_lifetime() + self.dimension()) * 32
    }

    /// Base-2 logarithm of the number of slots a key can sign for; the tree's height.
    pub const fn log_lifetime(self) -> usize {
        match self {
            Self::Production => 32,
            Self::Short => 18,
            Self::Test => 8,
        }
    }

    /// Hash chains in a signature.
    pub const fn dimension(self) -> usize {
        match self {
            Self::Production | Self::Short => 46,
            Self::Test => 4,
        }
    }

    /// The SSZ limit of a list of tree nodes: twice the leaves of a bottom tree.
    pub const fn node_list_limit(self) -> usize {
        2 << (self.log_lifetime() / 2)
    }

    /// The preset whose signatures have `bytes` bytes, if any.
    pub fn from_signature_bytes(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.signature_bytes() == bytes)
    }

    /// The name on the command line and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Short => "short",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for SignaturePreset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No preset has this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown signature preset {0:?}: expected production, short or test")]
pub struct UnknownPreset(String);

impl FromStr for SignaturePreset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_lengths_are_the_published_ones() {
        assert_eq!(SignaturePreset::ALL.map(SignaturePreset::signature_bytes), [2536, 2088, 424]);
        for preset in SignaturePreset::ALL {
            assert_eq!(
                SignaturePreset::from_signature_bytes(preset.signature_bytes()),
                Some(preset)
            );
            assert_eq!(preset.name().parse(), Ok(preset));
        }
        assert!("full".parse::<SignaturePreset>().is_err());
    }
}
