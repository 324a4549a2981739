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
/// largest tensor instead of all tensors.
struct LazyTensorView {
    shape: Vec<usize>,
    tensor: Tensor,
}

impl View for LazyTensorView {
    fn dtype(&self) -> Dtype {
        match self.tensor.kind() {
            Kind::Half => Dtype::F16,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = host(&self.tensor);
        let values = values.iter();
        Cow::Owned(match self.dtype() {
            // The values come from f16, so that the conversion is exact.
            Dtype::F16 => values
                .flat_map(|value| half::f16::from_f32(*value).to_le_bytes())
                .collect(),
            _ => values.flat_map(|value| value.to_le_bytes()).collect(),
        })
    }

    fn data_len(&self) -> usize {
        let bytes = match self.dtype() {
            Dtype::F16 => size_of::<half::f16>(),
            _ => size_of::<f32>(),
        };
        self.tensor.numel() * bytes
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
