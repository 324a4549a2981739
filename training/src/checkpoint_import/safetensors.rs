//! Reads tensors from a safetensors file.

use ::safetensors::{Dtype, SafeTensors};

use super::element_type::ElementType;
use super::error::FormatError;
use super::{HostTensor, Tensors, is_counter};

pub(super) fn read(bytes: &[u8]) -> Result<Tensors, FormatError> {
    let mut tensors = Tensors::new();
    for (name, view) in SafeTensors::deserialize(bytes)?.tensors() {
        let element = match view.dtype() {
            Dtype::F16 => ElementType::F16,
            Dtype::BF16 => ElementType::Bf16,
            Dtype::F32 => ElementType::F32,
            Dtype::F64 => ElementType::F64,
            _ if is_counter(&name) => continue,
            other => {
                let element = format!("{other:?}");
                return Err(FormatError::UnsupportedElementType { name, element });
            }
        };
        let tensor = HostTensor {
            shape: view.shape().to_vec(),
            data: element.decode(view.data()),
            element,
        };
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}
