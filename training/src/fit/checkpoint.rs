//! Checkpoints: tensors with metadata in a safetensors file, replaced atomically.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail};
use safetensors::{Dtype, SafeTensors, View};
use tch::{Device, Kind, Tensor};

use crate::files;

/// Tensors by name, with the metadata of the file (`__metadata__` of the safetensors format).
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// Tensors; f32 and on the CPU after loading. Tensors of 16 bits are saved as f16, others as f32.
    pub tensors: BTreeMap<String, Tensor>,
    /// Metadata: keys and values as text.
    pub metadata: BTreeMap<String, String>,
}

/// View of a tensor that copies its bytes only when it is written, so that saving needs memory for the
/// largest tensor instead of all tensors. The bytes are those of memory: libtorch runs only on little-endian machines,
/// and the format is little-endian.
struct LazyTensorView {
    shape: Vec<usize>,
    tensor: Tensor,
}

impl View for LazyTensorView {
    fn dtype(&self) -> Dtype {
        match kind_in_file(&self.tensor) {
            Kind::Half => Dtype::F16,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let tensor = self.tensor.to_kind(kind_in_file(&self.tensor));
        let mut bytes = vec![0; self.data_len()];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * kind_in_file(&self.tensor).elt_size_in_bytes()
    }
}

/// Kind of `tensor` in a file.
fn kind_in_file(tensor: &Tensor) -> Kind {
    match tensor.kind() {
        Kind::Half => Kind::Half,
        _ => Kind::Float,
    }
}

/// Copies the values of `tensor` to the CPU as f32, in row-major order.
///
/// # Panics
/// Never: a flat f32 tensor on the CPU is a vector of f32.
pub fn host(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor
        .detach()
        .to_device(Device::Cpu)
        .to_kind(Kind::Float)
        .contiguous()
        .flatten(0, -1);
    Vec::try_from(&flat).expect("a flat f32 tensor on the CPU is a vector of f32")
}

impl Checkpoint {
    /// Adds `tensor` under `name`.
    pub fn insert(&mut self, name: impl Into<String>, tensor: &Tensor) {
        self.tensors.insert(name.into(), tensor.detach());
    }

    /// Adds a copy of `tensor` on the CPU under `name`. Later changes of `tensor` do not affect it.
    pub fn insert_copy(&mut self, name: impl Into<String>, tensor: &Tensor) {
        let options = (kind_in_file(tensor), Device::Cpu);
        let mut copy = Tensor::empty(tensor.size().as_slice(), options);
        copy.copy_(&tensor.detach());
        self.tensors.insert(name.into(), copy);
    }

    /// Sets the metadata `key` to the text of `value`.
    pub fn set_metadata(&mut self, key: &str, value: &impl ToString) {
        self.metadata.insert(key.into(), value.to_string());
    }

    /// Replaces the file at `path` atomically. After a full disk or a kill, the previous file is unchanged.
    ///
    /// # Errors
    /// When the file cannot be written. The message names the path.
    pub fn save(&self, path: &Path) -> Result<()> {
        let views = self.tensors.iter().map(|(name, tensor)| {
            let shape = tensor
                .size()
                .into_iter()
                .map(|side| side as usize)
                .collect();
            let tensor = tensor.shallow_clone();
            (name.as_str(), LazyTensorView { shape, tensor })
        });
        let metadata: HashMap<String, String> = self.metadata.clone().into_iter().collect();
        files::replace(path, |part| {
            safetensors::serialize_to_file(views, Some(metadata), part).map_err(anyhow::Error::from)
        })
    }

    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, is not a complete safetensors file, or has a tensor that is neither f32 nor f16.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("{}: not a checkpoint", path.display()))
    }

    /// Reads a checkpoint from the bytes of its file. Tensors of 16 bits become f32.
    ///
    /// # Errors
    /// When the bytes are not a complete safetensors file, or a tensor is neither f32 nor f16.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = header
            .metadata()
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect();
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
            let kind = match view.dtype() {
                Dtype::F32 => Kind::Float,
                Dtype::F16 => Kind::Half,
                other => bail!("tensor `{name}` is {other:?}; must be F32 or F16"),
            };
            let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
            tensors.insert(
                name.to_owned(),
                Tensor::from_data_size(view.data(), &shape, kind).to_kind(Kind::Float),
            );
        }
        Ok(Self { tensors, metadata })
    }

    /// Parses the metadata `key`.
    ///
    /// # Errors
    /// When the key is missing or its value cannot be parsed.
    pub fn metadata_value<T: std::str::FromStr>(&self, key: &str) -> Result<T>
    where
        T::Err: std::fmt::Display,
    {
        let text = self
            .metadata
            .get(key)
            .with_context(|| format!("metadata `{key}` is missing"))?;
        text.parse()
            .map_err(|error| anyhow::anyhow!("metadata `{key}` = \"{text}\": {error}"))
    }

    /// Copies tensors by name into `targets`, which keep their device and memory format.
    ///
    /// # Errors
    /// When a tensor is missing or differs in shape. The message names the tensor.
    pub fn restore<'a>(&self, targets: impl Iterator<Item = (String, &'a Tensor)>) -> Result<()> {
        for (name, target) in targets {
            let source = self
                .tensors
                .get(&name)
                .with_context(|| format!("tensor `{name}` is missing"))?;
            if source.size() != target.size() {
                bail!(
                    "tensor `{name}` has shape {:?}; must be {:?}",
                    source.size(),
                    target.size()
                );
            }
            tch::no_grad(|| target.shallow_clone().copy_(source));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

    #[test]
    fn tensors_of_all_layouts_and_kinds_are_read_back() {
        let row_major = Tensor::arange(120, CPU).sin().reshape([2, 3, 4, 5]);
        let channels_last = crate::torch::channels_last(&row_major);
        let half = row_major.to_kind(Kind::Half);
        let double = row_major.to_kind(Kind::Double);
        let scalar = Tensor::full([] as [i64; 0], 7.0, CPU);
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("checkpoint.safetensors");
        let named = [
            ("row_major", &row_major),
            ("channels_last", &channels_last),
            ("half", &half),
            ("double", &double),
            ("scalar", &scalar),
        ];
        let mut shared = Checkpoint::default();
        let mut copied = Checkpoint::default();
        for (name, tensor) in named {
            shared.insert(name, tensor);
            copied.insert_copy(name, tensor);
        }
        for checkpoint in [shared, copied] {
            checkpoint.save(&path).expect("written");
            let loaded = Checkpoint::load(&path).expect("a checkpoint");
            for (name, tensor) in named {
                let expected = tensor.to_kind(Kind::Float);
                assert!(loaded.tensors[name] == expected, "{name}");
                assert_eq!(loaded.tensors[name].size(), tensor.size(), "{name}");
            }
        }
    }

    #[test]
    fn copy_keeps_its_values_when_the_tensor_changes() {
        let weight = Tensor::ones([2, 2], CPU).set_requires_grad(true);
        let mut checkpoint = Checkpoint::default();
        checkpoint.insert_copy("weight", &weight);
        let _ = tch::no_grad(|| weight.shallow_clone().fill_(5.0));
        let copy = &checkpoint.tensors["weight"];
        assert!(*copy == Tensor::ones([2, 2], CPU) && !copy.requires_grad());
    }
}
