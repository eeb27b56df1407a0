//! The macro for all SSZ containers: it derives encoding and JSON, and adds hashing without
//! allocation and a decoder whose errors name the field.

/// Declares SSZ containers. Fields are encoded in the order in which they are written.
macro_rules! containers {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $ty:ty,)+
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Debug, PartialEq, Eq, ssz_derive::Encode, serde::Serialize, serde::Deserialize,
        )]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $ty,)+
        }

        $crate::containers::macros::tree_hash_root!(Container, [] $name, |this| {
            let mut leaves = [$(tree_hash::TreeHash::tree_hash_root(&this.$field)),+];
            let depth = const { $crate::containers::merkle::depth_of([$(stringify!($field)),+].len()) };
            $crate::containers::merkle::merkle_root(&mut leaves, depth)
        });

        impl ssz::Decode for $name {
            fn is_ssz_fixed_len() -> bool {
                $(<$ty as ssz::Decode>::is_ssz_fixed_len())&&+
            }

            fn ssz_fixed_len() -> usize {
                if <Self as ssz::Decode>::is_ssz_fixed_len() {
                    0 $(+ <$ty as ssz::Decode>::ssz_fixed_len())+
                } else {
                    ssz::BYTES_PER_LENGTH_OFFSET
                }
            }

            fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, ssz::DecodeError> {
                let mut builder = ssz::SszDecoderBuilder::new(bytes);
                $(
                    builder
                        .register_type::<$ty>()
                        .map_err(|error| $crate::containers::in_field(stringify!($field), error))?;
                )+
                let mut decoder = builder
                    .build()
                    .map_err(|error| $crate::containers::in_field(stringify!($name), error))?;
                Ok(Self {
                    $($field: decoder
                        .decode_next::<$ty>()
                        .map_err(|error| $crate::containers::in_field(stringify!($field), error))?,)+
                })
            }
        }
    )+};
}

/// Implements `TreeHash`, from its root, for a type that is never packed into chunks.
macro_rules! tree_hash_root {
    ($kind:ident, [$($generics:tt)*] $ty:ty, |$this:ident| $root:expr) => {
        impl<$($generics)*> tree_hash::TreeHash for $ty {
            fn tree_hash_type() -> tree_hash::TreeHashType {
                tree_hash::TreeHashType::$kind
            }

            fn tree_hash_packed_encoding(&self) -> tree_hash::PackedEncoding {
                unreachable!("only basic types are packed")
            }

            fn tree_hash_packing_factor() -> usize {
                unreachable!("only basic types are packed")
            }

            fn tree_hash_root(&self) -> $crate::containers::Root {
                let $this = self;
                $root
            }
        }
    };
}

pub(super) use {containers, tree_hash_root};
