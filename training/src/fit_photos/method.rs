//! The methods that a fit chooses from.

use serde::{Deserialize, Serialize};

use crate::feature_methods::FeatureMethod;
use crate::network::architecture::Method;

/// A method of a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FitMethod {
    /// A Gaussian of the features in every cell.
    #[serde(rename = "padim")]
    Padim,
    /// The nearest feature of a memory bank.
    #[serde(rename = "patchcore")]
    PatchCore,
    /// The sum of both.
    #[serde(rename = "padim+patchcore")]
    Features,
    /// A trained student with a structural and a logical branch.
    #[serde(rename = "mhkd")]
    Mhkd,
    /// A trained student and an autoencoder.
    #[serde(rename = "efficientad")]
    EfficientAd,
    /// MHKD with the sum of both methods without training added to its structural map.
    #[serde(rename = "mhkd+padim+patchcore")]
    Fused,
}

impl FitMethod {
    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Padim => "padim",
            Self::PatchCore => "patchcore",
            Self::Features => "padim+patchcore",
            Self::Mhkd => "mhkd",
            Self::EfficientAd => "efficientad",
            Self::Fused => "mhkd+padim+patchcore",
        }
    }

    /// The part without training.
    pub fn features(self) -> Option<FeatureMethod> {
        match self {
            Self::Padim => Some(FeatureMethod::Padim),
            Self::PatchCore => Some(FeatureMethod::PatchCore),
            Self::Features | Self::Fused => Some(FeatureMethod::Both),
            Self::Mhkd | Self::EfficientAd => None,
        }
    }

    /// The trained part.
    pub fn student(self) -> Option<Method> {
        match self {
            Self::Padim | Self::PatchCore | Self::Features => None,
            Self::Mhkd | Self::Fused => Some(Method::Mhkd),
            Self::EfficientAd => Some(Method::EfficientAd),
        }
    }
}

/// The method of a fit on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MethodChoice {
    /// By artificial defects, among the methods that fit into --minutes
    Auto,
    /// A Gaussian of the features in every cell; for parts that always lie at the same place
    Padim,
    /// The nearest feature of a memory bank; for parts at any place
    Patchcore,
    /// The sum of both maps
    #[value(name = "padim+patchcore")]
    Features,
    /// A trained student with a branch for logical defects
    Mhkd,
    /// A trained student and an autoencoder
    #[value(name = "efficientad")]
    EfficientAd,
    /// MHKD with the sum of padim and patchcore added
    #[value(name = "mhkd+padim+patchcore")]
    Fused,
}

impl MethodChoice {
    /// The method, or `None` for the automatic choice.
    pub fn method(self) -> Option<FitMethod> {
        match self {
            Self::Auto => None,
            Self::Padim => Some(FitMethod::Padim),
            Self::Patchcore => Some(FitMethod::PatchCore),
            Self::Features => Some(FitMethod::Features),
            Self::Mhkd => Some(FitMethod::Mhkd),
            Self::EfficientAd => Some(FitMethod::EfficientAd),
            Self::Fused => Some(FitMethod::Fused),
        }
    }
}
