//! The presets, with upstream's names.

macro_rules! preset {
    ($params:ident, $marker:ident, $scheme:ident, $public_key:ident, $secret_key:ident, $signature:ident) => {
        use crate::scheme::Scheme;
        use crate::signature::generalized_xmss::{
            GeneralizedXMSSPublicKey, GeneralizedXMSSSecretKey, GeneralizedXMSSSignature,
            GeneralizedXMSSSignatureScheme, Preset, sealed::Sealed,
        };

        /// The preset's numbers.
        #[derive(Debug)]
        pub enum $marker {}

        impl Sealed for $marker {
            const SCHEME: Scheme = Scheme::$params;
        }

        impl Preset for $marker {}

        /// The signature scheme.
        pub type $scheme = GeneralizedXMSSSignatureScheme<$marker>;
        /// Its public keys.
        pub type $public_key = GeneralizedXMSSPublicKey<$marker>;
        /// Its secret keys.
        pub type $secret_key = GeneralizedXMSSSecretKey<$marker>;
        /// Its signatures.
        pub type $signature = GeneralizedXMSSSignature<$marker>;
    };
}

/// 2^32 epochs, 46 chains: production.
pub mod lifetime_2_to_the_32 {
    preset!(
        Lifetime32,
        Lifetime32Dim46Base8,
        SIGAbortingTargetSumLifetime32Dim46Base8,
        PubKeyAbortingTargetSumLifetime32Dim46Base8,
        SecretKeyAbortingTargetSumLifetime32Dim46Base8,
        SigAbortingTargetSumLifetime32Dim46Base8
    );
}

/// 2^18 epochs, otherwise like production: for local networks, and for tests at full strength.
pub mod lifetime_2_to_the_18 {
    preset!(
        Lifetime18,
        Lifetime18Dim46Base8,
        SIGAbortingTargetSumLifetime18Dim46Base8,
        PubKeyAbortingTargetSumLifetime18Dim46Base8,
        SecretKeyAbortingTargetSumLifetime18Dim46Base8,
        SigAbortingTargetSumLifetime18Dim46Base8
    );
}

/// 2^8 epochs, 4 chains: only for tests, because it is not secure. Upstream's names say 46.
pub mod lifetime_2_to_the_8 {
    preset!(
        Lifetime8,
        Lifetime8Dim4Base8,
        SchemeAbortingTargetSumLifetime8Dim46Base8,
        PubKeyAbortingTargetSumLifetime8Dim46Base8,
        SecretKeyAbortingTargetSumLifetime8Dim46Base8,
        SigAbortingTargetSumLifetime8Dim46Base8
    );
}
