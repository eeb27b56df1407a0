//! Reading.

use serde::de::{self, DeserializeOwned, DeserializeSeed, SeqAccess, Visitor};

use super::CodecError;

/// The value of these bytes, all of them.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut reader = Reader(bytes);
    let value = T::deserialize(&mut reader)?;
    match reader.0.len() {
        0 => Ok(value),
        left => Err(CodecError::TrailingBytes(left)),
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let left = self.0.len();
        let (array, rest) =
            self.0.split_first_chunk().ok_or(CodecError::Truncated { wanted: N, left })?;
        self.0 = rest;
        Ok(*array)
    }
}

/// Elements that follow one another. It does not say how many, so that nobody makes room for them
/// before they were read.
struct Elements<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = CodecError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CodecError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// Methods for kinds of values that no proof has.
macro_rules! unsupported {
    ($($method:ident($($argument:ty),*): $what:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, CodecError> {
            Err(CodecError::Unsupported($what))
        })*
    };
}

impl<'de> de::Deserializer<'de> for &mut Reader<'_> {
    type Error = CodecError;

    unsupported! {
        deserialize_any(): "value of unknown kind";
        deserialize_ignored_any(): "value of unknown kind";
        deserialize_bool(): "truth value";
        deserialize_i8(): "signed number";
        deserialize_i16(): "signed number";
        deserialize_i32(): "signed number";
        deserialize_i64(): "signed number";
        deserialize_u16(): "number of 16 bits";
        deserialize_f32(): "floating-point number";
        deserialize_f64(): "floating-point number";
        deserialize_char(): "character";
        deserialize_str(): "text";
        deserialize_string(): "text";
        deserialize_bytes(): "bytes";
        deserialize_byte_buf(): "bytes";
        deserialize_map(): "map";
        deserialize_identifier(): "name";
        deserialize_enum(&'static str, &'static [&'static str]): "variant";
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let [byte] = self.array()?;
        visitor.visit_u8(byte)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_u32(u32::from_le_bytes(self.array()?))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_u64(u64::from_le_bytes(self.array()?))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.array()? {
            [0] => visitor.visit_none(),
            [1] => visitor.visit_some(self),
            [other] => Err(CodecError::Flag(other)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let left = usize::from(u16::from_le_bytes(self.array()?));
        // Each element takes a byte at least.
        if left > self.0.len() {
            return Err(CodecError::List(left));
        }
        visitor.visit_seq(Elements { reader: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_seq(Elements { reader: self, left: len })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
