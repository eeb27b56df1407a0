//! Writing.

use serde::ser::{self, Impossible, Serialize};

use super::CodecError;

/// The bytes of a value.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut writer = Writer(Vec::new());
    value.serialize(&mut writer)?;
    Ok(writer.0)
}

struct Writer(Vec<u8>);

type No = Impossible<(), CodecError>;

/// Methods for kinds of values that no proof has.
macro_rules! unsupported {
    ($($method:ident($($argument:ty),*) -> $result:ty: $what:literal;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$result, CodecError> {
            Err(CodecError::Unsupported($what))
        })*
    };
}

impl ser::Serializer for &mut Writer {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeStruct = Self;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStructVariant = No;

    unsupported! {
        serialize_bool(bool) -> (): "truth value";
        serialize_i8(i8) -> (): "signed number";
        serialize_i16(i16) -> (): "signed number";
        serialize_i32(i32) -> (): "signed number";
        serialize_i64(i64) -> (): "signed number";
        serialize_u16(u16) -> (): "number of 16 bits";
        serialize_f32(f32) -> (): "floating-point number";
        serialize_f64(f64) -> (): "floating-point number";
        serialize_char(char) -> (): "character";
        serialize_str(&str) -> (): "text";
        serialize_bytes(&[u8]) -> (): "bytes";
        serialize_unit_variant(&'static str, u32, &'static str) -> (): "variant";
        serialize_map(Option<usize>) -> No: "map";
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No: "variant";
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> No: "variant";
    }

    fn serialize_u8(self, value: u8) -> Result<(), CodecError> {
        self.0.push(value);
        Ok(())
    }

    fn serialize_u32(self, value: u32) -> Result<(), CodecError> {
        self.0.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), CodecError> {
        self.0.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_none(self) -> Result<(), CodecError> {
        self.serialize_u8(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CodecError> {
        self.0.push(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), CodecError> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CodecError> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), CodecError> {
        Err(CodecError::Unsupported("variant"))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self, CodecError> {
        let len = len.ok_or(CodecError::Unsupported("list of unknown length"))?;
        let short = u16::try_from(len).map_err(|_| CodecError::List(len))?;
        self.0.extend_from_slice(&short.to_le_bytes());
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, CodecError> {
        Ok(self)
    }
}

/// Compound values are their parts.
macro_rules! parts {
    ($($kind:ident::$method:ident($($name:ty)?);)*) => {
        $(impl ser::$kind for &mut Writer {
            type Ok = ();
            type Error = CodecError;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $(_: $name,)?
                value: &T,
            ) -> Result<(), CodecError> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), CodecError> {
                Ok(())
            }
        })*
    };
}

parts! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeStruct::serialize_field(&'static str);
}
