//! The backbones that are part of the program: `EfficientNet`-Lite0 and -Lite2 up to stride 16, with folded
//! batch norms. `models/backbones/README.md` names their origin and licence.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use safetensors::SafeTensors;
use tch::Tensor;

use super::{Backbone, BackboneKind, EfficientNetLite, LiteVariant};
use crate::checkpoint_import;
use crate::fit::checkpoint::Checkpoint;
use crate::settings::value_name;
use crate::tensors::WeightTensor;

const LITE0: &[u8] = include_bytes!("../../../models/backbones/efficientnet_lite0.safetensors");
const LITE2: &[u8] = include_bytes!("../../../models/backbones/efficientnet_lite2.safetensors");

/// Bytes of a shipped backbone's file; `None` for one that is not part of the program.
pub fn file(variant: LiteVariant) -> Option<&'static [u8]> {
    match variant {
        LiteVariant::Lite0 => Some(LITE0),
        LiteVariant::Lite1 => None,
        LiteVariant::Lite2 => Some(LITE2),
    }
}

/// SHA-256 of a shipped backbone's file, hexadecimal.
///
/// # Panics
/// When the backbone is not shipped.
pub fn sha256(variant: LiteVariant) -> String {
    inspectd_core::bundle::sha256(file(variant).expect("a shipped backbone"))
}

/// Description of a shipped backbone, one line.
pub fn description(variant: LiteVariant) -> String {
    format!("{}, ImageNet weights (Apache-2.0)", variant.name())
}

/// The weights of a shipped backbone by name, row-major.
///
/// # Errors
/// When the backbone is not part of the program.
pub fn weights(variant: LiteVariant) -> Result<BTreeMap<String, WeightTensor>> {
    let bytes = file(variant).with_context(|| {
        format!(
            "{}: not part of the program; available are {} and {}",
            variant.name(),
            LiteVariant::Lite0.name(),
            LiteVariant::Lite2.name()
        )
    })?;
    let file = SafeTensors::deserialize(bytes).context("the shipped backbone is damaged")?;
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let values = view
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let shape = view.shape().iter().map(|&side| side as i64).collect();
        (name, WeightTensor { shape, values })
    };
    Ok(file.tensors().into_iter().map(tensor).collect())
}

/// Folds the published `checkpoint` of the `EfficientNet`-Lite `kind` and writes it to `out`. Returns a summary
/// for the user.
///
/// # Errors
/// When the file cannot be read or does not contain this network.
pub fn fold(checkpoint: &Path, kind: BackboneKind, out: &Path) -> Result<String> {
    let tensors = checkpoint_import::read(checkpoint)?
        .into_iter()
        .map(|(name, host)| {
            let shape: Vec<i64> = host.shape.iter().map(|&side| side as i64).collect();
            (name, Tensor::from_slice(&host.data).reshape(shape))
        })
        .collect();
    let name = value_name(&kind);
    let loaded = kind
        .load(&tensors)
        .with_context(|| format!("{}: does not contain {name}", checkpoint.display()))?;
    let Backbone::EfficientNetLite(net) = loaded else {
        bail!("{name}: only EfficientNet-Lite has a backbone file");
    };
    let mut file = Checkpoint::default();
    file.set_metadata("backbone", &name);
    for (name, tensor) in net.tensors() {
        file.insert(name.clone(), tensor);
    }
    file.save(out)?;
    Ok(format!(
        "{}: {} tensors of {name} up to stride 16",
        out.display(),
        net.tensors().len()
    ))
}

/// Loads a shipped backbone into libtorch, on the CPU.
///
/// # Errors
/// When the backbone is not part of the program.
///
/// # Panics
/// Never: a shipped file has the tensors of its network.
pub fn load(variant: LiteVariant) -> Result<EfficientNetLite> {
    let tensors = weights(variant)?
        .into_iter()
        .map(|(name, WeightTensor { shape, values })| {
            (name, Tensor::from_slice(&values).reshape(&shape))
        })
        .collect();
    let kind = match variant {
        LiteVariant::Lite0 => BackboneKind::EfficientNetLite0,
        LiteVariant::Lite1 => BackboneKind::EfficientNetLite1,
        LiteVariant::Lite2 => BackboneKind::EfficientNetLite2,
    };
    match kind.load(&tensors) {
        Ok(Backbone::EfficientNetLite(net)) => Ok(*net),
        other => panic!("a shipped backbone loads: {other:?}"),
    }
}
