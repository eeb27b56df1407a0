//! SSZ and serde formats of public keys, secret keys and signatures.
//!
//! The serde formats are upstream's. A self-describing format (JSON) may have a string with the SSZ
//! bytes in hex instead, which is how leanSpec writes keys.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ssz::{Decode, DecodeError, Encode};

use super::{
    GeneralizedXMSSPublicKey, GeneralizedXMSSSecretKey, GeneralizedXMSSSignature, Preset, params,
};
use crate::array::FieldArray;
use crate::hex;
use crate::serialization::Serializable;
use crate::signing_key::{SigningKey, SigningKeyForm};
use crate::wire::{PUBLIC_KEY_BYTES, PublicKeyParts, SignatureParts, WireError};

impl<P: Preset> Encode for GeneralizedXMSSPublicKey<P> {
    fn is_ssz_fixed_len() -> bool {
        true
    }

    fn ssz_fixed_len() -> usize {
        PUBLIC_KEY_BYTES
    }

    fn ssz_bytes_len(&self) -> usize {
        PUBLIC_KEY_BYTES
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        self.parts.encode(buf);
    }
}

impl<P: Preset> Decode for GeneralizedXMSSPublicKey<P> {
    fn is_ssz_fixed_len() -> bool {
        true
    }

    fn ssz_fixed_len() -> usize {
        PUBLIC_KEY_BYTES
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self::new(PublicKeyParts::decode(bytes)?))
    }
}

/// All signatures of a scheme have the same length. Like upstream's, they count as variable in a
/// container.
impl<P: Preset> Encode for GeneralizedXMSSSignature<P> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        self.parts.encoded_len()
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        self.parts.encode(buf);
    }
}

impl<P: Preset> Decode for GeneralizedXMSSSignature<P> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self::new(SignatureParts::decode(params::<P>(), bytes)?))
    }
}

impl<P: Preset> Encode for GeneralizedXMSSSecretKey<P> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        self.key.encoded_len()
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        self.key.encode(buf);
    }

    fn as_ssz_bytes(&self) -> Vec<u8> {
        // A buffer that grows would leave copies of the seed behind.
        let mut bytes = Vec::with_capacity(self.key.encoded_len());
        self.key.encode(&mut bytes);
        bytes
    }
}

impl<P: Preset> Decode for GeneralizedXMSSSecretKey<P> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self::new(SigningKey::decode(params::<P>(), bytes)?))
    }
}

impl<P: Preset> Serializable for GeneralizedXMSSPublicKey<P> {}
impl<P: Preset> Serializable for GeneralizedXMSSSignature<P> {}
impl<P: Preset> Serializable for GeneralizedXMSSSecretKey<P> {}

#[derive(Serialize, Deserialize)]
struct PublicKeyForm {
    root: FieldArray<8>,
    parameter: FieldArray<5>,
}

#[derive(Serialize, Deserialize)]
struct OpeningForm {
    co_path: Vec<FieldArray<8>>,
}

#[derive(Serialize, Deserialize)]
struct SignatureForm {
    path: OpeningForm,
    rho: FieldArray<7>,
    hashes: Vec<FieldArray<8>>,
}

impl<P: Preset> Serialize for GeneralizedXMSSPublicKey<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PublicKeyForm { root: self.root(), parameter: self.parameter() }.serialize(serializer)
    }
}

impl<P: Preset> Serialize for GeneralizedXMSSSignature<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let co_path = self.path().siblings().collect();
        let form = SignatureForm {
            path: OpeningForm { co_path },
            rho: self.rho(),
            hashes: self.hashes().collect(),
        };
        form.serialize(serializer)
    }
}

impl<P: Preset> Serialize for GeneralizedXMSSSecretKey<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SigningKeyForm::from(&self.key).serialize(serializer)
    }
}

/// A type that is read either from a serde format or from SSZ bytes.
trait TwoForms: Sized {
    type Form: for<'de> Deserialize<'de>;

    fn from_form(form: Self::Form) -> Result<Self, WireError>;
    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError>;
}

impl<P: Preset> TwoForms for GeneralizedXMSSPublicKey<P> {
    type Form = PublicKeyForm;

    fn from_form(form: PublicKeyForm) -> Result<Self, WireError> {
        Ok(Self::new(PublicKeyParts { root: form.root.0, parameter: form.parameter.0 }))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        PublicKeyParts::decode(bytes).map(Self::new)
    }
}

impl<P: Preset> TwoForms for GeneralizedXMSSSignature<P> {
    type Form = SignatureForm;

    fn from_form(form: SignatureForm) -> Result<Self, WireError> {
        let parts = SignatureParts {
            path: form.path.co_path.into_iter().map(|sibling| sibling.0).collect(),
            rho: form.rho.0,
            hashes: form.hashes.into_iter().map(|hash| hash.0).collect(),
        };
        parts.check_shape(params::<P>())?;
        Ok(Self::new(parts))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        SignatureParts::decode(params::<P>(), bytes).map(Self::new)
    }
}

impl<P: Preset> TwoForms for GeneralizedXMSSSecretKey<P> {
    type Form = SigningKeyForm;

    fn from_form(form: SigningKeyForm) -> Result<Self, WireError> {
        form.into_key(params::<P>()).map(Self::new)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        SigningKey::decode(params::<P>(), bytes).map(Self::new)
    }
}

struct EitherForm<T>(PhantomData<T>);

impl<'de, T: TwoForms> Visitor<'de> for EitherForm<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key or signature, as an object or as hex")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        // Not `E::invalid_value`: errors must not contain what may be a secret.
        let bytes = hex::decode(text).ok_or_else(|| E::custom("not hex"))?;
        T::from_bytes(&bytes).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let form = T::Form::deserialize(MapAccessDeserializer::new(map));
        let form = form.map_err(|_| A::Error::custom("malformed key or signature"))?;
        T::from_form(form).map_err(A::Error::custom)
    }
}

fn either_form<'de, T: TwoForms, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    if deserializer.is_human_readable() {
        deserializer.deserialize_any(EitherForm(PhantomData))
    } else {
        T::from_form(T::Form::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<'de, P: Preset> Deserialize<'de> for GeneralizedXMSSPublicKey<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        either_form(deserializer)
    }
}

impl<'de, P: Preset> Deserialize<'de> for GeneralizedXMSSSignature<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        either_form(deserializer)
    }
}

impl<'de, P: Preset> Deserialize<'de> for GeneralizedXMSSSecretKey<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        either_form(deserializer)
    }
}
