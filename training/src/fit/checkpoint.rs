//! Checkpoints: tensors and a few words about them in one safetensors file, replaced whole or not at all.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail};
use safetensors::{Dtype, SafeTensors, View};
use tch::{Device, Kind, Tensor};

use crate::files;

/// Tensors by name with the file's own words (`__metadata__` of the safetensors format).
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// The tensors, f32, on the CPU after loading.
    pub tensors: BTreeMap<String, Tensor>,
    /// Key and value, both free text.
    pub words: BTreeMap<String, String>,
}

/// A tensor whose bytes are copied only while it is written, so that saving needs the memory of the
/// largest tensor, not of all.
struct Lazy {
    shape: Vec<usize>,
    tensor: Tensor,
}

impl View for Lazy {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = host(&self.tensor);
        Cow::Owned(
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        )
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * size_of::<f32>()
    }
}

/// The values of `tensor` in row-major order, as f32, on the CPU.
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

    /// Adds a word; its value is what it prints as.
    pub fn say(&mut self, key: &str, value: &impl ToString) {
        self.words.insert(key.into(), value.to_string());
    }

    /// Writes to a temporary file beside `path`, flushes it to the disk and renames it: a full disk or
    /// a kill leaves the file that was there before.
    ///
    /// # Errors
    /// When the file cannot be written; the path is named.
    pub fn save(&self, path: &Path) -> Result<()> {
        let views = self.tensors.iter().map(|(name, tensor)| {
            let shape = tensor
                .size()
                .into_iter()
                .map(|side| side as usize)
                .collect();
            let tensor = tensor.shallow_clone();
            (name.as_str(), Lazy { shape, tensor })
        });
        let words: HashMap<String, String> = self.words.clone().into_iter().collect();
        files::replace(path, |part| {
            safetensors::serialize_to_file(views, Some(words), part).map_err(anyhow::Error::from)
        })
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it is not there, not safetensors, cut short, or has a tensor that is not f32.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("{}: not a checkpoint", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let words = metadata
            .metadata()
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect();
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
            if view.dtype() != Dtype::F32 {
                bail!("tensor `{name}` is {:?}, allowed is F32", view.dtype());
            }
            let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
            tensors.insert(
                name.to_owned(),
                Tensor::from_data_size(view.data(), &shape, Kind::Float),
            );
        }
        Ok(Self { tensors, words })
    }

    /// The word `key`, parsed.
    ///
    /// # Errors
    /// When it is missing or does not parse.
    pub fn word<T: std::str::FromStr>(&self, key: &str) -> Result<T>
    where
        T::Err: std::fmt::Display,
    {
        let text = self
            .words
            .get(key)
            .with_context(|| format!("`{key}` is missing"))?;
        text.parse()
            .map_err(|error| anyhow::anyhow!("`{key}` = \"{text}\": {error}"))
    }

    /// Copies the tensors called `names` into `targets`, which keep their device and layout.
    ///
    /// # Errors
    /// When one is missing or has another shape; it is named.
    pub fn restore<'a>(&self, targets: impl Iterator<Item = (String, &'a Tensor)>) -> Result<()> {
        for (name, target) in targets {
            let source = self
                .tensors
                .get(&name)
                .with_context(|| format!("tensor `{name}` is missing"))?;
            if source.size() != target.size() {
                bail!(
                    "tensor `{name}` has shape {:?}, allowed is {:?}",
                    source.size(),
                    target.size()
                );
            }
            tch::no_grad(|| target.shallow_clone().copy_(source));
        }
        Ok(())
    }
}
