//! The block ids in paths.

use quintet_components::{
    containers::{Root, Slot},
    snapshot::Snapshot,
};

use super::{error::ApiError, state::Api};

/// A block id in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockId {
    Head,
    Justified,
    Finalized,
    Genesis,
    Root(Root),
    Slot(Slot),
}

impl std::str::FromStr for BlockId {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let malformed = || {
            ApiError::bad_request(
                "an id is head, justified, finalized, genesis, a root of 64 hex digits after 0x, \
                 or a slot in decimal",
            )
        };
        match text {
            "head" => return Ok(Self::Head),
            "justified" => return Ok(Self::Justified),
            "finalized" => return Ok(Self::Finalized),
            "genesis" => return Ok(Self::Genesis),
            _ => {}
        }
        if let Some(digits) = text.strip_prefix("0x") {
            // The parser would accept a second prefix.
            let is_root =
                digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            return is_root
                .then(|| digits.parse().map(Self::Root).ok())
                .flatten()
                .ok_or_else(malformed);
        }
        let is_decimal = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        is_decimal.then(|| text.parse().map(Self::Slot).ok()).flatten().ok_or_else(malformed)
    }
}

impl BlockId {
    /// The block's root.
    ///
    /// # Errors
    /// 404 if the slot has no canonical block, 500 if the store cannot be read.
    pub(super) async fn root(self, api: &Api, snapshot: &Snapshot) -> Result<Root, ApiError> {
        match self {
            Self::Head => Ok(snapshot.facts.head.root),
            Self::Justified => Ok(snapshot.facts.justified.root),
            Self::Finalized => Ok(snapshot.facts.finalized.root),
            Self::Genesis => api.canonical_root(snapshot, 0).await,
            Self::Root(root) => Ok(root),
            Self::Slot(slot) => api.canonical_root(snapshot, slot).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_names_roots_and_slots() {
        let root = format!("0x{}", "aB".repeat(32));
        assert_eq!("head".parse(), Ok(BlockId::Head));
        assert_eq!("0".parse(), Ok(BlockId::Slot(0)));
        assert_eq!("18446744073709551615".parse(), Ok(BlockId::Slot(u64::MAX)));
        assert_eq!(root.parse(), Ok(BlockId::Root(Root::repeat_byte(0xab))));
        let short = format!("0x{}", "ab".repeat(31));
        let double = format!("0x0x{}", "ab".repeat(31));
        for wrong in [
            "",
            "Head",
            "-1",
            "+1",
            "1.0",
            "18446744073709551616",
            "0x",
            "0xzz",
            &short,
            &double,
            &root[2..],
            "head ",
            "..",
        ] {
            let error = wrong.parse::<BlockId>().expect_err(wrong);
            assert_eq!(error.status, 400, "{wrong}");
        }
    }
}
