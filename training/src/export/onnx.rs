//! ONNX messages, generated from `proto/onnx.proto`, with constructors.

#[allow(missing_docs, unreachable_pub, clippy::pedantic)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

use std::borrow::Cow;

pub use generated::attribute_proto::AttributeType;
pub use generated::tensor_proto::DataType;
pub use generated::*;

/// IR version 8, published with opset 17. ONNX Runtime 1.12 and later support it.
pub const IR_VERSION: i64 = 8;

/// Version of the ONNX operator set.
pub const OPSET: i64 = 17;

impl AttributeProto {
    /// An integer attribute.
    pub fn int(name: &str, value: i64) -> Self {
        Self {
            name: name.to_owned(),
            i: value,
            r#type: AttributeType::Int.into(),
            ..Self::default()
        }
    }

    /// An attribute with a list of integers.
    pub fn ints(name: &str, values: &[i64]) -> Self {
        Self {
            name: name.to_owned(),
            ints: values.to_vec(),
            r#type: AttributeType::Ints.into(),
            ..Self::default()
        }
    }

    /// A string attribute.
    pub fn string(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            s: value.as_bytes().to_vec(),
            r#type: AttributeType::String.into(),
            ..Self::default()
        }
    }
}

impl TensorProto {
    /// A constant of 32-bit floats.
    pub fn f32(name: &str, shape: &[i64], values: &[f32]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::raw(name, shape, DataType::Float, bytes)
    }

    /// A constant of 16-bit floats, rounded to nearest.
    pub fn f16(name: &str, shape: &[i64], values: &[f32]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|&value| half::f16::from_f32(value).to_le_bytes())
            .collect();
        Self::raw(name, shape, DataType::Float16, bytes)
    }

    /// A constant of unsigned bytes.
    pub fn u8(name: &str, shape: &[i64], values: &[u8]) -> Self {
        Self::raw(name, shape, DataType::Uint8, values.to_vec())
    }

    /// A constant of signed bytes.
    pub fn i8(name: &str, shape: &[i64], values: &[i8]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::raw(name, shape, DataType::Int8, bytes)
    }

    /// A constant of 32-bit integers.
    pub fn i32(name: &str, shape: &[i64], values: &[i32]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::raw(name, shape, DataType::Int32, bytes)
    }

    /// A one-dimensional constant of 64-bit integers.
    pub fn i64s(name: &str, values: &[i64]) -> Self {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::raw(name, &[values.len() as i64], DataType::Int64, bytes)
    }

    /// The elements of a constant of 32-bit or 16-bit floats; `None` for other types.
    pub fn floats(&self) -> Option<Vec<f32>> {
        match DataType::try_from(self.data_type) {
            Ok(DataType::Float) => {
                let (elements, _) = self.raw_data.as_chunks::<4>();
                Some(elements.iter().copied().map(f32::from_le_bytes).collect())
            }
            Ok(DataType::Float16) => {
                let (elements, _) = self.raw_data.as_chunks::<2>();
                let float = |&bytes: &[u8; 2]| half::f16::from_le_bytes(bytes).to_f32();
                Some(elements.iter().map(float).collect())
            }
            _ => None,
        }
    }

    /// Whether the elements are 32-bit or 16-bit floats.
    pub fn is_float(&self) -> bool {
        matches!(
            DataType::try_from(self.data_type),
            Ok(DataType::Float | DataType::Float16)
        )
    }

    fn raw(name: &str, shape: &[i64], data_type: DataType, raw_data: Vec<u8>) -> Self {
        Self {
            dims: shape.to_vec(),
            data_type: data_type.into(),
            name: name.to_owned(),
            raw_data,
        }
    }
}

/// A dimension of an input or output: fixed, or symbolic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Its size.
    Known(i64),
    /// Its name.
    Free(&'static str),
}

impl ValueInfoProto {
    /// Describes an input or output of the graph.
    pub fn tensor(
        name: &str,
        element: DataType,
        shape: &[Dimension],
        doc: impl Into<Cow<'static, str>>,
    ) -> Self {
        use generated::tensor_shape_proto::dimension::Value;
        let dimension = |&dimension: &Dimension| tensor_shape_proto::Dimension {
            value: Some(match dimension {
                Dimension::Known(size) => Value::DimValue(size),
                Dimension::Free(name) => Value::DimParam(name.to_owned()),
            }),
        };
        let tensor = type_proto::Tensor {
            elem_type: element.into(),
            shape: Some(TensorShapeProto {
                dim: shape.iter().map(dimension).collect(),
            }),
        };
        Self {
            name: name.to_owned(),
            r#type: Some(TypeProto {
                value: Some(type_proto::Value::TensorType(tensor)),
            }),
            doc_string: doc.into().into_owned(),
        }
    }

    /// Type of the elements; `None` if it is not a tensor of a known type.
    pub fn element(&self) -> Option<DataType> {
        let type_proto::Value::TensorType(tensor) = self.r#type.as_ref()?.value.as_ref()?;
        DataType::try_from(tensor.elem_type).ok()
    }
}
